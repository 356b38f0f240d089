# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every stack looks at: the reader, the platform, the user and the graphics cards on the buses."""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass

from .findings import Finding
from .model import DeviceNode, GpuDevice, Stack
from .probe import Node, Reader

NVIDIA, AMD, INTEL, VIRTIO, MICROSOFT = "0x10de", "0x1002", "0x8086", "0x1af4", "0x1414"
VENDORS = {NVIDIA: "NVIDIA", AMD: "AMD", INTEL: "Intel", VIRTIO: "virtio", MICROSOFT: "Microsoft"}

NO_GPU_DRIVERS = (
    "ast",
    "mgag200",
    "hibmc-drm",
    "bochs-drm",
    "cirrus",
    "simple-framebuffer",
    "simpledrm",
    "vkms",
    "vgem",
)
"""Display chips of server management controllers and frame buffers: they draw a console and compute nothing."""

DISPLAY_DRIVERS = ("vc4",)
"""Drivers of display controllers that leave rendering to another device (Raspberry Pi 4 and 5; Mesa, «v3d»)."""

ICDS = "/usr/share/vulkan/icd.d"
"""Where distributions install Vulkan's drivers."""

RENDER = re.compile(r"renderD\d+")


@dataclass(frozen=True)
class Card:
    """A display or 3D controller as sysfs shows it, whoever drives it."""

    vendor: str
    """PCI vendor id, e.g. ``0x10de``; empty where the GPU is no PCI device (Raspberry Pi)."""
    bus_id: str
    """PCI address in lower case, e.g. ``0000:01:00.0``; the drm name where that is unknown."""
    driver: str
    """Kernel driver, e.g. ``nvidia``; empty when none is bound."""
    kind: str = ""
    """PCI class, e.g. ``0x030000``."""
    device: str = ""
    """PCI device id, e.g. ``0x744c``."""
    name: str = ""
    """Its name below /sys/class/drm, e.g. ``card0``; empty without a DRM driver."""
    render: str = ""
    """Path of its render node, e.g. ``/dev/dri/renderD128``; empty where it has none."""

    @property
    def base(self) -> str:
        """Its directory in sysfs."""
        return f"/sys/class/drm/{self.name}/device" if self.name else f"/sys/bus/pci/devices/{self.bus_id}"

    @property
    def node(self) -> str:
        """Path of its primary node, e.g. ``/dev/dri/card0``; empty without a DRM driver."""
        return f"/dev/dri/{self.name}" if self.name else ""


@dataclass(frozen=True)
class User:
    uid: int
    gids: tuple[int, ...]

    def may_open(self, node: Node) -> bool:
        """Read and write by owner, group or everybody; root always. Without a mode nothing speaks against it."""
        if not node.mode:
            return True
        try:
            mode = int(node.mode, 8)
        except ValueError:
            return False
        if self.uid == 0:
            return True
        shift = 6 if node.uid == self.uid else 3 if node.gid in self.gids else 0
        return (mode >> shift) & 0o6 == 0o6


@dataclass(frozen=True)
class HostView:
    reader: Reader
    platform: str
    user: User
    cards: tuple[Card, ...]

    def cards_of(self, vendor: str) -> tuple[Card, ...]:
        """Cards of a vendor that are not given to a virtual machine."""
        return tuple(card for card in self.cards if card.vendor == vendor and card.driver != "vfio-pci")

    def own_uuid(self, card: Card) -> str:
        """A name for a GPU whose vendor gives none: the same on every run, another one on every machine."""
        machine = (self.reader.file("/etc/machine-id") or "").strip()
        return f"{machine[:12]}-{card.bus_id}" if machine else ""


@dataclass(frozen=True)
class Detected:
    """What one stack's file found: nothing at all (stack None, no findings) where it has no business."""

    stack: Stack | None = None
    findings: tuple[Finding, ...] = ()
    npus: tuple[GpuDevice, ...] = ()


def look(reader: Reader, platform: str) -> HostView:
    return HostView(reader, platform, user(reader), cards(reader))


def user(reader: Reader) -> User:
    """Effective uid and all gids of this process, from /proc/self/status."""
    text = reader.file("/proc/self/status") or ""
    uids = re.search(r"^Uid:\s+\d+\s+(\d+)", text, re.M)
    gids = re.search(r"^Gid:\s+\d+\s+(\d+)", text, re.M)
    groups = re.search(r"^Groups:[ \t]*([\d \t]*)", text, re.M)
    numbers = [int(gids.group(1))] if gids else []
    numbers += [int(number) for number in (groups.group(1).split() if groups else [])]
    return User(int(uids.group(1)) if uids else 0, tuple(dict.fromkeys(numbers)))


