# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The GPU of each service: its wish against the facts of the host it runs on."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping
from dataclasses import replace

from ...module_utils._access import named
from ...module_utils._access import plan as access
from ...module_utils._errors import InputError
from ...module_utils._gpu.model import EngineFacts, GpuDevice, GpuHost, Stack
from ...module_utils._gpu.reported import declared
from ...module_utils._group.config import GpuRequest
from .inventory import Host
from .placement import Placement

NO_GPU = access.AccessPlan(GpuRequest(stack="cpu", mode="none", reason="no GPU is asked for"))


def read_facts(host: str, result: t.Any, any_host: bool = True) -> GpuHost:
    """Facts from the registered result of `gpu_facts`. Raises InputError for a host that gave none.

    any_host: whether any host of the play has such a result; where none has, the task itself is likely missing.
    """
    gpu = result.get("gpu") if isinstance(result, dict) else None
    if not isinstance(gpu, dict):
        raise InputError(
            "this host is inside the limit but gave no facts (it could not be reached, or gpu_facts failed)",
            host,
            f"Bring it up, or leave it out with «-l '!{host}'»."
            if any_host
            else "Bring it up; in a play of your own, run gpu_facts first and register it as gpu_fleet_facts.",
        )
    return GpuHost.from_dict(gpu)


def with_inventory(facts: GpuHost, host: Host) -> GpuHost:
    """The facts with what only the inventory knows: stacks that the engine does not tell of, a Mac's Metal service."""
    facts = declared(facts, host.gpu_stacks)
    if not host.metal_service:
        return facts
    device = GpuDevice("metal", "apple", "GPU of the Mac, over the network")
    lent = Stack("metal", True, "a program on the Mac lends it to containers (container_metal_service)", (device,))
    others = tuple(stack for stack in facts.stacks if stack.name != "metal")
    return replace(facts, stacks=(lent, *others), metal_service=dict(host.metal_service))


def plan_gpu(placement: Placement, service: str, facts: GpuHost, taken: Mapping[str, int]) -> access.AccessPlan:
    """How one service gets its GPU. Raises InputError where no stack of its wish fits.

    taken: bytes by uuid that services planned before this one declared, on any host.
    """
    wish = placement.extensions(service).gpu
    where = placement.where("services", service)
    engine = facts.engines.get(placement.host.engine) or EngineFacts(name=placement.host.engine)
    content = placement.services[service]
    _check_requests(content, where)
    _check_runtime(content, engine, where)
    plan = access.plan_access(facts, engine, wish, where, taken) if wish is not None else NO_GPU
    wanted = named.named_devices(content.get("devices") or ())
    if not wanted:
        return plan
    return named.with_named_devices(plan, facts, engine, wanted, placement.where("services", service, "devices"))


def _check_requests(content: Mapping[str, t.Any], where: str) -> None:
    """Requests for devices that are no GPU: nothing here answers them, and silence would look like an answer."""
    resources = (content.get("deploy") or {}).get("resources") or {}
    if (resources.get("reservations") or {}).get("generic_resources"):
        raise InputError(
            "generic_resources are Docker Swarm's, nothing answers them here",
            f"{where}.deploy.resources.reservations.generic_resources",
            "Ask for a GPU with `devices: [{capabilities: [gpu], count: 1}]` beside it.",
        )
    for request in (resources.get("reservations") or {}).get("devices") or ():
        capabilities = request.get("capabilities") or ()
        if "gpu" not in capabilities:
            raise InputError(
                f"a request for devices without the capability gpu: {', '.join(map(str, capabilities)) or 'none'}",
                f"{where}.deploy.resources.reservations.devices",
                "Add gpu to its capabilities (npu beside it gives the NPUs, too), or take the request out.",
            )


def _check_runtime(content: Mapping[str, t.Any], engine: EngineFacts, where: str) -> None:
    """``runtime: nvidia`` is how GPUs were asked for once; an engine without that runtime fails in mid-run."""
    runtime = content.get("runtime") or ""
    lacking = runtime == "nvidia" if engine.name == "podman" else engine.ready and runtime not in engine.runtimes
    if runtime and lacking:
        known = ", ".join(engine.runtimes) or "none"
        raise InputError(
            f"{engine.name} has no runtime called {runtime} here (it has {known})",
            f"{where}.runtime",
            "For a GPU take it out and write `gpus: all` or `x-gpu`: how the GPU is given is then planned.",
        )


def replaced_library_path(plan: access.AccessPlan, content: Mapping[str, t.Any]) -> str:
    """LD_LIBRARY_PATH that the plan sets in place of the image's own; empty where the group file has one, or none is set."""
    if (content.get("environment") or {}).get("LD_LIBRARY_PATH") is not None:
        return ""
    return plan.environment.get("LD_LIBRARY_PATH", "")


def summary(placement: Placement, service: str, plan: access.AccessPlan) -> dict[str, t.Any] | None:
    """What is said about one service's GPU; None for a service that asked for none."""
    if placement.extensions(service).gpu is None:
        return None
    return {
        "stack": plan.gpu.stack,
        "mode": plan.gpu.mode,
        "reason": plan.gpu.reason,
        "memory": plan.gpu.memory,
        "uuids": list(plan.gpu.uuids),
        "cpu_fallback": plan.cpu_fallback,
    }
