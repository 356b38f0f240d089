# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the boot script asks of an engine: look at a container, start it, stop it, and whether it is healthy.

Installed beside `script.py`, so it is one file and needs nothing but Python 3.9: a host may have Docker without its
command line or its SDK (Debian 13's docker.io), and the adapters of a deploy need one of them.
"""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import time
import typing as t
from dataclasses import dataclass
from urllib.parse import quote, urlencode

Service = dict[str, t.Any]
"""One entry of `services` in a group's boot file: name, container, one_shot, settle, grace, after."""

_PATIENCE = 60.0
"""Seconds an engine may take to answer after it was started."""

_CHECK_TIMEOUT = 30.0
"""Docker's default for a health check without a timeout of its own, seconds."""


class EngineFailure(Exception):
    """The engine does not answer or refused; the message has its words."""


@dataclass(frozen=True)
class Look:
    """One container as it is now."""

    running: bool = False
    completed: bool = False
    """It ended with exit status 0."""
    ended: bool = False
    exit_code: int = 0
    comes_back: bool = False
    """Ended, but its engine or supervisor starts it again by itself."""
    healthy: bool | None = None
    """None: it has no health check, or nobody knows."""
    life: str = ""
    """Which of its lives it is in."""
    words: str = ""
    test: tuple[str, ...] = ()
    """Its health check as in the image format: ``("CMD", …)`` or ``("CMD-SHELL", line)``; empty: none."""
    timeout: float = _CHECK_TIMEOUT
    """Seconds a health check may take."""


class Engine(t.Protocol):
    starts_by_itself: bool
    """The engine starts containers at boot on its own, in no order."""

    def is_there(self) -> bool: ...

    def outlived(self) -> bool:
        """The engine goes alone: its containers stay up and are there when it is back."""

    def wait_until_there(self) -> None: ...

    def look(self, service: Service) -> Look: ...

    def start(self, service: Service) -> None: ...

    def stop(self, service: Service) -> None: ...

    def health(self, service: Service, clock: t.Callable[[], float]) -> t.Callable[[Look], bool]:
        """A judge of looks at one container: True as soon as it is healthy."""


def open_engine(plan: dict[str, t.Any]) -> Engine:
    return Docker(plan["socket"], plan["user"]) if plan["engine"] == "docker" else Units(plan["user"])


class _Systemctl:
    def __init__(self, user: bool) -> None:
        self._words = ["systemctl", "--user"] if user else ["systemctl"]
        self.environment = {**os.environ}
        if user:
            self.environment.setdefault("XDG_RUNTIME_DIR", f"/run/user/{os.getuid()}")

    def __call__(self, *words: str) -> tuple[int, str]:
        """Exit status and output."""
        return _run([*self._words, *words], self.environment)


def _run(argv: t.Sequence[str], environment: dict[str, str], timeout: float = 30.0) -> tuple[int, str]:
    try:
        answer = subprocess.run(argv, capture_output=True, text=True, timeout=timeout, check=False, env=environment)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EngineFailure(f"{' '.join(argv[:3])}: {error}") from error
    return answer.returncode, (answer.stdout + answer.stderr).strip()


# -- Docker


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("docker", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class Docker:
    """A Docker daemon by its HTTP API (docs.docker.com/reference/api/engine) at a socket of this host."""

    starts_by_itself = True

    def __init__(self, path: str, user: bool = False) -> None:
        self._path = path
        self._systemctl = _Systemctl(user)

    def _ask(self, method: str, path: str, body: t.Any = None, timeout: float = 30.0) -> tuple[int, bytes]:
        connection = _UnixConnection(self._path, timeout)
        try:
            data = None if body is None else json.dumps(body)
            connection.request(method, path, data, {"Content-Type": "application/json"} if data else {})
            response = connection.getresponse()
            return response.status, response.read()
        except (OSError, http.client.HTTPException) as error:
            raise EngineFailure(f"docker at {self._path}: {error or type(error).__name__}") from error
        finally:
            connection.close()

    def _want(self, method: str, path: str, body: t.Any = None, timeout: float = 30.0) -> t.Any:
        status, data = self._ask(method, path, body, timeout)
        if status == 304:  # it is as it should be already
            return None
        if status >= 400:
            raise EngineFailure(f"docker: {_words(data)}")
        return json.loads(data) if data[:1] in (b"{", b"[") else None

    def is_there(self) -> bool:
        """A socket that systemd holds for a daemon that is down takes a connection, but nobody answers."""
        try:
            return self._ask("GET", "/_ping", timeout=5.0)[0] == 200
        except EngineFailure:
            return False

    def outlived(self) -> bool:
        """With live-restore, when Docker is restarted or stopped and takes this group's unit along (PartOf=)."""
        if not self._want("GET", "/info").get("LiveRestoreEnabled"):
            return False
        # At shutdown, too, Docker is about to be stopped; but then nothing outlives it.
        _rc, job = self._systemctl("show", "--property=Job", "--value", "docker.service")
        _rc, system = self._systemctl("is-system-running")
        return job not in ("", "0") and system != "stopping"

    def wait_until_there(self) -> None:
        deadline = time.monotonic() + _PATIENCE
        while not self.is_there():
            if time.monotonic() >= deadline:
                raise EngineFailure(f"docker does not answer at {self._path}")
            time.sleep(0.5)

    def look(self, service: Service) -> Look:
        status, data = self._ask("GET", f"/containers/{quote(service['container'])}/json")
        if status == 404:
            return Look(words="its container does not exist; deploy it again")
        if status != 200:
            raise EngineFailure(f"docker: {_words(data)}")
        return docker_look(json.loads(data))

    def start(self, service: Service) -> None:
        self._want("POST", f"/containers/{quote(service['container'])}/start")

    def stop(self, service: Service) -> None:
        grace = max(0, round(service["grace"]))
        status, data = self._ask(
            "POST", f"/containers/{quote(service['container'])}/stop?{urlencode({'t': grace})}", timeout=grace + 60.0
        )
        if status not in (204, 304, 404):
            raise EngineFailure(f"docker: {_words(data)}")

    def health(self, service: Service, clock: t.Callable[[], float]) -> t.Callable[[Look], bool]:
        settled = _Settled(service["settle"], clock)

        def healthy(look: Look) -> bool:
            if not look.test or not look.running:
                return settled(look)
            # Asked here and now: Docker's own first look comes after a whole interval, 30 s unless set.
            return bool(look.healthy) or self._run_test(service["container"], look)

        return healthy

    def _run_test(self, container: str, look: Look) -> bool:
        words = ["/bin/sh", "-c", look.test[1]] if look.test[0] == "CMD-SHELL" else list(look.test[1:])
        try:
            body = {"Cmd": words, "AttachStdout": True, "AttachStderr": True}
            made = self._want("POST", f"/containers/{quote(container)}/exec", body)
            self._ask("POST", f"/exec/{made['Id']}/start", {"Detach": False}, timeout=look.timeout)
            said = self._want("GET", f"/exec/{made['Id']}/json")
        except EngineFailure:
            return False  # it ended meanwhile, or took too long
        return said["ExitCode"] == 0 and not said["Running"]


def _words(data: bytes) -> str:
    try:
        return str(json.loads(data)["message"])
    except (ValueError, KeyError, TypeError):
        return data.decode(errors="replace").strip() or "no words"


def docker_look(data: dict[str, t.Any]) -> Look:
    """From the answer of ``GET /containers/NAME/json``."""
    state, config = data["State"], data.get("Config") or {}
    running = bool(state.get("Running")) and not state.get("Restarting") and not state.get("Paused")
    check = config.get("Healthcheck") or {}
    test = tuple(check.get("Test") or ())
    ended = state.get("Status") in ("exited", "dead")
    health = (state.get("Health") or {}).get("Status")
    policy = ((data.get("HostConfig") or {}).get("RestartPolicy") or {}).get("Name")
    return Look(
        running=running,
        completed=ended and state.get("ExitCode") == 0,
        ended=ended,
        exit_code=int(state.get("ExitCode") or 0),
        comes_back=policy in ("always", "unless-stopped") or (policy == "on-failure" and state.get("ExitCode") != 0),
        healthy=None if health in (None, "none") else health == "healthy",
        life=str(state.get("StartedAt") or "") if running else "",
        words=f"{state.get('Status')}" + (f", {health}" if health not in (None, "none") else ""),
        test=() if test[:1] == ("NONE",) else test,
        timeout=(check.get("Timeout") or 0) / 1e9 or _CHECK_TIMEOUT,
    )


class _Settled:
    """Without a health check: in one life for as long as it takes to count as healthy."""

    def __init__(self, seconds: float, clock: t.Callable[[], float]) -> None:
        self._seconds, self._clock = seconds, clock
        self._life, self._since = "", 0.0

    def __call__(self, look: Look) -> bool:
        if not look.running or look.life != self._life:
            self._life, self._since = look.life if look.running else "", self._clock()
        return look.running and self._clock() - self._since >= self._seconds


# -- Podman, whose containers are Quadlet units


class Units:
    """Containers that are systemd units, named like their container. Podman tells systemd when one is healthy."""

    starts_by_itself = False
    _SHOWN = "LoadState,ActiveState,SubState,Result,ExecMainStatus,InvocationID"

    def __init__(self, user: bool) -> None:
        self._systemctl = _Systemctl(user)

    def is_there(self) -> bool:
        return True

    def outlived(self) -> bool:
        return False

    def wait_until_there(self) -> None:
        return

    def look(self, service: Service) -> Look:
        _rc, text = self._systemctl("show", f"{service['container']}.service", f"--property={self._SHOWN}")
        return unit_look(dict(line.partition("=")[::2] for line in text.splitlines()), service["one_shot"])

    def start(self, service: Service) -> None:
        # One that failed before would be taken for one that failed now.
        self._systemctl("reset-failed", f"{service['container']}.service")
        # Not waited for: how long it may take is decided here.
        rc, text = self._systemctl("start", "--no-block", f"{service['container']}.service")
        if rc:
            raise EngineFailure(text)

    def stop(self, service: Service) -> None:
        # At shutdown its own stop stands in the queue behind this unit's: who waited here would wait for itself.
        self._systemctl("stop", "--no-block", f"{service['container']}.service")

    def health(self, service: Service, clock: t.Callable[[], float]) -> t.Callable[[Look], bool]:
        settled = _Settled(service["settle"] if not service["checked"] else 0.0, clock)

        def healthy(look: Look) -> bool:
            if look.running and look.healthy is False:
                # Asked now: Podman's own timer asks at its interval, and Notify=healthy reports what this finds.
                _run(["podman", "healthcheck", "run", service["container"]], self._systemctl.environment, timeout=60.0)
                return False
            return bool(look.healthy) and settled(look)

        return healthy


def unit_look(shown: dict[str, str], one_shot: bool) -> Look:
    """From the properties of a unit. While it waits for its health check it is «activating»."""
    active, sub = shown.get("ActiveState", ""), shown.get("SubState", "")
    if shown.get("LoadState") in ("not-found", "masked", "error", "bad-setting"):
        return Look(words=f"its unit is {shown['LoadState']}; deploy it again")
    status = shown.get("ExecMainStatus", "0")
    code = int(status) if status.isdigit() else 0
    restarting = sub.startswith("auto-restart")
    failed = active == "failed"
    return Look(
        running=active == "active" or (active == "activating" and not restarting),
        completed=one_shot and active == "active" and sub == "exited",
        ended=failed,
        exit_code=code,
        comes_back=False,
        healthy=active == "active",
        life=shown.get("InvocationID", ""),
        words=f"{active} ({sub})"
        + (f", {shown['Result']}" if shown.get("Result") not in ("", "success", None) else ""),
    )
