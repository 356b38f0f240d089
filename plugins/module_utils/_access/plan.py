# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a container gets a GPU stack on a given engine: one pure function.

The modes, best first: `cdi` where the engine resolves the device's CDI name,
`nvidia-runtime` (Docker's ``--gpus``) where the toolkit's runtime is registered,
`explicit` where plain devices and mounts are enough, `none` with the reason.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from .._errors import InputError
from .._gpu.model import EngineFacts, GpuDevice, GpuHost, Stack
from .._group.config import GpuRequest, Mount

ALL = -1


@dataclass(frozen=True)
class GpuWish:
    """What a service asks for; the group file's own `GpuWish` has these fields too."""

    stacks: tuple[str, ...] = ()
    """In order of preference; empty: the host's best ready stack, never cpu."""
    count: int = ALL
    """-1: all GPUs."""
    ids: tuple[str, ...] = ()
    """Indexes, UUIDs, MIG UUIDs or CDI names of GPUs; with ids `count` does not matter."""
    capabilities: tuple[str, ...] = ("gpu",)
    memory: int = 0
    """Bytes of GPU memory, on each GPU that is given."""


@dataclass(frozen=True)
class AccessPlan:
    """Everything a container configuration needs to get the GPU (JSON by `config.to_dict`)."""

    gpu: GpuRequest
    devices: tuple[str, ...] = ()
    mounts: tuple[Mount, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    group_add: tuple[str, ...] = ()
    security_opt: tuple[str, ...] = ()
    cpu_fallback: bool = False
    """A GPU was preferred, none fits, and the wish allows cpu."""


def plan_access(
    host: GpuHost, engine: EngineFacts, wish: t.Any, where: str = "", taken: t.Mapping[str, int] | None = None
) -> AccessPlan:
    """The access plan of a wish (`GpuWish`, or anything with its fields) on one engine of a host.

    taken: bytes by uuid that services planned before this one declared; a GPU with room is preferred.
    Raises InputError (path `where`, e.g. ``mainpc: groups/core.yml:12:7``) when no stack of
    the wish is ready, when ids do not exist, or when there are too few GPUs or too little memory.
    """
    stack, skipped = _select_stack(host, wish, where)
    if stack.name == "cpu":
        return AccessPlan(
            GpuRequest(stack="cpu", mode="none", reason=skipped or "cpu was asked for"), cpu_fallback=bool(skipped)
        )
    devices = select_devices(stack, engine, wish, where, taken or {})
    return _PLANNERS[stack.name](host, engine, stack, devices, wish)


def _select_stack(host: GpuHost, wish: t.Any, where: str) -> tuple[Stack, str]:
    """The first ready stack of the wish, and why better liked ones were skipped (empty: none were)."""
    cpu = host.stack("cpu") or Stack("cpu", True, "")
    wanted = tuple(wish.stacks) or tuple(stack.name for stack in host.stacks if stack.name != "cpu")
    skipped = []
    for name in wanted:
        if name == "cpu":
            return cpu, "; ".join(skipped)
        stack = host.stack(name)
        if stack is not None and stack.ready and name in _PLANNERS:
            return stack, ""
        skipped.append(f"{name}: {stack.reason if stack else 'not on this host'}")
    found = "; ".join(skipped) or "no GPU was found"
    mends = [entry.mend for entry in host.findings if entry.level == "error" and entry.mend]
    raise InputError(
        f"a GPU is wanted and none can be used ({found})",
        where,
        " ".join(mends[:1] + ["Or add cpu to x-gpu.stacks to allow the CPU."]),
    )


def select_devices(
    stack: Stack, engine: EngineFacts, wish: t.Any, where: str, taken: t.Mapping[str, int]
) -> tuple[GpuDevice, ...]:
    """The GPUs a container gets, in the host's order.

    With a number wanted: those with room for the wish's memory first, then more memory, then order.
    Free memory as such decides nothing: it changes as soon as the container runs, and the next run
    would choose another GPU.
    """
    usable = tuple(device for device in stack.devices if device.ready)
    ids = _ids(wish)
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
        raise InputError(f"{wish.count} GPUs are wanted, {len(usable)} of stack {stack.name} can be used", where)
    if len(fitting) < wish.count:
        raise _too_small(usable, wish.memory, where)

    def key(device: GpuDevice) -> tuple[bool, int, int]:
        roomy = _room(device, engine, taken) >= wish.memory
        return (not roomy, -(device.memory_bytes or 0), usable.index(device))

    chosen = sorted(fitting, key=key)[: wish.count]
    return tuple(device for device in usable if device in chosen)


def _room(device: GpuDevice, engine: EngineFacts, taken: t.Mapping[str, int]) -> int:
    """Bytes left: total − foreign − planned, where foreign is what is used beyond our own containers' declarations."""
    total = device.memory_bytes or 0
    used = total - (total if device.memory_free_bytes is None else device.memory_free_bytes)
    foreign = max(0, used - engine.declared.get(device.uuid, 0))
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


def _too_small(usable: tuple[GpuDevice, ...], memory: int, where: str) -> InputError:
    sizes = ", ".join(f"{device.name} {device.memory_bytes or 0}" for device in usable) or "no GPU"
    return InputError(f"{memory} bytes of GPU memory are wanted, found: {sizes}", where)


def _request(stack: Stack, devices: tuple[GpuDevice, ...], wish: t.Any, **values: t.Any) -> GpuRequest:
    uuids = tuple(device.uuid for device in devices if device.uuid)
    return GpuRequest(stack=stack.name, memory=wish.memory, uuids=uuids, **values)


def _capabilities(wish: t.Any) -> tuple[str, ...]:
    return tuple(wish.capabilities) or ("gpu",)


def _nvidia(
    host: GpuHost, engine: EngineFacts, stack: Stack, devices: tuple[GpuDevice, ...], wish: t.Any
) -> AccessPlan:
    names = _nvidia_names(engine, stack, devices, wish)
    if names:
        request = _request(
            stack, devices, wish, mode="cdi", cdi_devices=names, reason=f"{engine.name} reads the CDI spec"
        )
        return AccessPlan(request, security_opt=_labels(engine))
    if "nvidia" in engine.runtimes:
        return AccessPlan(_gpus(stack, devices, wish, "the nvidia runtime is registered and there is no CDI spec"))
    return AccessPlan(_request(stack, devices, wish, mode="none", reason=_no_toolkit(engine)))


def _gpus(stack: Stack, devices: tuple[GpuDevice, ...], wish: t.Any, reason: str) -> GpuRequest:
    """Docker's --gpus: ``all``, or the UUIDs (an index could mean another GPU after a reboot)."""
    everything = _everything(stack, devices, wish)
    ids = () if everything else tuple(name for device in devices for name in _selectors(device, wish))
    return _request(
        stack,
        devices,
        wish,
        mode="nvidia-runtime",
        count=ALL if everything else 0,
        device_ids=ids,
        capabilities=_capabilities(wish),
        reason=reason,
    )


def _everything(stack: Stack, devices: tuple[GpuDevice, ...], wish: t.Any) -> bool:
    return wish.count == ALL and (not wish.ids or "all" in _ids(wish)) and len(devices) == len(stack.devices)


def _ids(wish: t.Any) -> tuple[str, ...]:
    """Ids without the kind of a CDI name: ``nvidia.com/gpu=0`` is 0."""
    return tuple(str(each).rpartition("=")[2] for each in wish.ids)


def _selectors(device: GpuDevice, wish: t.Any) -> list[str]:
    if device.mig_enabled:
        return [uuid or index for uuid, index in _mig_names(device, wish)]
    return [device.uuid or str(device.index or 0)]


def _nvidia_names(engine: EngineFacts, stack: Stack, devices: tuple[GpuDevice, ...], wish: t.Any) -> tuple[str, ...]:
    """CDI names for the chosen GPUs, or () when the engine's specs do not have all of them."""
    known = set(engine.cdi_devices)
    everything = _everything(stack, devices, wish)
    if everything and "nvidia.com/gpu=all" in known:
        return ("nvidia.com/gpu=all",)
    names = []
    for device in devices:
        candidates = _mig_names(device, wish) if device.mig_enabled else [(device.uuid, str(device.index))]
        for pair in candidates:
            name = next((f"nvidia.com/gpu={each}" for each in pair if f"nvidia.com/gpu={each}" in known), "")
            if not name:
                return ()
            names.append(name)
    return tuple(names)


def _mig_names(device: GpuDevice, wish: t.Any) -> list[tuple[str, str]]:
    pairs = [(mig.uuid, f"{device.index}:{mig.index}") for mig in device.mig]
    ids = set(_ids(wish)) - {"all"}
    return [pair for pair in pairs if not ids or ids & set(pair) or device.uuid in ids or str(device.index) in ids]


def _nvidia_wsl(
    host: GpuHost, engine: EngineFacts, stack: Stack, devices: tuple[GpuDevice, ...], wish: t.Any
) -> AccessPlan:
    # The spec of nvidia-ctk's wsl mode has one device, «all»; CUDA selects among the GPUs.
    # Source: nvidia-container-toolkit, pkg/nvcdi/*-wsl.go.
    part = len(devices) < len(stack.devices)
    environment = (
        {"CUDA_VISIBLE_DEVICES": ",".join(device.uuid or str(device.index or 0) for device in devices)} if part else {}
    )
    if engine.flavour == "desktop":
        # Docker Desktop's daemon lives in a distribution of its own and does not see this one's CDI specs,
        # libraries or toolkit (docker/desktop-feedback 501); --gpus all is what it supports.
        return AccessPlan(
            _request(
                stack,
                devices,
                wish,
                mode="nvidia-runtime",
                count=ALL,
                capabilities=_capabilities(wish),
                reason="Docker Desktop gives GPUs by --gpus",
            ),
            environment=environment,
        )
    if "nvidia.com/gpu=all" in engine.cdi_devices:
        request = _request(
            stack,
            devices,
            wish,
            mode="cdi",
            cdi_devices=("nvidia.com/gpu=all",),
            reason=f"{engine.name} reads the CDI spec",
        )
        return AccessPlan(request, environment=environment, security_opt=_labels(engine))
    if "nvidia" in engine.runtimes:
        request = _request(
            stack,
            devices,
            wish,
            mode="nvidia-runtime",
            count=ALL,
            capabilities=_capabilities(wish),
            reason="the nvidia runtime is registered and there is no CDI spec",
        )
        return AccessPlan(request, environment=environment)
    # Microsoft's own form (wslg docs/Containers.md): whole directories survive a Windows driver update.
    return AccessPlan(
        _request(stack, devices, wish, mode="explicit", reason="no toolkit: /dev/dxg and the driver's directory"),
        devices=("/dev/dxg",),
        mounts=(
            Mount(type="bind", source="/usr/lib/wsl", target="/usr/lib/wsl", read_only=True, create_host_path=False),
        ),
        environment={"LD_LIBRARY_PATH": "/usr/lib/wsl/lib", **environment},
        security_opt=_labels(engine),
    )


def _labels(engine: EngineFacts) -> tuple[str, ...]:
    """SELinux refuses device nodes to a confined container (docs of nvidia-container-toolkit, Podman)."""
    return ("label=disable",) if engine.selinux else ()


def _no_toolkit(engine: EngineFacts) -> str:
    if engine.name == "docker" and engine.installed and not engine.cdi_dirs:
        return "docker neither reads CDI specs nor has the nvidia runtime: install nvidia-container-toolkit and register it"
    return f"no CDI spec that {engine.name} reads names nvidia.com/gpu: install nvidia-container-toolkit and run nvidia-ctk cdi generate"


_PLANNERS: dict[str, t.Callable[..., AccessPlan]] = {"nvidia": _nvidia, "nvidia-wsl": _nvidia_wsl}
"""One planner per stack; a further stack adds its own."""
