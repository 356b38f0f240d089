# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans the whole fleet, once a play, on the controller. The work is done in plugin_utils/_fleet/plan.py."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ansible_collections.gpu_fleet.containers.plugins.module_utils._errors import raise_all
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._action import host_variables, plain, run
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._compose import load_group
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._fleet.errors import Errors
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._fleet.inventory import VARIABLES, misspelt
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._fleet.plan import make_plan
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._roles import role_variables

display = Display()


ARGUMENTS = {
    "facts": {"type": "str", "default": "gpu_fleet_facts"},
    "container_group": {"type": "list", "elements": "str"},
    "show": {"type": "bool", "default": True},
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
        only = arguments["container_group"]
        if only is None:
            only = names(plain(self._templar.template(task_vars.get("container_group"))))
        result.update(run(lambda: _plan(task_vars, arguments["facts"], only)))
        text = result.get("text")
        if text and arguments["show"]:
            display.display(text)
        return result


def names(value: t.Any) -> list[str]:
    """Of the variable `container_group`: nothing, one name, names with commas, or a list."""
    entries = value if isinstance(value, list) else str(value or "").split(",")
    return [name for entry in entries if (name := str(entry).strip())]


def _plan(task_vars: Mapping[str, t.Any], facts_name: str, only: list[str]) -> dict[str, t.Any]:
    hostvars = task_vars["hostvars"]
    errors = Errors()
    variables: dict[str, dict[str, t.Any]] = {}
    for host in plain(task_vars["groups"]["all"]):
        with errors.collect():
            variables[host] = host_variables(hostvars, host, VARIABLES)
    raise_all(errors)
    inside = [host for host in plain(task_vars["ansible_play_hosts_all"]) if host in variables]
    # A host that failed has left the play: what an earlier run may have kept of it is not trusted.
    reached = set(plain(task_vars["ansible_play_hosts"]))
    facts = {host: plain(hostvars[host].get(facts_name)) for host in inside if host in reached}
    remarks = misspelt({str(name) for host in variables for name in hostvars[host]}, role_variables())
    return {"changed": False, **make_plan(variables, facts, load_group, inside, only, remarks)}
