# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a container gets a GPU stack on a given engine: pure functions.

The modes, best first: `cdi` where the engine resolves the device's CDI name, `nvidia-runtime` (Docker's ``--gpus``, or
on a Jetson the runtime itself) where the toolkit's runtime is registered, `explicit` where devices and mounts are
enough, among them those of a CDI spec that the engine cannot read, and `none` with the reason.
One planner for each stack: `nvidia.py`, `render.py`. Why so: docs/decisions/how-a-container-gets-a-gpu.md.
"""

from __future__ import annotations

import typing as t

from .._errors import InputError
from .._gpu.model import EngineFacts, GpuHost, Stack
from .._group.config import GpuRequest
from . import nvidia, render, reported
from .case import NPU, AccessPlan, Case, GpuWish, check_capabilities, with_npus, with_permissions
from .choose import NoSuchGpu, TooFew, declared_by, identities, names_of, select_devices

__all__ = ["AccessPlan", "GpuWish", "declared_on", "plan_access", "plan_stack"]

_PLANNERS: dict[str, t.Callable[[Case], AccessPlan]] = {
    "nvidia": nvidia.native,
    "nvidia-wsl": nvidia.wsl,
    "nvidia-tegra": nvidia.tegra,
    "rocm": render.plain,
    "rocm-wsl": render.rocm_wsl,
    "intel": render.plain,
    "vulkan": render.plain,
    "videocore": render.plain,
    "venus": render.venus,
    "metal": render.metal,
}


_GIVING = ("toolkit-", "cdi-", "nvidia-runtime-", "docker-is-podman", "gpu-not-for-containers")
"""How the codes of findings begin that say why an engine cannot give a GPU."""


_NVIDIA = ("nvidia", "nvidia-wsl", "nvidia-tegra")

DRIVERS: dict[str, tuple[str, ...]] = {
    "": (),
    "cdi": (),
    "nvidia": _NVIDIA,
    # Docker's own names for its two ways to NVIDIA's GPUs (moby, devices_nvidia_linux.go); which way is the plan's to choose.
    "nvidia.cdi": _NVIDIA,
    "nvidia.runtime-hook": _NVIDIA,
    "amd": ("rocm", "rocm-wsl"),
    "intel": ("intel",),
}
"""Compose's ``driver`` of a device request → the stacks it means; () any. Of ``cdi`` the ids say whose device it is."""


def plan_access(
    host: GpuHost, engine: EngineFacts, wish: t.Any, where: str = "", taken: t.Mapping[str, int] | None = None
) -> AccessPlan:
    """The access plan of a wish (`GpuWish`, or anything with its fields) on one engine of a host.

    The first stack of the wish that is ready, satisfies it and can be given by this engine. So mode
    `none` comes with stack cpu only: a container that asked for a GPU never starts without one unawares.

    taken: bytes by uuid that services planned before this one declared; a GPU with room is preferred.
    Raises InputError (path `where`, e.g. ``mainpc: groups/core.yml:12:7``) when no stack of the wish
    will do, or when an id or a capability does not exist.
    """
    check_capabilities(wish, where)
    skipped: dict[str, str] = {}
    refused = False
    for name in tuple(wish.stacks) or _unnamed(host, wish.driver, where):
        if name == "cpu":
            case = Case(host, engine, Stack("cpu", True, ""), (), wish, where)
            return with_permissions(with_npus(_cpu(skipped), case), case) if NPU in wish.capabilities else _cpu(skipped)
        stack = host.stack(name)
        if stack is None or not stack.ready:
            skipped[name] = stack.reason if stack else "not on this host"
            continue
        try:
            plan = plan_stack(host, engine, stack, wish, where, taken)
        except TooFew as error:
            skipped[name] = error.message
            continue
        except NoSuchGpu as error:
            # A typing error is an error; the name of another stack's GPU is a reason to go on to that stack.
            if not any(error.wanted in names_of(device) for device in host.devices):
                raise
            skipped[name] = error.message
            continue
        if plan.gpu.mode != "none":
            return plan
        skipped[name] = plan.gpu.reason
        refused = True
        if not wish.stacks:
            # A GPU that works is not passed over for a lesser one that nobody named.
            break
    raise _refusal(host, engine, wish, where, skipped, refused)


