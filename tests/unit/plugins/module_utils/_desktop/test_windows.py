"""Windows as a distribution sees it: drives, interop, whose profile it is."""

from __future__ import annotations

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._desktop.windows import (
    interop_sockets,
    look,
    mounted_drives,
    to_here,
)
from ansible_collections.gpu_fleet.containers.plugins.module_utils._errors import InputError
from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu.probe import CommandResult, HostReader

from .machine import MOUNTS, WSL, Machine, build, through

UNC = (
    "'\\\\wsl.localhost\\Ubuntu\\root'\r\nCMD.EXE was started with the above path as the current directory.\r\n"
    "UNC paths are not supported.  Defaulting to Windows directory.\r\n"
)
ASK = ("cmd.exe", "/c", "echo %USERPROFILE%")


@pytest.mark.parametrize(
    ("mounts", "files", "drives"),
    [
        (MOUNTS, {}, {"c": "/mnt/c"}),
        (MOUNTS.replace("/mnt/c", "/win\\040dows/c"), {}, {"c": "/win dows/c"}),
        (MOUNTS + "D:\\134 /mnt/d 9p rw 0 0\n", {}, {"c": "/mnt/c", "d": "/mnt/d"}),
        ("drvfsaC9 /mnt/c virtiofs rw 0 0\n", {"mnt/c/Users/": ""}, {"c": "/mnt/c"}),
        ("", {"etc/wsl.conf": "[automount]\nroot = /win/ # here\n", "win/c/Users/": ""}, {"c": "/win/c"}),
        (
            "",
            {"etc/wsl.conf": "\ufeff[AutoMount]\r\nROOT=/win\r\nroot=/other\r\n", "win/c/Users/": ""},
            {"c": "/win/c"},
        ),
        ("", {"etc/wsl.conf": "[automount]\nroot=/\n", "c/Users/": "", "etc/": ""}, {"c": "/c"}),
        ("", {"mnt/c/": ""}, {}),  # made for a drive that is not mounted
        ("", {}, {}),
        ("C /mnt/c 9p rw 0 0\nC:\\134 /mnt/c ext4 rw 0 0\n", {}, {}),
    ],
)
def test_drives(tmp_path, mounts, files, drives):
    assert mounted_drives(Machine(build(tmp_path, {"proc/mounts": mounts, **files}))) == drives


@pytest.mark.parametrize(
    ("path", "here"),
    [
        ("C:\\Users\\ann", "/mnt/c/Users/ann"),
        ("c:/Users/ann/", "/mnt/c/Users/ann"),
        ("C:", "/mnt/c"),
        ("D:\\ann", ""),
        ("", ""),
    ],
)
def test_a_windows_path_is_found_below_its_drive(path, here):
    assert to_here(path, {"c": "/mnt/c"}) == here


def test_sockets_are_tried_own_first_then_the_oldest(tmp_path):
    names = {f"run/WSL/{name}": "" for name in ("410_interop", "2_interop", "1_interop", "other")}
    machine = Machine(build(tmp_path, names))
    assert interop_sockets(machine) == ("/run/WSL/1_interop", "/run/WSL/2_interop", "/run/WSL/410_interop")
    build(tmp_path, {"proc/self/environ": "A=1\0WSL_INTEROP=/run/WSL/410_interop\0"})
    assert interop_sockets(machine)[0] == "/run/WSL/410_interop"
    build(tmp_path, {"proc/self/environ": "WSL_INTEROP=/run/WSL/99_interop\0"})  # of a session that has ended
    assert interop_sockets(machine)[0] == "/run/WSL/1_interop"


MORE = {"mnt/c/Users/bob/": "", "mnt/c/Users/defaultuser0/": ""}


