"""Hosts as detection describes them, and readers that show their nodes and files."""

from __future__ import annotations

import typing as t

from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu.model import (
    DeviceNode,
    GpuDevice,
    GpuHost,
    Stack,
)
from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu.snapshot import ReplayReader


def node(path: str, mode: str = "0660", gid: int = 105) -> DeviceNode:
    return DeviceNode(path, mode=mode, gid=gid)


def gpu(stack: str, *nodes: DeviceNode | str, **values: t.Any) -> GpuDevice:
    made = tuple(entry if isinstance(entry, DeviceNode) else node(entry) for entry in nodes)
    return GpuDevice(stack, "a vendor", "a GPU", nodes=made, **values)


def host(*devices: GpuDevice, stack: str = "", ready: bool = True, npus: tuple[GpuDevice, ...] = ()) -> GpuHost:
    name = stack or devices[0].stack
    stacks = (Stack(name, ready, "the driver does not answer", devices), Stack("cpu", True, "always"))
    return GpuHost("linux", stacks, npus=npus)


def reader(files: dict[str, str] | None = None, nodes: t.Iterable[str] = (), **more: t.Any) -> ReplayReader:
    """Nodes are 226:N, in their order."""
    entry = {"kind": "char", "major": 226, "mode": "0660", "uid": 0, "gid": 105}
    shown = {path: {**entry, "minor": minor} for minor, path in enumerate(nodes)}
    return ReplayReader({"snapshot": 1, "files": files or {}, "nodes": shown, **more})
