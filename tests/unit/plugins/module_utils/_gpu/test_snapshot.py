"""Recording and replaying are inverse, and a recording holds no secret."""

from __future__ import annotations

import json

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._access.facts import gather
from ansible_collections.gpu_fleet.containers.plugins.module_utils._errors import InputError
from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu.probe import HostReader
from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu.snapshot import (
    RecordingReader,
    ReplayReader,
    key_of,
    load,
    strip_credentials,
)

from .test_fixtures import NAMES, SNAPSHOTS


@pytest.mark.parametrize("name", [name for name in NAMES if name != "garbage"])
def test_a_recorded_replay_gives_the_same_facts(name):
    recording = RecordingReader(ReplayReader(SNAPSHOTS[name]))
    first = gather(recording, ["docker", "podman"])
    again = ReplayReader(json.loads(json.dumps(recording.snapshot())))
    assert gather(again, ["docker", "podman"]) == first
    assert again.damage == []


def test_this_host_replays_as_it_was_recorded():
    recording = RecordingReader(HostReader())
    first = gather(recording, [])
    assert gather(ReplayReader(recording.snapshot()), []) == first


def test_secrets_stay_out():
    info = {"rc": 0, "stdout": '{"ServerVersion": "28.0", "HttpProxy": "http://me:hunter22@proxy:3128"}', "stderr": ""}
    host = {
        "snapshot": 1,
        "files": {"/proc/self/environ": "PATH=/bin\0API_TOKEN=hunter22\0DISPLAY=:0\0AWS_SECRET_ACCESS_KEY=hunter22"},
        "commands": {"docker info --format {{json .}}": info},
    }
    recording = RecordingReader(ReplayReader(host))
    gather(recording, ["docker"])
    made = recording.snapshot()
    assert "hunter22" not in json.dumps(made)
    assert made["files"]["/proc/self/environ"] == "PATH=/bin\0DISPLAY=:0"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("http://me:pw@proxy:1/x", "http://proxy:1/x"),
        ("see https://token@host and ssh://u@h", "see https://host and ssh://h"),
        ("mail me@host, http://host/a@b", "mail me@host, http://host/a@b"),
        ("http://u:p@ss@host", "http://host"),
    ],
)
def test_strip_credentials(text, expected):
    assert strip_credentials(text) == expected


def test_a_program_is_the_same_by_name_and_by_path():
    reader = ReplayReader({"snapshot": 1, "commands": {"/usr/lib/wsl/lib/nvidia-smi -q -x": {"rc": 0, "stdout": "a"}}})
    assert reader.command(["nvidia-smi", "-q", "-x"]).stdout == "a"
    assert reader.command(["/opt/nvidia-smi", "-q", "-x"]).stdout == "a"
    assert reader.command(["nvidia-smi"]) is None
    assert key_of(["/bin/x", "-a"]) == "x -a"


def test_paths_nodes_and_entries_are_one_view():
    reader = ReplayReader(
        {
            "snapshot": 1,
            "files": {"/sys/class/drm/card0/device/vendor": "0x1002\n"},
            "directories": {"/dev": ["kfd"]},
            "nodes": {
                "/dev/dri/renderD128": {
                    "kind": "char",
                    "major": 226,
                    "minor": 128,
                    "mode": "0660",
                    "uid": 0,
                    "gid": 104,
                }
            },
        }
    )
    assert reader.directory("/dev") == ("dri", "kfd")
    assert reader.directory("/dev/dri") == ("renderD128",)
    assert reader.directory("/sys/class/drm") == ("card0",)
    assert reader.directory("/nowhere") is None
    assert reader.node("/dev/kfd").mode == ""
    assert reader.node("/dev/dri") is None


def test_what_nobody_asked_about_counts_as_there():
    reader = ReplayReader({"snapshot": 1, "directories": {"/usr/lib/wsl/drivers": ["new"]}})
    assert not reader.exists("/usr/lib/wsl/drivers/old/libcuda.so")
    assert reader.exists("/usr/lib/wsl/drivers/new")
    assert reader.exists("/opt/elsewhere")


