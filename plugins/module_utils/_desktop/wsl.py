# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""This WSL2 distribution: its version, its settings files, and whether what they say is in force.

.wslconfig is read when the one virtual machine of all distributions starts, /etc/wsl.conf when its distribution does.
A file that was changed after that waits for the next start. Nothing here ever stops one: that would end this connection.
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass

from .._gpu.platform import detect, environment
from .reader import DesktopReader
from .windows import WSL_CONF, Windows, interop_sockets, look

SHUTDOWN = "wsl --shutdown"

TICKS = 100
"""A second of /proc/PID/stat (USER_HZ, the same on every architecture that WSL has)."""


@dataclass(frozen=True)
class Started:
    """Seconds since 1970; None where nothing tells."""

    machine: float | None = None
    distribution: float | None = None


@dataclass(frozen=True)
class Restart:
    """A settings file that waits for a start, and the command (typed in Windows) that makes one."""

    file: str
    of: str
    """machine or distribution."""
    command: str

    @property
    def message(self) -> str:
        ends = "every distribution" if self.command == SHUTDOWN else "this distribution"
        return (
            f"{self.file} was changed after WSL read it. Run `{self.command}` in Windows when it suits: it ends {ends}, "
            "and this connection with it."
        )


@dataclass(frozen=True)
class WslHost:
    platform: str
    """As `_gpu/platform.py` says it; everything below is empty unless it is wsl2."""
    version: str = ""
    """Of WSL itself (2.5.9.0); empty where it has no `wslinfo` (before 2.1)."""
    distribution: str = ""
    """Its name in Windows; empty when no process here has been told."""
    systemd: bool = False
    interop: bool = False
    """Whether a session's socket is there, so that Windows' programs may run."""
    windows: Windows = Windows()
    wsl_conf: str = ""
    wslconfig: str = ""
    """Empty when the profile is unknown; the file itself need not exist."""
    started: Started = Started()
    restarts: tuple[Restart, ...] = ()


def inspect(reader: DesktopReader, profile: str = "", edited: t.Collection[str] = ()) -> WslHost:
    """All of it. edited: files (as `reader.real` has them) that count as changed just now.

    Raises InputError when `profile` is given and not there.
    """
    platform = detect(reader)
    if platform != "wsl2":
        return WslHost(platform)
    windows = look(reader, profile)
    name, started = distribution_name(reader), start_times(reader)
    wslconfig = f"{windows.profile.path}/.wslconfig" if windows.profile.path else ""
    return WslHost(
        platform=platform,
        version=_version(reader),
        distribution=name,
        systemd=reader.exists("/run/systemd/system"),  # as sd_booted(3) tells it
        interop=bool(interop_sockets(reader)),
        windows=windows,
        wsl_conf=WSL_CONF,
        wslconfig=wslconfig,
        started=started,
        restarts=due_restarts(reader, wslconfig, name, started, edited),
    )


def distribution_name(reader: DesktopReader) -> str:
    """WSL_DISTRO_NAME of this process, of init, or of any other that may be read: sudo, ssh and systemd strip it."""
    numbers = sorted((name for name in reader.directory("/proc") or () if name.isdigit()), key=int)
    for pid in ("self", *numbers):
        name = environment(reader.file(f"/proc/{pid}/environ")).get("WSL_DISTRO_NAME", "")
        if name:
            return name
    return ""


def start_times(reader: DesktopReader) -> Started:
    """When machine and distribution started: the earliest that any witness says.

    The kernel's boot time is the clock now minus the time it ran, so it moves forward when the machine slept and its
    clock was put right (microsoft/WSL issue 10006). A socket or file that a start has made keeps the time it had.
    No witness is earlier than the start it witnesses.
    """
    boot = re.search(r"^btime (\d+)$", reader.file("/proc/stat") or "", re.MULTILINE)
    machine = float(boot.group(1)) if boot else None
    ran = _init_ticks(reader.file("/proc/1/stat") or "")
    init = machine + ran / TICKS if machine is not None and ran is not None else None
    distribution = _earliest(init, *(reader.modified(path) for path in interop_sockets(reader)))
    shared = reader.modified("/mnt/wsl/resolv.conf")  # the machine's own tmpfs, shared by all distributions
    return Started(_earliest(machine, shared, distribution), distribution)


def due_restarts(
    reader: DesktopReader, wslconfig: str, name: str, started: Started, edited: t.Collection[str] = ()
) -> tuple[Restart, ...]:
    def waits(path: str, since: float | None) -> bool:
        changed = reader.modified(path)
        if path and reader.real(path) in edited:
            return True
        return changed is not None and since is not None and changed > since

    found = []
    if wslconfig and waits(wslconfig, started.machine):
        found.append(Restart(reader.real(wslconfig), "machine", SHUTDOWN))
    if waits(WSL_CONF, started.distribution):
        # Stopping the one distribution is enough (Microsoft's wsl-config page, «The 8 second rule»).
        command = f"wsl --terminate {name}" if name else SHUTDOWN
        found.append(Restart(reader.real(WSL_CONF), "distribution", command))
    return tuple(found)


def _version(reader: DesktopReader) -> str:
    """From wslinfo, which needs no interop; older releases know only the second flag (microsoft/WSL wslinfo.h)."""
    for flag in ("--version", "--wsl-version"):
        done = reader.command(["wslinfo", flag], 5.0)
        text = done.stdout.strip() if done and done.rc == 0 else ""
        if re.fullmatch(r"\d+(\.\d+)+", text):
            return text
    return ""


def _init_ticks(stat: str) -> int | None:
    """Start of PID 1 in ticks since boot: field 22 of its stat, counted behind the name's last bracket (proc(5))."""
    fields = stat.rpartition(")")[2].split()
    return int(fields[19]) if len(fields) > 19 and fields[19].isdigit() else None


def _earliest(*times: float | None) -> float | None:
    return min((moment for moment in times if moment is not None), default=None)
