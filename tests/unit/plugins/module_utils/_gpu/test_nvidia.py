"""NVIDIA on native Linux, where snapshots in tests/fixtures/hosts do not vary enough."""

from __future__ import annotations

import copy

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu.host import describe
from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu.nvidia import unified_memory
from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu.snapshot import ReplayReader

SMI = """<nvidia_smi_log><driver_version>580.142</driver_version>{gpus}</nvidia_smi_log>"""
GPU = """<gpu id="00000000:0{n}:00.0"><product_name>RTX {n}</product_name><uuid>GPU-{n}</uuid>
<minor_number>N/A</minor_number><fb_memory_usage><total>8192 MiB</total></fb_memory_usage></gpu>"""


def node(minor):
    return {"kind": "char", "major": 195, "minor": minor, "mode": "0666", "uid": 0, "gid": 0}


def host(gpus=1, minors=(0,), **more):
    """A snapshot with nvidia-smi's XML, which tells no minors, and nodes."""
    text = SMI.format(gpus="".join(GPU.format(n=number) for number in range(1, gpus + 1)))
    nodes = {f"/dev/nvidia{minor}": node(minor) for minor in minors}
    return {
        "snapshot": 1,
        "nodes": {"/dev/nvidiactl": node(255), "/dev/nvidia-uvm": node(0), **nodes},
        "commands": {"nvidia-smi -q -x": {"rc": 0, "stdout": text}, "nvidia-ctk --version": {"rc": 0, "stdout": ""}},
        **more,
    }


@pytest.mark.parametrize(
    ("gpus", "minors", "shown", "codes"),
    [
        (1, (0,), [0], []),
        (1, (3,), [3], []),
        (2, (0, 1), [0, 1], []),
        (2, (2, 5), [2, 5], []),
        (2, (0,), [None, None], ["nodes-missing"]),
        (1, (0, 1), [None], ["nodes-missing"]),
    ],
)
def test_minors_that_nothing_told(gpus, minors, shown, codes):
    found = describe(ReplayReader(host(gpus, minors)))
    assert [device.minor for device in found.devices] == shown
    assert [each.code for each in found.findings] == codes


def test_tools_alone_are_enough():
    data = {**host(2), "nodes": {}}
    found = describe(ReplayReader(data))
    assert (found.best, [device.ready for device in found.devices], found.findings) == ("nvidia", [True, True], ())


def test_a_lost_gpu_is_named_by_what_the_kernel_knows():
    base = "/proc/driver/nvidia"
    files = {f"{base}/version": "Kernel Module  580.142  x"}
    for number in (1, 2):
        text = f"Model: RTX {number}\nGPU UUID: GPU-{number}\nBus Location: 0000:0{number}:00.0\nDevice Minor: {number - 1}\n"
        files[f"{base}/gpus/0000:0{number}:00.0/information"] = text
    lost = {"index": 0, "errors": {"handle": 15}}
    nvml = {
        "driver": "580.142",
        "devices": [lost, {"index": 1, "name": "RTX 2", "uuid": "GPU-2", "memory_total": 1, "errors": {}}],
    }
    found = describe(ReplayReader(host(2, (0, 1), files=files, nvml=nvml)))
    shown = [(device.name, device.uuid, device.minor, device.bus_id, device.ready) for device in found.devices]
    assert shown == [("RTX 1", "GPU-1", 0, "0000:01:00.0", False), ("RTX 2", "GPU-2", 1, "0000:02:00.0", True)]
    assert [each.message for each in found.findings] == ["The GPU RTX 1 at 0000:01:00.0 fell off the bus"]


def test_a_tool_that_fails_is_no_sign_of_a_gpu():
    data = {"snapshot": 1, "commands": {"nvidia-smi -L": {"rc": 9, "stdout": "couldn't communicate with the driver"}}}
    assert [stack.name for stack in describe(ReplayReader(data)).stacks] == ["cpu"]


def test_a_mismatch_names_both_versions():
    files = {"/proc/driver/nvidia/version": "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.1.1  x"}
    links = {"/usr/lib/x86_64-linux-gnu/libnvidia-ml.so.1": "libnvidia-ml.so.550.2.2"}
    data = host(files=files, links=links, nvml={"error": 18, "message": "Driver/library version mismatch"})
    (found,) = describe(ReplayReader(data)).findings
    assert found.code == "driver-library-mismatch"
    assert "535.1.1" in found.evidence and "550.2.2" in found.evidence


@pytest.mark.parametrize("state", [True, False])
def test_nvml_is_trusted_more_than_nvidia_smi(state):
    data = host(nvml={"driver": "580.142", "devices": [{"index": 0, "name": "by NVML", "uuid": "GPU-1", "errors": {}}]})
    data = copy.deepcopy(data)
    if state:
        data["commands"]["nvidia-smi -q -x"] = {"rc": 18, "stdout": "Driver/library version mismatch"}
    (device,) = describe(ReplayReader(data)).devices
    assert (device.name, device.ready, device.memory_bytes) == ("by NVML", True, None if state else 8192 << 20)


@pytest.mark.parametrize(
    ("text", "total", "free"),
    [
        ("MemTotal:       127600748 kB\nMemAvailable:   118566368 kB\n", 127600748 << 10, 118566368 << 10),
        ("MemTotal: 8 kB\n", 8192, None),
        ("", None, None),
        ("MemTotal: many kB\n", None, None),
    ],
)
def test_a_gpu_that_uses_the_machines_memory(text, total, free):
    reader = ReplayReader({"snapshot": 1, "files": {"/proc/meminfo": text}})
    assert unified_memory(reader) == {"memory_bytes": total, "memory_free_bytes": free, "integrated": True}


def test_a_silent_driver_under_wsl2_is_no_reason_for_a_linux_driver():
    reader = ReplayReader(
        {"snapshot": 1, "directories": {"/dev": ["dxg"], "/usr/lib/wsl/lib": ["libcuda.so.1", "nvidia-smi"]}}
    )
    found = next(entry for entry in describe(reader).findings if entry.level == "error")
    assert found.code == "wsl-driver-silent"
    assert "apt" not in found.mend and "Install no Linux driver" in found.mend
