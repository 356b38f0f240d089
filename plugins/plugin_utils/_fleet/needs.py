# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What needs what across hosts: cycles, waves (what may start together) and rounds (what is one call)."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Mapping

from ...module_utils._errors import InputError
from .._nearest import did_you_mean
from .errors import Errors
from .placement import Placement

Node = tuple[str, str]
"""(host, group)"""
Graph = dict[Node, tuple[Node, ...]]


def graph_of(placements: list[Placement], lost: Collection[str], errors: Errors) -> Graph:
    """Each group with the groups it needs: the copy on its own host, otherwise every copy there is.

    lost: groups that could not be read; a need of one is left out, its own error is enough.
    """
    nodes = {placement.node: placement for placement in placements}
    graph: Graph = {}
    for placement in placements:
        needed: list[Node] = []
        for index, name in enumerate(placement.spec.needs):
            if name in lost:
                continue
            with errors.collect():
                needed += _copies(placement, index, name, nodes)
        graph[placement.node] = tuple(dict.fromkeys(needed))
    return graph


def _copies(placement: Placement, index: int, name: str, nodes: Mapping[Node, Placement]) -> list[Node]:
    here = (placement.host.name, name)
    if here in nodes:
        return [here]
    copies = [node for node in nodes if node[1] == name]
    if not copies:
        names = {node[1] for node in nodes} - {placement.name}
        raise InputError(
            f"no host runs the group «{name}»",
            placement.where("x-fleet", "needs", index),
            did_you_mean(name, names) or "Add it to a host's container_groups.",
        )
    return copies


def check_cycles(graph: Graph, where: Mapping[Node, str], errors: Errors) -> None:
    """Groups that need each other in a circle; each circle is one error that names all of it.

    where: where a group's needs stand, for the message.
    """
    reported: set[frozenset[Node]] = set()
    for start in sorted(graph):
        cycle = _cycle_from(start, graph)
        if cycle and frozenset(cycle) not in reported:
            reported.add(frozenset(cycle))
            chain = " → ".join(f"{group} ({host})" for host, group in [*cycle, cycle[0]])
            errors.append(
                InputError(
                    f"groups need each other in a circle: {chain}",
                    where[start],
                    "Take one of these needs away; a link (x-links) does not order and may stay.",
                )
            )


def _cycle_from(start: Node, graph: Graph) -> list[Node]:
    """The nodes of a shortest circle through `start`, beginning there; empty when there is none."""
    paths = deque([[start]])
    seen = set()
    while paths:
        path = paths.popleft()
        for needed in graph.get(path[-1], ()):
            if needed == start:
                return path
            if needed not in seen:
                seen.add(needed)
                paths.append([*path, needed])
    return []


def waves(graph: Graph, wanted: Collection[Node]) -> list[list[Node]]:
    """Groups of `wanted` that may start together, first ones first. The graph has no cycle."""
    return _levels(dict.fromkeys(wanted, (1, 1)), graph, wanted)


def rounds(graph: Graph, wanted: Collection[Node]) -> list[dict[str, list[str]]]:
    """What is called: host → groups, one call each. A round ends only where a need crosses hosts.

    This is the fewest rounds there can be: a group is in the round after the last need on another
    host, and in the round of its last need on its own. The graph has no cycle.
    """
    result = []
    for level in _levels(dict.fromkeys(wanted, (0, 1)), graph, wanted):
        calls: dict[str, list[str]] = {}
        for host, group in level:
            calls.setdefault(host, []).append(group)
        result.append(calls)
    return result


def _levels(costs: Mapping[Node, tuple[int, int]], graph: Graph, wanted: Collection[Node]) -> list[list[Node]]:
    """Nodes by level; a need costs its node one step, or none: (same host, other host).

    Needs that are not wanted (another limit) still carry order from what they need themselves.
    """
    level: dict[Node, int] = {}
    for node in topological(graph):
        base = 0
        for needed in graph.get(node, ()):
            crosses = needed[0] != node[0]
            step = costs[node][crosses] if node in costs and needed in costs else 0
            base = max(base, level[needed] + step)
        level[node] = base
    depth = sorted({level[node] for node in wanted})
    return [sorted(node for node in wanted if level[node] == number) for number in depth]


def topological(graph: Graph) -> list[Node]:
    """Every node after what it needs. The graph has no cycle."""
    order: dict[Node, None] = {}

    def visit(node: Node) -> None:
        if node not in order:
            for needed in graph.get(node, ()):
                visit(needed)
            order[node] = None

    for node in sorted(graph):
        visit(node)
    return list(order)


def needed_hosts(graph: Graph, node: Node) -> set[str]:
    """The other hosts on which something runs that a group needs, at any depth."""
    found = {node}
    pending = [node]
    while pending:
        new = set(graph.get(pending.pop(), ())) - found
        found |= new
        pending += new
    return {host for host, _group in found} - {node[0]}
