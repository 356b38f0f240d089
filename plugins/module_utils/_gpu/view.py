# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every stack looks at: the reader, the platform, the user and the graphics cards on the buses."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .findings import Finding
from .model import DeviceNode, Stack
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


@dataclass(frozen=True)
class Detected:
    """What one stack's file found: nothing at all (stack None, no findings) where it has no business."""

    stack: Stack | None = None
    findings: tuple[Finding, ...] = ()


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
    found: dict[str, Card] = {}
    for address in reader.directory("/sys/bus/pci/devices") or ():
        base = f"/sys/bus/pci/devices/{address}"
        kind = (reader.file(f"{base}/class") or "").strip()
        if kind[:6] in ("0x0300", "0x0302", "0x0380"):
            vendor = (reader.file(f"{base}/vendor") or "").strip()
            found[address.lower()] = Card(vendor, address.lower(), _name(reader.link(f"{base}/driver")), kind)
    for name in reader.directory("/sys/class/drm") or ():
        if re.fullmatch(r"card\d+", name):
            card = _drm_card(reader, name)
            found.setdefault(card.bus_id, card)
    return tuple(found[key] for key in sorted(found))


def _drm_card(reader: Reader, name: str) -> Card:
    base = f"/sys/class/drm/{name}/device"
    events = dict(line.partition("=")[::2] for line in (reader.file(f"{base}/uevent") or "").splitlines())
    bus = events.get("PCI_SLOT_NAME") or _name(reader.link(base))
    if not re.fullmatch(r"[0-9a-fA-F]{4,8}:[0-9a-fA-F]{2}:[0-9a-fA-F]{2}\.[0-7]", bus):
        bus = name
    driver = events.get("DRIVER") or _name(reader.link(f"{base}/driver"))
    vendor = (reader.file(f"{base}/vendor") or "").strip()
    return Card(vendor, bus.lower(), driver, (reader.file(f"{base}/class") or "").strip())


def device_node(reader: Reader, path: str) -> DeviceNode | None:
    node = reader.node(path)
    return None if node is None else DeviceNode(path, node.major, node.minor, node.mode, node.uid, node.gid)


def _name(target: str | None) -> str:
    return (target or "").rstrip("/").rpartition("/")[2]
