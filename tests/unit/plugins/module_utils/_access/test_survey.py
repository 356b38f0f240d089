"""A host's specs against its engines: what each resolves, what goes along, and what is said."""

from __future__ import annotations

import json

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._access.facts import gather
from ansible_collections.gpu_fleet.containers.plugins.module_utils._access.survey import survey
from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu.snapshot import ReplayReader

from .examples import docker, podman

DIRS = ("/etc/cdi", "/var/run/cdi")
NAME = "v.com/dev=one"


def spec(version="0.5.0", **edits):
    content = {"deviceNodes": [{"path": "/dev/v0"}], **edits}
    devices = [{"name": "one", "containerEdits": content}]
    return json.dumps({"cdiVersion": version, "kind": "v.com/dev", "devices": devices})


def look(*engines, files=None):
    reader = ReplayReader({"snapshot": 1, "files": files or {"/etc/cdi/v.json": spec()}})
    known, carried, findings = survey(reader, {engine.name: engine for engine in engines}, DIRS)
    for entry in findings:
        assert entry.evidence and entry.probe and entry.mend and "{{" not in entry.mend, entry
    return known, carried, [entry.code for entry in findings]


READS = {"cdi_dirs": DIRS}


@pytest.mark.parametrize(
    ("engine", "reads", "carries", "codes"),
    [
        (podman(**READS), True, False, []),
        (podman(version="4.0.3", **READS), False, True, ["cdi-too-new"]),
        (docker(**READS), True, False, []),
        (docker(version="28.0.1"), False, True, ["cdi-off"]),
        (docker(version="20.10.24"), False, True, []),
        (docker(flavour="podman", version="5.4.2", **READS), True, False, []),
        (docker(flavour="podman", version="4.9.3"), False, True, []),
        (docker(flavour="desktop"), False, False, ["cdi-not-seen-by-desktop"]),
        (docker(url="tcp://far:2375"), False, False, ["cdi-off"]),
    ],
)
def test_each_kind_of_engine(engine, reads, carries, codes):
    known, carried, found = look(engine)
    assert (NAME in known[engine.name].cdi_devices) is reads
    assert (
        carried == {"v.com/dev": {"edits": {}, "devices": {"one": {"deviceNodes": [{"path": "/dev/v0"}]}}}}
    ) is carries
    assert bool(carried) is carries
    assert found == codes
    if reads:
        assert known[engine.name].cdi_nodes == {NAME: ["/dev/v0"]}


def test_specs_go_along_if_one_engine_needs_them():
    known, carried, codes = look(podman(**READS), docker(version="20.10.24"))
    assert known["podman"].cdi_devices == (NAME,)
    assert list(carried) == ["v.com/dev"]
    assert codes == []


def test_a_broken_spec_is_said_once_for_both_engines():
    assert look(podman(**READS), docker(**READS), files={"/etc/cdi/v.json": "{"})[2] == ["cdi-unreadable"]


def test_groups_of_a_spec_are_known():
    known, _carried, _codes = look(docker(**READS), files={"/etc/cdi/v.json": spec("0.7.0", additionalGids=[0, 104])})
    assert known["docker"].cdi_groups == {NAME: [104]}


def test_a_stale_spec_does_not_go_along():
    files = {"/etc/cdi/v.json": spec(mounts=[{"hostPath": "/opt/gone", "containerPath": "/x"}]), "/opt/here": ""}
    reader = ReplayReader({"snapshot": 1, "files": files, "directories": {"/opt": ["here"]}})
    _known, carried, findings = survey(reader, {"docker": docker()}, DIRS)
    assert carried == {}
    assert [entry.code for entry in findings] == ["cdi-off"]


def ask(info, files=None, names=("docker",), **parts):
    data = {
        "snapshot": 1,
        "system": "Linux",
        "files": files or {},
        "commands": {"docker info --format {{json .}}": {"rc": 0, "stdout": json.dumps(info), "stderr": ""}},
        **parts,
    }
    return gather(ReplayReader(data), list(names))


def test_devices_of_any_vendor_count_on_a_host_without_a_gpu():
    """A camera or an FPGA by CDI needs no GPU stack."""
    gpu = ask({"ServerVersion": "28.3.0", "CDISpecDirs": list(DIRS)}, {"/etc/cdi/v.json": spec()})
    assert gpu["stack"] == "cpu"
    assert gpu["engines"]["docker"]["cdi_devices"] == (NAME,) or gpu["engines"]["docker"]["cdi_devices"] == [NAME]


