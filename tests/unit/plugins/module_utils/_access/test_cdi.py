"""Which CDI names an engine resolves: precedence, conflicts, versions, stale files."""

from __future__ import annotations

import json

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._access.cdi import newest_version, resolve
from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu.model import EngineFacts
from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu.snapshot import ReplayReader

DIRS = ("/etc/cdi", "/var/run/cdi")


def spec(*names, version="0.5.0", kind="nvidia.com/gpu", mounts=()):
    edits = {"mounts": [{"hostPath": path, "containerPath": path} for path in mounts]}
    devices = [{"name": name, "containerEdits": {"deviceNodes": [{"path": "/dev/nvidia0"}]}} for name in names]
    return json.dumps({"cdiVersion": version, "kind": kind, "devices": devices, "containerEdits": edits})


def run(files, version="5.4.2", directories=None, name="podman"):
    reader = ReplayReader({"snapshot": 1, "files": files, "directories": directories or {}})
    names, findings = resolve(reader, EngineFacts(name, True, True, version=version, cdi_dirs=DIRS))
    return [each.rpartition("=")[2] for each in names], [found.code for found in findings]


@pytest.mark.parametrize(
    ("files", "names", "codes"),
    [
        ({}, [], []),
        ({"/etc/cdi/a.json": spec("0", "all")}, ["0", "all"], []),
        ({"/etc/cdi/a.yaml": 'cdiVersion: 0.5.0\nkind: a.com/b\ndevices:\n- name: "0"\n'}, ["0"], []),
        ({"/etc/cdi/a.yml": spec("0")}, [], []),
        ({"/etc/cdi/deep/a.json": spec("0")}, [], []),
        ({"/etc/cdi/a.json": spec("0", "old"), "/var/run/cdi/b.json": spec("0")}, ["0", "old"], ["cdi-shadowed"]),
        ({"/etc/cdi/a.json": spec("0"), "/etc/cdi/b.json": spec("0", "1")}, ["1"], ["cdi-conflict"]),
        ({"/etc/cdi/a.json": "{"}, [], ["cdi-unreadable"]),
        ({"/etc/cdi/a.yaml": "a: &x 1\n"}, [], ["cdi-unreadable"]),
        ({"/etc/cdi/a.json": '{"cdiVersion": "0.5.0", "kind": "a/b", "devices": []}'}, [], ["cdi-unreadable"]),
        ({"/etc/cdi/a.json": spec("0", version="1.1.0")}, [], ["cdi-too-new"]),
        ({"/etc/cdi/a.json": spec("0", version="0.8.0")}, ["0"], []),
    ],
)
def test_resolve(files, names, codes):
    assert run(files) == (names, codes)


def test_a_spec_whose_files_are_gone_is_not_used():
    files = {"/etc/cdi/a.json": spec("all", mounts=("/usr/lib/wsl/drivers/old/libcuda.so",))}
    assert run(files, directories={"/usr/lib/wsl/drivers": ["new"]}) == ([], ["cdi-stale"])
    assert run(files, directories={"/usr/lib/wsl/drivers": ["old"]}) == (["all"], [])


def test_additional_gids_break_ubuntus_podman():
    """nvidia-container-toolkit 1860: cdiVersion 0.7.0 is dropped as a whole by Podman before 5.1."""
    assert run({"/etc/cdi/a.json": spec("all", version="0.7.0")}, version="4.9.3") == ([], ["cdi-too-new"])
    assert run({"/etc/cdi/a.json": spec("all", version="0.7.0")}, version="5.1.0") == (["all"], [])


def test_what_the_engine_says_itself_counts():
    reader = ReplayReader({"snapshot": 1, "files": {"/etc/cdi/a.json": spec("x")}})
    assert resolve(reader, EngineFacts("docker", cdi_dirs=DIRS, cdi_devices=("a.com/b=0",))) == (("a.com/b=0",), [])


@pytest.mark.parametrize(
    ("name", "version", "expected"),
    [
        ("docker", "20.10.24", (0, 0)),
        ("docker", "25.0.5", (0, 6)),
        ("docker", "26.1.5+dfsg1", (0, 7)),
        ("docker", "29.2.0", (1, 1)),
        ("podman", "4.3.1", (0, 5)),
        ("podman", "3.4.4", (0, 0)),
        ("podman", "5.8.2", (1, 0)),
        ("podman", "", None),
        ("podman", "six", None),
        ("podman", "5.\u00b2", None),
        ("podman", "5", None),
        ("podman", "5.10-rc1", (1, 0)),
    ],
)
def test_newest_version(name, version, expected):
    assert newest_version(EngineFacts(name, version=version)) == expected
