# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which of a host's GPUs a container gets: the same ones on every run."""

from __future__ import annotations

import re
import typing as t

from .._cdi.kinds import KINDS
from .._errors import InputError
from .._gpu.model import EngineFacts, GpuDevice, GpuHost, Stack
from .._units import human

ALL = -1
"""As a count: every GPU."""


class TooFew(InputError):
    """The wish is understood and this stack's GPUs do not satisfy it; another stack may."""


class NoSuchGpu(InputError):
    """This stack has no GPU of that name. Where another stack has, `names_of` of its GPUs tell."""

    wanted = ""


def everything(stack: Stack, devices: tuple[GpuDevice, ...], wish: t.Any) -> bool:
    """Whether the wish was for all GPUs and all of them are given, so that «all» says it."""
    return wish.count == ALL and (not wish.ids or "all" in wanted_ids(wish)) and len(devices) == len(stack.devices)


def wanted_ids(wish: t.Any) -> tuple[str, ...]:
    """Ids without the kind of a CDI name: ``nvidia.com/gpu=0`` is 0."""
    return tuple(str(each).rpartition("=")[2] for each in wish.ids)


def is_own(device: GpuDevice) -> bool:
    """Whether its uuid is one of our making (`HostView.own_uuid`): the vendor has none, so nobody else knows it."""
    made_here = bool(device.bus_id) and device.uuid.endswith(f"-{device.bus_id}")
    return made_here or re.match(r"[0-9a-f]{12}-", device.uuid) is not None


def identities(host: GpuHost) -> dict[str, str]:
    """uuid → the uuid that stands for its GPU, the vendor's where there is one.

    Two stacks of a host may show one GPU under two uuids (rocm has the vendor's, vulkan the bus address). Its
    memory is there once.
    """
    same: dict[str, list[GpuDevice]] = {}
    for device in host.devices:
        if device.uuid:
            same.setdefault(device.bus_id or device.uuid, []).append(device)
    result = {}
    for devices in same.values():
        # Not by the stacks' order, which changes when a driver fails.
        chosen = min(devices, key=lambda device: (is_own(device), device.uuid)).uuid
        for device in devices:
            # On GPUs with several partitions at one address each has a uuid of the vendor.
            result[device.uuid] = chosen if is_own(device) else device.uuid
    return result


def declared_by(engine: EngineFacts, same: t.Mapping[str, str]) -> dict[str, int]:
    """GPU memory in bytes by uuid that an engine's running containers of ours declared.

    What was declared for a GPU under the name that another stack gives it is declared for the same GPU. same:
    `identities` of the host.
    """
    total: dict[str, int] = {}
    for uuid, size in engine.declared.items():
        total[same.get(uuid, uuid)] = total.get(same.get(uuid, uuid), 0) + size
    return total


def select_devices(
    stack: Stack, wish: t.Any, where: str, declared: t.Mapping[str, int], taken: t.Mapping[str, int]
) -> tuple[GpuDevice, ...]:
    """The GPUs a container gets, in the host's order.

    With a number wanted: those with room for the wish's memory first, then discrete ones, then more memory,
    then order.
    Free memory as such decides nothing: it changes as soon as the container runs, and the next run
    would choose another GPU. declared and taken are bytes by uuid: what running containers of ours
    declared, and what services planned before this one will.
    """
    usable = tuple(device for device in stack.devices if device.ready)
    ids = wanted_ids(wish)
    foreign = [str(each) for each in wish.ids if _is_of_another_kind(str(each), stack.name)]
    if foreign:
        raise TooFew(f"{foreign[0]} is no device of stack {stack.name}", where)
    if ids and "all" not in ids:
        return _by_id(usable, ids, where)
    fitting = tuple(
        device for device in usable if not wish.memory or (device.memory_bytes or wish.memory) >= wish.memory
    )
    if usable and not fitting:
        raise _too_small(usable, wish.memory, where)
    if wish.count == ALL or ids:
        # All that satisfy the wish: a small display card beside the real one is left out.
        return fitting
    if len(usable) < wish.count:
        raise TooFew(f"{wish.count} GPUs are wanted, {len(usable)} of stack {stack.name} can be used", where)
    if len(fitting) < wish.count:
        raise _too_small(usable, wish.memory, where)

    def key(device: GpuDevice) -> tuple[bool, bool, int, int]:
        roomy = _room(device, declared, taken) >= wish.memory
        return (not roomy, device.integrated, -(device.memory_bytes or 0), usable.index(device))

    chosen = sorted(fitting, key=key)[: wish.count]
    return tuple(device for device in usable if device in chosen)


