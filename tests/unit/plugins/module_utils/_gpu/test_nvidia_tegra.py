"""Jetson's integrated GPU: which nodes and libraries it needs, by release, and what is known about it."""

from __future__ import annotations

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu import nvidia_tegra
from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu.platform import detect as platform
from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu.snapshot import ReplayReader
from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu.view import Card, look

from .test_fixtures import SNAPSHOTS

R35 = (
    "# R35 (release), REVISION: 4.1, GCID: 33958178, BOARD: t186ref, EABI: aarch64, DATE: Tue Aug  1 19:57:35 UTC 2023"
)
R39 = "# R39 (release), REVISION: 2.0, GCID: 1, BOARD: generic, EABI: aarch64\n"
LIBRARY = "/usr/lib/aarch64-linux-gnu/nvidia"


XML = """<nvidia_smi_log><gpu id="00000000:01:00.0"><product_name>NVIDIA Thor</product_name>
<uuid>GPU-7</uuid></gpu></nvidia_smi_log>"""


def detect(snapshot):
    reader = ReplayReader(snapshot)
    return nvidia_tegra.detect(look(reader, platform(reader)))


def changed(name="jetson-orin", without=(), **parts):
    snapshot = copy.deepcopy(SNAPSHOTS[name])
    for part in ("files", "directories", "nodes", "links"):
        kept = snapshot.get(part, {})
        snapshot[part] = {path: entry for path, entry in kept.items() if not path.startswith(tuple(without))}
    for part, entries in parts.items():
        snapshot.setdefault(part, {}).update(entries)
    return snapshot


@pytest.mark.parametrize(
    ("text", "release"),
    [
        ("# R36 (release), REVISION: 4.7, GCID: 1\n", "R36.4.7"),
        (R35, "R35.4.1"),
        ("# R32 (release), REVISION: 7.1, GCID: 29818004", "R32.7.1"),
        ("# R38 (release), REVISION: 2.0,", "R38.2.0"),
        ("# R36 (release)", ""),
        ("REVISION: 4.7", ""),
        ("", ""),
        (None, ""),
    ],
)
def test_release(text, release):
    assert nvidia_tegra.release(text) == release


@given(st.text(max_size=80))
def test_no_text_makes_the_release_fail(text):
    assert nvidia_tegra.release(text) == "" or nvidia_tegra.release(text).startswith("R")


HOST1X = ["/dev/nvhost"]
NVGPU = ["/dev/nvgpu"]
ALL = [*HOST1X, *NVGPU, "/dev/nvidia"]


@pytest.mark.parametrize(
    ("snapshot", "ready"),
    [
        (changed(), True),
        (changed(without=HOST1X), True),
        (changed(without=NVGPU), True),
        (changed(without=[*HOST1X, *NVGPU]), False),  # Orin's /dev/nvidia0 is its display's
        (changed(without=[*HOST1X, *NVGPU], files={"/etc/nv_tegra_release": R39}), True),
        (changed(without=["/dev/nvmap"]), False),
        (changed("jetson-thor", without=NVGPU), True),
        (changed("jetson-thor", without=["/dev/nvmap"]), True),
        (changed("jetson-thor", without=["/dev/nvidia"]), True),
        (changed("jetson-thor", without=ALL), False),
        (changed("jetson-nano"), True),
        (changed("jetson-nano", without=HOST1X), False),
    ],
)
def test_nodes_that_the_driver_needs(snapshot, ready):
    found = detect(snapshot)
    assert found.stack.ready is ready
    assert [each.code for each in found.findings] == ([] if ready else ["tegra-nodes-missing"])


@pytest.mark.parametrize(
    ("without", "parts", "ready"),
    [
        ((), {}, True),
        ([LIBRARY], {"directories": {LIBRARY: ["libnvidia-ml.so.1"]}}, False),
        ([LIBRARY], {"directories": {"/usr/lib/aarch64-linux-gnu/tegra": ["libcuda.so.1.1"]}}, True),
        ([LIBRARY], {"directories": {"/opt/nvidia/l4t-gpu-libs/openrm": ["libcuda.so.1"]}}, True),
        ([LIBRARY], {"links": {"/usr/lib/aarch64-linux-gnu/libcuda.so.1": "nvidia/libcuda.so.1"}}, True),
        ([LIBRARY], {"directories": {"/usr/lib": ["os-release"]}}, False),
        ([LIBRARY], {}, True),  # nobody looked
    ],
)
def test_the_library(without, parts, ready):
    found = detect(changed(without=without, **parts))
    assert found.stack.ready is ready
    assert [each.code for each in found.findings] == ([] if ready else ["tegra-library-missing"])


def test_a_user_outside_the_nodes_group_is_told_its_number():
    found = detect(changed("jetson-orin-no-permission"))
    assert [each.mend for each in found.findings] == ["Run as root or add the user to the group 44."]
    assert found.stack.reason == "/dev/nvmap has mode 0660 and group 44; user 1000 may not open it"


