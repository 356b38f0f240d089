# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The GPUs that the kernel's compute interface for AMD (KFD) knows, from its topology in sysfs.

One directory for each node below ``topology/nodes``, CPUs among them; ``properties`` has a line
``name value`` for each property, all numbers decimal (Linux, drivers/gpu/drm/amd/amdkfd/kfd_topology.c).
A container may not read the properties of GPUs that it was not given: they count as absent.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from .probe import Reader

TOPOLOGIES = ("/sys/class/kfd/kfd/topology/nodes", "/sys/devices/virtual/kfd/kfd/topology/nodes")
"""The same directory by its two names."""

AMD_VENDOR = 0x1002

FRAME_BUFFERS = (1, 2)
"""Heap types of a memory bank that are a GPU's own memory, visible to the CPU or not (kfd_topology.h)."""


@dataclass(frozen=True)
class KfdNode:
    number: int
    """N of ``nodes/N``: the order in which ROCm counts."""
    path: str
    architecture: str = ""
    """``gfx1100``; empty on kernels that do not say it (before 5.14)."""
    bus_id: str = ""
    """``0000:03:00.0``; partitions of one card share it."""
    device: str = ""
    """PCI device id, e.g. ``0x744c``."""
    render: str = ""
    """Path of its render node."""
    uuid: str = ""
    """As rocminfo prints it: ``GPU-`` and 16 hexadecimal digits; empty where the chip has none (APUs)."""
    with_cpu: bool = False
    """One node for processor and GPU, as APUs have it on older kernels."""
    memory_bytes: int | None = None
    name: str = ""
    """The chip's code name, e.g. ``navi31``; empty on newer kernels, which say «ip discovery» for all."""


def gpu_nodes(reader: Reader) -> tuple[KfdNode, ...]:
    """AMD GPUs in the order of their nodes; a processor has no SIMD units and version 0."""
    for base in TOPOLOGIES:
        numbers = sorted(int(name) for name in reader.directory(base) or () if re.fullmatch(r"\d{1,6}", name))
        if numbers:
            found = [_node(reader, f"{base}/{number}", number) for number in numbers]
            return tuple(node for node in found if node is not None)
    return ()


def properties(text: str | None) -> dict[str, int]:
    """Lines ``name value``; whatever is not of that form is left out."""
    found = re.findall(r"^(\w+)[ \t]+([0-9]{1,20})[ \t]*$", text or "", re.M)
    return {name: int(value) for name, value in found if int(value) < 1 << 64}


def architecture(version: int) -> str:
    """``110000`` → ``gfx1100``, ``90010`` → ``gfx90a``: major × 10000 + minor × 100 + step, the last two written
    in hexadecimal (ROCR-Runtime, libhsakmt; LLVM «User Guide for AMDGPU Backend»). Empty for anything else."""
    major, minor, step = version // 10000, version // 100 % 100, version % 100
    return f"gfx{major}{minor:x}{step:x}" if 0 < major < 100 and minor < 16 and step < 16 else ""


def bus_address(location: int, domain: int) -> str:
    """PCI address of a node's ``location_id``, whose low 16 bits are bus, device and function.

    Partitions of a card are numbered in its function or in the highest four bits, by the kernel's age
    (kfd_topology.c, «node id = location_id[31:28]»; a capture of MI308X: ROCm/k8s-device-plugin, testdata).
    """
    return f"{domain:04x}:{location >> 8 & 0xFF:02x}:{location >> 3 & 0x1F:02x}.{location & 7}"


def same_card(one: KfdNode, other: KfdNode) -> bool:
    """Whether two nodes are partitions of one card: they share its number, or its address."""
    if one.uuid and other.uuid:
        return one.uuid == other.uuid
    return bool(one.bus_id) and one.bus_id == other.bus_id


def _node(reader: Reader, path: str, number: int) -> KfdNode | None:
    values = properties(reader.file(f"{path}/properties"))
    version = values.get("gfx_target_version", 0)
    if not (values.get("simd_count") or version) or values.get("vendor_id", AMD_VENDOR) != AMD_VENDOR:
        return None
    location, minor = values.get("location_id"), values.get("drm_render_minor")
    name = (reader.file(f"{path}/name") or "").strip()
    return KfdNode(
        number,
        path,
        architecture(version),
        bus_address(location, values.get("domain", 0)) if location else "",
        f"0x{values['device_id']:04x}" if values.get("device_id") else "",
        f"/dev/dri/renderD{minor}" if minor else "",
        f"GPU-{values['unique_id']:016x}" if values.get("unique_id") else "",
        bool(values.get("cpu_cores_count")),
        _memory(reader, path) or values.get("local_mem_size") or None,
        "" if name == "ip discovery" else name,
    )


def _memory(reader: Reader, path: str) -> int | None:
    """Its own memory, from its banks; the property ``local_mem_size`` is 0 on current kernels."""
    banks = [
        properties(reader.file(f"{path}/mem_banks/{name}/properties"))
        for name in reader.directory(f"{path}/mem_banks") or ()
    ]
    own = sum(bank.get("size_in_bytes", 0) for bank in banks if bank.get("heap_type") in FRAME_BUFFERS)
    return own or None
