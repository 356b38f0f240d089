# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What action plugins share: plain values out of Ansible's, and errors of ours into a failed result."""

from __future__ import annotations

import typing as t
from collections.abc import Callable, Iterable, Mapping

from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase

from ..module_utils._errors import FleetError, InputError, message
from ._fleet.elsewhere import check_connection

Result = dict[str, t.Any]


def run(step: Callable[[], Result]) -> Result:
    """The result of `step`, or a failed one when it raised a FleetError. Anything else is a bug and goes on."""
    try:
        return step()
    except FleetError as error:
        return failed(error)


def failed(error: FleetError) -> Result:
    """The result of a task that failed with this error; `msg` says all of it, because that is what Ansible prints."""
    return {"failed": True, "changed": False, "msg": message(error, "; nothing was changed")}


class GuardedAction(ActionBase):  # type: ignore[misc]
    """A module as it is, unless Ansible would look for it on a host of which only the engine can be reached."""

    _supports_check_mode = True
    _supports_async = True
    _requires_connection = True
    module = ""

    def run(self, tmp: t.Any = None, task_vars: dict[str, t.Any] | None = None) -> Result:
        task_vars = task_vars or {}
        result = super().run(tmp, task_vars)
        url = plain(self._task.args.get("engine_url") or "")
        result.update(run(lambda: self._checked(url, task_vars)))
        return result

    def _checked(self, url: str, task_vars: dict[str, t.Any]) -> Result:
        check_connection(str(task_vars.get("inventory_hostname", "")), url, transport(self))
        return self._execute_module(module_name=self.module, task_vars=task_vars, wrap_async=bool(self._task.async_val))


def acting_host(action: t.Any, task_vars: Mapping[str, t.Any]) -> str:
    """The inventory host that a task acts on: the one it is delegated to, else its own."""
    return plain(action._task.delegate_to or task_vars.get("inventory_hostname", ""))


def transport(action: t.Any) -> str:
    """How Ansible connects to the host of a task, e.g. ``local`` or ``ssh``."""
    return str(action._connection.transport).rpartition(".")[2]


def host_variables(hostvars: Mapping[str, t.Any], host: str, names: Iterable[str]) -> dict[str, t.Any]:
    """Plain values of those variables that a host has. Only these are templated.

    Raises InputError for one that cannot be templated; Ansible's message names what is undefined.
    """
    variables = hostvars[host]
    result = {}
    for name in names:
        if name not in variables:
            continue
        try:
            result[name] = plain(variables[name])
        except AnsibleError as error:
            raise InputError(f"cannot be worked out: {error.message}", f"{host}: {name}") from error
    return result


def plain(value: t.Any) -> t.Any:
    """A value of Ansible's as plain Python: no tags (ansible-core 2.19), no lazy containers, vaulted text decrypted."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        # Of a subclass, str() may give the same object; this makes an exact str.
        return str.__str__(value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value)
    if isinstance(value, Mapping):
        return {plain(key): plain(content) for key, content in value.items()}
    if isinstance(value, (list, tuple, set)):
        return [plain(content) for content in value]
    return str.__str__(str(value))
