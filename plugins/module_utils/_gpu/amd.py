# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One AMD GPU as its sources show it together: the card in sysfs, the node in KFD's topology, rocminfo's agent."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .kfd import KfdNode, same_card
from .model import GpuDevice
from .probe import Reader
from .rocminfo import Agent
from .view import Card, HostView

IDS = ("/usr/share/libdrm/amdgpu.ids", "/opt/amdgpu/share/libdrm/amdgpu.ids")
"""libdrm's product names: lines ``device,<tab>revision,<tab>name``, hexadecimal without 0x."""

APUS = re.compile(r"gfx(70[035]|801|810|90[29c]|1013|103[3567]|1103|115[0-3]|117[0-2])")
"""Chips of processors, from LLVM's table (User Guide for AMDGPU Backend, column «dGPU/APU»). Sysfs does not say it."""

MI300A = "0x74a0"
"""gfx942 is the accelerator MI300X as well as the processor MI300A (libdrm amdgpu.ids)."""

GENERIC_NAMES = ("AMD Radeon Graphics", "AMD Radeon(TM) Graphics", "unknown")
"""What tools print for every chip whose product they do not know."""

SMALL = 1 << 30
"""Own memory of a processor's graphics is usually what the firmware sets aside: 512 MiB, up to 1 GiB (a guess)."""


@dataclass(frozen=True)
class Entry:
    """One GPU, or one partition of a card; at least one of the three is there."""

    card: Card | None = None
    node: KfdNode | None = None
    agent: Agent | None = None
    index: int | None = None
    """Number among the GPUs that ROCm counts."""
    part: int | None = None
    """Number of the partition, for a card that is split into several (MI300)."""
    parts: int = 1
    render: str = ""
    """Path of its render node; empty where nothing tells."""

    @property
    def bus_id(self) -> str:
        known = [each.bus_id for each in (self.card, self.node, self.agent) if each is not None and each.bus_id]
        return next((bus for bus in known if ":" in bus), known[0] if known else "")

    @property
    def device(self) -> str:
        known = [each.device for each in (self.card, self.node, self.agent) if each is not None and each.device]
        return known[0] if known else ""

    @property
    def architecture(self) -> str:
        return (self.node.architecture if self.node else "") or (self.agent.name if self.agent else "")


def entries(cards: tuple[Card, ...], nodes: tuple[KfdNode, ...], agents: tuple[Agent, ...]) -> tuple[Entry, ...]:
    """Every GPU once: those that ROCm counts in its order, then the other cards in PCI order."""
    counted = [_of_node(number, node, nodes, cards, agents) for number, node in enumerate(nodes)]
    if not nodes:
        counted = [_of_agent(number, agent, agents, cards) for number, agent in enumerate(agents)]
    used = [entry.card for entry in counted]
    rest = [Entry(card, render=card.render) for card in cards if card not in used]
    return (*counted, *rest)


def _of_node(
    number: int, node: KfdNode, nodes: tuple[KfdNode, ...], cards: tuple[Card, ...], agents: tuple[Agent, ...]
) -> Entry:
    same = [each for each in nodes if each is node or same_card(each, node)]
    found = (_card_of(each, cards, len(nodes)) for each in (node, *same))
    card = next((card for card in found if card is not None), None)
    agent = next((agent for agent in agents if agent.node == node.number), None)
    agent = agent or next((agent for agent in agents if agent.uuid and agent.uuid == node.uuid), None)
    part = same.index(node) if len(same) > 1 else None
    # Each partition has a render node of its own; the card's is the first one's.
    render = node.render or (card.render if card and not part else "")
    return Entry(card, node, agent, number, part, len(same), render)


def _of_agent(number: int, agent: Agent, agents: tuple[Agent, ...], cards: tuple[Card, ...]) -> Entry:
    card = _card_of(agent, cards, len(agents))
    return Entry(card, None, agent, number, render=card.render if card else "")


def _card_of(gpu: KfdNode | Agent, cards: tuple[Card, ...], count: int) -> Card | None:
    """A GPU's card by address, else by render node, else by chip: a snapshot may not show a card's address."""
    render = gpu.render if isinstance(gpu, KfdNode) else ""
    by_bus = [card for card in cards if gpu.bus_id and card.bus_id == gpu.bus_id]
    by_render = [card for card in cards if render and card.render == render]
    vague = [card for card in cards if ":" not in card.bus_id or not gpu.bus_id]
    by_chip = [card for card in vague if gpu.device and card.device == gpu.device]
    alone = vague if count == len(cards) == 1 else []
    for found in (by_bus, by_render, by_chip if len(by_chip) == 1 else [], alone):
        if found:
            return found[0]
    return None


def device(view: HostView, stack: str, entry: Entry) -> GpuDevice:
    """What is known about a GPU; nodes and readiness are added by whoever checks them."""
    total, free = _memory(view.reader, entry)
    integrated = is_integrated(view.reader, entry, total)
    return GpuDevice(
        stack,
        "amd",
        name(view.reader, entry) + ("" if entry.part is None else f" (partition {entry.part})"),
        uuid(view, entry),
        entry.index,
        _render_minor(entry.render),
        entry.bus_id if re.match(r"[0-9a-f]{4,8}:", entry.bus_id) else "",
        total,
        free,
        driver=driver(view.reader, entry),
        integrated=integrated,
        architecture=entry.architecture,
    )


