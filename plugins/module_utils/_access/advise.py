# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What to say when a GPU that is ready cannot be given to containers, or only in a worse way than it could."""

from __future__ import annotations

import typing as t

from .._gpu.findings import Finding, finding
from .._gpu.model import EngineFacts, GpuHost, Stack
from .._gpu.probe import Reader
from .case import is_here

TOOLKIT = ("nvidia-ctk", "nvidia-container-runtime")
BROKEN = {"cdi-unreadable", "cdi-too-new", "cdi-stale", "cdi-conflict"}
"""What is wrong with specs, where that is why an engine has no name for a GPU."""


def advice(reader: Reader, host: GpuHost, access: dict[str, t.Any]) -> list[Finding]:
    """Findings about engines that run. access: `gpu_facts`' plans of ready stacks by engine."""
    said = {entry.code for entry in host.findings}
    found: list[Finding] = []
    for name, plans in access.items():
        engine = host.engines[name]
        if not engine.ready:
            continue
        unregistered = _unregistered(reader, host, engine, plans)
        found += [unregistered] if unregistered else []
        for stack, plan in plans.items():
            if plan["gpu"]["mode"] == "none" and stack != "cpu" and not unregistered:
                found += _without(reader, engine, stack, plan["gpu"]["reason"], said)
    return found


def disproved(entry: Finding, host: GpuHost) -> bool:
    """Whether an engine shows that NVIDIA's toolkit is there after all, in a place that nobody looked at."""
    return entry.code == "toolkit-missing" and any(
        engine.ready
        and ("nvidia" in engine.runtimes or any(name.startswith("nvidia.com/") for name in engine.cdi_devices))
        for engine in host.engines.values()
    )


def _without(reader: Reader, engine: EngineFacts, stack: str, reason: str, said: set[str]) -> list[Finding]:
    text, probe = f"{engine.name}: {reason}", f"{engine.name} info"
    if stack == "metal":
        # Said of the host already: no engine can change it.
        return [] if "metal-not-in-containers" in said else [finding("metal-not-in-containers", text, probe, reason)]
    if stack.startswith("nvidia") and is_here(engine) and engine.flavour != "podman":
        if said & {"toolkit-missing", *BROKEN}:
            return []
        code = "cdi-missing" if engine.cdi_dirs and reader.program("nvidia-ctk") else "toolkit-missing"
        return [finding(code, text, probe, reason)]
    return [finding("gpu-not-for-containers", text, probe, reason, mend=_mend(engine))]


def _mend(engine: EngineFacts) -> str:
    if engine.flavour == "desktop":
        return "Use an engine that runs on this host itself: Podman, or Docker Engine inside the distribution."
    if engine.flavour == "podman":
        return "Set `container_engine: podman` for this host."
    if not is_here(engine):
        return "Make the engine's machine a host of the inventory, so that its own GPUs are known."
    return "Look at the findings about the GPU's nodes and drivers; the reason names what is missing."


def _unregistered(reader: Reader, host: GpuHost, engine: EngineFacts, plans: dict[str, t.Any]) -> Finding | None:
    """The toolkit is installed, Docker does not know its runtime, and nothing better is there."""
    worse = [
        stack.name
        for stack in host.stacks
        if _is_nvidia(stack) and plans.get(stack.name, {}).get("gpu", {}).get("mode") in ("none", "explicit")
    ]
    if not worse or engine.name != "docker" or engine.flavour != "engine" or not is_here(engine):
        return None
    program = next((path for path in map(reader.program, TOOLKIT) if path), None)
    if program is None:
        return None
    known = ", ".join(engine.runtimes) or "none"
    text = f"docker does not know the nvidia runtime, though the toolkit is installed ({program})"
    return finding("nvidia-runtime-missing", text, "docker info", f"Runtimes: {known}")


def _is_nvidia(stack: Stack) -> bool:
    return stack.ready and stack.name.startswith("nvidia")
