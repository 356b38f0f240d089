"""The sources in their order of trust, and numbers as they come."""

from __future__ import annotations

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu.nvidia_answers import ask, bus_id, integer
from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu.snapshot import ReplayReader

CUDA = {"cuda": 12080, "devices": [{"name": "RTX 4090", "uuid": "GPU-1", "memory_total": 24 << 30}]}
NVML = {"driver": "1", "devices": [{"index": 0, "name": "by NVML", "errors": {}}]}
SMI = {"rc": 0, "stdout": "<nvidia_smi_log><gpu id='1'><product_name>by smi</product_name></gpu></nvidia_smi_log>"}
CRASH = {"error": -11, "message": "killed by SIGSEGV"}


@pytest.mark.parametrize(
    ("nvml", "smi", "cuda", "source", "problem"),
    [
        (NVML, SMI, CUDA, "NVML", ""),
        (NVML, {"rc": 139}, CUDA, "NVML", ""),
        (None, SMI, CUDA, "nvidia-smi -q -x", ""),
        ({"devices": 3}, SMI, CUDA, "nvidia-smi -q -x", ""),
        ({"error": 18}, SMI, CUDA, "NVML", "driver-library-mismatch"),
        ({"error": 124}, SMI, CUDA, "NVML", "driver-silent"),
        ({"error": 17}, None, CUDA, "NVML", "gpu-blocked"),
        (CRASH, SMI, CUDA, "libcuda", ""),
        (CRASH, SMI, None, "NVML", "nvidia-smi-crashed"),
        (CRASH, SMI, {"error": 100}, "NVML", "nvidia-smi-crashed"),
        (None, {"rc": 139}, CUDA, "libcuda", ""),
        (None, {"rc": 139}, {"devices": [7]}, "nvidia-smi -q -x", "nvidia-smi-crashed"),
        (None, None, CUDA, "libcuda", ""),
    ],
)
def test_order_of_trust(nvml, smi, cuda, source, problem):
    data = {"snapshot": 1, "nvml": nvml, "cuda": cuda, "commands": {"nvidia-smi -q -x": smi} if smi else {}}
    answer = ask(ReplayReader(data), "nvidia")
    assert (answer.source, answer.problem) == (source, problem)
    assert answer.evidence
    smi_crashes = smi is not None and smi["rc"] == 139 and not problem
    assert bool(answer.crashed) is (smi_crashes or (source == "libcuda" and nvml is CRASH))


def test_a_host_without_any_source():
    assert ask(ReplayReader({"snapshot": 1}), "nvidia") is None


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0, 0),
        (24 << 30, 24 << 30),
        ((1 << 64) - 1, None),
        ((1 << 32) - 1, None),
        (-1, None),
        (True, None),
        ("7", None),
        (1.0, None),
        (None, None),
    ],
)
def test_numbers(value, expected):
    assert integer(value) == expected


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
