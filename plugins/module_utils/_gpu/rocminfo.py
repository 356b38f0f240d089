# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The GPUs that ``rocminfo`` prints: a second opinion on Linux, the only one that has names under WSL2."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .kfd import bus_address
from .probe import Reader

COMMAND = ("rocminfo",)


@dataclass(frozen=True)
class Agent:
    name: str
    """The architecture, e.g. ``gfx1100``."""
    marketing_name: str = ""
    uuid: str = ""
    node: int | None = None
    """Its number in KFD's topology."""
    bus_id: str = ""
    """Empty where it is not said; the domain is taken for 0, rocminfo does not print it."""
    memory_bytes: int | None = None
    integrated: bool = False
    """rocminfo calls its memory an APU's."""
    device: str = ""
    """PCI device id, e.g. ``0x744c``."""


@dataclass(frozen=True)
class Opinion:
    agents: tuple[Agent, ...] = ()
    asked: bool = False
    """Whether there is an answer at all."""
    said: str = ""
    """The line to show for an answer without a GPU."""


def ask(reader: Reader) -> Opinion:
    result = reader.known(COMMAND)
    if result is None:
        return Opinion()
    lines = [line.strip() for line in f"{result.stdout}\n{result.stderr}".splitlines()]
    telling = [line for line in lines if re.search(r"not loaded|unable|fail|error|denied", line, re.I)]
    return Opinion(agents(result.stdout), True, (telling or [f"exit status {result.rc}, no GPU agent"])[0])


def agents(text: str) -> tuple[Agent, ...]:
    """GPU agents in rocminfo's order. Every agent is a block that opens with a line ``Agent N``."""
    blocks = re.split(r"^Agent +\d+ *$", text, flags=re.M)[1:]
    found = [_agent(block) for block in blocks if _value(block, "Device Type") == "GPU"]
    return tuple(agent for agent in found if agent is not None)


def _agent(block: str) -> Agent | None:
    name = _value(block, "Name")
    if not name:
        return None
    uuid = _value(block, "Uuid")
    location, node, chip = _number(block, "BDFID"), _number(block, "Node"), _number(block, "Chip ID")
    return Agent(
        name,
        _value(block, "Marketing Name"),
        uuid if re.fullmatch(r"GPU-[0-9a-fA-F]{16}", uuid) else "",  # «GPU-XX»: the chip has none
        node,
        bus_address(location, 0) if location else "",
        _memory(block),
        "APU" in _value(block, "Memory Properties"),
        f"0x{chip:04x}" if chip else "",
    )


def _value(block: str, key: str) -> str:
    found = re.search(rf"^ *{key}: *(.*?) *$", block, re.M)
    return found.group(1) if found else ""


def _number(block: str, key: str) -> int | None:
    found = re.match(r"(\d{1,10})(?!\d)", _value(block, key))
    return int(found.group(1)) if found else None


def _memory(block: str) -> int | None:
    """The largest pool for all of the GPU: ``Segment: GLOBAL …`` and the next line ``Size: 25149440(0x17fc000) KB``."""
    sizes = re.findall(r"^ *Segment: *GLOBAL.*\n *Size: *(\d{1,14})(?:\(0x[0-9a-f]+\))? *KB", block, re.M)
    return max((int(size) for size in sizes), default=0) * 1024 or None
