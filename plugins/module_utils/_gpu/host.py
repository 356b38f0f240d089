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
from .model import Display, EngineFacts, GpuDevice, GpuHost, Stack, oci_architecture
from .platform import detect as detect_platform
from .probe import Reader
from .view import Detected, HostView


def _nvidia(looked: HostView) -> Detected:
    reader = looked.reader
    if not (
        looked.cards_of(view.NVIDIA)
        or reader.file("/proc/driver/nvidia/version")
        or reader.node("/dev/nvidiactl")
        or any(_succeeds(reader, words) for words in (("nvidia-smi", "-q", "-x"), ("nvidia-smi", "-L")))
    ):
        return Detected()
    from .nvidia import detect

    return detect(looked)


def _succeeds(reader: Reader, words: tuple[str, ...]) -> bool:
    told = reader.known(words)
    return told is not None and told.rc == 0


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
    reader = looked.reader
    if not looked.cards_of(view.AMD) and reader.node("/dev/kfd") is None and reader.known(ROCMINFO) is None:
        return Detected()
    from .rocm import detect

    return detect(looked)


def _rocm_wsl(looked: HostView) -> Detected:
    if looked.platform != "wsl2" and looked.reader.node("/dev/dxg") is None:
        return Detected()
    from .rocm_wsl import detect

    return detect(looked)


def _intel(looked: HostView) -> Detected:
    accel = looked.reader.directory("/dev/accel") or looked.reader.directory("/sys/class/accel")
    if not looked.cards_of(view.INTEL) and not accel:
        return Detected()
    from .intel import detect

    return detect(looked)


def _vulkan(looked: HostView) -> Detected:
    """Where Mesa may drive a card, and where there is no GPU but a Vulkan driver: it may be a rasteriser.

    NVIDIA's own driver is not Mesa's.
    """
    reader = looked.reader
    drivers = {card.driver for card in looked.cards}
    mesa = bool(drivers & {*view.RENDERERS, *view.DISPLAY_DRIVERS} - {"nvidia"})
    alone = drivers <= set(view.NO_GPU_DRIVERS) and any(map(reader.directory, ("/dev/dri", view.ICDS)))
    if not mesa and not alone and not reader.known(VULKANINFO):
        return Detected()
    from .vulkan import detect

    return detect(looked)


def _videocore(looked: HostView) -> Detected:
    if looked.platform != "raspberry-pi" and not any(card.driver in ("v3d", "vc4", "vc4-drm") for card in looked.cards):
        return Detected()
    from .videocore import detect

    return detect(looked)


def _venus(looked: HostView) -> Detected:
    if looked.platform != "macos" and not any(card.virtual for card in looked.cards):
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


VULKANINFO = ("vulkaninfo", "--summary")
ROCMINFO = ("rocminfo",)

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
    findings += _unused(looked) + _platform_findings(reader, platform)
    if any(stack.name == "rocm-wsl" for stack in stacks):
        # This PC's GPU is AMD's: that it has none of NVIDIA's is no news.
        findings = [found for found in findings if found.code != "wsl-no-nvidia"]
    npus = tuple(npu for entry in detected for npu in entry.npus)
    displays, found_there = _displays(looked)
    return GpuHost(
        platform,
        rank(stacks),
        engines or {},
        _once([*findings, *found_there]),
        npus,
        displays,
        architecture=oci_architecture(reader.machine()),
    )


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


def _rank_key(stack: Stack) -> tuple[bool, bool, bool, bool, int, str, bool]:
    bus = min((device.bus_id for device in stack.devices), default="")
    return (
        stack.name == "cpu",
        not stack.ready,
        stack.name in GENERAL,
        _is_integrated(stack),
        -_memory(stack),
        bus,
        stack.name == "vulkan",  # the same GPU by its own name says more
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
    return bool(stack.devices) and all(device.integrated for device in _deciding(stack))


def _memory(stack: Stack) -> int:
    return max((device.memory_bytes or 0 for device in _deciding(stack)), default=0)


def _deciding(stack: Stack) -> tuple[GpuDevice, ...]:
    """The devices for which a stack would be chosen: those that work, and among them the discrete ones."""
    working = tuple(device for device in stack.devices if device.ready) or stack.devices
    return tuple(device for device in working if not device.integrated) or working


def _once(findings: list[Finding]) -> tuple[Finding, ...]:
    """Two stacks that share a node say the same of it; once is enough."""
    seen = {(found.code, found.message, found.probe): found for found in reversed(findings)}
    return tuple(found for found in findings if seen[found.code, found.message, found.probe] is found)


ANSWERED = (view.NVIDIA, view.AMD, view.INTEL, view.VIRTIO)
"""Vendors whose stacks' files say themselves what is wrong with a card."""


def _unused(looked: view.HostView) -> list[Finding]:
    """Cards nobody answers for. Silence would look like «no GPU». In a container they are the outer host's."""
    findings = []
    for card in looked.cards if looked.platform != "container" else ():
        label = " ".join(f"{view.VENDORS.get(card.vendor, card.vendor)} GPU {card.device} at {card.bus_id}".split())
        driver = f"driver {card.driver}" if card.driver else "no driver is bound"
        if card.driver == "vfio-pci":
            text = f"The {label} is bound to vfio-pci"
            findings.append(finding("gpu-passed-through", text, f"{card.base}/driver", driver))
        elif _is_nobodys(looked, card):
            text = f"No stack of this release can use the {label} ({driver})"
            findings.append(finding("gpu-not-used", text, card.base, driver))
    return findings


def _is_nobodys(looked: view.HostView, card: view.Card) -> bool:
    if card.vendor in (*ANSWERED, *view.NO_GPU_VENDORS):
        return False
    if card.driver in (*view.NO_GPU_DRIVERS, *view.DISPLAY_DRIVERS, *view.RENDERERS):
        return False
    # Boards have displays of many kinds beside the PCI bus; a GPU is what renders.
    return ":" in card.bus_id or bool(card.render)


def _platform_findings(reader: Reader, platform: str) -> list[Finding]:
    if platform == "wsl1":
        path = "/proc/sys/kernel/osrelease"
        release = (reader.file(path) or "").strip() or "no kernel release"
        return [finding("wsl1", "This distribution runs under WSL1", path, release)]
    return []
