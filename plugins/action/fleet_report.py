# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prints what a playbook came to, once a play, on the controller. The texts are made in plugin_utils/_report.py."""

from __future__ import annotations

import contextlib
import json
import os
import typing as t

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ansible_collections.gpu_fleet.containers.plugins.module_utils._errors import InputError
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils import (
    _doctor,
    _image_report,
    _prepare,
    _report,
)
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._action import plain, run

display = Display()

ARGUMENTS = {
    "about": {
        "type": "str",
        "required": True,
        "choices": ["build", "deploy", "doctor", "prepare", "status", "teardown", "verify"],
    },
    "plan": {"type": "dict", "default": {}},
    "path": {"type": "path"},
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
        about, path = arguments["about"], arguments["path"]
        # A host that could not be asked is part of a diagnosis, and of what is not prepared.
        everybody = about in ("doctor", "prepare")
        hosts = plain(task_vars["ansible_play_hosts_all" if everybody else "ansible_play_hosts"])

        def registered(name: str) -> _report.Results:
            return {host: plain(task_vars["hostvars"][host].get(name)) for host in hosts}

        text, failures = report(about, plain(arguments["plan"]), registered, self._task.check_mode)
        display.display(text)
        if path and not self._task.check_mode:
            result.update(run(lambda: write_json(path, _doctor.doctor_data(registered("gpu_fleet_facts")))))
        result.setdefault("changed", False)
        result["text"] = text
        if failures:
            result.update({"failed": True, "msg": "\n".join(failures), "failures": failures})
        return result


def write_json(path: str, data: dict[str, t.Any]) -> dict[str, t.Any]:
    """Write to a file on the controller, atomically, and say where. Raises InputError where that cannot be done."""
    directory, name = os.path.split(os.path.abspath(path))
    temporary = os.path.join(directory, f".{name}.{os.getpid()}")
    try:
        with open(temporary, "x", encoding="utf-8") as file:
            json.dump(data, file, indent=1, sort_keys=True)
            file.write("\n")
        os.replace(temporary, path)
    except OSError as error:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise InputError(f"the answer cannot be written: {error.strerror}", path) from error
    return {"path": os.path.abspath(path)}


def report(
    about: str, plan: dict[str, t.Any], registered: t.Callable[[str], _report.Results], check: bool = False
) -> tuple[str, list[str]]:
    """The text, and what makes the play fail. `registered` gives the results that the playbooks register, by host."""
    if about == "build":
        return "\n".join(_image_report.build_lines(plan, _image_report.happened(registered), check)), []
    if about == "deploy":
        images = _image_report.image_lines(plan, _image_report.happened(registered), check)
        return "\n".join(
            [*images, *_report.deploy_lines(plan, registered("fleet_asked"), registered("fleet_results"))]
        ), []
    if about == "doctor":
        return "\n".join(_doctor.doctor_lines(_doctor.doctor_data(registered("gpu_fleet_facts")))), []
    if about == "prepare":
        return "\n".join(_prepare.prepare_lines(prepared(registered), check)), []
    if about == "status":
        return "\n".join(_report.status_lines(registered("fleet_status"))), []
    if about == "teardown":
        return "\n".join(_report.teardown_lines(registered("fleet_removed"), check)), []
    verdict = _report.verdict(plan, registered("fleet_verified"))
    return verdict["text"], verdict["failures"]


def prepared(registered: t.Callable[[str], _report.Results]) -> dict[str, _prepare.Host]:
    """What `prepare.yml` and the roles that it ran registered, by host."""
    names = ("container_engine_url", "prepare_needs", "prepare_failed", "gpu_fleet_facts", "prepare_after")
    urls, needs, failed, before, after = (registered(name) for name in names)
    due = {name: registered(name) for name, _read in _prepare.DUE}
    return {
        host: _prepare.Host(
            variables={"container_engine_url": urls[host]} if urls[host] else {},
            needs=needs[host],
            failed=failed[host] or {},
            before=(before[host] or {}).get("gpu"),
            after=(after[host] or {}).get("gpu"),
            due=_prepare.due(lambda name, host=host: due[name][host]),
        )
        for host in needs
    }