@pytest.mark.parametrize(
    ("files", "answer", "path", "source"),
    [
        ({}, "", "/mnt/c/Users/ann", "only"),
        (MORE, "", "", ""),
        ({**MORE, "mnt/c/Users/bob/.wslconfig": ""}, "", "/mnt/c/Users/bob", "wslconfig"),
        (
            {**MORE, "mnt/c/Users/bob/.wslconfig": "", "mnt/c/Users/ann/.wslconfig": ""},
            "",
            "",
            "",
        ),
        (MORE, UNC + "C:\\Users\\bob\r\n", "/mnt/c/Users/bob", "interop"),
        # Windows knows better than the folder that looks right.
        ({**MORE, "mnt/c/Users/ann/.wslconfig": ""}, "C:\\Users\\bob\r\n", "/mnt/c/Users/bob", "interop"),
        ({}, "C:\\Users\\J\ufffdrg\r\n", "/mnt/c/Users/ann", "only"),
        ({}, "%USERPROFILE%\r\n", "/mnt/c/Users/ann", "only"),
    ],
)
def test_whose_profile_it_is(tmp_path, files, answer, path, source):
    machine = Machine(build(tmp_path, {**WSL, **files}), {through("1_interop", *ASK): answer})
    profile = look(machine).profile
    assert (profile.path, profile.source) == (path, source)
    assert bool(profile.reason) == (path == "")


def test_two_profiles_are_named_when_none_is_taken(tmp_path):
    profile = look(Machine(build(tmp_path, {**WSL, **MORE}))).profile
    assert "/mnt/c/Users/ann, /mnt/c/Users/bob" in profile.reason


@pytest.mark.parametrize("given", ["C:\\Users\\bob", "/mnt/c/Users/bob", "/mnt/c/Users/bob/"])
def test_a_given_profile_decides_and_nobody_is_asked(tmp_path, given):
    machine = Machine(build(tmp_path, {**WSL, **MORE}), {through("1_interop", *ASK): "C:\\Users\\ann\r\n"})
    assert look(machine, given).profile.path == "/mnt/c/Users/bob"
    assert machine.asked == []


@pytest.mark.parametrize("given", ["C:\\Users\\eve", "E:\\ann", "/nowhere"])
def test_a_given_profile_has_to_be_there(tmp_path, given):
    with pytest.raises(InputError, match="there is no folder"):
        look(Machine(build(tmp_path, WSL)), given)


def test_without_drives_the_reason_says_so(tmp_path):
    windows = look(Machine(build(tmp_path, {**WSL, "proc/mounts": ""}), {}))
    assert windows.profile.path  # the tree below /mnt counts, too
    windows = look(Machine(build(tmp_path / "bare", {"proc/mounts": ""})))
    assert "no drive of Windows is mounted" in windows.profile.reason and windows.program_data == ""


def test_a_session_that_hangs_is_not_followed_by_others(tmp_path):
    machine = Machine(
        build(tmp_path, {**WSL, "run/WSL/30_interop": ""}), {through("30_interop", *ASK): "C:\\Users\\ann\r\n"}
    )
    assert look(machine).profile.source == "interop" and len(machine.asked) == 2
    machine.asked.clear()
    machine.answers[through("1_interop", *ASK)] = CommandResult(124, "", "no answer within 8 s")
    assert look(machine).profile.source == "only" and len(machine.asked) == 1


class Live(Machine):
    """Programs of the tree are run for real, with what the module puts around them."""

    def command(self, argv, timeout=10.0):
        return HostReader.command(
            self, [self.real(word) if word.startswith("/mnt/") else word for word in argv], timeout
        )


ANSWER = r"""#!/bin/sh
[ "$WSL_INTEROP" = /run/WSL/1_interop ] && [ "$*" = "/c echo %USERPROFILE%" ] && printf 'C:\\Users\\bob\r\n'
"""


def test_a_program_is_told_which_session_to_go_through(tmp_path, monkeypatch):
    monkeypatch.delenv("WSL_INTEROP", raising=False)
    build(tmp_path, {**WSL, **MORE, "mnt/c/Windows/System32/cmd.exe": ANSWER})
    (tmp_path / "mnt/c/Windows/System32/cmd.exe").chmod(0o755)
    assert look(Live(tmp_path)).profile.path == "/mnt/c/Users/bob"
