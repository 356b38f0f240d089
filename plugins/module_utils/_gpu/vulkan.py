# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Any GPU that Mesa's Vulkan drivers can use through a render node.

From files alone: the kernel driver, its render node, and the manifest of Mesa's driver for it. Where vulkaninfo's
answer is known as well, it decides: it may show a driver in an unusual place, or a rasteriser in the GPU's stead.
NVIDIA's own driver is not Mesa's; its cards belong to `nvidia`.
"""

from __future__ import annotations

import dataclasses

from . import icd, vulkaninfo
from .findings import Finding, finding
from .model import DeviceNode, GpuDevice, Stack
from .render import check, given, label, memory
from .view import (
    AMD,
    INTEL,
    NO_GPU_DRIVERS,
    NO_GPU_VENDORS,
    NVIDIA,
    RENDER,
    VENDORS,
    Card,
    Detected,
    HostView,
    device_node,
)
from .vulkaninfo import Opinion, VulkanDevice

NAME = "vulkan"

ARM, QUALCOMM, IMAGINATION, BROADCOM = "0x13b5", "0x5143", "0x1010", "0x14e4"
MAKERS = {ARM: "arm", QUALCOMM: "qualcomm", IMAGINATION: "imagination", BROADCOM: "broadcom", "0x106b": "apple"}

SOC_VENDORS = {
    "v3d": (BROADCOM, "broadcom", ""),
    "panfrost": (ARM, "arm", "Mali GPU (panfrost)"),
    "panthor": (ARM, "arm", "Mali GPU (panthor)"),
    "msm": (QUALCOMM, "qualcomm", "Adreno GPU"),
    "msm_dpu": (QUALCOMM, "qualcomm", "Adreno GPU"),
    "msm_mdp": (QUALCOMM, "qualcomm", "Adreno GPU"),
    "adreno": (QUALCOMM, "qualcomm", "Adreno GPU"),
    "asahi": ("", "apple", "Apple GPU (asahi)"),
    "powervr": (IMAGINATION, "imagination", "PowerVR GPU"),
    "pvrsrvkm": (IMAGINATION, "imagination", "PowerVR GPU"),
}
"""Kernel driver → vendor id in Vulkan (Vulkan registry, «VkVendorId» and PCI), vendor, name; no PCI ids are there."""

EXPLAINED = ("/dev/kfd", "/dev/nvidiactl")
"""Nodes of stacks that know the GPU behind a render node by their own tools."""


def detect(view: HostView) -> Detected:
    if view.platform in ("macos", "wsl1"):
        return Detected()
    drivers, opinion = icd.installed(view.reader), vulkaninfo.ask(view.reader)
    if view.platform == "wsl2":
        return _wsl(drivers, opinion)
    there = view.cards or _of_board(view)
    cards = [card for card in there if _is_meant(view, card, drivers, opinion)]
    usable = given(view, tuple(cards))
    if usable:
        return _stack(view, usable, drivers, opinion)
    if not cards and opinion is not None and opinion.hardware:
        return _told(view, opinion)
    nodes = _nodes(view)
    if nodes and not there and not any(map(view.reader.node, EXPLAINED)):
        return _unknown(nodes[0].path, drivers)
    return Detected(None, tuple(_nothing(view, drivers, opinion)))


def _of_board(view: HostView) -> tuple[Card, ...]:
    if view.platform != "raspberry-pi":
        return ()
    from .videocore import by_node

    return tuple(by_node(view))


def _is_meant(view: HostView, card: Card, drivers: dict[str, str], opinion: Opinion | None) -> bool:
    """Whether Mesa has a Vulkan driver for a card as it is driven now."""
    if not icd.names(card):
        return False
    seen = opinion is not None and any(_is_of(each, card, 1) for each in opinion.hardware)
    if not card.render and card.vendor in (NVIDIA, AMD, INTEL) and not seen:
        return False  # of a card without a render node its vendor's own stack speaks
    # A virtual GPU without Venus has nothing behind it but a rasteriser; the stack `venus` says so.
    return not card.virtual or _has_venus(view, card, drivers, opinion)


def _has_venus(view: HostView, card: Card, drivers: dict[str, str], opinion: Opinion | None) -> bool:
    from .venus import problem

    return problem(view, card, drivers, opinion) is None


def _stack(view: HostView, cards: tuple[Card, ...], drivers: dict[str, str], opinion: Opinion | None) -> Detected:
    findings: list[Finding] = []
    devices = []
    left = list(opinion.hardware) if opinion else []
    for index, card in enumerate(cards):
        told = next((each for each in left if _is_of(each, card, len(cards))), None)
        if told is not None:
            left.remove(told)
        node, problem = check(view, card, _label(view, card))
        if told is not None and problem is not None and problem.code == "render-node-missing":
            problem = None  # it was not recorded: vulkaninfo could not show the GPU without it
        problem = problem or _no_driver(view, card, drivers, opinion, told)
        findings += [problem] if problem is not None and problem not in findings else []
        device = _device(view, card, told, index)
        devices.append(dataclasses.replace(device, nodes=(node,) if node else (), ready=problem is None))
    ready = [device for device in devices if device.ready]
    if not ready:
        return Detected(Stack(NAME, False, findings[0].message, tuple(devices)), tuple(findings))
    source = "vulkaninfo" if opinion else ", ".join(sorted({_manifest(card, drivers) for card in cards} - {""}))
    reason = f"Mesa has a Vulkan driver for {len(ready)} of {len(devices)} GPUs with a render node ({source})"
    return Detected(Stack(NAME, True, reason, tuple(devices)), tuple(findings))


def _is_of(told: VulkanDevice, card: Card, count: int) -> bool:
    """Whether vulkaninfo speaks of this card: by PCI ids, by the maker of a board's GPU, or because there is no other."""
    if card.virtual:
        return told.venus
    if card.vendor and told.vendor:
        return told.vendor == card.vendor and (not card.device or told.device in ("", card.device))
    known = SOC_VENDORS.get(card.driver, ("", "", ""))[0]
    return told.vendor == known if known and told.vendor else count == 1