def test_a_recorded_absence_stays_absent(tmp_path):
    (tmp_path / "there").write_text("")
    recording = RecordingReader(HostReader())
    asked = {str(tmp_path / name): recording.exists(str(tmp_path / name)) for name in ("gone/deep", "there", "no")}
    replay = ReplayReader(recording.snapshot())
    assert asked == {path: replay.exists(path) for path in asked} == dict(zip(asked, (False, True, False), strict=True))


def test_load(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        load(str(tmp_path / "none.json"))
    broken = tmp_path / "broken.json"
    broken.write_text('{"snapshot": 1, ')
    assert ReplayReader(load(str(broken))).findings()[0].code == "snapshot-damaged"


@pytest.mark.parametrize(
    ("written", "asked"),
    [
        ("/run/cdi/a.yaml", "/var/run/cdi/a.yaml"),
        ("/var/run/cdi/a.yaml", "/run/cdi/a.yaml"),
        ("/lib/x86_64-linux-gnu/libcuda.so.1", "/usr/lib/x86_64-linux-gnu/libcuda.so.1"),
    ],
)
def test_a_directory_that_is_a_link_has_one_content(written, asked):
    reader = ReplayReader({"files": {written: "x"}, "directories": {asked.rpartition("/")[0]: ["other"]}})
    assert reader.file(asked) == "x"
    assert reader.exists(asked)
    assert reader.directory(written.rpartition("/")[0]) == tuple(sorted([asked.rpartition("/")[2], "other"]))


def test_a_command_as_it_is_typed():
    typed = ReplayReader({"commands": {"docker info --format '{{json .}}'": {"rc": 0, "stdout": "{}"}}})
    assert typed.docker_info("").stdout == "{}"
    lacking = {"rc": 127, "stderr": "bash: nvidia-smi: command not found\n"}
    assert ReplayReader({"commands": {"nvidia-smi -q -x": lacking}}).command(["nvidia-smi", "-q", "-x"]) is None


@pytest.mark.parametrize(
    ("path", "there"),
    [
        ("/dev/nvidia0", True),
        ("/dev/nvidia1", False),
        ("/dev/nvidia-uvm", True),
        ("/dev/kfd", False),
        ("/usr/lib/wsl/drivers/nv_new/libcuda.so.1.1", True),
        ("/usr/lib/wsl/drivers/nv_old/libcuda.so.1.1", False),
        ("/usr/lib/x86_64-linux-gnu/libcuda.so.550.120", True),
        ("/usr/lib/x86_64-linux-gnu/libcuda.so.535.183.01", False),
        ("/usr/lib/x86_64-linux-gnu/libnvidia-egl-gbm.so.1.1.1", True),
    ],
)
def test_what_is_recorded_together_is_missed_alone(path, there):
    reader = ReplayReader(
        {
            "files": {
                "/proc/driver/nvidia/version": "NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.120  x\n",
                "/usr/lib/wsl/drivers/nv_new/nvidia-smi": "",
            },
            "nodes": {"/dev/nvidia0": {"major": 195, "minor": 0, "mode": "0666"}},
        }
    )
    assert reader.exists(path) is there


def test_an_editor_of_windows_changes_nothing(tmp_path):
    path = tmp_path / "host.json"
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps({"files": {"/etc/os-release": "\ufeffA=1\r\nB=2\r\n"}}).encode())
    assert ReplayReader(load(str(path))).file("/etc/os-release") == "A=1\nB=2\n"


@pytest.mark.parametrize(
    ("written", "mode"),
    [
        ("0660", "0660"),
        ("666", "0666"),
        ("0o600", "0600"),
        ("020660", "0660"),
        (432, "0660"),
        (660, "0660"),
        (None, ""),
    ],
)
def test_a_nodes_mode_as_people_write_it(written, mode):
    entry = {"major": 195, "minor": 0, **({} if written is None else {"mode": written})}
    reader = ReplayReader({"snapshot": 1, "nodes": {"/dev/nvidia0": entry}})
    assert (reader.node("/dev/nvidia0").mode, reader.damage) == (mode, [])


@pytest.mark.parametrize("written", ["rw-rw----", "0666\0", "0{666", True, None, 1.5, []])
def test_a_mode_that_is_none_damages_its_node(written):
    reader = ReplayReader({"snapshot": 1, "nodes": {"/dev/nvidia0": {"mode": written}}})
    assert (reader.node("/dev/nvidia0"), reader.damage) == (None, ["nodes: /dev/nvidia0"])
