# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A virtual GPU that passes Vulkan on to the machine outside (virtio-gpu with Venus).

In a guest: the virtual GPU offers Venus, or only OpenGL (virgl) or pictures (2D), which is no GPU for containers. On a
Mac: what containers of a Podman machine can get; its provider libkrun has Venus (containers/krunkit), applehv none.
"""

from __future__ import annotations

import dataclasses
import json
import re
import typing as t

from . import icd, vulkaninfo
from .findings import Finding, finding
from .model import DeviceNode, GpuDevice, Stack
from .probe import Reader
from .render import check, given
from .view import Card, Detected, HostView
from .vulkaninfo import Opinion

NAME = "venus"

MACHINES = ("podman", "machine", "list", "--format", "json")
MACHINE = ("podman", "machine", "inspect")
WITH_GPU = "libkrun"

BLOB, CONTEXT_INIT = 3, 4
"""Feature bits that Venus needs (Linux, include/uapi/linux/virtio_gpu.h: VIRTIO_GPU_F_RESOURCE_BLOB, …_CONTEXT_INIT)."""


def detect(view: HostView) -> Detected:
    if view.platform == "macos":
        return _on_mac(view)
    cards = given(view, tuple(card for card in view.cards if card.virtual))
    if not cards or view.platform in ("wsl1", "wsl2"):
        return Detected()
    drivers, opinion = icd.installed(view.reader), vulkaninfo.ask(view.reader)
    findings: list[Finding] = []
    devices = []
    for index, card in enumerate(cards):
        found = problem(view, card, drivers, opinion)
        node = None
        if found is None:
            node, found = check(view, card, f"virtual GPU at {card.bus_id}")
        findings += [found] if found is not None else []
        device = GpuDevice(
            NAME,
            "virtio",
            _name(opinion),
            view.own_uuid(card),
            index,
            bus_id=card.bus_id if ":" in card.bus_id else "",
            nodes=(node,) if node else (),
            driver=_driver(opinion) or card.driver,
            integrated=_integrated(opinion),
            ready=found is None,
        )
        devices.append(device)
    ready = any(device.ready for device in devices)
    reason = "the machine outside passes Vulkan on (Venus)" if ready else findings[0].message
    return Detected(Stack(NAME, ready, reason, tuple(devices)), tuple(findings))


def problem(view: HostView, card: Card, drivers: dict[str, str], opinion: Opinion | None) -> Finding | None:
    """Why a virtual GPU gives no Venus; None where it does.

    In order of trust: what Vulkan programs see, what the device offers, whether the driver is installed.
    """
    if opinion is not None:
        if any(each.venus and not each.software for each in opinion.devices):
            return None
        text = "The virtual GPU passes no Vulkan on: programs here see none of Venus"
        return finding("venus-not-offered", text, "vulkaninfo --summary", opinion.said)
    path, offered = _features(view.reader, card)
    if offered and not (offered[BLOB : BLOB + 1] == "1" and offered[CONTEXT_INIT : CONTEXT_INIT + 1] == "1"):
        text = "The virtual GPU shows pictures or OpenGL (virgl) only: it offers neither blobs nor contexts, which Venus needs"
        return finding("venus-not-offered", text, path, f"features {offered}")
    if "virtio" in drivers:
        return None
    text = (
        "Mesa's Vulkan driver for virtual GPUs (virtio) is not installed, so nothing shows whether it passes Vulkan on"
    )
    return finding(
        "venus-not-offered", text, icd.DIRECTORIES[3], f"installed are {', '.join(sorted(drivers)) or 'none'}"
    )


def _features(reader: Reader, card: Card) -> tuple[str, str]:
    """Path and content of the device's feature bits, ``1011100…`` from bit 0 on (Linux, drivers/virtio/virtio.c)."""
    places = [card.base, *(f"{card.base}/{name}" for name in reader.directory(card.base) or () if _is_device(name))]
    if ":" in card.bus_id:
        pci = f"/sys/bus/pci/devices/{card.bus_id}"
        places += [f"{pci}/{name}" for name in reader.directory(pci) or () if _is_device(name)]
    for place in places:
        text = (reader.file(f"{place}/features") or "").strip()
        if re.fullmatch(r"[01]{8,128}", text):
            return f"{place}/features", text
    return "", ""


