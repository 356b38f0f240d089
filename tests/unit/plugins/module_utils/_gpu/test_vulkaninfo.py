"""vulkaninfo --summary of several releases, of several GPUs, and garbage."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu.snapshot import ReplayReader
from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu.vulkaninfo import VulkanDevice, ask, parse

from .test_fixtures import SNAPSHOTS


def summary(**fields):
    return "Devices:\n========\nGPU0:\n" + "".join(f"\t{key:<18} = {value}\n" for key, value in fields.items())


def test_two_gpus_and_a_rasteriser():
    intel, nvidia, llvmpipe = parse(SNAPSHOTS["intel-nvidia-laptop"]["commands"]["vulkaninfo --summary"]["stdout"])
    assert intel == VulkanDevice(
        "Intel(R) Graphics (RPL-S)",
        "0x8086",
        "0xa788",
        "integrated",
        "DRIVER_ID_INTEL_OPEN_SOURCE_MESA",
        "Mesa 25.2.8-0ubuntu0.24.04.1",
        "1.4.318",
    )
    assert (nvidia.proprietary_nvidia, nvidia.kind, nvidia.driver) == (True, "discrete", "NVIDIA 580.95.05")
    assert (llvmpipe.software, llvmpipe.vendor) == (True, "0x10005")


def test_versions_as_numbers_and_no_driver_names():
    board, llvmpipe = parse(SNAPSHOTS["vulkan-only-vulkaninfo"]["commands"]["vulkaninfo --summary"]["stdout"])
    assert board == VulkanDevice("V3D 4.2", "0x14e4", "0x002a", "integrated", "", "", "1.0.155")
    assert llvmpipe.software


@pytest.mark.parametrize(
    ("fields", "software"),
    [
        ({"deviceType": "PHYSICAL_DEVICE_TYPE_CPU", "deviceName": "anything"}, True),
        ({"deviceType": "PHYSICAL_DEVICE_TYPE_CPU", "deviceName": "Virtio-GPU Venus (llvmpipe)"}, True),
        ({"deviceType": "VK_PHYSICAL_DEVICE_TYPE_CPU", "deviceName": "SwiftShader Device"}, True),
        ({"deviceName": "llvmpipe (LLVM 15.0.6, 256 bits)"}, True),
        ({"deviceType": "PHYSICAL_DEVICE_TYPE_OTHER", "deviceName": "lavapipe"}, True),
        ({"deviceType": "PHYSICAL_DEVICE_TYPE_OTHER", "deviceName": "Adreno 690"}, False),
        # Mesa's vendor id is a real GPU's as well: the id alone does not tell.
        ({"vendorID": "0x10005", "deviceType": "PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU", "deviceName": "Apple M1"}, False),
        ({"deviceType": "PHYSICAL_DEVICE_TYPE_VIRTUAL_GPU", "deviceName": "GRID"}, False),
    ],
)
def test_a_rasteriser_is_told_by_its_type(fields, software):
    (device,) = parse(summary(**fields))
    assert device.software is software


@pytest.mark.parametrize(
    ("fields", "hardware"),
    [
        (
            {"deviceName": "NVIDIA GeForce RTX 4090", "vendorID": "0x10de", "driverID": "DRIVER_ID_NVIDIA_PROPRIETARY"},
            0,
        ),
        ({"deviceName": "NVIDIA GeForce RTX 4090", "vendorID": "0x10de"}, 0),
        ({"deviceName": "NVIDIA GeForce RTX 3060 (NVK GA106)", "vendorID": "0x10de"}, 1),
        ({"deviceName": "NVIDIA RTX", "vendorID": "0x10de", "driverID": "DRIVER_ID_MESA_NVK"}, 1),
        ({"deviceName": "Microsoft Direct3D12 (NVIDIA GeForce RTX 4090)", "vendorID": "0x10de"}, 0),
        ({"deviceName": "Arc", "driverID": "DRIVER_ID_MESA_DOZEN"}, 0),
        (
            {
                "deviceName": "AMD Radeon RX 7900 XTX (RADV NAVI31)",
                "vendorID": "0x1002",
                "driverID": "DRIVER_ID_MESA_RADV",
            },
            1,
        ),
    ],
)
def test_which_devices_are_mesa_s_on_linux(fields, hardware):
    data = {"snapshot": 1, "commands": {"vulkaninfo --summary": {"rc": 0, "stdout": summary(**fields), "stderr": ""}}}
    opinion = ask(ReplayReader(data))
    assert len(opinion.hardware) == hardware
    assert fields["deviceName"] in opinion.said


@pytest.mark.parametrize(
    ("rc", "stdout", "stderr", "known"),
    [
        (1, "", "ERROR at vulkaninfo.h:573: vkCreateInstance failed with ERROR_INCOMPATIBLE_DRIVER\n", True),
        (1, "Cannot create Vulkan instance.\nThis problem is often caused by a faulty installation", "", False),
        (139, "", "Segmentation fault", False),
        (0, "", "", False),
        (1, summary(deviceName="V3D 4.2"), "late error", True),
    ],
)
def test_a_failure_is_an_opinion_only_where_it_says_that_no_driver_works(rc, stdout, stderr, known):
    data = {"snapshot": 1, "commands": {"vulkaninfo --summary": {"rc": rc, "stdout": stdout, "stderr": stderr}}}
    assert (ask(ReplayReader(data)) is not None) is known


def test_where_it_was_not_asked_there_is_no_opinion():
    assert ask(ReplayReader({"snapshot": 1})) is None


@pytest.mark.parametrize(
    ("text", "vendor"),
    [
        ("0x8086", "0x8086"),
        ("0x8086 (Intel)", "0x8086"),
        ("32902", "0x8086"),
        ("0x2A", "0x002a"),
        ("x", ""),
        ("007", ""),
    ],
)
def test_ids_are_written_as_sysfs_writes_them(text, vendor):
    (device,) = parse(summary(deviceName="x", vendorID=text))
    assert device.vendor == vendor


@given(st.text())
def test_no_text_raises(text):
    parse(text)
    parse("GPU0:\n" + text)
    parse("GPU0:\ndeviceName = x\napiVersion = " + text + "\nvendorID = " + text)


@given(st.lists(st.sampled_from(["A", "B", "llvmpipe"]), max_size=5))
def test_devices_keep_their_order(names):
    text = "".join(f"GPU{number}:\n\tdeviceName = {name}\n" for number, name in enumerate(names))
    assert [device.name for device in parse(text)] == names