def test_a_podman_in_dockers_place_is_named():
    gpu = ask({"ServerVersion": "4.9.3", "BuildahVersion": "1.33"}, {"/etc/cdi/v.json": spec()})
    (entry,) = [each for each in gpu["findings"] if each["code"] == "docker-is-podman"]
    assert "whatever they are" in entry["message"] and "container_engine: podman" in entry["mend"]
    assert gpu["engines"]["docker"]["flavour"] == "podman"
    assert list(gpu["cdi"]) == ["v.com/dev"]


def test_a_podman_that_reads_specs_in_dockers_place():
    gpu = ask({"ServerVersion": "5.4.2", "BuildahVersion": "1.39"}, {"/etc/cdi/v.json": spec()})
    assert "unless they name CDI devices" in next(
        each["message"] for each in gpu["findings"] if each["code"] == "docker-is-podman"
    )
    assert list(gpu["engines"]["docker"]["cdi_devices"]) == [NAME]


def test_what_docker_itself_says_of_specs():
    warning = "CDI: failed to parse CDI Spec /etc/cdi/x.yaml"
    gpu = ask({"ServerVersion": "28.3.0", "Warnings": ["No swap limit support", warning]})
    assert [each["evidence"] for each in gpu["findings"]] == [warning]


def test_a_runtime_that_nobody_registered():
    """The toolkit is on this host, and Docker cannot give the GPU."""
    driver = "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.216.03  x\n"
    smi = "<nvidia_smi_log><driver_version>535.216.03</driver_version><gpu id='00000000:01:00.0'>"
    smi += "<product_name>RTX</product_name><uuid>GPU-1</uuid><minor_number>0</minor_number></gpu></nvidia_smi_log>"
    nodes = {
        f"/dev/{name}": {"kind": "char", "major": 195, "minor": minor, "mode": "0666", "uid": 0, "gid": 0}
        for name, minor in (("nvidia0", 0), ("nvidiactl", 255), ("nvidia-uvm", 1))
    }
    gpu = ask(
        {"ServerVersion": "24.0.7", "Runtimes": {"runc": {}}},
        {"/proc/driver/nvidia/version": driver},
        nodes=nodes,
        directories={"/usr/bin": ["nvidia-ctk", "nvidia-smi"]},
        commands={
            "docker info --format {{json .}}": {
                "rc": 0,
                "stdout": json.dumps({"ServerVersion": "24.0.7", "Runtimes": {"runc": {}}}),
                "stderr": "",
            },
            "nvidia-smi -q -x": {"rc": 0, "stdout": smi, "stderr": ""},
            "nvidia-ctk --version": {"rc": 0, "stdout": "NVIDIA Container Toolkit CLI version 1.17.8\n", "stderr": ""},
        },
    )
    assert gpu["stack"] == "nvidia", gpu["stacks"]
    (entry,) = [each for each in gpu["findings"] if each["code"] == "nvidia-runtime-missing"]
    assert entry["evidence"] == "Runtimes: runc"


@pytest.mark.parametrize(
    ("engine", "names"),
    [
        (podman(**READS), ("nvidia.com/gpu=0", "nvidia.com/gpu=all")),
        (docker(**READS), ("nvidia.com/gpu=0", "nvidia.com/gpu=all")),
        (podman(version="4.0.3", **READS), ()),
        (docker(version="24.0.7"), ()),
        (docker(flavour="desktop", **READS), ()),
    ],
)
def test_nvidias_tool_stands_in_for_specs_that_nobody_recorded(engine, names):
    listed = {"rc": 0, "stdout": "nvidia.com/gpu=0\nnvidia.com/gpu=all\n", "stderr": "Found 2 CDI devices"}
    reader = ReplayReader({"commands": {"nvidia-ctk cdi list": listed}})
    known, _carried, _findings = survey(reader, {engine.name: engine}, DIRS)
    assert known[engine.name].cdi_devices == names
    with_spec = ReplayReader({"commands": {"nvidia-ctk cdi list": listed}, "files": {"/etc/cdi/v.json": spec()}})
    assert "nvidia.com/gpu=0" not in survey(with_spec, {engine.name: engine}, DIRS)[0][engine.name].cdi_devices
