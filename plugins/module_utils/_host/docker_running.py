# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A running Docker daemon: which process it is, what it loaded of daemon.json, what runs on it, and how it is told.

The daemon does not say what it loaded. What is known: it read the file as it was when it started, and what a reload
brought since. So each look notes the loaded settings beside the process they are true of, in a file below /run, which
ends with the system as the process does. A file that changed after the daemon started, before anybody looked, is not
known, and then a restart counts as due.
"""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import time
import typing as t
from dataclasses import dataclass

from .._errors import EngineError, FleetError, InputError, raise_all
from .._gpu.docker_api import connect
from .._group import labels as names
from . import docker_daemon
from .docker_settings import Running

NOTE = "/run/gpu-fleet/dockerd.loaded.json"


@dataclass(frozen=True)
class Process:
    pid: int
    started: float
    """When, in seconds since 1970, to about 20 ms."""
    identity: str
    """Pid and start in ticks: no other process of this boot has the same."""


def process(pid: int, proc: str = "/proc") -> Process | None:
    """The process, or None when there is none. Field 22 of /proc/PID/stat is its start after the boot, see proc_pid_stat(5)."""
    try:
        with open(f"{proc}/{pid}/stat", encoding="utf-8", errors="replace") as file:
            ticks = int(file.read().rpartition(")")[2].split()[19])
        with open(f"{proc}/uptime", encoding="ascii") as file:
            uptime = float(file.read().split()[0])
    except FileNotFoundError:
        return None
    started = time.time() - uptime + ticks / os.sysconf("SC_CLK_TCK")
    return Process(pid, started, f"{pid}:{ticks}")


def read_settings(path: str) -> dict[str, t.Any]:
    """daemon.json as parsed; {} when there is none. InputError when dockerd could not read it either."""
    try:
        with open(path, encoding="utf-8-sig") as file:
            text = file.read()
        settings = json.loads(text) if text.strip() else {}
    except FileNotFoundError:
        return {}
    except PermissionError:
        raise _not_root(path) from None
    except ValueError as error:
        raise InputError(f"it is no JSON: {error}", path, "Mend it: Docker cannot start with it.") from None
    if not isinstance(settings, dict):
        raise InputError("it is JSON, but no object", path, "Mend it: Docker cannot start with it.")
    return settings


def loaded(found: Process, path: str, note: str = NOTE) -> dict[str, t.Any] | None:
    """What this daemon has of the file at `path`: as noted, or as the file is when it is older than the daemon, or None."""
    try:
        with open(note, encoding="utf-8") as file:
            noted = json.load(file)
        if noted["process"] == found.identity:
            return noted["settings"]
    except PermissionError:
        raise _not_root(note) from None
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        pass
    try:
        if os.stat(path).st_mtime > found.started:
            return None
    except FileNotFoundError:
        return {}
    return read_settings(path)


def _not_root(path: str) -> InputError:
    return InputError("only root may read it", path, "Set ansible_become: true for this host.")


def remember(found: Process, settings: dict[str, t.Any], note: str = NOTE) -> None:
    """Note what this daemon has. Its mode is tight: proxies in daemon.json may carry passwords."""
    os.makedirs(os.path.dirname(note), exist_ok=True)
    temporary = f"{note}.new"
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        json.dump({"process": found.identity, "settings": settings}, file)
    os.replace(temporary, note)


def late(found: Process, paths: t.Iterable[str]) -> tuple[str, ...]:
    """Those of the files that came, or changed, after this daemon started.

    The time of the inode's change: a package's file has the modification time of its making.
    """
    return tuple(path for path in paths if os.path.exists(path) and os.stat(path).st_ctime > found.started)


def service_pid(service: str) -> int | None:
    """The main process of a systemd unit; None when it does not run."""
    pid = int(show(service, "MainPID") or 0)
    return pid or None


def show(service: str, name: str) -> str:
    """A property of a systemd unit, which is empty also for a unit that is not there."""
    argv = ["systemctl", "show", "--property", name, "--value", service]
    return subprocess.run(argv, capture_output=True, text=True, check=False).stdout.strip()


def validates() -> bool:
    """Whether dockerd is here and can check a file without starting (moby 23.0, `dockerd --validate`)."""
    path = os.environ.get("PATH", "") + ":" + docker_daemon.SYSTEM_PATH
    try:
        answer = subprocess.run(
            ["dockerd", "--help"], capture_output=True, text=True, check=False, env={**os.environ, "PATH": path}
        )
    except FileNotFoundError:
        return False
    return "--validate" in answer.stdout


def live_restore(socket: str) -> bool:
    return bool(_ask(socket, "GET", "/info").get("LiveRestoreEnabled"))


def running(socket: str) -> dict[str, Running]:
    """Containers that run now, by id, ours with their group."""
    found = {}
    for each in _ask(socket, "GET", "/containers/json"):
        labels = each.get("Labels") or {}
        name = (each.get("Names") or [each["Id"][:12]])[0].lstrip("/")
        found[each["Id"]] = Running(name, labels.get(names.GROUP, "") if names.SCHEMA in labels else "")
    return found


def reload(found: Process) -> None:
    """SIGHUP is what `systemctl reload docker` sends, too."""
    os.kill(found.pid, signal.SIGHUP)


def await_live_restore(socket: str, timeout: float = 10.0) -> None:
    """Wait until a reload brought live restore; EngineError when it did not, because a restart would stop containers then.

    A signal is taken some time later, and a reload that fails says so in the journal only.
    """
    deadline = time.monotonic() + timeout
    while not live_restore(socket):
        if time.monotonic() > deadline:
            raise EngineError(
                f"Docker did not take live-restore within {timeout:g} s of a reload, so it was not restarted",
                socket,
                "Look at 'journalctl -u docker.service', or run again with -e docker_restart=always.",
            )
        time.sleep(0.1)


def restart_service(service: str, socket: str, timeout: float) -> None:
    """Restart the unit and wait until the engine answers; EngineError with the journal's last words otherwise."""
    # Restarts that were asked for must not meet the unit's limit of restarts after failures.
    subprocess.run(["systemctl", "reset-failed", service], capture_output=True, check=False)
    result = subprocess.run(["systemctl", "restart", service], capture_output=True, text=True, check=False)
    if result.returncode == 0 and _wait(socket, timeout):
        return
    journal = subprocess.run(
        ["journalctl", "--unit", service, "--lines", "5", "--output", "cat", "--no-pager"],
        capture_output=True,
        text=True,
        check=False,
    )
    words = " / ".join(line.strip() for line in journal.stdout.splitlines()) or result.stderr.strip()
    raise EngineError(
        f"Docker did not come back after its restart: {words}",
        service,
        f"Mend daemon.json (the file as it was is kept beside it), then run 'systemctl restart {service}'.",
    )


