"""nvidia-smi's and procfs' words as one shape."""

from __future__ import annotations

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu.nvidia_answers import (
    bus_id,
    from_procfs,
    from_smi,
    kernel_version,
    mebibytes,
)
from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu.probe import CommandResult
from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu.snapshot import ReplayReader


def smi(stdout="", rc=0, stderr=""):
    return from_smi(CommandResult(rc, stdout, stderr), "nvidia", lambda: None)


@pytest.mark.parametrize(
    ("rc", "stdout", "code"),
    [
        (18, "Failed to initialize NVML: Driver/library version mismatch\n", "driver-library-mismatch"),
        (255, "Failed to initialize NVML: Driver/library version mismatch\n", "driver-library-mismatch"),
        (9, "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.\n", "driver-not-loaded"),
        (9, "", "driver-not-loaded"),
        (12, "NVIDIA-SMI couldn't find libnvidia-ml.so library in your system.\n", "library-missing"),
        (6, "No devices were found\n", "nvidia-no-devices"),
        (4, "Failed to initialize NVML: Insufficient Permissions\n", "no-permission"),
        (15, "Unable to determine the device handle: GPU is lost.  Reboot\n", "gpu-lost"),
        (-11, "", "nvidia-smi-crashed"),
        (139, "", "nvidia-smi-crashed"),
        (255, "Failed to initialize NVML: Unknown Error\n", "nvidia-smi-failed"),
        (124, "", "nvidia-smi-failed"),
        (0, "", "nvidia-smi-failed"),
        (0, "<nvidia_smi_log><gpu", "nvidia-smi-failed"),
        (0, "<nvidia_smi_log></nvidia_smi_log>", "nvidia-smi-failed"),
    ],
)
def test_every_failure_has_its_code(rc, stdout, code):
    answer = smi(stdout, rc)
    assert (answer.problem, answer.devices) == (code, ())
    assert answer.message


def test_an_entity_bomb_is_not_expanded():
    text = '<!DOCTYPE x [<!ENTITY a "aaaa">]><nvidia_smi_log><gpu id="1"><product_name>&a;</product_name></gpu></nvidia_smi_log>'
    assert smi(text).problem == "nvidia-smi-failed"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("24564 MiB", 24564 << 20),
        ("0 MiB", 0),
        ("N/A", None),
        ("[N/A]", None),
        ("", None),
        ("12 GiB", None),
        ("9" * 40 + " MiB", None),
        ("\u0661 MiB", None),
    ],
)
def test_mebibytes(text, expected):
    assert mebibytes(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("00000000:01:00.0", "0000:01:00.0"),
        ("0000:0A:00.0", "0000:0a:00.0"),
        ("00000001:0A:00.0", "0001:0a:00.0"),
        ("", ""),
    ],
)
def test_bus_id(text, expected):
    assert bus_id(text) == expected


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
