# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules that move images, on the controller: started on the host, and what they say shown while they work."""

from __future__ import annotations

import typing as t

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ._action import Result, acting_host, plain
from ._events import run_with_events

_TIMEOUT = 8 * 3600.0
"""Seconds for all images of a call: images for GPUs have many gigabytes, and some fleets no more than WiFi."""

display = Display()


class MovingAction(ActionBase):  # type: ignore[misc]
    """image_offer or image_pull as it is, with its events."""

    _supports_check_mode = True
    _requires_connection = True
    module = ""

    def run(self, tmp: t.Any = None, task_vars: dict[str, t.Any] | None = None) -> Result:
        task_vars = task_vars or {}
        result = super().run(tmp, task_vars)
        arguments = plain(self._task.args)
        if self._task.check_mode or arguments.get("state") == "absent":
            result.update(self._execute_module(module_name=self.module, module_args=arguments, task_vars=task_vars))
            return result
        host = acting_host(self, task_vars)
        result.update(
            run_with_events(
                self, self.module, arguments, task_vars, _TIMEOUT, lambda event: display.display(show(host, event))
            )
        )
        return result


def show(host: str, event: dict[str, t.Any]) -> str:
    """One line for one event: ``pc2 | pull ai-system/agent:0f3c: 5.0 MB of 24.1 MB``."""
    text = f"{host} | {event['event']} {event['image'].removeprefix('localhost/')}"
    return f"{text}: {event['line']}" if event.get("line") else text
