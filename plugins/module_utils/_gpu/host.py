# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Puts the stacks together.

A further stack is one more file, and here one more function that says by what sign it is
recognised. The file is imported only where the sign is there: on most hosts that is
nearly all the time that detection takes.
"""

from __future__ import annotations

import dataclasses

from .._units import human
from . import view
from .findings import Finding, finding
from .model import Display, EngineFacts, GpuHost, Stack
from .platform import detect as detect_platform
from .probe import Reader
from .view import Detected, HostView

USED_VENDORS = (view.NVIDIA, view.AMD, view.INTEL, view.VIRTIO)
"""Vendors that some stack's file answers for; cards of others are named in a finding, unless Mesa drives them."""


def _nvidia(looked: HostView) -> Detected:
    reader = looked.reader
    if not (
        looked.cards_of(view.NVIDIA) or reader.file("/proc/driver/nvidia/version") or reader.node("/dev/nvidiactl")
    ):
        return Detected()
    from .nvidia import detect

    return detect(looked)


def _nvidia_wsl(looked: HostView) -> Detected:
    if looked.platform != "wsl2" and looked.reader.node("/dev/dxg") is None:
        return Detected()
    from .nvidia_wsl import detect

    return detect(looked)


def _nvidia_tegra(looked: HostView) -> Detected:
    if looked.platform != "jetson" and looked.reader.node("/dev/nvmap") is None:
        return Detected()
    from .nvidia_tegra import detect

    return detect(looked)


def _rocm(looked: HostView) -> Detected:
    if not looked.cards_of(view.AMD) and looked.reader.node("/dev/kfd") is None:
        return Detected()
    from .rocm import detect

    return detect(looked)


def _rocm_wsl(looked: HostView) -> Detected:
    if looked.reader.node("/dev/dxg") is None:
        return Detected()
    from .rocm_wsl import detect

    return detect(looked)


def _intel(looked: HostView) -> Detected:
    if not looked.cards_of(view.INTEL) and not looked.reader.directory("/dev/accel"):
        return Detected()
    from .intel import detect

    return detect(looked)


def _vulkan(looked: HostView) -> Detected:
    """Asked wherever a card could render, and where a Vulkan driver is installed: it may be a rasteriser."""
    if not looked.cards and not looked.reader.directory("/dev/dri") and not looked.reader.directory(view.ICDS):
        return Detected()
    from .vulkan import detect

    return detect(looked)


def _videocore(looked: HostView) -> Detected:
    if looked.platform != "raspberry-pi" and not any(card.driver in ("v3d", "vc4", "vc4-drm") for card in looked.cards):
        return Detected()
    from .videocore import detect

    return detect(looked)


def _venus(looked: HostView) -> Detected:
    virtual = any(card.vendor == view.VIRTIO or card.driver.startswith("virtio") for card in looked.cards)
    if looked.platform != "macos" and not virtual:
        return Detected()
    from .venus import detect

    return detect(looked)


def _metal(looked: HostView) -> Detected:
    if looked.platform != "macos":
        return Detected()
    from .metal import detect

    return detect(looked)


def _cpu(looked: HostView) -> Detected:
    return Detected(Stack("cpu", True, "every host can run containers without a GPU"))


GENERAL = ("vulkan", "videocore", "venus")
"""Stacks for graphics on any vendor's GPU, ranked after the vendors' own compute stacks."""

STACKS = (
    _nvidia,
    _nvidia_wsl,
    _nvidia_tegra,
    _rocm,
    _rocm_wsl,
    _intel,
    _vulkan,
    _videocore,
    _venus,
    _metal,
    _cpu,
)


def describe(reader: Reader, engines: dict[str, EngineFacts] | None = None) -> GpuHost:
    """The host a reader shows. Never raises for what a host or a snapshot may hold."""
    platform = detect_platform(reader)
    looked = view.look(reader, platform)
    detected = [detect(looked) for detect in STACKS]
    stacks = [entry.stack for entry in detected if entry.stack is not None]
    findings = [found for entry in detected for found in entry.findings]
    findings += _unused(looked) + _platform_findings(platform)
    npus = tuple(npu for entry in detected for npu in entry.npus)
    displays, found_there = _displays(looked)
    return GpuHost(platform, rank(stacks), engines or {}, (*findings, *found_there), npus, displays)


def _displays(looked: HostView) -> tuple[tuple[Display, ...], tuple[Finding, ...]]:
    """Display servers. Their file is imported only where a socket is there; a Mac's are out of containers' reach."""
    reader = looked.reader
    sessions = reader.directory("/run/user") or ()
    if looked.platform == "macos" or not (
        looked.platform == "wsl2"
        or reader.directory("/tmp/.X11-unix")
        or any(name.startswith("wayland-") for uid in sessions for name in reader.directory(f"/run/user/{uid}") or ())
    ):
        return (), ()
    from .display import detect

    return detect(reader, looked.platform)


def rank(stacks: list[Stack]) -> tuple[Stack, ...]:
    """Best first: ready, vendors' compute stacks, discrete, more memory, PCI order; cpu last. Each says why in `rank`."""
    ordered = sorted(stacks, key=_rank_key)
    return tuple(dataclasses.replace(stack, rank=_rank_text(stack)) for stack in ordered)


def _rank_key(stack: Stack) -> tuple[bool, bool, bool, bool, int, str]:
    bus = min((device.bus_id for device in stack.devices), default="")
    return (
        stack.name == "cpu",
        not stack.ready,
        stack.name in GENERAL,
        _is_integrated(stack),
        -_memory(stack),
        bus,
    )


def _rank_text(stack: Stack) -> str:
    if stack.name == "cpu":
        return "last: what is left when no GPU can be used"
    memory = _memory(stack)
    return ", ".join(
        (
            "ready" if stack.ready else "not ready",
            "graphics on any vendor's GPU" if stack.name in GENERAL else "the vendor's own stack",
            "integrated" if _is_integrated(stack) else "discrete" if stack.devices else "no device known",
            human(memory) if memory else "memory unknown",
        )
    )


def _is_integrated(stack: Stack) -> bool:
    return bool(stack.devices) and all(device.integrated for device in stack.devices)


def _memory(stack: Stack) -> int:
    return max((device.memory_bytes or 0 for device in stack.devices), default=0)


def _unused(looked: view.HostView) -> list[Finding]:
    """Cards nobody answers for. Silence would look like «no GPU»."""
    findings = []
    for card in looked.cards:
        where = f"/sys/bus/pci/devices/{card.bus_id}"
        label = f"{view.VENDORS.get(card.vendor, card.vendor)} GPU at {card.bus_id}".strip()
        if card.driver == "vfio-pci":
            findings.append(finding("gpu-passed-through", f"The {label} is bound to vfio-pci", where))
        elif card.vendor not in USED_VENDORS and card.driver not in view.NO_GPU_DRIVERS:
            driver = f"driver {card.driver}" if card.driver else "no driver"
            findings.append(finding("gpu-not-used", f"This host has a GPU that is not used: {label} ({driver})", where))
    return findings


def _platform_findings(platform: str) -> list[Finding]:
    if platform == "wsl1":
        return [finding("wsl1", "This distribution runs under WSL1", "/proc/sys/kernel/osrelease")]
    if platform == "macos":
        return [
            finding("gpu-not-used", "This is a Mac: containers reach its GPU only through a virtual machine", "system")
        ]
    return []
