# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Docker Desktop on this host, or on the Windows around this distribution: where its settings lie, and whether it runs.

Places: docs.docker.com, «Change your Docker Desktop settings» and «Configure Settings Management with a JSON file».
It keeps its settings in memory and writes settings-store.json anew when it ends, so that file is only edited while it
is known not to run; «unknown» counts as running.
"""

from __future__ import annotations

import csv
import typing as t
from dataclasses import dataclass, replace

from .._errors import InputError
from .._gpu.platform import detect
from .reader import DesktopReader
from .windows import Windows, look, run_windows
from .wsl import distribution_name

STORE, OLDER = "settings-store.json", "settings.json"
"""The user's settings since 4.35, and before; where both are, the newer name is the one that is read."""

ADMIN = "admin-settings.json"

RUNNING, STOPPED, UNKNOWN = "running", "stopped", "unknown"

WINDOWS_PROGRAMS = ("docker desktop.exe", "com.docker.backend.exe")
"""What runs while Desktop does, and only then (its privileged com.docker.service may run always)."""

PROGRAMS = ("com.docker.backend", "docker desktop")
"""The same on macOS and Linux, in lower case."""

USER_DISTRO_PROGRAM = "docker-desktop-user-distro"
"""Desktop's proxy inside each distribution that it integrates with (docker/for-win issue 12926)."""

SHARED = "/mnt/wsl/docker-desktop"
"""Where Desktop mounts its tools for all distributions while it runs (the same issue)."""


@dataclass(frozen=True)
class DesktopPlace:
    """Where its files are. Empty paths and a `reason`: not found, or not to be told which of several."""

    folder: str = ""
    settings: str = ""
    """The user's settings file, which need not be there yet."""
    admin: str = ""
    reason: str = ""

    @property
    def older(self) -> bool:
        return self.settings.endswith("/" + OLDER)


@dataclass(frozen=True)
class DesktopHost:
    platform: str
    place: DesktopPlace = DesktopPlace()
    state: str = UNKNOWN
    evidence: str = ""
    """What `state` rests on, or why it is unknown."""
    distribution: str = ""
    """Under WSL2: the name by which Desktop knows this distribution; empty when nothing here tells it."""


def inspect(reader: DesktopReader, home: str = "", profile: str = "", stopped: bool = False) -> DesktopHost:
    """home: whose Desktop, on macOS and Linux; empty finds it. profile: the Windows user's folder, for WSL2.

    stopped: the inventory answers for it that Desktop does not run, where that cannot be seen. Raises InputError when a
    given folder is not there.
    """
    host = _inspect(reader, home, profile)
    if stopped and host.state == UNKNOWN:
        return replace(host, state=STOPPED, evidence="the inventory says so")
    return host


def to_do(reader: DesktopReader, host: DesktopHost, waiting: t.Sequence[str], admin_edited: bool) -> list[str]:
    """What a person has to do: waiting names keys that could not be set, admin_edited: the administrator's file was changed."""
    if host.state == STOPPED:
        return []
    found = "runs" if host.state == RUNNING else "may run"
    messages = []
    if waiting:
        messages.append(
            f"{reader.real(host.place.settings)} was left as it is ({', '.join(waiting)}): Docker Desktop {found} ({host.evidence}) and "
            "would write its own settings over it when it ends. Quit it (its icon, Quit Docker Desktop, or "
            "`docker desktop stop`) and run this again."
        )
    if admin_edited:
        messages.append(
            f"{reader.real(host.place.admin)} was changed, and Docker Desktop {found} ({host.evidence}): quit it and start it again; "
            "a restart from its menu does not read that file."
        )
    return messages


def _inspect(reader: DesktopReader, home: str, profile: str) -> DesktopHost:
    platform = detect(reader)
    if platform == "container":
        return DesktopHost(platform, DesktopPlace(reason="this is a container"), UNKNOWN, "not looked for")
    if platform == "wsl1":
        return DesktopHost(
            platform, DesktopPlace(reason="Docker Desktop does not work with WSL1"), UNKNOWN, "not looked for"
        )
    if platform == "wsl2":
        windows = look(reader, profile)
        host = DesktopHost(platform, _windows_place(reader, windows), distribution=distribution_name(reader))
        state, evidence = _windows_state(reader, windows)
    else:
        host = DesktopHost(platform, _unix_place(reader, platform, home))
        state, evidence = _unix_state(reader, platform)
    return replace(host, state=state, evidence=evidence)