def bring_back(socket: str, before: dict[str, Running]) -> list[str]:
    """Start our containers that ran before and do not now; names of others' that did not come back by themselves.

    All are tried; FleetError with those of ours that cannot be started.

    By the time the engine answers it has started what has a restart policy.
    """
    now = running(socket)
    gone = {identity: each for identity, each in before.items() if identity not in now}
    errors: list[FleetError] = []
    for identity, each in gone.items():
        if each.group:
            try:
                _ask(socket, "POST", f"/containers/{identity}/start")
            except EngineError as error:
                errors.append(EngineError(f"did not come back after Docker's restart: {error.message}", each.name))
    raise_all(errors)
    return sorted(each.name for each in gone.values() if not each.group)


def _wait(socket: str, timeout: float) -> bool:
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        if docker_daemon.answers(socket):
            return True
        time.sleep(0.1)
    return False


def _ask(socket: str, method: str, path: str) -> t.Any:
    connection = connect(f"unix://{socket}")
    if connection is None:
        raise EngineError("is no Unix socket", socket)
    # Starting a container takes its time on a busy machine.
    connection.timeout = 60.0
    try:
        connection.request(method, path, headers={"Host": "docker"})
        response = connection.getresponse()
        body = response.read().decode("utf-8", "replace")
    except (OSError, http.client.HTTPException) as error:
        raise EngineError(f"Docker does not answer: {error}", socket) from None
    finally:
        connection.close()
    # 304 is «started already».
    if response.status not in (200, 204, 304):
        raise EngineError(f"{method} {path} was answered {response.status}: {body.strip()}", socket)
    return json.loads(body) if body.strip() else {}