def _refusal(
    host: GpuHost, engine: EngineFacts, wish: t.Any, where: str, skipped: dict[str, str], refused: bool
) -> InputError:
    """No stack will do. skipped: why, by stack. refused: a GPU works, and the engine is what cannot give it."""
    ready = [stack.name for stack in host.stacks if stack.ready and stack.name not in ("cpu", "metal", *skipped)]
    others = {"ready here": ", ".join(ready)} if ready else {}
    found = _reasons({**skipped, **others}) or "no GPU was found"
    mend = _mend(host, engine, refused)
    allow = (
        "add cpu to x-gpu.stacks to allow the CPU."
        if wish.stacks or not refused
        else "name in x-gpu.stacks what else will do."
    )
    return InputError(
        f"a GPU is wanted and none can be used ({found})",
        where,
        f"{mend} Or {allow}" if mend else allow[0].upper() + allow[1:],
    )


def _unnamed(host: GpuHost, driver: str, where: str) -> tuple[str, ...]:
    """Stacks to try where the group file names none: the host's, best first. Metal is for no container."""
    if driver not in DRIVERS:
        known = ", ".join(sorted(filter(None, DRIVERS)))
        raise InputError(f"no GPU driver is called {driver}", where, f"Known are {known}; leave it out for any GPU.")
    wanted = DRIVERS[driver]
    there = tuple(stack.name for stack in host.stacks if stack.name != "cpu")
    if wanted:
        return tuple(name for name in there if name in wanted) or wanted
    return tuple(name for name in there if name != "metal") or there


def _mend(host: GpuHost, engine: EngineFacts, refused: bool) -> str:
    """What would help, or nothing. refused: a GPU works, and the engine is what cannot give it."""
    if refused and not engine.installed:
        return f"Install {engine.name} first: `ansible-playbook playbooks/prepare.yml -l HOST`."
    if refused and not engine.ready:
        return f"Start {engine.name}, so that it can be asked what it gives."
    about = [entry for entry in host.findings if refused and entry.level != "info" and entry.code.startswith(_GIVING)]
    errors = [entry for entry in host.findings if entry.level == "error"]
    return next((entry.mend for entry in (*about, *errors) if entry.mend), "")


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
        return _cpu({})
    planner = _PLANNERS.get(stack.name)
    if host.reported and planner in (render.plain, render.venus):
        planner = reported.plain
    if planner is None:
        return AccessPlan(GpuRequest(stack=stack.name, reason="this release cannot give it to containers"))
    same = identities(host)
    declared, planned = declared_on(host), taken or {}
    devices = select_devices(
        stack,
        wish,
        where,
        {device.uuid: declared.get(same.get(device.uuid, ""), 0) for device in stack.devices},
        {device.uuid: planned.get(same.get(device.uuid, ""), 0) for device in stack.devices},
    )
    case = Case(host, engine, stack, devices, wish, where)
    plan = planner(case)
    return plan if plan.gpu.mode == "none" else with_permissions(with_npus(plan, case), case)


def declared_on(host: GpuHost) -> dict[str, int]:
    """GPU memory in bytes by uuid that running containers of ours declared, over all engines of a host."""
    same = identities(host)
    total: dict[str, int] = {}
    for engine in host.engines.values():
        for uuid, size in declared_by(engine, same).items():
            total[uuid] = total.get(uuid, 0) + size
    return total


def _reasons(skipped: dict[str, str]) -> str:
    return "; ".join(f"{name}: {reason}" for name, reason in skipped.items())


def _cpu(skipped: dict[str, str]) -> AccessPlan:
    reason = _reasons(skipped) or "cpu was asked for"
    return AccessPlan(GpuRequest(stack="cpu", mode="none", reason=reason), cpu_fallback=bool(skipped))
