# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Windows as a WSL2 distribution sees it: its drives, its user's profile folder, and programs run through interop.

Works as root over ssh and with become, where WSL_INTEROP and PATH are stripped: drives come from the mount table, and
a program is started with WSL_INTEROP set to a socket that is found (microsoft/WSL issue 6799). Paths are those of the
distribution, never those of Windows.
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass, field

from .._errors import InputError
from .._gpu.guarded import SILENT
from .._gpu.platform import environment
from .._gpu.probe import CommandResult
from .._settings import ini_text
from .reader import DesktopReader

WSL_CONF = "/etc/wsl.conf"

NOT_PEOPLE = frozenset(
    ("all users", "default", "default user", "defaultuser0", "public", "wdagutilityaccount", "wsiaccount")
)
"""Entries of C:\\Users that are no person's profile, in lower case. A list from experience, not from a document."""

DRIVE_MOUNT = re.compile(r"^([A-Za-z]):(?:\\134|\\)? (\S+) (?:9p|drvfs) ", re.MULTILINE)
r"""A drive in /proc/mounts: ``C:\134 /mnt/c 9p rw,…,aname=drvfs;path=C:\;…``; ``\134`` is the kernel's «\»."""

PATIENCE = 8.0
"""Seconds for a Windows program; without a live interop session it hangs or fails at once (microsoft/WSL issue 2414)."""


@dataclass(frozen=True)
class Profile:
    """The Windows user's folder: `path` below a mounted drive, or empty with the `reason` and what decides."""

    path: str = ""
    source: str = ""
    """given, interop, wslconfig or only."""
    reason: str = ""


@dataclass(frozen=True)
class Windows:
    drives: dict[str, str] = field(default_factory=dict)
    """Letter in lower case → mount point: ``{"c": "/mnt/c"}``."""
    profile: Profile = Profile()

    @property
    def program_data(self) -> str:
        """ProgramData's folder; empty without a drive C. (It can be moved; nobody does.)"""
        return f"{self.drives['c']}/ProgramData" if "c" in self.drives else ""


def look(reader: DesktopReader, given: str = "") -> Windows:
    """Windows around this distribution. given: the profile folder, as a Windows path or a path here; decides.

    Raises InputError when what was given is not there.
    """
    drives = mounted_drives(reader)
    return Windows(drives, find_profile(reader, drives, given))


def mounted_drives(reader: DesktopReader) -> dict[str, str]:
    """What is mounted now; where the mount table names no drive, what lies below the automount root."""
    mounts = reader.file("/proc/mounts") or ""
    found = {letter.lower(): _unescaped(point) for letter, point in DRIVE_MOUNT.findall(mounts)}
    if not found:  # virtiofs names its shares otherwise
        root = automount_root(reader)
        found = {
            name: f"{root}/{name}"
            for name in reader.directory(root or "/") or ()
            if len(name) == 1 and name.isalpha() and reader.directory(f"{root}/{name}")
        }
    return dict(sorted(found.items()))


def automount_root(reader: DesktopReader) -> str:
    """Where wsl.conf has drives mounted ([automount] root), without a slash at its end; «/mnt» by default."""
    sections = ini_text.data((reader.file(WSL_CONF) or "").lstrip("\ufeff"))
    return (sections.get("automount", {}).get("root") or "/mnt").rstrip("/")


def find_profile(reader: DesktopReader, drives: dict[str, str], given: str = "") -> Profile:
    if given:
        path = to_here(given, drives) if re.match(r"[A-Za-z]:", given) else given.rstrip("/")
        if not path or reader.directory(path) is None:
            raise InputError(
                f"there is no folder {given!r} here",
                path="windows_profile",
                mend="Give the profile as `/mnt/c/Users/NAME`.",
            )
        return Profile(path, "given")
    if not drives:
        return Profile(
            reason="no drive of Windows is mounted in this distribution ([automount] enabled in /etc/wsl.conf, "
            "or a session that was started with other rights)"
        )
    asked = _asked_profile(reader, drives)
    return Profile(asked, "interop") if asked else _seen_profile(reader, drives)


def to_here(windows_path: str, drives: dict[str, str]) -> str:
    """``C:\\Users\\Ann`` → ``/mnt/c/Users/Ann``; empty when that drive is not mounted."""
    mount = drives.get(windows_path[:1].lower())
    rest = windows_path[2:].replace("\\", "/").strip("/")
    return f"{mount}/{rest}".rstrip("/") if mount else ""


def run_windows(reader: DesktopReader, drives: dict[str, str], program: str, *words: str) -> CommandResult | None:
    """Run a program of C:\\Windows\\System32 through interop; None when no session would take it."""
    if "c" not in drives:
        return None
    path = f"{drives['c']}/Windows/System32/{program}"
    if not reader.exists(path):
        return None
    for socket in interop_sockets(reader)[:3]:
        done = reader.command(["env", f"WSL_INTEROP={socket}", path, *words], PATIENCE)
        if done is None or done.rc == SILENT:
            return None  # another session would not be quicker
        if done.rc == 0 and done.stdout.strip():
            return done
    return None


def interop_sockets(reader: DesktopReader) -> tuple[str, ...]:
    """Sockets of interop sessions: this session's own, then the oldest first (init's outlives every terminal)."""
    own = environment(reader.file("/proc/self/environ")).get("WSL_INTEROP", "")
    names = [name for name in reader.directory("/run/WSL") or () if re.fullmatch(r"\d+_interop", name)]
    found = [f"/run/WSL/{name}" for name in sorted(names, key=lambda name: int(name.partition("_")[0]))]
    return tuple(sorted(found, key=lambda path: path != own))


def _asked_profile(reader: DesktopReader, drives: dict[str, str]) -> str:
    """%USERPROFILE% of the Windows user whose distribution this is; empty when Windows does not answer."""
    done = run_windows(reader, drives, "cmd.exe", "/c", "echo %USERPROFILE%")
    lines = [line.strip() for line in (done.stdout if done else "").splitlines()]
    # cmd.exe complains first that it cannot start in a folder of Linux.
    paths = [to_here(line, drives) for line in lines if re.match(r"[A-Za-z]:\\", line)]
    # Letters beyond ASCII arrive in the console's code page: such a path is not found here, and folders decide.
    return next((path for path in reversed(paths) if path and reader.directory(path) is not None), "")


def _seen_profile(reader: DesktopReader, drives: dict[str, str]) -> Profile:
    """By looking: the one profile that may be read (Windows keeps other people's closed), or the one with a .wslconfig."""
    users = [
        path
        for mount in drives.values()
        for name in reader.directory(f"{mount}/Users") or ()
        if name.lower() not in NOT_PEOPLE
        for path in [f"{mount}/Users/{name}"]
        if reader.directory(path) is not None
    ]
    if len(users) == 1:
        return Profile(users[0], "only")
    owners = [path for path in users if reader.exists(f"{path}/.wslconfig")]
    if len(owners) == 1:
        return Profile(owners[0], "wslconfig")
    if not users:
        return Profile(reason="no person's profile can be read below " + ", ".join(drives.values()))
    return Profile(reason=f"Windows does not answer, and several profiles can be read: {', '.join(owners or users)}")


def _unescaped(text: str) -> str:
    """A path of /proc/mounts: ``\\040`` is a space there."""
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(t.cast(str, found.group(1)), 8)), text)