def _windows_place(reader: DesktopReader, windows: Windows) -> DesktopPlace:
    profile = windows.profile
    if not profile.path:
        return DesktopPlace(reason=profile.reason)
    folder = f"{profile.path}/AppData/Roaming/Docker"  # %APPDATA%, unless an administrator has moved it
    if reader.directory(folder) is None:
        return DesktopPlace(reason=f"Docker Desktop was never started by this Windows user: no {folder}")
    admin = f"{windows.program_data}/DockerDesktop/{ADMIN}" if windows.program_data else ""
    return DesktopPlace(folder, _user_file(reader, folder), admin)


def _unix_place(reader: DesktopReader, platform: str, home: str) -> DesktopPlace:
    if platform == "macos":
        below, people, admin = (
            "Library/Group Containers/group.com.docker",
            "/Users",
            "/Library/Application Support/com.docker.docker",
        )
    else:
        below, people, admin = ".docker/desktop", "/home", "/usr/share/docker-desktop"
    if home and reader.directory(home) is None:
        raise InputError(f"there is no folder {home!r} here", path="home")
    homes = [home] if home else [*(f"{people}/{name}" for name in reader.directory(people) or ()), "/root"]
    folders = [f"{one}/{below}" for one in homes if reader.directory(f"{one}/{below}") is not None]
    if not folders:
        return DesktopPlace(
            reason=f"Docker Desktop was never started here: no {below} in {home or f'a home below {people}'}"
        )
    if len(folders) > 1:
        return DesktopPlace(reason=f"several people have it: {', '.join(folders)}")
    return DesktopPlace(folders[0], _user_file(reader, folders[0]), f"{admin}/{ADMIN}")


def _user_file(reader: DesktopReader, folder: str) -> str:
    older = reader.exists(f"{folder}/{OLDER}") and not reader.exists(f"{folder}/{STORE}")
    return f"{folder}/{OLDER if older else STORE}"


def _windows_state(reader: DesktopReader, windows: Windows) -> tuple[str, str]:
    """Windows' own list of processes settles it; without it, a trace in this distribution proves only that it runs."""
    listed = run_windows(reader, windows.drives, "tasklist.exe", "/FO", "CSV", "/NH")
    if listed is not None:
        names = {row[0].lower() for row in csv.reader(listed.stdout.splitlines()) if len(row) > 1}
        found = [name for name in WINDOWS_PROGRAMS if name in names]
        if found:
            return RUNNING, f"tasklist.exe: {found[0]}"
        if names:
            return STOPPED, f"tasklist.exe: {len(names)} programs, none of Docker Desktop's"
    if USER_DISTRO_PROGRAM in _own_programs(reader):
        return RUNNING, f"process {USER_DISTRO_PROGRAM}"
    unseen = "programs of Windows do not run from here, so its processes cannot be listed"
    if f" {SHARED}" in (reader.file("/proc/mounts") or ""):  # whether it goes when Desktop ends is not documented
        return UNKNOWN, f"{SHARED} is mounted; {unseen}"
    return UNKNOWN, unseen


def _unix_state(reader: DesktopReader, platform: str) -> tuple[str, str]:
    if platform == "macos":
        done = reader.command(["ps", "-axo", "comm="])
        if done is None or done.rc != 0 or not done.stdout.strip():
            return UNKNOWN, "`ps -axo comm=` did not answer"
        names = {line.strip().rpartition("/")[2].lower() for line in done.stdout.splitlines()}
    elif not reader.file("/proc/1/cmdline"):
        return UNKNOWN, "other people's processes cannot be seen (hidepid); run with become"
    else:
        names = _own_programs(reader)
    found = [name for name in PROGRAMS if name in names]
    return (RUNNING, f"process {found[0]}") if found else (STOPPED, "none of its processes runs")


def _own_programs(reader: DesktopReader) -> t.AbstractSet[str]:
    """Names of the programs that run, in lower case, without their folders."""
    lines = (reader.file(f"/proc/{pid}/cmdline") for pid in reader.directory("/proc") or () if pid.isdigit())
    return {(line or "").partition("\0")[0].rpartition("/")[2].lower() for line in lines}
