# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who builds which image and what is moved, once a play, on the controller. Worked out in plugin_utils/_image_jobs.py."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping

from ansible.plugins.action import ActionBase

from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._action import plain, run
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._image_jobs import (
    HOST_KEYS,
    Registered,
    builder_answers,
    builders_to_see,
    image_jobs,
    image_moves,
)

ARGUMENTS = {
    "plan": {"type": "dict", "required": True},
    "jobs": {"type": "dict"},
    "look": {"type": "bool", "default": False},
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
        hostvars = task_vars["hostvars"]

        def registered(host: str, name: str) -> dict[str, t.Any]:
            return plain(hostvars[host].get(name)) or {}

        plan = _needed(arguments["plan"])
        jobs = plain(arguments["jobs"])
        hosts = plain(task_vars["ansible_play_hosts"])
        if arguments["look"]:
            result.update({"changed": False, "look_at": builders_to_see(plan, _missing(plan, hosts, registered))})
        elif jobs is None:
            result.update(run(lambda: {"changed": False, **_jobs(plan, hosts, registered)}))
        else:
            result.update({"changed": False, **image_moves(plan, jobs, builder_answers(jobs, registered))})
        return result


def _needed(plan: Mapping[str, t.Any]) -> dict[str, t.Any]:
    """What `_image_jobs` reads of a plan; of a large fleet the rest takes seconds to copy."""
    return {
        "hosts": {host: {key: plain(part[key]) for key in HOST_KEYS} for host, part in plan["hosts"].items()},
        "image_builders": plain(plan["image_builders"]),
    }


def _missing(plan: Mapping[str, t.Any], hosts: list[str], registered: Registered) -> dict[str, list[str]]:
    return {host: registered(host, "fleet_asked").get("missing_images", []) for host in hosts if host in plan["hosts"]}


def _jobs(plan: Mapping[str, t.Any], hosts: list[str], registered: Registered) -> dict[str, t.Any]:
    missing = _missing(plan, hosts, registered)
    looked = [entry for host in hosts[:1] for entry in registered(host, "fleet_builders_seen").get("results", ())]
    return image_jobs(plan, missing, {entry["fleet_builder"]: entry for entry in looked})
