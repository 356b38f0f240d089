"""Which settings of WSL are not in force yet, on machines of every kind."""

from __future__ import annotations

import os

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._desktop.wsl import (
    Started,
    distribution_name,
    inspect,
    start_times,
)

from .machine import BOOT, WSL, Machine, build

CONF, WSLCONFIG = "etc/wsl.conf", "mnt/c/Users/ann/.wslconfig"


def made(tmp_path, more=None, answers=None):
    return Machine(build(tmp_path, {**WSL, CONF: "", WSLCONFIG: "", **(more or {})}), answers)


def test_what_is_said_of_a_distribution(tmp_path):
    host = inspect(
        made(tmp_path, {"proc/7/environ": "WSL_DISTRO_NAME=Ubuntu-24.04\0"}, {"wslinfo --version": "2.5.9.0\n"})
    )
    assert (host.platform, host.version, host.distribution) == ("wsl2", "2.5.9.0", "Ubuntu-24.04")
    assert host.systemd and host.interop
    assert (host.wsl_conf, host.wslconfig) == ("/etc/wsl.conf", "/mnt/c/Users/ann/.wslconfig")
    assert host.windows.program_data == "/mnt/c/ProgramData"
    assert host.started == Started(BOOT, BOOT + 2)
    assert host.restarts == ()


@pytest.mark.parametrize(
    ("release", "platform"),
    [("6.1.0-41-amd64\n", "linux"), ("4.4.0-19041-Microsoft\n", "wsl1")],
)
def test_anything_else_is_left_alone(tmp_path, release, platform):
    machine = Machine(build(tmp_path, {"proc/sys/kernel/osrelease": release, CONF: "[boot]\n"}))
    host = inspect(machine)
    assert host.platform == platform and not host.wslconfig and not host.restarts and machine.asked == []


@pytest.mark.parametrize(
    ("answers", "version"),
    [
        ({"wslinfo --version": "2.5.9.0\n"}, "2.5.9.0"),
        ({"wslinfo --wsl-version": "2.1.5.0\n"}, "2.1.5.0"),
        ({"wslinfo --version": "Usage: wslinfo\n"}, ""),
        ({}, ""),
    ],
)
def test_version(tmp_path, answers, version):
    assert inspect(made(tmp_path, answers=answers)).version == version


@pytest.mark.parametrize(
    ("changed", "due"),
    [
        ({}, []),
        ({WSLCONFIG: BOOT + 60}, ["machine"]),
        ({WSLCONFIG: BOOT - 1}, []),
        ({CONF: BOOT + 60}, ["distribution"]),
        ({CONF: BOOT + 1}, []),  # between the machine's start and the distribution's
        ({WSLCONFIG: BOOT + 60, CONF: BOOT + 60}, ["machine", "distribution"]),
    ],
)
def test_a_file_newer_than_what_read_it_waits(tmp_path, changed, due):
    machine = made(tmp_path)
    for name, moment in changed.items():
        os.utime(tmp_path / name, (moment, moment))
    assert [restart.of for restart in inspect(machine).restarts] == due


@pytest.mark.parametrize(
    ("environ", "command"),
    [("WSL_DISTRO_NAME=Debian\0", "wsl --terminate Debian"), ("PATH=/bin\0", "wsl --shutdown")],
)
def test_the_command_is_the_gentlest_that_is_known(tmp_path, environ, command):
    machine = made(tmp_path, {"proc/self/environ": environ})
    os.utime(tmp_path / CONF, (BOOT + 60, BOOT + 60))
    (restart,) = inspect(machine).restarts
    assert restart.command == command and f"`{command}`" in restart.message
    assert restart.file == str(tmp_path / CONF)


def test_an_edit_of_this_run_waits_even_if_the_file_is_gone(tmp_path):
    machine = Machine(build(tmp_path, WSL))
    edited = [machine.real("/etc/wsl.conf"), machine.real("/mnt/c/Users/ann/.wslconfig")]
    assert [restart.of for restart in inspect(machine, edited=edited).restarts] == ["machine", "distribution"]
    assert inspect(machine).restarts == ()


def test_a_clock_put_right_after_sleep_hides_nothing(tmp_path):
    """btime moved six hours forward with the clock; the sockets and the shared tmpfs know better."""
    machine = made(tmp_path, {"proc/stat": f"btime {BOOT + 21600}\n", "mnt/wsl/resolv.conf": ""})
    os.utime(tmp_path / "mnt/wsl/resolv.conf", (BOOT + 1, BOOT + 1))
    assert start_times(machine) == Started(BOOT + 1, BOOT + 2)
    os.utime(tmp_path / WSLCONFIG, (BOOT + 60, BOOT + 60))
    assert [restart.of for restart in inspect(machine).restarts] == ["machine"]


@pytest.mark.parametrize("gone", ["proc/stat", "proc/1/stat"])
def test_a_start_that_cannot_be_known_proves_nothing(tmp_path, gone):
    files = {name: text for name, text in WSL.items() if name != gone and not name.startswith("run/WSL")}
    machine = Machine(build(tmp_path, {**files, CONF: ""}))
    os.utime(tmp_path / CONF, (BOOT + 60, BOOT + 60))
    assert start_times(machine).distribution is None
    assert inspect(machine).restarts == ()


@pytest.mark.parametrize(
    ("files", "name"),
    [
        ({"proc/self/environ": "WSL_DISTRO_NAME=A\0", "proc/1/environ": "WSL_DISTRO_NAME=B\0"}, "A"),
        ({"proc/1/environ": "WSL_DISTRO_NAME=B\0"}, "B"),
        ({"proc/12/environ": "X=1\0", "proc/300/environ": "WSL_DISTRO_NAME=C\0"}, "C"),
        ({}, ""),
    ],
)
def test_the_name_is_taken_from_any_process_that_was_told(tmp_path, files, name):
    assert distribution_name(Machine(build(tmp_path, {"proc/": "", **files}))) == name