def test_missing_lists_matter_to_containers_only():
    found = detect(changed("jetson-orin-no-lists"))
    assert (found.stack.ready, [each.code for each in found.findings]) == (True, ["tegra-lists-missing"])
    made = changed("jetson-orin-no-lists", directories={"/etc/cdi": ["nvidia.yaml"]})
    assert detect(made).findings == ()


@pytest.mark.parametrize(
    ("model", "compatible", "family", "name", "capability"),
    [
        (
            "NVIDIA Jetson AGX Orin Developer Kit\0",
            "nvidia,p3737\0nvidia,tegra234\0",
            "",
            "NVIDIA Jetson AGX Orin Developer Kit",
            "8.7",
        ),
        ("Jetson-AGX\0", "nvidia,p2972-0000\0nvidia,tegra194\0", "", "Jetson-AGX", "7.2"),
        ("NVIDIA Jetson TX2\0", "", "", "NVIDIA Jetson TX2", "6.2"),
        ("NVIDIA Jetson Nano Developer Kit\0", "", "", "NVIDIA Jetson Nano Developer Kit", "5.3"),
        ("NVIDIA Jetson Orin Nano\0", "", "", "NVIDIA Jetson Orin Nano", "8.7"),
        ("", "", "Tegra264\n", "NVIDIA Thor", "11.0"),
        ("", "", "", "NVIDIA Tegra GPU", ""),
    ],
)
def test_what_it_is_called(model, compatible, family, name, capability):
    tree = {
        "/proc/device-tree/model": model,
        "/proc/device-tree/compatible": compatible,
        "/sys/devices/soc0/family": family,
    }
    snapshot = changed(files=tree)
    del snapshot["commands"]
    (gpu,) = detect(snapshot).stack.devices
    assert (gpu.name, gpu.compute_capability, gpu.integrated) == (name, capability, True)


def test_memory_is_the_systems():
    (gpu,) = detect(changed(files={"/proc/meminfo": "MemTotal:  8 kB\nMemAvailable:  3 kB\n"})).stack.devices
    assert (gpu.memory_bytes, gpu.memory_free_bytes) == (8192, 3072)
    (gpu,) = detect(changed(files={"/proc/meminfo": "MemTotal: many kB\n"})).stack.devices
    assert (gpu.memory_bytes, gpu.memory_free_bytes) == (None, None)


@pytest.mark.parametrize(
    ("answers", "uuid"),
    [
        ({"commands": {"nvidia-smi -L": {"rc": 0, "stdout": "GPU 0: Orin (nvgpu) (UUID: abc)\n"}}}, "abc"),
        ({"commands": {"nvidia-smi -q -x": {"rc": 0, "stdout": XML}}}, "GPU-7"),
        (
            {"commands": {"nvidia-smi -L": {"rc": 0, "stdout": "GPU 0: NVIDIA RTX A6000 (UUID: GPU-1)\n"}}},
            "5f0c2d6a1b7e-tegra",
        ),
        (
            {
                "nvml": {
                    "devices": [{"name": "NVIDIA Thor", "uuid": "GPU-2"}, {"name": "NVIDIA RTX A6000", "uuid": "GPU-3"}]
                }
            },
            "GPU-2",
        ),
        ({"nvml": {"error": 9}}, "5f0c2d6a1b7e-tegra"),
        ({}, "5f0c2d6a1b7e-tegra"),
    ],
)
def test_its_uuid(answers, uuid):
    snapshot = {key: value for key, value in changed().items() if key != "commands"}
    (gpu,) = detect({**snapshot, **answers}).stack.devices
    assert gpu.uuid == uuid


def test_a_container_has_it_by_its_nodes_and_other_machines_never():
    assert detect(changed("jetson-in-container")).stack.ready
    linux = {
        path: text for path, text in changed()["files"].items() if "tegra" not in path and "device-tree" not in path
    }
    assert detect({**changed(), "files": linux}).stack is None


OWN, SLOT = Card("0x10de", "0000:01:00.0", "nvidia"), Card("0x10de", "0005:01:00.0", "nvidia")


@pytest.mark.parametrize(
    ("name", "cards", "expected"),
    [
        ("jetson-thor", (OWN,), ()),
        ("jetson-thor", (OWN, SLOT), (SLOT,)),
        ("jetson-orin", (SLOT,), (SLOT,)),
        ("jetson-orin", (Card("0x10de", "0005:01:00.0", "nouveau"),), ()),
    ],
)
def test_cards_in_slots(name, cards, expected):
    for snapshot in (changed(name), changed(name, without=NVGPU)):
        assert nvidia_tegra.discrete(look(ReplayReader(snapshot), "jetson"), cards) == expected
