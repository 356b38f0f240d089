"""Intel's GPUs and NPUs."""

from __future__ import annotations

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu.host import describe
from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu.intel_names import is_integrated, name
from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu.snapshot import ReplayReader
from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu.view import Card

from .test_fixtures import SNAPSHOTS
from .test_vulkan import changed

PCI = "/sys/bus/pci/devices"


@pytest.mark.parametrize(
    ("bus", "device", "label", "integrated"),
    [
        ("0000:00:02.0", "0xa780", "Intel GPU 0xa780", True),
        ("0000:03:00.0", "0x56a0", "Intel Arc A770", False),
        ("0000:4d:00.0", "0x56c0", "Intel Data Center GPU Flex 170", False),
        ("0001:00:02.1", "0x0bd5", "Intel GPU 0x0bd5", True),
        ("0000:03:00.0", "", "Intel GPU", False),
        ("card0", "", "Intel GPU", True),
        ("card0", "0x56a5", "Intel Arc A380", False),
    ],
)
def test_name_and_place(bus, device, label, integrated):
    card = Card("0x8086", bus, "i915", device=device)
    assert (name(card), is_integrated(card)) == (label, integrated)


def test_two_cards_with_crossed_numbers():
    stack = describe(ReplayReader(SNAPSHOTS["intel-arc-a770-xe"])).stack("intel")
    assert [
        (device.index, device.name, device.memory_bytes, device.nodes[0].path, device.integrated, device.driver)
        for device in stack.devices
    ] == [
        (0, "Intel GPU 0xa780", None, "/dev/dri/renderD128", True, "i915"),
        (1, "Intel Arc A770", 16 << 30, "/dev/dri/renderD129", False, "xe"),
    ]


@pytest.mark.parametrize(
    ("device", "mend"),
    [("0xe20b", "modprobe xe"), ("0x64a0", "modprobe xe"), ("0x56a0", "modprobe i915"), ("0x5917", "modprobe i915")],
)
def test_a_card_without_driver_is_told_which_one(device, mend):
    data = changed("intel-arc-b580-no-driver", files={f"{PCI}/0000:03:00.0/device": f"{device}\n"})
    host = describe(ReplayReader(data))
    (found,) = host.findings
    assert (found.code, mend in found.mend, host.stack("intel").ready) == ("gpu-driver-missing", True, False)


@pytest.mark.parametrize(
    ("name", "npus"),
    [
        ("intel-meteor-lake-npu", [("Intel NPU (Meteor Lake)", "0000:00:0b.0", True)]),
        ("intel-npu-only", [("Intel NPU (Arrow Lake)", "0000:00:0b.0", False)]),
        ("intel-laptop", []),
    ],
)
def test_npus_are_no_gpus(name, npus):
    host = describe(ReplayReader(SNAPSHOTS[name]))
    assert [(npu.name, npu.bus_id, npu.ready) for npu in host.npus] == npus
    assert all(npu.stack == "intel" and npu.vendor == "intel" for npu in host.npus)
    assert not {npu.bus_id for npu in host.npus} & {device.bus_id for device in host.devices}
    assert [found.code for found in host.findings if found.code == "npu-found"] == ["npu-found"] * len(npus)


ACCEL = "/sys/class/accel/accel0/device"


@pytest.mark.parametrize(
    ("parts", "count"),
    [
        ({"files": {f"{ACCEL}/uevent": "DRIVER=intel_vpu\nPCI_SLOT_NAME=0000:00:0b.0\n"}}, 1),
        ({"links": {f"{ACCEL}/driver": "../../../bus/pci/drivers/intel_vpu"}}, 1),
        ({"files": {f"{ACCEL}/uevent": "DRIVER=amdxdna\n"}}, 0),  # AMD's NPU
        ({"files": {f"{ACCEL}/vendor": "0x8086\n"}}, 1),
        ({"files": {f"{ACCEL}/vendor": "0x1022\n"}}, 0),
        # Only the bus and the node: the device is known by its id.
        (
            {
                "files": {
                    f"{PCI}/0000:00:0b.0/vendor": "0x8086\n",
                    f"{PCI}/0000:00:0b.0/device": "0x643e\n",
                    f"{PCI}/0000:00:0b.0/class": "0x120000\n",
                }
            },
            1,
        ),
        # Gaudi is a processing accelerator, too, and no NPU.
        (
            {
                "files": {
                    f"{PCI}/0000:33:00.0/vendor": "0x1da3\n",
                    f"{PCI}/0000:33:00.0/device": "0x1020\n",
                    f"{PCI}/0000:33:00.0/class": "0x120000\n",
                }
            },
            0,
        ),
        ({}, 0),
    ],
)
def test_what_is_an_npu(parts, count):
    node = {"/dev/accel/accel0": {"kind": "char", "major": 261, "minor": 0, "mode": "0660", "uid": 0, "gid": 992}}
    host = describe(ReplayReader({"snapshot": 1, "nodes": node, **parts}))
    assert [[node.path for node in npu.nodes] for npu in host.npus] == [["/dev/accel/accel0"]] * count
    assert host.best == "cpu"


def test_a_container_without_the_node_has_no_npu():
    data = changed("intel-meteor-lake-npu", files={"/run/.containerenv": ""}, nodes={"/dev/accel/accel0": None})
    host = describe(ReplayReader(data))
    assert (host.platform, host.npus) == ("container", ())


def test_a_container_has_the_gpu_it_was_given_and_hears_of_the_other():
    given = describe(ReplayReader(SNAPSHOTS["intel-in-container"]))
    assert [device.name for device in given.stack("intel").devices] == ["Intel Arc A770"]
    other = describe(ReplayReader(SNAPSHOTS["intel-not-in-container"]))
    assert (other.stack("intel").ready, [found.code for found in other.findings]) == (False, ["gpu-not-in-container"])


@pytest.mark.parametrize("platform", ["wsl2-no-nvidia", "mac"])
def test_where_others_drive_it_nothing_is_said(platform):
    data = changed(platform, files={f"{PCI}/0000:00:02.0/vendor": "0x8086", f"{PCI}/0000:00:02.0/class": "0x030000"})
    assert describe(ReplayReader(data)).stack("intel") is None
