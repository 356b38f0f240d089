# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The VideoCore GPU of Raspberry Pis.

Pi 4 and 5 render through the driver v3d and show pictures through vc4; on Pi 3 and older vc4 does both. Card numbers
vary from boot to boot, so a node is found by its driver. With the firmware's own driver (no dtoverlay) there is no
render node: /dev/vchiq is no GPU for containers.
"""

from __future__ import annotations

import re

from . import vulkaninfo
from .findings import Finding, finding
from .model import DeviceNode, GpuDevice, Stack
from .platform import device_tree
from .render import check, given
from .view import RENDER, Card, Detected, HostView, device_node

NAME = "videocore"
RENDERERS = ("v3d", "vc4-drm", "vc4")
"""In order: where there is a v3d, vc4 is the display."""

BY_CHIP = {"brcm,2711-v3d": "VI", "brcm,2712-v3d": "VII", "brcm,7268-v3d": "VI", "brcm,7278-v3d": "VI"}
"""Device tree's name of the V3D unit → VideoCore generation (Linux, drivers/gpu/drm/v3d/v3d_drv.c; 4.2 is VI, 7.1 VII)."""


def detect(view: HostView) -> Detected:
    known = [card for driver in RENDERERS for card in view.cards if card.driver == driver] or by_node(view)
    if not known:
        return _without_driver(view) if view.platform == "raspberry-pi" else Detected()
    card = known[0]
    if not given(view, (card,)):
        text = "The outer host has a VideoCore GPU; this container was not given its render node"
        shown = f"driver {card.driver} in sysfs, no {card.render or 'render node'}"
        found = finding("gpu-not-in-container", text, card.render or "/dev/dri", shown)
        return Detected(Stack(NAME, False, text, (_device(view, card, (), False),)), (found,))
    label = name(view, card)
    node, problem = check(view, card, label)
    primary = device_node(view.reader, card.node) if card.node and card.driver == "v3d" else None
    nodes = tuple(each for each in (node, primary) if each is not None)
    device = _device(view, card, nodes, problem is None)
    if problem is not None:
        return Detected(Stack(NAME, False, problem.message, (device,)), (problem,))
    return Detected(Stack(NAME, True, f"{card.driver} drives the {label} through {card.render}", (device,)))


def _told(view: HostView) -> tuple[vulkaninfo.VulkanDevice, ...]:
    opinion = vulkaninfo.ask(view.reader)
    return opinion.hardware if opinion is not None else ()


def _device(view: HostView, card: Card, nodes: tuple[DeviceNode, ...], ready: bool) -> GpuDevice:
    """It has no memory of its own: it shares the board's."""
    return GpuDevice(
        NAME,
        "broadcom",
        name(view, card),
        view.own_uuid(card),
        0,
        nodes=nodes,
        driver=card.driver,
        integrated=True,
        ready=ready,
    )


def by_node(view: HostView) -> list[Card]:
    """A Pi of which sysfs was not recorded: its only render node is its GPU's."""
    reader = view.reader
    names = [name for name in reader.directory("/dev/dri") or () if RENDER.fullmatch(name)]
    if view.platform != "raspberry-pi" or reader.directory("/sys/class/drm") or len(names) != 1:
        return []
    driver = "vc4-drm" if _by_model(_model(view)) == "IV" else "v3d"
    return [Card("", "platform", driver, render=f"/dev/dri/{names[0]}")]


def _without_driver(view: HostView) -> Detected:
    told = [each for each in _told(view) if each.name.startswith("V3D")]
    if told:
        device = GpuDevice(NAME, "broadcom", told[0].name, index=0, driver=told[0].driver, integrated=True)
        return Detected(Stack(NAME, True, f"vulkaninfo shows {told[0].name}", (device,)))
    model = _model(view)
    firmware = next((path for path in ("/dev/vchiq", "/dev/vcio") if view.reader.node(path) is not None), "")
    if firmware:
        text = f"The {model} runs with the firmware's own graphics driver, which has no render node"
        shown = f"{firmware} is there, no card of v3d or vc4 is"
    else:
        text = f"No driver is bound to the GPU of the {model}"
        shown = f"/sys/class/drm holds {', '.join(view.reader.directory('/sys/class/drm') or ()) or 'nothing'}"
    found: Finding = finding("videocore-legacy-driver", text, firmware or "/sys/class/drm", shown)
    device = GpuDevice(NAME, "broadcom", _name("", "", model), index=0, integrated=True, ready=False)
    return Detected(Stack(NAME, False, text, (device,)), (found,))


def name(view: HostView, card: Card) -> str:
    """``VideoCore VI (Raspberry Pi 4 Model B Rev 1.4)``"""
    return _name(card.driver, _compatible(view, card), _model(view))


def _name(driver: str, compatible: str, model: str) -> str:
    generation = BY_CHIP.get(compatible) or ("IV" if driver.startswith("vc4") else _by_model(model))
    return f"VideoCore {generation} ({model})".replace("  ", " ")


def _by_model(model: str) -> str:
    """Pi 4, 400 and Compute Module 4 have VI, Pi 5, 500 and Compute Module 5 VII, everything before IV."""
    number = re.search(r"Raspberry Pi (?:Compute Module )?([0-9])", model)
    return {"4": "VI", "5": "VII"}.get(number.group(1), "IV") if number else "IV" if "Raspberry Pi" in model else ""


def _compatible(view: HostView, card: Card) -> str:
    text = view.reader.file(f"{card.base}/uevent") or ""
    told = re.search(r"^OF_COMPATIBLE_0=(\S+)$", text, re.M)
    return told.group(1) if told else ""


def _model(view: HostView) -> str:
    told = re.search(r"^Model\s*: (Raspberry Pi.*)$", view.reader.file("/proc/cpuinfo") or "", re.M)
    return device_tree(view.reader, "model") or (told.group(1).strip() if told else "Raspberry Pi")
