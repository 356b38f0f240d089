# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The systemd of this host, or of the user who runs this: where its files lie, and what it is asked."""

from __future__ import annotations

import os
import pwd
import re
import subprocess
import typing as t
from dataclasses import dataclass, field

from .._errors import EngineError, FleetError, InputError

OLDEST = 244
"""First systemd that starts a oneshot unit again when it failed (systemd NEWS 244: Restart= with Type=oneshot)."""

PREFIX = "gpu-fleet-"
"""Of the names of groups' units."""

Run = t.Callable[[t.Sequence[str]], tuple[int, str]]
"""argv → exit status and output"""


@dataclass(frozen=True)
class Systemd:
    user: bool
    """An ordinary user's own manager."""
    units: str
    """Where the administrator's (the user's) units lie."""
    runtime: str
    """A directory of ours that a reboot empties."""
    manager: str
    """Exists while the manager runs (sd_booted(3))."""
    run: Run = field(repr=False)
    lingers: bool = True
    """The user's manager runs from boot on, without a login."""

    @property
    def runs(self) -> bool:
        """One that does not run remembers no unit: files are all there is."""
        return os.path.exists(self.manager)

    def has_groups(self) -> bool:
        """Units of groups are here, of whatever host. Cheap on purpose: no process; without any, nothing of ours is
        worth an import."""
        try:
            return any(name.startswith(PREFIX) for name in os.listdir(self.units))
        except OSError:
            return False

    def ask(self, *words: str) -> str:
        """Raises EngineError with systemctl's own words."""
        argv = ["systemctl", *(["--user"] if self.user else []), *words]
        status, text = self.run(argv)
        if status:
            raise EngineError(f"{' '.join(argv[:3])}: {text}", "systemd")
        return text

    def reload(self) -> None:
        self.ask("daemon-reload")

    def forget(self, units: t.Sequence[str]) -> None:
        """What it remembers of units whose files are gone: that they are active, or failed. They have no ExecStop any more,
        so nothing is stopped. One that it does not know is fine."""
        argv = ["systemctl", *(["--user"] if self.user else [])]
        if units:
            self.run([*argv, "stop", *units])
            self.run([*argv, "reset-failed", *units])

    def states(self, units: t.Sequence[str]) -> dict[str, str]:
        """Unit → active, activating, inactive, failed …; one call for all of them."""
        if not units:
            return {}
        text = self.ask("show", "--property=Id,ActiveState", *units)
        blocks = [dict(line.partition("=")[::2] for line in block.splitlines()) for block in text.split("\n\n")]
        return {block["Id"]: block["ActiveState"] for block in blocks if "Id" in block and "ActiveState" in block}

    def problems(self) -> list[FleetError]:
        """Why no unit of ours can work here; empty when it can."""
        if not self.runs:
            whose = "no systemd of this user runs here" if self.user else "systemd does not run here"
            mend = (
                "Let it run from boot on: loginctl enable-linger (the role podman does it)."
                if self.user
                else "Set container_supervisor: engine for it."
            )
            return [InputError(f"{whose}, which container_supervisor names", "container_supervisor", mend)]
        found = re.match(r"systemd (\d+)", self.ask("--version"))
        if found and int(found.group(1)) < OLDEST:
            text = f"systemd {found.group(1)} is too old to try a group again that failed at boot ({OLDEST} is needed)"
            return [InputError(text, "container_supervisor", "Set container_supervisor: engine for it.")]
        return []


def systemd_here() -> Systemd:
    """Root's: the system's. Another user's: their own."""
    if os.geteuid() == 0:
        return Systemd(False, "/etc/systemd/system", "/run/gpu-fleet", "/run/systemd/system", _runner({}))
    runtime = os.environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}"
    settings = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
    name = pwd.getpwuid(os.getuid()).pw_name
    return Systemd(
        True,
        f"{settings}/systemd/user",
        f"{runtime}/gpu-fleet",
        f"{runtime}/systemd/private",
        _runner({"XDG_RUNTIME_DIR": runtime}),
        # loginctl(1), enable-linger; logind keeps one file a user there.
        os.path.exists(f"/var/lib/systemd/linger/{name}"),
    )


def _runner(environment: t.Mapping[str, str]) -> Run:
    def run(argv: t.Sequence[str]) -> tuple[int, str]:
        try:
            answer = subprocess.run(
                argv, capture_output=True, text=True, timeout=120.0, check=False, env={**os.environ, **environment}
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            return 127, str(error)
        return answer.returncode, answer.stdout if answer.returncode == 0 else answer.stderr.strip()

    return run
