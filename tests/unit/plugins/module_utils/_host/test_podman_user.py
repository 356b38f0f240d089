"""Commands in a user's name."""

from __future__ import annotations

import getpass
import os
import pathlib
import pwd

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._errors import EngineError, InputError
from ansible_collections.gpu_fleet.containers.plugins.module_utils._host import podman_user
from ansible_collections.gpu_fleet.containers.plugins.module_utils._host.podman_user import User

FLEET = User("fleet", 1000, 1000, "/home/fleet")


def test_a_command_finds_the_users_systemd() -> None:
    assert FLEET.argv(["podman", "info"]) == [
        "runuser", "-u", "fleet", "--", "env",
        "HOME=/home/fleet", "USER=fleet", "LOGNAME=fleet", "XDG_RUNTIME_DIR=/run/user/1000",
        "DBUS_SESSION_BUS_ADDRESS=unix:path=/run/user/1000/bus",
        "podman", "info",
    ]  # fmt: skip


def test_a_user_that_is_not_there_is_named() -> None:
    with pytest.raises(InputError, match="there is no user 'nobody-of-that-name' here"):
        podman_user.user("nobody-of-that-name")


def test_root_is_no_ordinary_user() -> None:
    with pytest.raises(InputError, match="is root"):
        podman_user.user(pwd.getpwuid(0).pw_name)


def test_what_a_command_says_when_it_fails_is_kept() -> None:
    with pytest.raises(EngineError, match="sh -c echo no >&2; exit 3: it failed: no"):
        podman_user.run(["sh", "-c", "echo no >&2; exit 3"])
    assert podman_user.run(["echo", "yes"]) == "yes\n"


def test_directories_are_the_users(tmp_path: pathlib.Path) -> None:
    who = User(getpass.getuser(), os.getuid(), os.getgid(), str(tmp_path))
    podman_user.make_directories(str(tmp_path / "a/b"), who)
    podman_user.make_directories(str(tmp_path / "a/b"), None)
    assert (tmp_path / "a/b").is_dir()
