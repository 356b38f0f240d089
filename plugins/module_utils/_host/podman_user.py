# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An ordinary user who runs containers with rootless Podman: who it is, and commands in its name, run by root."""

from __future__ import annotations

import os
import pwd
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass

from .._errors import EngineError, InputError

LINGER = "/var/lib/systemd/linger"
"""loginctl keeps a file for each user whose services run without a login (loginctl(1), enable-linger)."""


@dataclass(frozen=True)
class User:
    name: str
    uid: int
    gid: int
    home: str

    @property
    def runtime_dir(self) -> str:
        return f"/run/user/{self.uid}"

    @property
    def config_dir(self) -> str:
        return os.path.join(self.home, ".config")

    def argv(self, command: Sequence[str]) -> list[str]:
        """`command` as this user, where it finds its systemd and its Podman."""
        variables = {
            "HOME": self.home,
            "USER": self.name,
            "LOGNAME": self.name,
            "XDG_RUNTIME_DIR": self.runtime_dir,
            "DBUS_SESSION_BUS_ADDRESS": f"unix:path={self.runtime_dir}/bus",
        }
        return [
            "runuser",
            "-u",
            self.name,
            "--",
            "env",
            *(f"{key}={value}" for key, value in variables.items()),
            *command,
        ]


def user(name: str) -> User:
    """The account; InputError when there is none, or it is root's."""
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        raise InputError(
            f"there is no user {name!r} here", "podman_rootless_users", f"Run 'useradd -m {name}'."
        ) from None
    if entry.pw_uid == 0:
        raise InputError(f"{name!r} is root", "podman_rootless_users", "Name ordinary users.")
    return User(name, entry.pw_uid, entry.pw_gid, entry.pw_dir)


def lingers(name: str) -> bool:
    return os.path.exists(os.path.join(LINGER, name))


def uses_podman(who: User) -> bool:
    """Whether this user's Podman has made its storage: what it holds is mapped by the ids of then."""
    return os.path.isdir(os.path.join(who.home, ".local/share/containers/storage"))


def make_directories(path: str, who: User | None) -> None:
    """As os.makedirs, and what is made below a user's home is the user's."""
    missing = []
    while not os.path.isdir(path):
        missing.append(path)
        path = os.path.dirname(path)
    for each in reversed(missing):
        os.mkdir(each)
        if who:
            os.chown(each, who.uid, who.gid)


def run(argv: Sequence[str]) -> str:
    """The command's output; EngineError with what it said when it fails."""
    result = subprocess.run(list(argv), capture_output=True, text=True, check=False, cwd="/")
    if result.returncode != 0:
        said = (result.stderr or result.stdout).strip()
        raise EngineError(f"it failed: {said}", " ".join(argv))
    return result.stdout


def wait_for_manager(who: User, timeout: float = 30.0) -> None:
    """Wait until the user's own systemd answers; lingering starts it, some tenths of a second later."""
    deadline = time.monotonic() + timeout
    while not os.path.exists(f"{who.runtime_dir}/bus"):
        if time.monotonic() > deadline:
            raise EngineError(
                f"the systemd of {who.name} does not start",
                f"user@{who.uid}.service",
                f"Look at 'systemctl status user@{who.uid}.service'; it needs dbus-user-session.",
            )
        time.sleep(0.1)
