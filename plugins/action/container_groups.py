# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Controller side of `container_groups`: hands over secrets and staged files, shows events."""

from __future__ import annotations

import os
import typing as t

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ansible_collections.gpu_fleet.containers.plugins.module_utils._errors import FleetError
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._action import failed, plain, transport
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._events import (
    ask,
    remote_folder,
    run_with_events,
    send_file,
)
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._fleet.elsewhere import check_connection
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._handover import (
    group_secrets,
    pack_files,
    secret_values,
)

_MODULE = "gpu_fleet.containers.container_groups"
_FROM_PLAN = ("engine", "engine_url", "engine_tls", "groups", "images", "adopt", "state_dir", "supervisor", "boot_wait")
_SLACK = 120.0
"""Seconds beyond the groups' own timeouts for stopping, creating and going back."""

display = Display()


class ActionModule(ActionBase):
    """Options of its own: `plan` (this host's part of the fleet plan) and `asked` (what check mode answered before)."""

    _supports_check_mode = True
    _supports_diff = True
    _requires_connection = True

    def run(self, tmp: t.Any = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        task_vars = task_vars or {}
        result = super().run(tmp, task_vars)
        try:
            result.update(self._run(plain(self._task.args), task_vars))
        except FleetError as error:
            result.update(failed(error))
        return result

    def _run(self, args: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        plan = args.pop("plan", None)
        asked = args.pop("asked", None)
        arguments = {**args, "host": args.get("host", task_vars["inventory_hostname"])}
        arguments.update({key: plan[key] for key in _FROM_PLAN if key in plan} if plan else {})
        check_connection(arguments["host"], arguments.get("engine_url") or "", transport(self))
        if plan is None:
            return self._execute_or_watch(arguments, task_vars)
        used = group_secrets(plan["groups"])
        needed = {key: source for key, source in plan["secrets"].items() if key in used}
        arguments["secrets"] = secret_values(needed, self._variable(task_vars, "container_secrets"))
        if arguments.get("only") is None:
            arguments["only"] = [group["name"] for group in plan["groups"]]
        if self._task.check_mode:
            return self._execute_module(module_name=_MODULE, module_args=arguments, task_vars=task_vars)
        blocked = _blocked(plan, arguments["only"], task_vars)
        arguments["only"] = [name for name in arguments["only"] if name not in blocked]
        if asked is None:
            # By-hand use, without the question that deploy.yml asks first.
            asked = ask(self, _MODULE, arguments, task_vars)
            if asked.get("failed"):
                return asked
        result = self._execute_or_watch(arguments, task_vars, plan, asked["missing_files"])
        return _with_blocked(result, blocked) if blocked else result

    def _variable(self, task_vars: dict[str, t.Any], name: str) -> dict[str, str]:
        return plain(self._templar.template(task_vars.get(name, {})))

    def _execute_or_watch(
        self,
        arguments: dict[str, t.Any],
        task_vars: dict[str, t.Any],
        plan: dict[str, t.Any] | None = None,
        missing_files: t.Sequence[str] = (),
    ) -> dict[str, t.Any]:
        if self._task.check_mode:
            return self._execute_module(module_name=_MODULE, module_args=arguments, task_vars=task_vars)
        host = arguments["host"]
        timeout = _SLACK + 2 * sum(group.get("timeout", 120.0) for group in arguments.get("groups", ()))
        width = max(map(len, (host, *task_vars.get("ansible_play_hosts_all", ()))))

        def run() -> dict[str, t.Any]:
            return run_with_events(
                self,
                _MODULE,
                arguments,
                task_vars,
                timeout,
                lambda event: display.display(show_event(host, event, width)),
            )

        if not missing_files or plan is None:
            return run()
        with remote_folder(self) as folder:
            arguments["files_archive"] = self._send_files(plan, missing_files, folder)
            return run()

    def _send_files(self, plan: dict[str, t.Any], missing: t.Sequence[str], folder: str) -> str:
        archive = pack_files(plan["files"], missing)
        try:
            return send_file(self, archive, folder, "files.tar")
        finally:
            os.unlink(archive)


def _blocked(plan: dict[str, t.Any], only: list[str], task_vars: dict[str, t.Any]) -> dict[str, list[str]]:
    """Groups whose needed group lies on a host that failed in this run, with those hosts."""
    lost = set(task_vars.get("ansible_play_hosts_all", ())) - set(task_vars.get("ansible_play_hosts", ()))
    needs = {group: sorted(lost & set(hosts)) for group, hosts in plan.get("needs_hosts", {}).items() if group in only}
    return {group: hosts for group, hosts in needs.items() if hosts}


def _with_blocked(result: dict[str, t.Any], blocked: dict[str, list[str]]) -> dict[str, t.Any]:
    """The result of the other groups, failed because of these."""
    text = "\n".join(
        f"{group}: blocked: it needs a group on {', '.join(hosts)}, which failed in this run"
        for group, hosts in blocked.items()
    )
    groups = {**result.get("groups", {}), **{group: {"status": "blocked", "services": {}} for group in blocked}}
    before = f"{result['msg']}\n" if result.get("failed") else ""
    return {**result, "failed": True, "groups": groups, "msg": f"{before}{text}. Mend that host, then deploy again."}


_WORDS = {
    "create": "creating",
    "recreate": "making anew",
    "start": "starting",
    "restart": "restarting",
    "remove": "removing",
}


_EXPLAINED = ("failed", "rolled back", "removed", "gpu")


def show_event(host: str, event: dict[str, t.Any], width: int = 0) -> str:
    """One line for one event: ``mainpc    1.2 s  core-services/digital-twin: waiting for …``.

    width: of the longest host name, so that lines of several hosts stand in columns.
    """
    where = "/".join(part for part in (event["group"], event["service"]) if part)
    word, detail = event["event"], event["text"]
    if word in _WORDS:
        text = f"{_WORDS[word]} ({detail})" if detail else _WORDS[word]
    else:
        text = f"{word}{':' if word in _EXPLAINED and detail else ''} {detail}".strip()
    return f"{host:<{width}} {event['seconds']:6.1f} s  " + (f"{where}: {text}" if where else text)
