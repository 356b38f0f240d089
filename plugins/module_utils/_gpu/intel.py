# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Intel's GPUs (i915, xe) and NPUs (intel_vpu).

Level Zero and OpenCL live in images, so the kernel's side is what counts: the driver and its render node.
"""

from __future__ import annotations

import dataclasses
import re

from . import vulkaninfo
from .findings import Finding, finding
from .icd import OLDER
from .intel_names import NPUS, is_integrated, name
from .model import DeviceNode, GpuDevice, Stack
from .probe import Reader
from .render import check, given, label, memory
from .view import INTEL, NO_GPU_DRIVERS, Card, Detected, HostView, device_node

NAME = "intel"
DRIVERS = ("i915", "xe")
NPU_DRIVER = "intel_vpu"
NPU_CLASS = "0x1200"
"""Processing accelerator."""

XE_ONLY = ("0x64a0", "0x6420", "0x64b0", "0xe20b", "0xe20c", "0xe202", "0xe20d", "0xe212", "0xb080", "0xb0a0")
"""Lunar Lake, Battlemage, Panther Lake: i915 does not know them (Linux, include/drm/intel/pciids.h)."""


def detect(view: HostView) -> Detected:
    """A stack where there is a card of Intel's, and the NPUs; nothing under WSL2, where Windows drives them."""
    if view.platform in ("wsl2", "wsl1", "macos"):
        return Detected()
    npus = _npus(view)
    findings = [_npu_found(npu) for npu in npus]
    cards = tuple(card for card in view.cards_of(INTEL) if card.driver not in NO_GPU_DRIVERS)
    if not cards:
        return Detected(None, tuple(findings), npus)
    usable = given(view, cards)
    if not usable:
        card = cards[0]
        text = f"The outer host has an {label(card, 'Intel')}; this container was not given its render node"
        found = finding(
            "gpu-not-in-container", text, card.render or "/dev/dri", f"{card.base} is there, /dev/dri is not"
        )
        devices = tuple(dataclasses.replace(device, ready=False) for device in _devices(view, cards))
        return Detected(Stack(NAME, False, text, devices), (found, *findings), npus)
    stack, found = _stack(view, usable)
    return Detected(stack, (*found, *findings), npus)


def _stack(view: HostView, cards: tuple[Card, ...]) -> tuple[Stack, list[Finding]]:
    findings: list[Finding] = []
    devices = []
    for card, device in zip(cards, _devices(view, cards)):
        node, problem = _usable(view, card)
        findings += [problem] if problem is not None and problem not in findings else []
        devices.append(dataclasses.replace(device, nodes=(node,) if node else (), ready=problem is None))
    ready = [device for device in devices if device.ready]
    drivers = ", ".join(sorted({device.driver for device in ready}))
    reason = f"{drivers} drives {len(ready)} of {len(devices)} GPUs, their render nodes can be opened"
    return Stack(NAME, bool(ready), reason if ready else findings[0].message, tuple(devices)), findings


def _usable(view: HostView, card: Card) -> tuple[DeviceNode | None, Finding | None]:
    """The card's render node, and what keeps it from being used."""
    where, shown = label(card, "Intel"), card.driver or "no driver is bound"
    if not card.driver:
        driver = "xe" if card.device in XE_ONLY else "i915"
        text = f"No driver is bound to the {where}"
        return None, finding("gpu-driver-missing", text, f"{card.base}/driver", shown, driver=driver)
    if card.driver not in DRIVERS:
        text = f"The {where} is driven by {card.driver}, which offers no rendering to containers"
        return None, finding("gpu-too-old", text, f"{card.base}/driver", f"driver {shown}")
    if OLDER.fullmatch(card.device):
        text = f"The {where} is of Gen6 or older, for which there is neither Vulkan nor OpenCL"
        return None, finding("gpu-too-old", text, f"{card.base}/device", f"device {card.device}")
    return check(view, card, where)


