# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a module on a host and show its events while it works, or only ask it.

The module runs under Ansible's own async wrapper and appends JSON lines to a file;
each look is one `tail` on the connection that is open anyway, no extra module.
"""

from __future__ import annotations

import json
import shlex
import time
import typing as t
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase

_LOOK_EVERY = 0.4
_MARK = "--events-end--"
_GONE = "--process-gone--"
_GRACE = 5.0
"""Seconds in which Ansible's wrapper writes the result of a module that has ended."""


@contextmanager
def remote_folder(action: ActionBase) -> Iterator[str]:
    """A temporary directory on the host for files of the controller (`send_file`), removed afterwards."""
    kept = action._connection._shell.tmpdir
    path = action._make_tmp_path()
    action._connection._shell.tmpdir = kept
    try:
        yield path
    finally:
        action._remove_tmp_path(path, force=True)


def send_file(action: ActionBase, local: str, folder: str, name: str) -> str:
    """Path of a copy of `local` in a `remote_folder`, readable by the user that the module runs as."""
    path = action._connection._shell.join_path(folder, name)
    action._transfer_file(local, path)
    action._fixup_perms2([folder, path], execute=False)
    return path


@contextmanager
def _written_folder(action: ActionBase) -> Iterator[str]:
    """A temporary directory that belongs to the user that the module runs as, removed afterwards.

    Ansible's own belongs to the user who logs in; with `become_user` that may be one whose files nobody else writes.
    """
    made = action._low_level_execute_command("mktemp -d /tmp/gpu-fleet-XXXXXXXX", sudoable=True)
    path = (made["stdout"].strip().splitlines() or [""])[-1]
    if made["rc"] != 0 or not path.startswith("/tmp/gpu-fleet-"):
        said = f"{made['stdout']}{made.get('stderr', '')}".strip()
        raise AnsibleError(f"no temporary directory can be made in /tmp on the host: {said}")
    try:
        yield path
    finally:
        action._low_level_execute_command(f"rm -rf {shlex.quote(path)}", sudoable=True)


def ask(action: ActionBase, module: str, arguments: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
    """The module's answer in check mode: what there is and what it would do."""
    task, before = action._task, action._task.check_mode
    # `_execute_module` takes the mode from the task.
    task.check_mode = True
    try:
        return action._execute_module(module_name=module, module_args=arguments, task_vars=task_vars)
    finally:
        task.check_mode = before


def run_with_events(
    action: ActionBase,
    module: str,
    arguments: dict[str, t.Any],
    task_vars: dict[str, t.Any],
    timeout: float,
    show: Callable[[dict[str, t.Any]], None],
) -> dict[str, t.Any]:
    """The module's result. `show` gets every event; `arguments` gains ``events``, a file on the host.

    Raises AnsibleError when the module was killed together with Ansible's wrapper, or has not ended after
    `timeout` seconds; what it did is not undone then.
    """
    with _written_folder(action) as folder:
        return _run(action, module, {**arguments, "events": f"{folder}/events"}, task_vars, timeout, show)


def _run(
    action: ActionBase,
    module: str,
    arguments: dict[str, t.Any],
    task_vars: dict[str, t.Any],
    timeout: float,
    show: Callable[[dict[str, t.Any]], None],
) -> dict[str, t.Any]:
    task, limit = action._task, action._task.async_val
    task.async_val = int(timeout) + 1
    try:
        started = action._execute_module(
            module_name=module,
            module_args=arguments,
            task_vars=task_vars,
            wrap_async=True,
        )
    finally:
        task.async_val = limit
        # The wrapper removes the directory it was started from.
        action._connection._shell.tmpdir = None
    if not started.get("started") or "results_file" not in started:
        return started
    _watch(action, arguments["events"], started["results_file"], timeout, show)
    return _collect(action, started, task_vars)


def _watch(
    action: ActionBase, events: str, results: str, timeout: float, show: Callable[[dict[str, t.Any]], None]
) -> None:
    offset, deadline, gone_since = 0, time.monotonic() + timeout, None
    pid = shlex.quote(f"{events}.pid")
    while True:
        # The results are read before the events: once they are final, no event is still to come.
        command = (
            f'[ ! -e {pid} ] || kill -0 "$(cat {pid})" 2>/dev/null || echo {_GONE}; '
            f"cat {shlex.quote(results)} 2>/dev/null; printf '\\n%s\\n' {_MARK}; "
            f"tail -c +{offset + 1} {shlex.quote(events)} 2>/dev/null"
        )
        text = action._low_level_execute_command(command, sudoable=True)["stdout"]
        head, _mark, tail = text.partition(_MARK)
        # ssh gives the command a terminal, whose line ends are not those of the file that `offset` counts in.
        lines = tail.lstrip("\r\n").replace("\r\n", "\n")
        whole = lines[: lines.rfind("\n") + 1]
        offset += len(whole.encode())
        for line in whole.splitlines():
            show(json.loads(line))
        if _is_final(head.replace(_GONE, "")):
            return
        gone_since = (gone_since or time.monotonic()) if _GONE in head else None
        if gone_since is not None and time.monotonic() - gone_since > _GRACE:
            raise AnsibleError("the module was killed on the host before it ended; run the playbook again")
        if time.monotonic() > deadline:
            raise AnsibleError(f"the module did not end within {timeout:.0f} s; look at {results} on the host")
        time.sleep(_LOOK_EVERY)


def _is_final(text: str) -> bool:
    """Whether the async wrapper's result file holds the result and no longer only «started»."""
    try:
        data = json.loads(text)
    except ValueError:
        # Not there yet, or just being written.
        return False
    return not (data.get("started") and not data.get("finished"))


def _collect(action: ActionBase, started: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
    """The final result through Ansible's own reader, which knows how modules mark up what they return."""
    results = started["results_file"]
    result = action._execute_module(
        module_name="ansible.legacy.async_status",
        module_args={
            "jid": started["ansible_job_id"],
            "mode": "status",
            "_async_dir": results.rpartition("/")[0],
        },
        task_vars=task_vars,
    )
    action._low_level_execute_command(f"rm -f {shlex.quote(results)}", sudoable=True)
    for key in (
        "ansible_job_id",
        "started",
        "finished",
        "results_file",
        "stdout",
        "stderr",
        "stdout_lines",
        "stderr_lines",
    ):
        result.pop(key, None)
    return result
