"""Ranking, cards of other vendors, and what a user may open."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu.host import describe, rank
from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu.model import GpuDevice, GpuHost, Stack
from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu.probe import Node
from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu.snapshot import ReplayReader
from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu.view import User, cards


def stack(name, ready=True, memory=0, integrated=False):
    return Stack(name, ready, "", (GpuDevice(name, "v", "n", memory_bytes=memory, integrated=integrated),))


@given(st.permutations([0, 1, 2, 3, 4, 5]))
def test_rank_does_not_depend_on_the_order_of_detection(order):
    best_first = [
        stack("big", memory=24),
        stack("small", memory=8),
        stack("inside", memory=64, integrated=True),
        stack("broken", ready=False, memory=80),
        stack("broken-inside", ready=False, integrated=True),
        Stack("cpu", True, ""),
    ]
    ranked = rank([best_first[number] for number in order])
    assert [stack.name for stack in ranked] == [stack.name for stack in best_first]
    assert all(stack.rank for stack in ranked)


def test_a_stack_is_ranked_by_the_gpus_that_work_and_among_them_by_the_discrete_ones():
    inside = GpuDevice("a", "v", "inside", memory_bytes=64, integrated=True)
    card = GpuDevice("a", "v", "card", memory_bytes=16)
    broken = dataclasses.replace(card, ready=False)
    both, lame = Stack("both", True, "", (inside, card)), Stack("lame", True, "", (inside, broken))
    ranked = rank([lame, stack("small", memory=8), both])
    assert [(each.name, each.rank.split(", ")[2:]) for each in ranked] == [
        ("both", ["discrete", "16 B"]),
        ("small", ["discrete", "8 B"]),
        ("lame", ["integrated", "64 B"]),
    ]


def test_host_survives_its_json_form():
    host = describe(ReplayReader({"snapshot": 1}))
    assert GpuHost.from_dict(host.to_dict()) == host
    assert GpuHost.from_dict({**host.to_dict(), "from a later release": 1}) == host


def pci(bus, vendor, kind, driver):
    base = f"/sys/bus/pci/devices/{bus}"
    return {
        "snapshot": 1,
        "files": {f"{base}/vendor": vendor, f"{base}/class": kind},
        "links": {f"{base}/driver": f"../drivers/{driver}"} if driver else {},
    }


@pytest.mark.parametrize(
    ("vendor", "kind", "driver", "codes"),
    [
        ("0x1002", "0x030000", "amdgpu", ["kfd-missing"]),
        ("0x1002", "0x030000", "radeon", ["radeon-in-use"]),
        ("0x1002", "0x030000", "", ["amdgpu-not-bound"]),
        ("0x1002", "0x120000", "", ["amdgpu-not-bound"]),
        ("0x8086", "0x038000", "xe", ["render-node-missing"]),
        ("0x1002", "0x030000", "vfio-pci", ["gpu-passed-through"]),
        ("0x10de", "0x030000", "vfio-pci", ["gpu-passed-through"]),
        ("0x1a03", "0x030000", "ast", []),
        ("0x1a03", "0x030000", "", []),
        ("0x1414", "0x030200", "dxgkrnl", []),
        ("0x15ad", "0x030000", "vmwgfx", ["vulkan-unsupported"]),
        ("0x1ed5", "0x030000", "mtgpu", ["gpu-not-used"]),
        ("0x1ed5", "0x030000", "", ["gpu-not-used"]),
        ("", "0x030000", "", ["gpu-not-used"]),
        ("0x1af4", "0x030000", "virtio-pci", ["venus-not-offered"]),
        ("0x8086", "0x030000", "", ["gpu-driver-missing"]),
        ("0x8086", "0x030000", "gma500", ["gpu-too-old"]),
        ("0x10de", "0x040300", "snd_hda_intel", []),
        ("0x8086", "0x120000", "intel_vpu", []),
        ("0x10de", "0x030000", "nouveau", ["nouveau-in-use"]),
        ("0x10de", "0x030000", "", ["driver-missing"]),
    ],
)
def test_no_card_is_passed_over_in_silence(vendor, kind, driver, codes):
    host = describe(ReplayReader(pci("0000:01:00.0", vendor, kind, driver)))
    assert [found.code for found in host.findings] == codes
    assert host.best == "cpu"


def test_what_two_stacks_say_of_one_node_is_said_once():
    from .test_fixtures import SNAPSHOTS

    host = describe(ReplayReader(SNAPSHOTS["intel-no-permission"]))
    assert [(stack.name, stack.ready) for stack in host.stacks] == [("intel", False), ("vulkan", False), ("cpu", True)]
    assert [found.code for found in host.findings] == ["no-permission"]


def test_a_card_seen_on_the_bus_and_in_drm_is_one():
    data = pci("0000:03:00.0", "0x1002\n", "0x030000\n", "amdgpu")
    data["files"]["/sys/class/drm/card0/device/uevent"] = "DRIVER=amdgpu\nPCI_SLOT_NAME=0000:03:00.0\n"
    data["files"]["/sys/class/drm/card0-HDMI-A-1/status"] = "connected\n"
    assert [(card.bus_id, card.driver) for card in cards(ReplayReader(data))] == [("0000:03:00.0", "amdgpu")]


@pytest.mark.parametrize(
    ("uid", "gids", "mode", "may"),
    [
        (0, (), "0000", True),
        (7, (), "0666", True),
        (7, (), "0660", False),
        (7, (44,), "0660", True),
        (7, (44,), "0640", False),
        (5, (), "0600", True),
        (5, (44,), "0060", False),
        (7, (), "", True),
        (7, (), "rw", False),
    ],
)
def test_who_may_open_a_node(uid, gids, mode, may):
    assert User(uid, gids).may_open(Node("char", 195, 0, mode, uid=5, gid=44)) is may


class Counting(ReplayReader):
    def __init__(self, data):
        super().__init__(data)
        self.started = []

    def command(self, argv, timeout=10.0):
        self.started.append(argv[0])
        return super().command(argv, timeout)

    def nvml(self):
        self.started.append("nvml")
        return super().nvml()


@pytest.mark.parametrize("data", [{"snapshot": 1}, pci("0000:03:00.0", "0x1002", "0x030000", "amdgpu")])
def test_a_host_without_nvidia_starts_no_process(data):
    reader = Counting(data)
    describe(reader)
    assert reader.started == []


def test_graphics_hosts_start_no_process():
    from .test_fixtures import SNAPSHOTS

    for name, snapshot in SNAPSHOTS.items():
        if name.startswith(("intel-", "vulkan-", "raspberry-pi-", "venus-", "cpu-")) and "nvidia" not in name:
            reader = Counting(snapshot)
            describe(reader)
            assert reader.started == [], name


def test_nvidia_smi_is_started_only_where_nvml_does_not_answer():
    from .test_fixtures import SNAPSHOTS

    with_nvml, without = Counting(SNAPSHOTS["nvidia-nvml"]), Counting(SNAPSHOTS["nvidia-single"])
    describe(with_nvml)
    describe(without)
    assert (with_nvml.started, without.started) == (["nvml"], ["nvml", "nvidia-smi"])


def test_minors_come_from_procfs_where_the_tool_has_none():
    """R-series tools in some virtual machines print N/A; the node's number still has to be right."""
    import copy

    from .test_fixtures import SNAPSHOTS

    data = copy.deepcopy(SNAPSHOTS["nvidia-multi"])
    smi = data["commands"]["nvidia-smi -q -x"]
    for number in (0, 1):
        smi["stdout"] = smi["stdout"].replace(
            f"<minor_number>{number}</minor_number>", "<minor_number>N/A</minor_number>"
        )
    host = describe(ReplayReader(data))
    assert [(device.index, device.minor, device.nodes[1].path) for device in host.devices] == [
        (0, 1, "/dev/nvidia1"),
        (1, 0, "/dev/nvidia0"),
    ]
