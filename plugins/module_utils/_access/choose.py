# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which of a host's GPUs a container gets: the same ones on every run."""

from __future__ import annotations

import typing as t

from .._errors import InputError
from .._gpu.model import GpuDevice, Stack
from .._units import human

ALL = -1
"""As a count: every GPU."""


class TooFew(InputError):
    """The wish is understood and this stack's GPUs do not satisfy it; another stack may."""


def everything(stack: Stack, devices: tuple[GpuDevice, ...], wish: t.Any) -> bool:
    """Whether the wish was for all GPUs and all of them are given, so that «all» says it."""
    return wish.count == ALL and (not wish.ids or "all" in wanted_ids(wish)) and len(devices) == len(stack.devices)


def wanted_ids(wish: t.Any) -> tuple[str, ...]:
    """Ids without the kind of a CDI name: ``nvidia.com/gpu=0`` is 0."""
    return tuple(str(each).rpartition("=")[2] for each in wish.ids)


def select_devices(
    stack: Stack, wish: t.Any, where: str, declared: t.Mapping[str, int], taken: t.Mapping[str, int]
) -> tuple[GpuDevice, ...]:
    """The GPUs a container gets, in the host's order.

    With a number wanted: those with room for the wish's memory first, then more memory, then order.
    Free memory as such decides nothing: it changes as soon as the container runs, and the next run
    would choose another GPU. declared and taken are bytes by uuid: what running containers of ours
    declared, and what services planned before this one will.
    """
    usable = tuple(device for device in stack.devices if device.ready)
    ids = wanted_ids(wish)
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

    def key(device: GpuDevice) -> tuple[bool, int, int]:
        roomy = _room(device, declared, taken) >= wish.memory
        return (not roomy, -(device.memory_bytes or 0), usable.index(device))

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
        match = [device for device in usable if wanted in _names(device)]
        if not match:
            known = ", ".join(sorted(name for device in usable for name in _names(device))) or "none"
            raise InputError(f"there is no GPU {wanted}", where, f"Known here: {known}.")
        chosen.extend(device for device in match if device not in chosen)
    return tuple(device for device in usable if device in chosen)


def _names(device: GpuDevice) -> set[str]:
    own = {device.uuid, "" if device.index is None else str(device.index)}
    slices = {mig.uuid for mig in device.mig} | {
        f"{device.index}:{mig.index}" for mig in device.mig if mig.index is not None
    }
    return (own | slices) - {""}


def _too_small(usable: tuple[GpuDevice, ...], memory: int, where: str) -> TooFew:
    sizes = ", ".join(f"{device.name} {_size(device)}" for device in usable) or "no GPU"
    return TooFew(f"{human(memory)} of GPU memory are wanted, found: {sizes}", where)


def _size(device: GpuDevice) -> str:
    return human(device.memory_bytes) if device.memory_bytes else "of unknown size"
