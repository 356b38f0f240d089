"""What NVIDIA's kernel module says of itself."""

from __future__ import annotations

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu.model import MigDevice
from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu.nvidia_procfs import (
    excluded,
    from_procfs,
    kernel_version,
    slice_nodes,
)
from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu.snapshot import ReplayReader


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.216.03  Wed Oct 1", "535.216.03"),
        ("NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.142  Release Build", "580.142"),
        ("something else", ""),
    ],
)
def test_kernel_version(line, expected):
    reader = ReplayReader({"snapshot": 1, "files": {"/proc/driver/nvidia/version": line}})
    assert kernel_version(reader) == expected


def test_procfs_alone():
    base = "/proc/driver/nvidia/gpus/0000:01:00.0"
    text = "Model: \t\t NVIDIA A10\nGPU UUID: \t GPU-1\nBus Location: \t 0000:01:00.0\nDevice Minor: \t 3\n"
    reader = ReplayReader(
        {"snapshot": 1, "files": {"/proc/driver/nvidia/version": "Kernel Module  535.1", f"{base}/information": text}}
    )
    device = from_procfs(reader, "nvidia").devices[0]
    assert (device.name, device.uuid, device.minor, device.bus_id) == ("NVIDIA A10", "GPU-1", 3, "0000:01:00.0")
    assert device.memory_bytes is None
    assert from_procfs(ReplayReader({"snapshot": 1}), "nvidia") is None


def host(**files):
    base = "/proc/driver/nvidia"
    return ReplayReader(
        {"snapshot": 1, "files": {f"{base}/version": "Kernel Module  535.1", **{base + k: v for k, v in files.items()}}}
    )


def test_an_excluded_gpu_is_none_and_is_named():
    reader = host(
        **{
            "/gpus/0000:01:00.0/information": "Model: A\nBus Location: 0000:01:00.0\nDevice Minor: 0\nGPU Excluded: Yes\n",
            "/gpus/0000:02:00.0/information": "Model: B\nBus Location: 0000:02:00.0\nDevice Minor: 1\nGPU Excluded: No\n",
        }
    )
    assert [(device.index, device.name) for device in from_procfs(reader, "nvidia").devices] == [(0, "B")]
    assert excluded(reader) == {"0000:01:00.0": "A"}


def test_slices_without_any_tool():
    caps = "/capabilities/gpu2/mig"
    reader = host(
        **{
            "/gpus/0000:01:00.0/information": "Model: H100\nDevice Minor: 2\n",
            f"{caps}/gi9/ci0/access": "DeviceFileMinor: 84\n",
            f"{caps}/gi11/ci0/access": "DeviceFileMinor: 102\n",
            f"{caps}/config": "DeviceFileMinor: 1\n",
        }
    )
    device = from_procfs(reader, "nvidia").devices[0]
    assert device.mig_enabled
    assert [(part.index, part.gpu_instance, part.compute_instance) for part in device.mig] == [(0, 9, 0), (1, 11, 0)]


def test_nodes_of_a_slice_by_the_minor_of_its_gpu():
    reader = ReplayReader(
        {
            "snapshot": 1,
            "files": {"/proc/driver/nvidia-caps/mig-minors": "config 1\ngpu1/gi3/access 30\ngpu1/gi3/ci0/access 31\n"},
            "nodes": {"/dev/nvidia-caps/nvidia-cap30": {"kind": "char", "major": 237, "minor": 30, "mode": "0444"}},
        }
    )
    part = MigDevice("x", gpu_instance=3, compute_instance=0)
    there, missing = slice_nodes(reader, 1, part)
    assert [node.path for node in there] == ["/dev/nvidia-caps/nvidia-cap30"]
    assert missing == ("/dev/nvidia-caps/nvidia-cap31",)
    assert slice_nodes(reader, 0, part) == ((), ())
