# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What groups wait for at boot on other hosts, where systemd is the supervisor.

A group waits for the published ports behind its links, and for those of groups that it needs. Needs have no circles;
links may, and hosts that lost power together would wait for each other until their patience ends. So a link that
would close a circle is not waited for: needs come first, then links in the order of hosts and groups.
"""

from __future__ import annotations

import typing as t
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ...module_utils._group.config import Await
from ...module_utils._group.links import can_be_asked
from .links import Resolved, authority
from .needs import Graph, Node
from .placement import Placement
from .ports import ALL_ADDRESSES, Published


@dataclass(frozen=True)
class BootWaits:
    awaits: Mapping[Node, tuple[Await, ...]] = field(default_factory=dict)
    """Group → what it waits for, sorted; groups that wait for nothing are left out."""
    circles: Mapping[Node, tuple[str, ...]] = field(default_factory=dict)
    """Group → ``group/service:port on host`` that it links to without waiting for it."""
    notes: tuple[str, ...] = ()
    """Warnings about needs that nobody can ask for."""


def boot_waits(
    placements: Sequence[Placement], graph: Graph, ports: Sequence[Published], links: Sequence[Resolved]
) -> BootWaits:
    """For all hosts of the inventory, so that it does not depend on the limit."""
    supervised = {placement.node: placement for placement in placements if placement.host.supervisor == "systemd"}
    behind = {node: set(graph.get(node, ())) for node in supervised}
    awaits: dict[Node, dict[str, Await]] = {}
    notes = []
    for node, placement in supervised.items():
        for other in graph.get(node, ()):
            if other[0] == node[0]:
                continue
            found = list(_ports_of(other, ports))
            awaits.setdefault(node, {}).update({each.url: each for each in found})
            if not found and placement.host.inside:
                notes.append(
                    f"{node[1]} on {node[0]} needs {other[1]} on {other[0]}, which publishes no port that can be asked:"
                    " at boot it starts without waiting for it."
                )
    circles: dict[Node, dict[str, None]] = {}
    for link in sorted(links, key=lambda each: (*each.consumer.node, each.service, each.link.variable)):
        node, other = link.consumer.node, link.provider.node
        if node not in supervised or other[0] == node[0] or not can_be_asked(link.link.url):
            continue
        if _reaches(other, node, behind):
            circles.setdefault(node, {})[f"{link.link.to} on {link.link.host}"] = None
            continue
        behind[node].add(other)
        awaits.setdefault(node, {})[link.link.url] = Await(link.link.url, link.link.to, link.link.host)
    return BootWaits(
        {node: tuple(found[url] for url in sorted(found)) for node, found in awaits.items() if found},
        {node: tuple(found) for node, found in circles.items()},
        tuple(notes),
    )


def _ports_of(node: Node, ports: Sequence[Published]) -> t.Iterator[Await]:
    """The ports of a group that other hosts can ask."""
    for entry in ports:
        port, host = entry.port, entry.placement.host
        address = host.link_address if port.address in ALL_ADDRESSES else port.address
        reachable = address and not address.startswith("127.") and address != "::1"
        mine = entry.placement.node == node and not entry.placement.is_isolated(entry.service)
        if mine and reachable and port.protocol == "tcp" and port.host is not None:
            to = f"{node[1]}/{entry.service}:{port.container}"
            yield Await(f"tcp://{authority(address, port.host)}", to, host.name)


def _reaches(start: Node, goal: Node, behind: Mapping[Node, set[Node]]) -> bool:
    """Whether `start` waits for `goal`, at any depth."""
    pending, seen = [start], {start}
    while pending:
        node = pending.pop()
        if node == goal:
            return True
        new = behind.get(node, set()) - seen
        seen |= new
        pending += new
    return False


def awaits_in_words(awaits: Sequence[Await], circles: Sequence[str], wait: float) -> list[str]:
    """Lines for the plan's text."""
    lines = []
    if awaits and wait:
        names = ", ".join(f"{each.to} on {each.host}" for each in awaits)
        lines.append(f"at boot it waits, at most {wait:g} s, for {names}")
    if circles:
        lines.append(f"at boot it does not wait for {', '.join(circles)}, which waits for it")
    return lines
