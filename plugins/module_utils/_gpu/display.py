# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Display servers that containers could draw on: X servers, Wayland compositors and WSLg, by their sockets.

Names of files only: no cookie is read here, and none gets into a snapshot.
"""

from __future__ import annotations

import re
import typing as t

from .findings import Finding, finding
from .model import Display
from .platform import environment
from .probe import Reader

X_SOCKETS = "/tmp/.X11-unix"
SESSIONS = "/run/user"
"""systemd-logind and elogind make a directory for each user with a session."""

_NOBODY = 65534
_COOKIES_OF_SESSIONS = re.compile(r"Xauthority|\.mutter-Xwaylandauth\..+|xauth_.+|lyxauth")
"""In a session's directory: GNOME's Xwayland (mutter), KWin's and SDDM's (sddm issue 1621), ly's; `Xauthority` is a
custom."""


class User(t.NamedTuple):
    uid: int
    name: str
    home: str


def detect(reader: Reader, platform: str) -> tuple[tuple[Display, ...], tuple[Finding, ...]]:
    """All displays, those that a user most likely means first, and findings about those that lack something."""
    wslg = _wslg(reader) if platform == "wsl2" else None
    own = environment(reader.file("/proc/self/environ"))
    found = [*_x_servers(reader), *_compositors(reader, own)]
    if wslg is not None:
        # The distribution's own sockets are links and mounts of WSLg's.
        found = [display for display in found if not (display.kind == "wayland" or display.name == wslg.name)]
    meant = {own.get("DISPLAY", "").partition(".")[0], own.get("WAYLAND_DISPLAY", "")} - {""}
    found.sort(key=lambda display: (display.name not in meant, _rank(display.uid), display.kind, _number(display.name)))
    lacking = [
        finding(
            "x11-no-cookie",
            f"The X server {display.name} was found, and no file with its cookie",
            X_SOCKETS,
            evidence=display.socket,
        )
        for display in found
        if display.kind == "x11" and not display.authority and _rank(display.uid) < 2
    ]
    return ((wslg,) if wslg else ()) + tuple(found), tuple(lacking)


def _rank(uid: int | None) -> int:
    """People's sessions, then those of root and of nobody knows whom, then system users': the login screen."""
    if uid is not None and 1000 <= uid != _NOBODY:
        return 0
    return 2 if uid else 1


def _number(name: str) -> int:
    digits = re.sub(r"\D", "", name)
    return int(digits[:9] or 0)


def _wslg(reader: Reader) -> Display | None:
    """WSLg's sockets; its X server admits everybody (microsoft/wslg, samples/container/Containers.md)."""
    for root in dict.fromkeys((f"{_automount_root(reader)}wslg", "/mnt/wslg")):
        if reader.directory(root) is None and "wslg" not in (reader.directory(root.rpartition("/")[0]) or ()):
            continue
        names = reader.directory(f"{root}/.X11-unix") or ()
        # Without a look into its directory, what the documentation says is taken.
        x_name = next((name for name in names if re.fullmatch(r"X\d+", name)), "X0")
        sockets = reader.directory(f"{root}/runtime-dir") or ("wayland-0",)
        wayland = next((name for name in sockets if re.fullmatch(r"wayland-\d+", name)), "")
        more = [f"{root}/runtime-dir/{wayland}"] if wayland else []
        if "PulseServer" in (reader.directory(root) or ("PulseServer",)):
            more.append(f"{root}/PulseServer")
        return Display("wslg", f":{x_name[1:]}", f"{root}/.X11-unix/{x_name}", more=tuple(more))
    return None


def _automount_root(reader: Reader) -> str:
    """Where WSL mounts Windows' drives and WSLg's directory: ``[automount] root`` of wsl.conf, with a slash at its end."""
    section = ""
    for line in (reader.file("/etc/wsl.conf") or "").splitlines():
        text = line.partition("#")[0].strip()
        if text.startswith("["):
            section = text.strip("[] ").lower()
        key, equals, value = text.partition("=")
        root = value.strip().strip("\"'")
        if section == "automount" and equals and key.strip().lower() == "root" and root.startswith("/"):
            return root.rstrip("/") + "/"
    return "/mnt/"


