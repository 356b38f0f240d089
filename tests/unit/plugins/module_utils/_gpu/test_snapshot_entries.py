"""Texts of snapshots that were cut or overwritten are told from those that are only unusual."""

from __future__ import annotations

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu.probe import CommandResult
from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu.snapshot_entries import garbled

from .test_fixtures import SNAPSHOTS

CARD = "/sys/class/drm/card0/device"
NODE = "/sys/class/kfd/kfd/topology/nodes/1/properties"


@pytest.mark.parametrize(
    ("path", "text", "expected"),
    [
        (f"{CARD}/vendor", "0x10de\n", False),
        (f"{CARD}/vendor", "0x10DE", False),
        (f"{CARD}/vendor", "0x1", True),
        (f"{CARD}/device", "0x14\n", False),
        (f"{CARD}/class", "0x0", True),
        (f"{CARD}/mem_info_vram_total", "25753026560\n", False),
        (f"{CARD}/mem_info_vram_total", "", True),
        (f"{CARD}/uevent", "DRIVER=amdgpu\nPCI_ID=1002:744C", False),
        (f"{CARD}/uevent", "", False),
        (f"{CARD}/uevent", "DRIVER=amdgpu\nPCI_I", True),
        (f"{CARD}/uevent", "=" * 5000 + "a=b=c\n" * 5000 + "x", True),
        (NODE, "simd_count 192\ngfx_target_version 110000\n", False),
        (NODE, "", False),
        (NODE, "simd_count 192\ngfx_target_ver", True),
        (NODE, "1 1" * 20000, True),
        ("/proc/self/status", "Groups:\t104 \n", False),
        ("/proc/self/status", "garbage", True),
        ("/proc/sys/kernel/osrelease", "4.4.0-19041-Microsoft\n", False),
        ("/proc/sys/kernel/osrelease", "\0\0", True),
        ("/proc/driver/nvidia/version", "NVRM", True),
        ("/proc/device-tree/model", "Raspberry Pi 5 Model B Rev 1.0\0", False),
        ("/proc/device-tree/model", "\ufffd\ufffd", True),
        ("/etc/hostname", "", False),
    ],
)
def test_a_file_that_cannot_be_what_the_kernel_wrote(path, text, expected):
    assert garbled("files", path, text) is expected


@pytest.mark.parametrize(
    ("command", "rc", "stdout", "expected"),
    [
        ("rocminfo", 0, "ROCk module is loaded\n", False),
        ("/opt/rocm/bin/rocminfo", 0, "", True),
        ("rocminfo", 1, "", False),
        ("vulkaninfo --summary", 0, "VULKANINFO\n", False),
        ("vulkaninfo --summary", 0, "{", True),
        ("nvidia-smi -L", 0, "GP", True),
        ("nvidia-ctk cdi list", 0, "", False),
        ("nvidia-ctk cdi list", 0, "nvidia", True),
        ("podman machine list --format json", 0, "[]\n", False),
        ("podman machine list --format json", 0, '[{"Name": "d', True),
        ("podman version --format json", 0, "", False),
    ],
)
def test_an_answer_that_cannot_be_a_success(command, rc, stdout, expected):
    assert garbled("commands", command, CommandResult(rc, stdout)) is expected


@pytest.mark.parametrize("name", [name for name in SNAPSHOTS if name != "garbage"])
def test_no_snapshot_of_ours_is_garbled(name):
    found = [path for path, text in SNAPSHOTS[name].get("files", {}).items() if garbled("files", path, text)]
    assert found == []