def _devices(view: HostView, cards: tuple[Card, ...]) -> list[GpuDevice]:
    opinion = vulkaninfo.ask(view.reader)
    told = [each for each in opinion.devices if each.vendor == INTEL and not each.software] if opinion else []
    devices = []
    for index, card in enumerate(cards):
        same = next((each for each in told if each.device == card.device), None)
        if same is not None:
            told.remove(same)
        devices.append(
            GpuDevice(
                NAME,
                "intel",
                (same.name if same else "") or name(card),
                view.own_uuid(card),
                index,
                bus_id=card.bus_id if ":" in card.bus_id else "",
                memory_bytes=memory(view.reader, card),
                driver=card.driver,
                integrated=is_integrated(card),
            )
        )
    return devices


def _npus(view: HostView) -> tuple[GpuDevice, ...]:
    """By the accel class, where its device is driven by intel_vpu, else by the PCI bus. Never a GPU."""
    reader = view.reader
    nodes = [name for name in _accel_names(reader) if _is_npu(reader, f"/sys/class/accel/{name}/device")]
    addresses = (
        [] if nodes else [each for each in reader.directory("/sys/bus/pci/devices") or () if _is_pci_npu(reader, each)]
    )
    if addresses and not nodes:
        # The bus shows the device; which node is its own is clear where there are as many.
        names = _accel_names(reader)
        pairs = list(zip(addresses, names if len(names) == len(addresses) else [""] * len(addresses)))
    else:
        pairs = [(_address(reader, name), name) for name in nodes]
    npus = [_npu(view, index, address, name) for index, (address, name) in enumerate(pairs)]
    return tuple(npu for npu in npus if npu.nodes or view.platform != "container")


def _npu(view: HostView, index: int, address: str, node_name: str) -> GpuDevice:
    bases = [f"/sys/class/accel/{node_name}/device"] if node_name else []
    bases += [f"/sys/bus/pci/devices/{address}"] if address else []
    device = next((text for text in ((view.reader.file(f"{base}/device") or "").strip() for base in bases) if text), "")
    path = f"/dev/accel/{node_name}"
    node = device_node(view.reader, path) if node_name else None
    opened = view.reader.node(path)
    return GpuDevice(
        NAME,
        "intel",
        f"Intel NPU ({NPUS[device]})" if device in NPUS else f"Intel NPU {device}".strip(),
        view.own_uuid(Card(INTEL, address.lower() or node_name, NPU_DRIVER)),
        index,
        bus_id=address.lower(),
        nodes=(node,) if node else (),
        driver=NPU_DRIVER,
        integrated=True,
        ready=opened is not None and view.user.may_open(opened),
    )


def _npu_found(npu: GpuDevice) -> Finding:
    path = npu.nodes[0].path if npu.nodes else f"/sys/bus/pci/devices/{npu.bus_id}"
    return finding("npu-found", f"This host has an NPU, {npu.name}", path, f"driver {npu.driver}, {path}")


def _accel_names(reader: Reader) -> list[str]:
    names = {*(reader.directory("/sys/class/accel") or ()), *(reader.directory("/dev/accel") or ())}
    return sorted(name for name in names if re.fullmatch(r"accel[0-9]+", name))


def _is_npu(reader: Reader, base: str) -> bool:
    events = (reader.file(f"{base}/uevent") or "").splitlines()
    driver = (reader.link(f"{base}/driver") or "").rpartition("/")[2]
    if driver or events:
        return driver == NPU_DRIVER or f"DRIVER={NPU_DRIVER}" in events
    return (reader.file(f"{base}/vendor") or "").strip() == INTEL


def _is_pci_npu(reader: Reader, address: str) -> bool:
    base = f"/sys/bus/pci/devices/{address}"
    kind, vendor = ((reader.file(f"{base}/{each}") or "").strip() for each in ("class", "vendor"))
    driver = (reader.link(f"{base}/driver") or "").rpartition("/")[2]
    known = (reader.file(f"{base}/device") or "").strip() in NPUS
    return vendor == INTEL and (driver == NPU_DRIVER or (kind.startswith(NPU_CLASS) and known))


def _address(reader: Reader, name: str) -> str:
    base = f"/sys/class/accel/{name}/device"
    told = re.search(r"^PCI_SLOT_NAME=(\S+)$", reader.file(f"{base}/uevent") or "", re.M)
    return told.group(1) if told else (reader.link(base) or "").rpartition("/")[2]