def _render_minor(path: str) -> int | None:
    found = re.fullmatch(r"/dev/dri/renderD([0-9]{1,6})", path)
    return int(found.group(1)) if found else None


def driver(reader: Reader, entry: Entry) -> str:
    """The kernel driver, with the version of AMD's own packages (DKMS); the kernel's own amdgpu numbers none."""
    if entry.node is None and entry.agent is None and (entry.card is None or entry.card.driver != "amdgpu"):
        return entry.card.driver if entry.card else ""
    version = (reader.file("/sys/module/amdgpu/version") or "").strip()
    return f"amdgpu {version}".strip()


def name(reader: Reader, entry: Entry) -> str:
    """The product's name: the board's own, libdrm's list, rocminfo's, the chip's code name, else its PCI id."""
    own = _line(reader, entry, "product_name")
    told = entry.agent.marketing_name if entry.agent else ""
    for known in (own, _listed(reader, entry), told):
        if known and known not in GENERIC_NAMES:
            return known
    if entry.node and entry.node.name:
        return f"AMD GPU {entry.node.name}"
    return f"AMD GPU {entry.device}" if entry.device else told or "AMD GPU"


def _listed(reader: Reader, entry: Entry) -> str:
    if not re.fullmatch(r"0x[0-9a-f]{4}", entry.device):
        return ""
    text = next((text for text in map(reader.file, IDS) if text), "")
    found = re.findall(rf"^{entry.device[2:]},\s*([0-9A-F]+),\s*(\S.*?)\s*$", text, re.M | re.I)
    revision = _line(reader, entry, "revision").lower()
    exact = [label for number, label in found if f"0x{number.lower()}" == revision]
    names = sorted({label for _number, label in found})
    return exact[0] if exact else names[0] if len(names) == 1 else ""


def uuid(view: HostView, entry: Entry) -> str:
    """ROCm's ``GPU-…``, told by KFD, sysfs or rocminfo; a name of our own for chips without one.

    Partitions of a card share its number: theirs is completed, so that each can be chosen.
    """
    own = _line(view.reader, entry, "unique_id").lower().removeprefix("0x")
    if not re.fullmatch(r"[0-9a-f]{1,16}", own) or not int(own, 16):
        own = ""
    told = (entry.node.uuid if entry.node else "") or (f"GPU-{own:0>16}" if own else "")
    told = told or (entry.agent.uuid if entry.agent else "")
    if not told:
        told = view.own_uuid(entry.card or Card("", entry.bus_id or f"rocm-{entry.index}", ""))
    return told if entry.part is None or not told else f"{told}:{entry.part}"


def is_integrated(reader: Reader, entry: Entry, total: int | None) -> bool:
    """Whether it is a processor's own GPU: by its chip, by KFD, by rocminfo; a guess by memory where none tells."""
    if APUS.fullmatch(entry.architecture) or (entry.architecture == "gfx942" and entry.device == MI300A):
        return True
    if entry.agent is not None and entry.agent.integrated:
        return True
    if entry.node is not None and entry.node.with_cpu:
        return True
    shared = _number(reader, entry, "mem_info_gtt_total")
    return not entry.architecture and bool(total and shared) and (total or 0) <= SMALL < (shared or 0)


def _memory(reader: Reader, entry: Entry) -> tuple[int | None, int | None]:
    """Bytes in all and free. amdgpu counts for the whole card, KFD for each partition.

    An APU's is what the firmware set aside for it; it may borrow more of the host's memory.
    """
    told = (entry.node.memory_bytes if entry.node else None) or (entry.agent.memory_bytes if entry.agent else None)
    total, used = (_number(reader, entry, f"mem_info_vram_{what}") for what in ("total", "used"))
    if entry.part is not None:
        # Each partition has an equal share (drivers/gpu/drm/amd/amdgpu/amdgpu_amdkfd.h, KFD_XCP_MEMORY_SIZE).
        return told or (total // entry.parts if total else None), None
    if not total:
        return told, None
    return total, None if used is None else max(0, total - used)


def _bases(entry: Entry) -> tuple[str, ...]:
    """Directories of the card in sysfs: a snapshot may hold its files below either name."""
    known = [entry.card.base] if entry.card else []
    bus = entry.bus_id
    return tuple(dict.fromkeys([*known, *([f"/sys/bus/pci/devices/{bus}"] if bus else [])]))


def _line(reader: Reader, entry: Entry, attribute: str) -> str:
    lines = ((reader.file(f"{base}/{attribute}") or "").strip() for base in _bases(entry))
    return next((line for line in lines if line), "")


def _number(reader: Reader, entry: Entry, attribute: str) -> int | None:
    text = _line(reader, entry, attribute)
    return int(text) if re.fullmatch(r"[0-9]{1,16}", text) else None
