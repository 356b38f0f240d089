# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a container gets a GPU stack on a given engine: pure functions.

The modes, best first: `cdi` where the engine resolves the device's CDI name,
`nvidia-runtime` (Docker's ``--gpus``) where the toolkit's runtime is registered,
`explicit` where plain devices and mounts are enough, `none` with the reason.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field, replace

from .._errors import InputError
from .._gpu.model import EngineFacts, GpuDevice, GpuHost, Stack
from .._group.config import GpuPromise, GpuRequest, Mount
from .choose import ALL, TooFew, everything, select_devices, wanted_ids


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
    promise: GpuPromise | None = None
    """What the container must then see; None where it gets no GPU."""


def plan_access(
    host: GpuHost, engine: EngineFacts, wish: t.Any, where: str = "", taken: t.Mapping[str, int] | None = None
) -> AccessPlan:
    """The access plan of a wish (`GpuWish`, or anything with its fields) on one engine of a host.

    The first stack of the wish that is ready, satisfies it and can be given by this engine. So mode
    `none` comes with stack cpu only: a container that asked for a GPU never starts without one unawares.

    taken: bytes by uuid that services planned before this one declared; a GPU with room is preferred.
    Raises InputError (path `where`, e.g. ``mainpc: groups/core.yml:12:7``) when no stack of the wish
    will do, or when an id does not exist.
    """
    skipped = []
    for name in tuple(wish.stacks) or tuple(stack.name for stack in host.stacks if stack.name != "cpu"):
        if name == "cpu":
            return _cpu(skipped)
        stack = host.stack(name)
        if stack is None or not stack.ready:
            skipped.append(f"{name}: {stack.reason if stack else 'not on this host'}")
            continue
        try:
            plan = plan_stack(host, engine, stack, wish, where, taken)
        except TooFew as error:
            skipped.append(f"{name}: {error.message}")
            continue
        if plan.gpu.mode != "none":
            return plan
        skipped.append(f"{name}: {plan.gpu.reason}")
    found = "; ".join(skipped) or "no GPU was found"
    mend = next((entry.mend for entry in host.findings if entry.level == "error" and entry.mend), "")
    raise InputError(
        f"a GPU is wanted and none can be used ({found})",
        where,
        f"{mend} Or add cpu to x-gpu.stacks to allow the CPU." if mend else "Add cpu to x-gpu.stacks to allow the CPU.",
    )


def plan_stack(
    host: GpuHost,
    engine: EngineFacts,
    stack: Stack,
    wish: t.Any,
    where: str = "",
    taken: t.Mapping[str, int] | None = None,
) -> AccessPlan:
    """The access plan of one ready stack; mode `none` with the reason where the engine cannot give it.

    Raises TooFew where the stack's GPUs do not satisfy the wish, InputError for an unknown id.
    """
    if stack.name == "cpu":
        return _cpu([])
    planner = _PLANNERS.get(stack.name)
    if planner is None:
        return AccessPlan(GpuRequest(stack=stack.name, reason="this release cannot give it to containers"))
    devices = select_devices(stack, wish, where, declared_on(host), taken or {})
    plan = planner(engine, stack, devices, wish)
    if plan.gpu.mode == "none":
        return plan
    return replace(plan, group_add=_groups(engine, devices), security_opt=_labels(engine))


def declared_on(host: GpuHost) -> dict[str, int]:
    """GPU memory in bytes by uuid that running containers of ours declared, over all engines of a host."""
    total: dict[str, int] = {}
    for engine in host.engines.values():
        for uuid, size in engine.declared.items():
            total[uuid] = total.get(uuid, 0) + size
    return total


def _cpu(skipped: list[str]) -> AccessPlan:
    reason = "; ".join(skipped) or "cpu was asked for"
    return AccessPlan(GpuRequest(stack="cpu", mode="none", reason=reason), cpu_fallback=bool(skipped))


def _request(stack: Stack, devices: tuple[GpuDevice, ...], wish: t.Any, **values: t.Any) -> GpuRequest:
    uuids = tuple(device.uuid for device in devices if device.uuid)
    return GpuRequest(stack=stack.name, memory=wish.memory, uuids=uuids, **values)


def _capabilities(wish: t.Any) -> tuple[str, ...]:
    return tuple(wish.capabilities) or ("gpu",)


def _nvidia(engine: EngineFacts, stack: Stack, devices: tuple[GpuDevice, ...], wish: t.Any) -> AccessPlan:
    names = _nvidia_names(engine, stack, devices, wish)
    if names:
        request = _request(
            stack, devices, wish, mode="cdi", cdi_devices=names, reason=f"{engine.name} reads the CDI spec"
        )
        return AccessPlan(request)
    if _has_nvidia_runtime(engine):
        return AccessPlan(_gpus(stack, devices, wish, "the nvidia runtime is registered and no CDI spec can be used"))
    return AccessPlan(_request(stack, devices, wish, mode="none", reason=_no_toolkit(engine)))


def _has_nvidia_runtime(engine: EngineFacts) -> bool:
    """Docker's --gpus. Podman may have an OCI runtime of that name and has no such request."""
    return engine.name == "docker" and "nvidia" in engine.runtimes


def _gpus(stack: Stack, devices: tuple[GpuDevice, ...], wish: t.Any, reason: str) -> GpuRequest:
    """Docker's --gpus: ``all``, or the UUIDs (an index could mean another GPU after a reboot)."""
    whole = everything(stack, devices, wish)
    ids = () if whole else tuple(name for device in devices for name in _selectors(device, wish))
    return _request(
        stack,
        devices,
        wish,
        mode="nvidia-runtime",
        count=ALL if whole else 0,
        device_ids=ids,
        capabilities=_capabilities(wish),
        reason=reason,
    )


def _selectors(device: GpuDevice, wish: t.Any) -> list[str]:
    if device.mig_enabled:
        return [uuid or index for uuid, index in _mig_names(device, wish)]
    return [device.uuid or str(device.index or 0)]


def _nvidia_names(engine: EngineFacts, stack: Stack, devices: tuple[GpuDevice, ...], wish: t.Any) -> tuple[str, ...]:
    """CDI names for the chosen GPUs, or () when the engine's specs do not have all of them."""
    known = set(engine.cdi_devices)
    whole = everything(stack, devices, wish)
    if whole and "nvidia.com/gpu=all" in known:
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
    ids = set(wanted_ids(wish)) - {"all"}
    return [pair for pair in pairs if not ids or ids & set(pair) or device.uuid in ids or str(device.index) in ids]


def _nvidia_wsl(engine: EngineFacts, stack: Stack, devices: tuple[GpuDevice, ...], wish: t.Any) -> AccessPlan:
    # The spec of nvidia-ctk's wsl mode has one device, «all»; CUDA selects among the GPUs.
    # Source: nvidia-container-toolkit, pkg/nvcdi/*-wsl.go.
    environment = {}
    if len(devices) < len(stack.devices):
        environment["CUDA_VISIBLE_DEVICES"] = ",".join(device.uuid or str(device.index or 0) for device in devices)

    def plan(mode: str, reason: str, **request: t.Any) -> AccessPlan:
        return AccessPlan(_request(stack, devices, wish, mode=mode, reason=reason, **request), environment=environment)

    all_gpus = {"count": ALL, "capabilities": _capabilities(wish)}
    if engine.flavour == "desktop":
        # Docker Desktop's daemon lives in a distribution of its own and does not see this one's CDI specs,
        # libraries or toolkit (docker/desktop-feedback 501); --gpus all is what it supports.
        # Versions before 4.34 do so without listing the runtime (docker/for-win 14331).
        return plan("nvidia-runtime", "Docker Desktop gives GPUs by --gpus", **all_gpus)
    if "nvidia.com/gpu=all" in engine.cdi_devices:
        return plan("cdi", f"{engine.name} reads the CDI spec", cdi_devices=("nvidia.com/gpu=all",))
    if _has_nvidia_runtime(engine):
        return plan("nvidia-runtime", "the nvidia runtime is registered and no CDI spec can be used", **all_gpus)
    # Microsoft's own form (wslg docs/Containers.md): whole directories survive a Windows driver update.
    driver = Mount(type="bind", source="/usr/lib/wsl", target="/usr/lib/wsl", read_only=True, create_host_path=False)
    return replace(
        plan("explicit", "no toolkit: /dev/dxg and the driver's directory"),
        devices=("/dev/dxg",),
        mounts=(driver,),
        environment={"LD_LIBRARY_PATH": "/usr/lib/wsl/lib", **environment},
    )


def _groups(engine: EngineFacts, devices: tuple[GpuDevice, ...]) -> tuple[str, ...]:
    """Groups a container's user needs for nodes that not everybody may open.

    Inside a rootless container a numeric gid of the host means nothing; keep-groups passes on the
    groups of the user who starts it (podman-run, --group-add; crun only).
    """
    nodes = [node for device in devices for node in device.nodes]
    gids = sorted({node.gid for node in nodes if node.gid and node.mode and not node.mode.endswith(("6", "7"))})
    if not gids:
        return ()
    return ("keep-groups",) if engine.name == "podman" and engine.rootless else tuple(str(gid) for gid in gids)


def _labels(engine: EngineFacts) -> tuple[str, ...]:
    """SELinux refuses device nodes to a confined container (docs of nvidia-container-toolkit, Podman)."""
    return ("label=disable",) if engine.selinux else ()


def _no_toolkit(engine: EngineFacts) -> str:
    if not engine.ready and engine.name == "docker":
        return f"what docker can give is not known ({engine.reason or 'it was not asked'})"
    if engine.name == "docker" and not engine.cdi_dirs:
        return "docker neither reads CDI specs nor has the nvidia runtime: install nvidia-container-toolkit and register it"
    return f"no CDI spec that {engine.name} reads names nvidia.com/gpu: install nvidia-container-toolkit and run nvidia-ctk cdi generate"


_PLANNERS: dict[str, t.Callable[..., AccessPlan]] = {"nvidia": _nvidia, "nvidia-wsl": _nvidia_wsl}
"""One planner per stack; a further stack adds its own."""