def _manifest(card: Card, drivers: dict[str, str]) -> str:
    return next((drivers[name] for name in icd.names(card) if name in drivers), "")


def _no_driver(
    view: HostView, card: Card, drivers: dict[str, str], opinion: Opinion | None, told: VulkanDevice | None
) -> Finding | None:
    if told is not None:
        return None
    manifest, wanted = _manifest(card, drivers), icd.names(card)[0]
    if opinion is not None and (manifest or (opinion.devices and not drivers)):
        text = (
            f"{card.render} is there, and Vulkan programs get {_instead(opinion)} in place of the {_label(view, card)}"
        )
        return finding("vulkan-falls-back", text, "vulkaninfo --summary", opinion.said)
    if manifest:
        return None
    text = f"Mesa's Vulkan driver {wanted} for the {_label(view, card)} is not installed"
    shown = f"installed are {', '.join(sorted(drivers)) or 'none'}" + (f"; {opinion.said}" if opinion else "")
    return finding("vulkan-driver-missing", text, icd.DIRECTORIES[3], shown, driver=wanted)


def _instead(opinion: Opinion) -> str:
    if not opinion.devices:
        return "nothing"
    return "a rasteriser" if all(each.software for each in opinion.devices) else "others"


def _device(view: HostView, card: Card, told: VulkanDevice | None, index: int) -> GpuDevice:
    own = _amd_device(view, card) if card.vendor == AMD else _own_device(view, card)
    if told is None:
        return dataclasses.replace(own, index=index)
    return dataclasses.replace(
        own,
        index=index,
        name=told.name or own.name,
        driver=told.driver or own.driver,
        integrated=told.kind == "integrated" if told.kind else own.integrated,
    )


def _own_device(view: HostView, card: Card) -> GpuDevice:
    return GpuDevice(
        NAME,
        _vendor(card),
        _name(view, card),
        view.own_uuid(card),
        bus_id=card.bus_id if ":" in card.bus_id else "",
        memory_bytes=memory(view.reader, card) if card.vendor == INTEL else None,
        driver=card.driver,
        integrated=_integrated(card),
    )


def _amd_device(view: HostView, card: Card) -> GpuDevice:
    """As the stack `rocm` names and counts it: the same GPU has one uuid, whatever stack it is used through."""
    from .amd import device, entries
    from .kfd import gpu_nodes

    known = entries((card,), gpu_nodes(view.reader), ())
    entry = next(each for each in known if each.card is card)
    return dataclasses.replace(device(view, NAME, entry), driver=card.driver, minor=None)


def _integrated(card: Card) -> bool:
    if card.vendor == INTEL:
        from .intel_names import is_integrated

        return is_integrated(card)
    return not card.vendor or card.virtual


def _vendor(card: Card) -> str:
    if card.virtual:
        return "virtio"
    return VENDORS[card.vendor].lower() if card.vendor in VENDORS else SOC_VENDORS.get(card.driver, ("", "", ""))[1]


