"""Made-up GPUs, hosts and engines for the tests of access plans."""

from __future__ import annotations

from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu.model import (
    DeviceNode,
    EngineFacts,
    GpuDevice,
    GpuHost,
    Stack,
)

GIB = 1 << 30
CPU = Stack("cpu", True, "always")
RENDER_GID, VIDEO_GID = 104, 44


def card(number, stack="rocm", vendor="amd", mode="0660", **more):
    """A GPU with the nodes that detection gives a DRM card: kfd for rocm, render node, primary node."""
    nodes = [
        DeviceNode(f"/dev/dri/renderD{128 + number}", 226, 128 + number, mode, 0, RENDER_GID),
        DeviceNode(f"/dev/dri/card{number}", 226, number, "0660", 0, VIDEO_GID),
    ]
    kfd = [DeviceNode("/dev/kfd", 510, 0, mode, 0, RENDER_GID)] if stack == "rocm" else []
    values = {
        "uuid": f"GPU-{number}",
        "bus_id": f"0000:0{number + 1}:00.0",
        "memory_bytes": 16 * GIB,
        "memory_free_bytes": 16 * GIB,
        "nodes": (*kfd, *nodes),
        **more,
    }
    return GpuDevice(stack, vendor, f"card {number}", index=number, **values)


def host(*devices, platform="linux", **more):
    """A host whose stacks are those of the devices, in their order, all ready."""
    names = dict.fromkeys(device.stack for device in devices)
    stacks = [Stack(name, True, "yes", tuple(each for each in devices if each.stack == name)) for name in names]
    return GpuHost(platform, (*stacks, CPU), **more)


def podman(**more):
    return EngineFacts("podman", True, True, **{"version": "5.4.2", "runtimes": ("crun",), **more})


def docker(**more):
    return EngineFacts("docker", True, True, **{"version": "28.3.0", **more})
