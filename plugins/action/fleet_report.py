# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prints what a playbook came to, once a play, on the controller. The texts are made in plugin_utils/_report.py."""

from __future__ import annotations

import typing as t

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ansible_collections.gpu_fleet.containers.plugins.plugin_utils import _report
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._action import plain

display = Display()

ARGUMENTS = {
    "about": {"type": "str", "required": True, "choices": ["deploy", "status", "teardown", "verify"]},
    "plan": {"type": "dict", "default": {}},
}


class ActionModule(ActionBase):
    BYPASS_HOST_LOOP = True
    _requires_connection = False
    _supports_check_mode = True
    _supports_diff = True

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result = super().run(tmp, task_vars)
        _validation, arguments = self.validate_argument_spec(argument_spec=ARGUMENTS)
        task_vars = task_vars or {}
        hosts = plain(task_vars["ansible_play_hosts"])

        def registered(name: str) -> _report.Results:
            return {host: plain(task_vars["hostvars"][host].get(name)) for host in hosts}

        text, failures = report(arguments["about"], plain(arguments["plan"]), registered, self._task.check_mode)
        display.display(text)
        result.update({"changed": False, "text": text})
        if failures:
            result.update({"failed": True, "msg": "\n".join(failures), "failures": failures})
        return result


def report(
    about: str, plan: dict[str, t.Any], registered: t.Callable[[str], _report.Results], check: bool = False
) -> tuple[str, list[str]]:
    """The text, and what makes the play fail. `registered` gives the results that the playbooks register, by host."""
    if about == "deploy":
        return "\n".join(_report.deploy_lines(plan, registered("fleet_asked"), registered("fleet_results"))), []
    if about == "status":
        return "\n".join(_report.status_lines(registered("fleet_status"))), []
    if about == "teardown":
        return "\n".join(_report.teardown_lines(registered("fleet_removed"), check)), []
    verdict = _report.verdict(plan, registered("fleet_verified"))
    return verdict["text"], verdict["failures"]
