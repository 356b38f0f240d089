# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Our own specs, for stacks whose devices are nodes (and, under WSL2, directories) that need no searching.

Nodes carry no numbers: the engine looks them up when it starts a container, so a file in /etc/cdi outlives a
reboot. They carry the group where not everybody may open the node: newer CDI libraries take over the node's mode
(pkg/cdi/container-edits_unix.go, fillMissingInfo), and then a container's user needs that numeric group, which
access plans give it.
"""

from __future__ import annotations

import typing as t

from .._errors import FleetError
from .._gpu.model import DeviceNode, GpuDevice, GpuHost
from .._gpu.probe import Reader
from .._gpu.view import cards
from . import kinds
from .form import normal
from .versions import Spec, lower

DXG = "/dev/dxg"

WSL_DIRECTORIES = ("/usr/lib/wsl/lib", "/usr/lib/wsl/drivers")
"""Where Windows shows its driver. Whole directories survive a driver update, which the files in them do not
(Microsoft's own spec mounts these two: WSL 2.9, microsoft.com-wslc.json)."""

MOUNT_OPTIONS = ["ro", "nosuid", "nodev", "rbind", "rprivate"]


def own_spec(reader: Reader, host: GpuHost, stack: str) -> Spec:
    """The spec of a stack as this collection describes it, normal and at its lowest version.

    stack: one of `kinds.WITHOUT_TOOL`. Raises FleetError where the host shows no node of it.
    """
    if stack == "nvidia-wsl":
        devices = [_wsl(reader)]
    else:
        devices = _devices(reader, usable_devices(host, stack), stack)
        if not devices:
            raise FleetError(
                f"no device node of {stack} is on this host",
                kinds.KINDS[stack],
                "Run gpu_facts and look at gpu.findings.",
            )
        devices.append(_together(devices))
    spec = {"kind": kinds.KINDS[stack], "devices": devices}
    return lower(normal(spec), None)[0]


def with_all(spec: Spec) -> Spec:
    """The spec with a device `all`, where a tool wrote none (Intel's does not)."""
    if any(device.get("name") == kinds.ALL for device in spec["devices"]):
        return spec
    return normal({**spec, "devices": [*spec["devices"], _together(spec["devices"])]})


def usable_devices(host: GpuHost, stack: str) -> tuple[GpuDevice, ...]:
    """Devices of a stack, or the NPUs, that a program could use now."""
    found = host.stack(stack)
    devices = host.npus if stack == "intel-npu" else found.devices if found is not None else ()
    return tuple(device for device in devices if device.ready)


def _devices(reader: Reader, devices: tuple[GpuDevice, ...], stack: str) -> list[Spec]:
    result = []
    for position, device in enumerate(devices):
        nodes = {node.path: node for node in device.nodes}
        if stack == "intel":
            nodes.update({node.path: node for node in _primary(reader, device)})
        if stack == "rocm" and not any(path.startswith("/dev/dri/") for path in nodes):
            continue
        if stack == "rocm":
            nodes.setdefault("/dev/kfd", _node_of(reader, "/dev/kfd"))
        name = _name(stack, device, position, nodes)
        if name:
            result.append(_device(name, nodes.values()))
    return result


def _primary(reader: Reader, device: GpuDevice) -> list[DeviceNode]:
    """The card's primary node, by which Intel's generator names it; detection names render nodes only."""
    paths = [card.node for card in cards(reader) if card.bus_id == device.bus_id and card.node]
    return [_node_of(reader, path) for path in paths if reader.node(path) is not None]


def _name(stack: str, device: GpuDevice, position: int, nodes: t.Iterable[str]) -> str:
    if stack == "rocm":
        return str(position if device.index is None else device.index)
    if stack in ("vulkan", "videocore"):
        return kinds.render_name(nodes)
    return kinds.node_name(nodes)


def _node_of(reader: Reader, path: str) -> DeviceNode:
    node = reader.node(path)
    return DeviceNode(path) if node is None else DeviceNode(path, mode=node.mode, uid=node.uid, gid=node.gid)


def _device(name: str, nodes: t.Iterable[DeviceNode]) -> Spec:
    return {"name": name, "containerEdits": {"deviceNodes": [_entry(node) for node in nodes]}}


def _entry(node: DeviceNode) -> Spec:
    for_everybody = not node.mode or node.mode.endswith(("6", "7"))
    return {"path": node.path, "permissions": "rw", **({} if for_everybody or not node.gid else {"gid": node.gid})}


def _together(devices: t.Sequence[Spec]) -> Spec:
    """One device with the edits of all."""
    edits: Spec = {}
    for device in devices:
        for key, value in device["containerEdits"].items():
            if isinstance(value, list):
                edits[key] = [*edits.get(key, ()), *(entry for entry in value if entry not in edits.get(key, ()))]
            else:
                edits[key] = value
    return {"name": kinds.ALL, "containerEdits": edits}


def _wsl(reader: Reader) -> Spec:
    if reader.node(DXG) is None:
        raise FleetError(f"{DXG} is not on this host", kinds.KINDS["nvidia-wsl"], "Run `wsl --update` in Windows.")
    directories = [path for path in WSL_DIRECTORIES if reader.directory(path) is not None]
    if WSL_DIRECTORIES[0] not in directories:
        raise FleetError(
            f"{WSL_DIRECTORIES[0]} is not on this host",
            kinds.KINDS["nvidia-wsl"],
            "Check gpuSupport in .wslconfig, then run `wsl --shutdown` in Windows.",
        )
    mounts = [{"hostPath": path, "containerPath": path, "options": MOUNT_OPTIONS} for path in directories]
    # The loader's cache of the image does not know the directory, and no hook of a tool is there to write it anew.
    environment = [f"LD_LIBRARY_PATH={WSL_DIRECTORIES[0]}"]
    return {
        "name": kinds.ALL,
        "containerEdits": {
            "env": environment,
            "deviceNodes": [_entry(_node_of(reader, DXG))],
            "mounts": mounts,
        },
    }