def _is_device(name: str) -> bool:
    return bool(re.fullmatch(r"virtio[0-9]+", name))


def _name(opinion: Opinion | None) -> str:
    return next((each.name for each in opinion.devices if each.venus), "Virtio-GPU") if opinion else "Virtio-GPU"


def _driver(opinion: Opinion | None) -> str:
    return next((each.driver for each in opinion.devices if each.venus), "") if opinion else ""


def _integrated(opinion: Opinion | None) -> bool:
    """As the GPU outside is, where that shows through."""
    return not any(each.venus and each.kind == "discrete" for each in opinion.devices) if opinion else True


def _on_mac(view: HostView) -> Detected:
    """What containers get is the matter of the machine they run in: its provider tells."""
    machine = _machine(view.reader)
    if machine is None:
        return Detected()
    probe, shown = " ".join(machine.source), f"VMType {machine.provider}"
    device = GpuDevice(
        NAME,
        "apple",
        "Virtio-GPU Venus",
        nodes=(DeviceNode("/dev/dri/renderD128"),),
        index=0,
        integrated=True,
    )
    if machine.provider != WITH_GPU:
        text = f"The Podman machine {machine.name} runs on {machine.provider}, which gives containers no GPU"
        found = finding("podman-machine-no-gpu", text, probe, shown)
    elif not machine.running:
        text = f"The Podman machine {machine.name} does not run"
        found = finding("podman-machine-stopped", text, probe, f"{shown}, not running", machine=machine.name)
    else:
        reason = f"the Podman machine {machine.name} runs on libkrun, which passes Vulkan on to the Mac's GPU"
        return Detected(Stack(NAME, True, reason, (device,)))
    return Detected(Stack(NAME, False, found.message, (dataclasses.replace(device, ready=False),)), (found,))


@dataclasses.dataclass(frozen=True)
class Machine:
    name: str
    provider: str
    """applehv, libkrun, qemu; it stands in `podman machine list`."""
    running: bool
    source: tuple[str, ...]


def _machine(reader: Reader) -> Machine | None:
    """The default Podman machine, else the one that runs, else the first."""
    machines = [_listed(entry) for entry in _json_list(reader, MACHINES)]
    machines += [] if machines else [_inspected(entry) for entry in _json_list(reader, MACHINE)]
    known = [machine for machine in machines if machine is not None]
    return min(known, key=lambda pair: pair[0])[1] if known else None


def _json_list(reader: Reader, argv: tuple[str, ...]) -> list[dict[str, t.Any]]:
    answer = reader.command(argv)
    try:
        entries = json.loads(answer.stdout) if answer is not None else []
    except (ValueError, RecursionError):
        return []
    return [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []


def _listed(entry: dict[str, t.Any]) -> tuple[tuple[bool, bool], Machine] | None:
    name, provider = entry.get("Name"), entry.get("VMType")
    if not isinstance(name, str) or not isinstance(provider, str):
        return None
    running = entry.get("Running") is True
    return (entry.get("Default") is not True, not running), Machine(name.rstrip("*"), provider, running, MACHINES)


def _inspected(entry: dict[str, t.Any]) -> tuple[tuple[bool, bool], Machine] | None:
    """`inspect` names no provider; it is the last part of the directory with the machine's configuration."""
    directory = entry.get("ConfigDir")
    path = directory.get("Path") if isinstance(directory, dict) else None
    name = entry.get("Name")
    if not isinstance(name, str) or not isinstance(path, str):
        return None
    running = entry.get("State") == "running"
    return (False, not running), Machine(name, path.rstrip("/").rpartition("/")[2], running, MACHINE)