def _name(view: HostView, card: Card) -> str:
    if card.vendor == INTEL:
        from .intel_names import name

        return name(card)
    if card.virtual:
        return "Virtio-GPU"
    if card.driver in ("v3d", "vc4", "vc4-drm"):
        from .videocore import name as board_name

        return board_name(view, card)
    return SOC_VENDORS.get(card.driver, ("", "", ""))[2] or f"{VENDORS.get(card.vendor, '')} GPU {card.device}".strip()


def _label(view: HostView, card: Card) -> str:
    """A board's GPU by its name: a card's number says nothing."""
    return label(card, VENDORS.get(card.vendor, card.driver)) if ":" in card.bus_id else _name(view, card)


def _told(view: HostView, opinion: Opinion) -> Detected:
    """Only vulkaninfo knows of a GPU: sysfs was not recorded, or shows nothing. It opened the node itself."""
    nodes = _nodes(view)
    matched = nodes if len(nodes) == len(opinion.hardware) else [None] * len(opinion.hardware)
    devices = tuple(
        GpuDevice(
            NAME,
            VENDORS.get(told.vendor, "").lower() or MAKERS.get(told.vendor, ""),
            told.name or "GPU",
            index=index,
            nodes=(node,) if node else (),
            driver=told.driver,
            integrated=told.kind == "integrated",
        )
        for index, (told, node) in enumerate(zip(opinion.hardware, matched))
    )
    names = ", ".join(device.name for device in devices)
    return Detected(Stack(NAME, True, f"vulkaninfo shows {names}", devices))


def _nodes(view: HostView) -> list[DeviceNode]:
    """Render nodes of this host or container, in the order of their numbers."""
    names = [name for name in view.reader.directory("/dev/dri") or () if RENDER.fullmatch(name)]
    paths = [f"/dev/dri/{name}" for name in sorted(names, key=lambda name: int(name[7:]))]
    return [device_node(view.reader, path) or DeviceNode(path) for path in paths]


def _unknown(path: str, drivers: dict[str, str]) -> Detected:
    text = f"{path} is there, and nothing tells what GPU is behind it"
    shown = f"no card in /sys; drivers installed are {', '.join(sorted(drivers)) or 'none'}"
    return Detected(Stack(NAME, False, text), (finding("render-node-unknown", text, path, shown),))


def _wsl(drivers: dict[str, str], opinion: Opinion | None) -> Detected:
    """Under WSL2 there is only dzn, Vulkan over Direct3D 12 and not conformant (microsoft/wslg): it is not offered."""
    if icd.DOZEN in drivers:
        probe, shown = drivers[icd.DOZEN], "dzn is installed"
    elif opinion is not None and any(each.windows for each in opinion.devices):
        probe, shown = "vulkaninfo --summary", opinion.said
    else:
        return Detected()
    text = "Under WSL2 Vulkan goes through Direct3D 12 (dzn), which is not offered to containers"
    return Detected(None, (finding("vulkan-wsl", text, probe, shown),))


def _nothing(view: HostView, drivers: dict[str, str], opinion: Opinion | None) -> list[Finding]:
    """Why there is no Vulkan: a GPU without such a driver, or a rasteriser and no GPU at all."""
    findings = []
    for card in given(view, view.cards):
        # Of their own cards the vendors' stacks speak.
        why = icd.WITHOUT_VULKAN.get(card.driver, "") if card.vendor not in (AMD, INTEL) else ""
        if why:
            text = f"Mesa has no Vulkan driver for the {_label(view, card)} under {card.driver} ({why})"
            findings.append(finding("vulkan-unsupported", text, f"{card.base}/driver", f"driver {card.driver}"))
    if any(_is_gpu(card) for card in view.cards) or findings:
        return findings
    if opinion is not None and opinion.devices and all(each.software for each in opinion.devices):
        text = "Vulkan programs here get a rasteriser that runs on the CPU"
        return [finding("vulkan-software", text, "vulkaninfo --summary", opinion.said)]
    if icd.SOFTWARE in drivers:
        text = "Of Mesa's Vulkan drivers only the rasteriser can work here: there is no GPU"
        return [finding("vulkan-software", text, drivers[icd.SOFTWARE], "lvp is installed, no card has a render node")]
    return []


def _is_gpu(card: Card) -> bool:
    if card.vendor == NVIDIA or card.driver == "vfio-pci":
        return True
    return card.driver not in NO_GPU_DRIVERS and card.vendor not in NO_GPU_VENDORS