def _room(device: GpuDevice, declared: t.Mapping[str, int], taken: t.Mapping[str, int]) -> int:
    """Bytes left: total − foreign − planned, where foreign is what is used beyond our own containers' declarations."""
    total = device.memory_bytes or 0
    used = total - (total if device.memory_free_bytes is None else device.memory_free_bytes)
    foreign = max(0, used - declared.get(device.uuid, 0))
    return total - foreign - taken.get(device.uuid, 0)


def _by_id(usable: tuple[GpuDevice, ...], ids: tuple[str, ...], where: str) -> tuple[GpuDevice, ...]:
    chosen = []
    for wanted in ids:
        # Intel's CDI names go on with the model: 0000-03-00-0-0x56a0.
        plain = wanted.partition("-0x")[0]
        match = [device for device in usable if {wanted, plain} & names_of(device)]
        if not match:
            known = ", ".join(_shown(device) for device in usable) or "none"
            error = NoSuchGpu(f"there is no GPU {wanted}", where, f"Known here: {known}.")
            error.wanted = wanted
            raise error
        chosen.extend(device for device in match if device not in chosen)
    return tuple(device for device in usable if device in chosen)


def _is_of_another_kind(name: str, stack: str) -> bool:
    """Whether a CDI name (``amd.com/gpu=0``) is of a kind that stands for other stacks; unknown kinds are no reason."""
    kind, equals, _device = name.partition("=")
    return bool(equals) and kind in KINDS.values() and KINDS.get(stack) != kind


def names_of(device: GpuDevice) -> set[str]:
    """Everything by which a wish may name a GPU, its slices included."""
    own = {device.uuid, "" if device.index is None else str(device.index), *_addresses(device.bus_id)}
    own |= {node.path.rpartition("/")[2] for node in device.nodes if "/renderD" in node.path}
    slices = {mig.uuid for mig in device.mig} | {
        f"{device.index}:{mig.index}" for mig in device.mig if mig.index is not None
    }
    return (own | slices) - {""}


def _shown(device: GpuDevice) -> str:
    """The handiest of a GPU's names, for messages."""
    number = "" if device.index is None else f"{device.index}, "
    slices = "".join(f", {mig.uuid}" for mig in device.mig if mig.uuid)
    return f"{device.name} ({number}{device.uuid or device.bus_id}{slices})"


def _addresses(bus_id: str) -> set[str]:
    """A PCI address as sysfs, lspci, nvidia-smi and Intel's CDI names write it: 0000:01:00.0, 01:00.0, …"""
    domain, colon, rest = bus_id.partition(":")
    if not colon:
        return {bus_id}
    spellings = {f"{domain[-4:]}:{rest}", f"{domain[-4:].rjust(8, '0')}:{rest}", bus_id}
    spellings |= {rest} if domain.strip("0") == "" else set()
    return {each for text in spellings for each in (text, text.upper())} | {f"{domain[-4:]}-{_dashed(rest)}"}


def _dashed(address: str) -> str:
    return address.replace(":", "-").replace(".", "-")


def _too_small(usable: tuple[GpuDevice, ...], memory: int, where: str) -> TooFew:
    sizes = ", ".join(f"{device.name} {_size(device)}" for device in usable) or "no GPU"
    return TooFew(f"{human(memory)} of GPU memory are wanted, found: {sizes}", where)


def _size(device: GpuDevice) -> str:
    return human(device.memory_bytes) if device.memory_bytes else "of unknown size"