def _x_servers(reader: Reader) -> list[Display]:
    found = []
    for name in reader.directory(X_SOCKETS) or ():
        path = f"{X_SOCKETS}/{name}"
        if re.fullmatch(r"X\d{1,9}", name):
            owner = _owner(reader, path)
            number = name[1:]
            authority = next(iter(authorities(reader, number, owner)), "")
            # Xorg runs as root below most login managers; then the cookie's owner tells whose session it is.
            uid = owner or (_owner(reader, authority) if authority else owner)
            found.append(Display("x11", f":{number}", path, uid, authority))
    return found


def _compositors(reader: Reader, own: dict[str, str]) -> list[Display]:
    folders = [f"{SESSIONS}/{uid}" for uid in reader.directory(SESSIONS) or ()]
    mine = own.get("XDG_RUNTIME_DIR", "").rstrip("/")
    if mine.startswith("/") and mine not in folders:
        folders.append(mine)
    return [
        Display("wayland", name, f"{folder}/{name}", _uid_of(reader, folder, f"{folder}/{name}"))
        for folder in folders
        for name in reader.directory(folder) or ()
        if re.fullmatch(r"wayland-\d{1,9}", name)
    ]


def _uid_of(reader: Reader, folder: str, path: str) -> int | None:
    owner = _owner(reader, path)
    name = folder.rpartition("/")[2]
    return int(name) if owner is None and re.fullmatch(r"\d{1,9}", name) else owner


def _owner(reader: Reader, path: str) -> int | None:
    entry = reader.entry(path)
    return entry.uid if entry is not None and entry.mode else None


def authorities(reader: Reader, number: str, owner: int | None) -> tuple[str, ...]:
    """Files that may hold the cookie of X server `number`, the likeliest first; each exists, none was read.

    owner: uid that owns the server's socket; None or root's does not tell whose session it is. Sources of the places: sddm issues 1621, 2104; lightdm
    x-authority.c; gdm's and mutter's Xwayland; nix-bwrapper pull request 4.
    """
    users = sorted(_users(reader), key=lambda user: (user.uid != (owner or None), _rank(user.uid), user.uid))
    sessions = [uid for uid in reader.directory(SESSIONS) or () if re.fullmatch(r"\d{1,9}", uid)]
    sessions.sort(key=lambda uid: (int(uid) != (owner or None), _rank(int(uid)), int(uid)))
    own = environment(reader.file("/proc/self/environ"))
    told = own.get("DISPLAY", "").partition(".")[0] in ("", f":{number}")
    paths = [own.get("XAUTHORITY", "")] if told else []
    for uid in sessions:
        folder = f"{SESSIONS}/{uid}"
        paths.append(f"{folder}/gdm/Xauthority")
        paths += _matching(reader, folder, _COOKIES_OF_SESSIONS.pattern)
    managed = reader.directory("/run/lightdm") or ()
    paths += [f"/run/lightdm/{user.name}/xauthority" for user in users if user.name in managed]
    paths += _matching(reader, "/tmp", r"xauth_.+")
    paths += [f"{folder}/Xauthority" for folder in _matching(reader, "/tmp", r"xvfb-run\..+")]
    paths += [f"{user.home}/.Xauthority" for user in users]
    # The servers' own copies, which root can read.
    paths += [f"/run/lightdm/root/:{number}", f"/run/lxdm/lxdm-:{number}.auth"]
    paths += _matching(reader, "/run/sddm", r"xauth_.+|\{.+\}")
    for folder in ("/run/gdm3", "/run/gdm"):
        paths += [f"{each}/database" for each in _matching(reader, folder, r"auth-for-.+")]
    return tuple(path for path in dict.fromkeys(paths) if path.startswith("/") and _may_be_told(reader, path, owner))


def _may_be_told(reader: Reader, path: str, owner: int | None) -> bool:
    """Whether a file is there and its cookie is the server owner's business: anybody can pose as a server to learn it."""
    entry = reader.entry(path)
    return entry is not None and not (owner and entry.mode and entry.uid not in (owner, 0))


def _matching(reader: Reader, folder: str, pattern: str) -> list[str]:
    return [f"{folder}/{name}" for name in reader.directory(folder) or () if re.fullmatch(pattern, name)]


def _users(reader: Reader) -> list[User]:
    """Those who may have a session: root and people. Login managers' users have theirs in their sessions' directories."""
    found = []
    for line in (reader.file("/etc/passwd") or "").splitlines():
        fields = line.split(":")
        if len(fields) == 7 and re.fullmatch(r"\d{1,9}", fields[2]) and fields[5].startswith("/"):
            uid = int(fields[2])
            if uid == 0 or _rank(uid) == 0:
                found.append(User(uid, fields[0], fields[5].rstrip("/")))
    return found