def cards(reader: Reader) -> tuple[Card, ...]:
    """Display (0x0300, 0x0302, 0x0380) controllers in bus order, from the PCI bus and from /sys/class/drm."""
    names = [name for name in reader.directory("/sys/class/drm") or () if re.fullmatch(r"card\d+", name)]
    drawn = {card.bus_id: card for card in _with_render_nodes(reader, [_drm_card(reader, name) for name in names])}
    found: dict[str, Card] = {}
    for address in reader.directory("/sys/bus/pci/devices") or ():
        base = f"/sys/bus/pci/devices/{address}"
        kind = _line(reader, f"{base}/class")
        if kind[:6] in ("0x0300", "0x0302", "0x0380"):
            own = drawn.get(address.lower(), Card("", address.lower(), ""))
            found[own.bus_id] = dataclasses.replace(
                own,
                vendor=_line(reader, f"{base}/vendor") or own.vendor,
                driver=_name(reader.link(f"{base}/driver")) or own.driver,
                kind=kind,
                device=_line(reader, f"{base}/device") or own.device,
            )
    return tuple(card for _bus, card in sorted({**drawn, **found}.items()))


def _drm_card(reader: Reader, name: str) -> Card:
    base = f"/sys/class/drm/{name}/device"
    events = _events(reader, base)
    bus = events.get("PCI_SLOT_NAME") or _name(reader.link(base))
    if not re.fullmatch(r"[0-9a-fA-F]{4,8}:[0-9a-fA-F]{2}:[0-9a-fA-F]{2}\.[0-7]", bus):
        bus = name
    driver = events.get("DRIVER") or _name(reader.link(f"{base}/driver"))
    vendor, device = (_line(reader, f"{base}/{entry}") for entry in ("vendor", "device"))
    render = next((f"/dev/dri/{node}" for node in reader.directory(f"{base}/drm") or () if RENDER.fullmatch(node)), "")
    return Card(vendor, bus.lower(), driver, _line(reader, f"{base}/class"), device, name, render)


def _with_render_nodes(reader: Reader, cards: list[Card]) -> list[Card]:
    """Render nodes that a card's own directory does not show: by their device, else in the order of both.

    Nodes are numbered as drivers register them, cards without one (displays) left out; on a host with one
    card and one node nothing is in doubt.
    """
    names = {*(reader.directory("/sys/class/drm") or ()), *(reader.directory("/dev/dri") or ())}
    nodes = sorted((name for name in names if RENDER.fullmatch(name)), key=lambda name: int(name[7:]))
    left = [f"/dev/dri/{name}" for name in nodes if f"/dev/dri/{name}" not in {card.render for card in cards}]
    result = []
    for card in cards:
        if not card.render:
            same = (node for node in left if _same_device(reader, card, node.rpartition("/")[2]))
            card = dataclasses.replace(card, render=next(same, ""))
        result.append(card)
    left = [node for node in left if node not in {card.render for card in result}]
    lacking = [card for card in result if not card.render and card.driver not in (*NO_GPU_DRIVERS, *DISPLAY_DRIVERS)]
    if len(left) != len(lacking):
        return result
    given = dict(zip((card.name for card in sorted(lacking, key=lambda card: int(card.name[4:]))), left))
    return [dataclasses.replace(card, render=card.render or given.get(card.name, "")) for card in result]


def _same_device(reader: Reader, card: Card, node: str) -> bool:
    base = f"/sys/class/drm/{node}/device"
    target = reader.link(base)
    if target is not None and target == reader.link(card.base):
        return True
    return bool(card.bus_id) and _events(reader, base).get("PCI_SLOT_NAME", "").lower() == card.bus_id


def _events(reader: Reader, base: str) -> dict[str, str]:
    return dict(line.partition("=")[::2] for line in (reader.file(f"{base}/uevent") or "").splitlines())


def _line(reader: Reader, path: str) -> str:
    return (reader.file(path) or "").strip()


def device_node(reader: Reader, path: str) -> DeviceNode | None:
    node = reader.node(path)
    return None if node is None else DeviceNode(path, node.major, node.minor, node.mode, node.uid, node.gid)


def _name(target: str | None) -> str:
    return (target or "").rstrip("/").rpartition("/")[2]
