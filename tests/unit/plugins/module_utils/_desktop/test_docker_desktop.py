"""Where Docker Desktop's settings are and whether it runs, on made-up Windows, macOS and Linux."""

from __future__ import annotations

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._desktop.docker_desktop import inspect, to_do
from ansible_collections.gpu_fleet.containers.plugins.module_utils._errors import InputError

from .machine import MOUNTS, WSL, Machine, build, through

ROAMING = "mnt/c/Users/ann/AppData/Roaming/Docker"
MAC = "Users/ann/Library/Group Containers/group.com.docker"
LINUX = {
    "proc/sys/kernel/osrelease": "6.8.0-49-generic\n",
    "proc/1/cmdline": "/sbin/init\0splash\0",
    "home/ann/.docker/desktop/settings-store.json": "{}",
}
LIST = ("tasklist.exe", "/FO", "CSV", "/NH")
QUIET = '"System Idle Process","0","Services","0","8 K"\r\n"com.docker.service","4120","Services","0","9,000 K"\r\n'
BUSY = QUIET + '"com.docker.backend.exe","7044","Console","1","131,072 K"\r\n'


def without(files, *names):
    return {name: text for name, text in files.items() if name not in names}


def test_under_wsl2_it_is_the_one_of_windows(tmp_path):
    host = inspect(Machine(build(tmp_path, {**WSL, "proc/9/environ": "WSL_DISTRO_NAME=Ubuntu\0"})))
    assert host.place.settings == f"/{ROAMING}/settings-store.json" and not host.place.older
    assert host.place.admin == "/mnt/c/ProgramData/DockerDesktop/admin-settings.json"
    assert (host.platform, host.distribution) == ("wsl2", "Ubuntu")


@pytest.mark.parametrize(
    ("files", "settings", "older"),
    [
        ({f"{ROAMING}/": ""}, "settings-store.json", False),
        ({f"{ROAMING}/settings.json": "{}"}, "settings.json", True),
        ({f"{ROAMING}/settings.json": "{}", f"{ROAMING}/settings-store.json": "{}"}, "settings-store.json", False),
    ],
)
def test_the_older_file_is_taken_where_it_is_the_only_one(tmp_path, files, settings, older):
    place = inspect(Machine(build(tmp_path, {**without(WSL, f"{ROAMING}/settings-store.json"), **files}))).place
    assert (place.settings, place.older) == (f"/{ROAMING}/{settings}", older)


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        (
            without(WSL, f"{ROAMING}/settings-store.json") | {"mnt/c/Users/ann/": ""},
            "never started by this Windows user",
        ),
        (without(WSL, f"{ROAMING}/settings-store.json"), "no person's profile"),
        ({**WSL, "mnt/c/Users/bob/": ""}, "several profiles"),
        ({**WSL, ".dockerenv": ""}, "this is a container"),
        ({"proc/sys/kernel/osrelease": "4.4.0-19041-Microsoft\n"}, "does not work with WSL1"),
        (without(LINUX, "home/ann/.docker/desktop/settings-store.json"), "never started here"),
        ({**LINUX, "home/bob/.docker/desktop/": ""}, "several people have it"),
    ],
)
def test_where_it_is_not_found_the_reason_is_told(tmp_path, files, reason):
    place = inspect(Machine(build(tmp_path, files))).place
    assert reason in place.reason and not place.settings and not place.admin


def test_on_linux_and_macos(tmp_path):
    place = inspect(Machine(build(tmp_path / "linux", LINUX))).place
    assert place.settings == "/home/ann/.docker/desktop/settings-store.json"
    assert place.admin == "/usr/share/docker-desktop/admin-settings.json"
    place = inspect(Machine(build(tmp_path / "mac", {f"{MAC}/": ""}), system="Darwin")).place
    assert place.settings == f"/{MAC}/settings-store.json"
    assert place.admin == "/Library/Application Support/com.docker.docker/admin-settings.json"


def test_a_given_home_decides(tmp_path):
    files = {**LINUX, "home/bob/.docker/desktop/": "", "home/eve/": ""}
    machine = Machine(build(tmp_path, files))
    assert inspect(machine, home="/home/bob").place.folder == "/home/bob/.docker/desktop"
    assert "in /home/eve" in inspect(machine, home="/home/eve").place.reason
    with pytest.raises(InputError, match="there is no folder"):
        inspect(machine, home="/home/nobody")


