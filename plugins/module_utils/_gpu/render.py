# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Render nodes: whether a card's is there and may be opened, and how much memory sysfs says a card has."""

from __future__ import annotations

import re

from .findings import Finding, finding
from .model import DeviceNode
from .probe import Node, Reader
from .view import Card, HostView, device_node


def given(view: HostView, cards: tuple[Card, ...]) -> tuple[Card, ...]:
    """In a container sysfs shows the outer host's cards: only those count of which it was given the render node."""
    if view.platform != "container":
        return cards
    return tuple(card for card in cards if card.render and view.reader.node(card.render) is not None)


def label(card: Card, vendor: str) -> str:
    """``Intel GPU 0x56a0 at 0000:03:00.0``"""
    return " ".join(part for part in (vendor, "GPU", card.device, "at", card.bus_id) if part)


def check(view: HostView, card: Card, name: str) -> tuple[DeviceNode | None, Finding | None]:
    """A card's render node as far as it is known, and the first thing that keeps this user from it."""
    if not card.render:
        names = ", ".join(view.reader.directory("/sys/class/drm") or ()) or "nothing"
        return None, finding(
            "render-node-missing",
            f"The driver {card.driver} made no render node for the {name}",
            "/sys/class/drm",
            f"/sys/class/drm holds {names}",
        )
    node, there = device_node(view.reader, card.render), view.reader.directory("/dev/dri")
    if node is None and (there is not None or not view.reader.exists(card.render)):
        names = ", ".join(there or ()) or "nothing"
        text = f"{card.render} is not there for the {name}"
        return None, finding("render-node-missing", text, card.render, f"/dev/dri holds {names}")
    # A snapshot of which nobody recorded /dev speaks neither for nor against the node.
    return node or DeviceNode(card.render), refused(view, card.render)


def refused(view: HostView, path: str) -> Finding | None:
    """What to say of a node, of any kind, that is there and that this user may not open."""
    node = view.reader.node(path)
    return None if node is None or view.user.may_open(node) else closed(view, path)


def closed(view: HostView, path: str) -> Finding:
    """The same of a node that is known to be closed."""
    node = view.reader.node(path) or Node("char", None, None, "", 0, 0)
    text = f"{path} has mode {node.mode} and group {node.gid}; user {view.user.uid} may not open it"
    groups = ", ".join(map(str, view.user.gids)) or "none"
    shown = f"mode {node.mode}, owner {node.uid}, group {node.gid}; groups of user {view.user.uid}: {groups}"
    # To be in root's group, or in one that may not read and write, helps nobody.
    useless = node.gid == 0 or not re.fullmatch(r"0?[0-7][67][0-7]", node.mode)
    group = f"to which a udev rule gives {path}" if useless else str(node.gid)
    return finding("no-permission", text, path, shown, group=group)


def memory(reader: Reader, card: Card) -> int | None:
    """Bytes of an Intel card's own memory, where a driver tells them; the kernel's own i915 does not.

    xe has ``tileN/physical_vram_size_bytes`` (IGT tests/intel/xe_sysfs_tile.c), Intel's own i915 packages
    ``cardN/lmem_total_bytes`` (IGT; intel/intel-device-plugins-for-kubernetes).
    """
    for base in dict.fromkeys((card.base, f"/sys/bus/pci/devices/{card.bus_id}")):
        tiles = [name for name in reader.directory(base) or () if re.fullmatch(r"tile[0-9]+", name)]
        sizes = [_number(reader, f"{base}/{tile}/physical_vram_size_bytes") for tile in tiles]
        if any(sizes):
            return sum(size or 0 for size in sizes)
    if not card.name:
        return None
    return _number(reader, f"/sys/class/drm/{card.name}/lmem_total_bytes") or None


def _number(reader: Reader, path: str) -> int | None:
    """xe writes ``0x0000000400000000`` (the kernel's %pa; IGT reads hexadecimal), others write decimal."""
    text = (reader.file(path) or "").strip()
    return int(text, 0) if re.fullmatch(r"0x[0-9a-fA-F]{1,16}|0|[1-9][0-9]{0,16}", text) else None
