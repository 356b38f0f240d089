# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What systemd is asked about units of containers: the system's manager for root, a user's own for everybody else."""

from __future__ import annotations

import os
import pwd
import re
import subprocess
import threading
import typing as t
from dataclasses import dataclass

from .._errors import EngineError
from .podman_command import command_environment

_PROPERTIES = (
    "Id",
    "LoadState",
    "ActiveState",
    "SubState",
    "ExecMainCode",
    "ExecMainStatus",
    "ExecMainStartTimestampMonotonic",
    "Job",
    "SourcePath",
)
_SIGNALLED = ("2", "3")
"""CLD_KILLED and CLD_DUMPED: the status is a signal's number."""

_GENERATORS = ("/usr/libexec/podman/quadlet", "/usr/lib/systemd/system-generators/podman-system-generator")

OLDEST_PODMAN = (5, 0)
"""The first whose units can wait for health (Notify=healthy)."""


def too_old(version: str) -> str:
    return f"Podman {version} has no units that wait for health; containers under systemd need Podman 5.0"


_NOISE = re.compile(r"[0-9a-f]{64}|.*: Killing process \d+ \(.*\) with signal SIGKILL\.")
"""What podman says when it has started a container, and systemd of what is left when one ended."""


@dataclass(frozen=True)
class Unit:
    """A service as ``systemctl show`` tells it."""

    loaded: bool = False
    active: str = "inactive"
    """active, activating, deactivating, inactive, failed."""
    sub: str = ""
    exit_code: int = 0
    """Of its last life; 128 + signal where one ended it."""
    ran: bool = False
    """It had a life since the host booted."""
    has_job: bool = False
    """systemd is about to start or stop it."""
    source: str = ""
    """The file that it was generated from."""
    masked: bool = False
    """systemd was told never to start it."""


def parse_units(text: str) -> dict[str, Unit]:
    """What ``systemctl show --property=…`` printed for several units: blocks, parted by empty lines."""
    found = {}
    for block in text.split("\n\n"):
        values = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
        if "Id" in values:
            found[values["Id"]] = _unit(values)
    return found


def _unit(values: dict[str, str]) -> Unit:
    status = int(values.get("ExecMainStatus") or 0)
    return Unit(
        loaded=values.get("LoadState") == "loaded",
        active=values.get("ActiveState", "inactive"),
        sub=values.get("SubState", ""),
        exit_code=status + 128 if values.get("ExecMainCode") in _SIGNALLED else status,
        ran=values.get("ExecMainStartTimestampMonotonic", "0") not in ("", "0"),
        has_job=values.get("Job", "0") not in ("", "0"),
        source=values.get("SourcePath", ""),
        masked=values.get("LoadState") == "masked",
    )


class Systemd:
    """The manager of the user who runs this, safe to use from several threads."""

    def __init__(self, environment: dict[str, str] | None = None) -> None:
        """environment: instead of this process's own."""
        self._environment = command_environment(dict(os.environ if environment is None else environment), os.geteuid())
        self._scope = [] if os.geteuid() == 0 else ["--user"]
        self._count = threading.Lock()
        self._reload = threading.Lock()
        self._asked = self._reloaded = 0

    def _run(self, *words: str) -> tuple[int, str, str]:
        try:
            done = subprocess.run(
                list(words),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                env=self._environment,
                check=False,
            )
        except OSError as error:
            return 127, "", f"{words[0]}: {error.strerror}"
        return done.returncode, done.stdout, done.stderr.strip()

    def _systemctl(self, *words: str) -> tuple[int, str, str]:
        return self._run("systemctl", *self._scope, *words)

    def refuse_unfit(
        self, version: str, numbers: tuple[int, int], exists: t.Callable[[str], bool] = os.path.exists
    ) -> None:
        """Raises EngineError where Podman's containers cannot be kept up by systemd. numbers: Podman's version."""
        engine = "Or set container_supervisor: engine."
        if numbers < OLDEST_PODMAN:
            raise EngineError(too_old(version), "container_supervisor", f"Install a newer Podman. {engine}")
        if not exists("/run/systemd/system"):
            raise EngineError("systemd is not what this host was booted with", "container_supervisor", engine)
        if not any(map(exists, _GENERATORS)):
            raise EngineError(
                f"Podman came without Quadlet: {_GENERATORS[0]} does not exist", "container_supervisor", engine
            )
        if not self._scope:
            return
        user = pwd.getpwuid(os.geteuid()).pw_name
        manager = os.path.join(self._environment.get("XDG_RUNTIME_DIR") or f"/run/user/{os.geteuid()}", "systemd")
        if not exists(f"/var/lib/systemd/linger/{user}") or not exists(manager):
            raise EngineError(
                f"the user {user} has no systemd of their own that runs without a login",
                "container_supervisor",
                f"Run playbooks/prepare.yml, or: sudo loginctl enable-linger {user}",
            )

    def show(self, names: t.Sequence[str]) -> dict[str, Unit]:
        """Services by their names (with .service); a manager that does not answer knows none."""
        if not names:
            return {}
        _status, text, _said = self._systemctl("show", f"--property={','.join(_PROPERTIES)}", "--", *names)
        return parse_units(text)

    def reload(self) -> None:
        """``daemon-reload``: one for all who ask while another is under way, for each takes a second on a full host."""
        with self._count:
            self._asked += 1
            mine = self._asked
        with self._reload:
            if self._reloaded >= mine:
                return
            covered = self._asked
            status, _text, said = self._systemctl("daemon-reload")
            if status:
                raise EngineError(f"systemctl daemon-reload: {said}", path="systemd")
            self._reloaded = covered

    def start(self, name: str) -> None:
        """Have it started; returns at once."""
        self._systemctl("reset-failed", name)
        status, _text, said = self._systemctl("start", "--no-block", name)
        if status:
            raise EngineError(f"systemctl start: {said}", path=name)

    def stop(self, name: str, wait: bool = True) -> None:
        """Stop it; not running and not known are fine. What it ended with is no failure any more."""
        status, _text, said = self._systemctl("stop", *([] if wait else ["--no-block"]), name)
        if status and "not loaded" not in said:
            raise EngineError(f"systemctl stop: {said}", path=name)
        if wait:
            self._systemctl("reset-failed", name)

    def journal(self, name: str, container: str, lines: int) -> str:
        """What was written since it was started last: by its container, by podman, by systemd about it.

        Lines of a container that ended at once belong to no unit any more when the journal asks, but name the container.
        """
        _status, text, _said = self._systemctl("show", "--property=InactiveExitTimestamp", "--timestamp=unix", name)
        since = text.strip().partition("=")[2]
        user = "USER_" if self._scope else ""
        matches = [f"_SYSTEMD_{user}UNIT={name}", "+", f"{user}UNIT={name}", "+", f"CONTAINER_NAME={container}"]
        status, text, said = self._run(
            *("journalctl", "--quiet", "--no-pager", "--output=cat", f"--lines={5 * lines}"),
            *([f"--since={since}"] if since else []),
            *matches,
        )
        written = [line for line in text.splitlines() if line and not _NOISE.fullmatch(line)]
        return "\n".join(written[-lines:]) if status == 0 else said

    def complaint(self, file: str) -> str:
        """What Quadlet says against a unit file that it made no service of."""
        program = next((each for each in _GENERATORS if os.path.exists(each)), "")
        if not program:
            return f"{_GENERATORS[0]} does not exist"
        user = ["--user"] if self._scope else []
        _status, _text, said = self._run(program, "--dryrun", *user)
        mine = [line for line in said.splitlines() if os.path.basename(file) in line]
        return "\n".join(mine) or said