MOUNTED = {"proc/mounts": MOUNTS + "overlay /mnt/wsl/docker-desktop/cli-tools iso9660 ro 0 0\n"}
PROXY = {"proc/55/cmdline": "/mnt/wsl/docker-desktop/docker-desktop-user-distro\0proxy\0--distro-name\0Ubuntu\0"}


@pytest.mark.parametrize(
    ("files", "listed", "state"),
    [
        ({}, BUSY, "running"),
        ({}, '"Docker Desktop.exe","1","Console","1","8 K"\r\n', "running"),
        ({}, QUIET, "stopped"),
        ({**MOUNTED, **PROXY}, QUIET, "stopped"),  # what Windows says settles it
        (PROXY, "", "running"),
        (MOUNTED, "", "unknown"),  # the mount may have outlived it
        ({}, "", "unknown"),
        ({}, "INFO: no tasks\r\n", "unknown"),
    ],
)
def test_whether_it_runs_on_windows(tmp_path, files, listed, state):
    machine = Machine(build(tmp_path, {**WSL, **files}), {through("1_interop", *LIST): listed})
    host = inspect(machine)
    assert host.state == state and host.evidence


def test_every_session_is_asked_until_one_answers(tmp_path):
    machine = Machine(build(tmp_path, {**WSL, "run/WSL/30_interop": ""}), {through("30_interop", *LIST): QUIET})
    assert inspect(machine).state == "stopped"


@pytest.mark.parametrize(
    ("files", "state"),
    [
        ({}, "stopped"),
        ({"proc/88/cmdline": "/opt/docker-desktop/bin/com.docker.backend\0run\0"}, "running"),
        ({"proc/88/cmdline": "/usr/bin/dockerd\0"}, "stopped"),
        ({"proc/1/cmdline": ""}, "unknown"),
    ],
)
def test_whether_it_runs_on_linux(tmp_path, files, state):
    assert inspect(Machine(build(tmp_path, {**LINUX, **files}))).state == state


@pytest.mark.parametrize(
    ("listed", "state"),
    [
        ("/sbin/launchd\n/Applications/Docker.app/Contents/MacOS/com.docker.backend\n", "running"),
        (
            "/sbin/launchd\n/Applications/Docker.app/Contents/MacOS/Docker Desktop.app/Contents/MacOS/Docker Desktop\n",
            "running",
        ),
        ("/sbin/launchd\n/usr/local/bin/docker\n/Library/PrivilegedHelperTools/com.docker.vmnetd\n", "stopped"),
        ("", "unknown"),
    ],
)
def test_whether_it_runs_on_macos(tmp_path, listed, state):
    machine = Machine(build(tmp_path, {f"{MAC}/": ""}), {"ps -axo comm=": listed}, system="Darwin")
    assert inspect(machine).state == state


def test_the_inventory_may_answer_for_it(tmp_path):
    machine = Machine(build(tmp_path, WSL))
    assert inspect(machine).state == "unknown"
    assert inspect(machine, stopped=True).state == "stopped"
    build(tmp_path, PROXY)
    assert inspect(machine, stopped=True).state == "running"  # what is seen counts more


@pytest.mark.parametrize(
    ("listed", "waiting", "edited", "words"),
    [
        (BUSY, ["Cpus", "AutoStart"], False, [["left as it is (Cpus, AutoStart)", "Docker Desktop runs", "Quit it"]]),
        ("", ["Cpus"], False, [["may run (programs of Windows do not run"]]),
        (BUSY, [], True, [["admin-settings.json was changed", "start it again"]]),
        (BUSY, ["Cpus"], True, [["settings-store.json"], ["admin-settings.json"]]),
        (BUSY, [], False, []),
        (QUIET, ["Cpus"], True, []),
    ],
)
def test_what_is_left_to_do_by_hand(tmp_path, listed, waiting, edited, words):
    machine = Machine(build(tmp_path, WSL), {through("1_interop", *LIST): listed})
    messages = to_do(machine, inspect(machine), waiting, edited)
    assert len(messages) == len(words)
    for message, parts in zip(messages, words, strict=True):
        assert all(part in message for part in parts)
