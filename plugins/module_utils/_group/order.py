# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""In which order the services of one host start: what each waits for, and cycles."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from .._errors import InputError
from .config import Group

Key = tuple[str, str]
"""(group, service)"""

STARTED = "started"
HEALTHY = "healthy"
COMPLETED = "completed"

_CONDITIONS = {
    "service_started": STARTED,
    "service_healthy": HEALTHY,
    "service_completed_successfully": COMPLETED,
}


@dataclass(frozen=True)
class Wait:
    """One thing a service waits for: `key` has reached `state`."""

    key: Key
    state: str

    def __str__(self) -> str:
        group, service = self.key
        return f"{group}/{service} ({self.state})"


def waits(groups: t.Sequence[Group]) -> dict[Key, tuple[Wait, ...]]:
    """What each service waits for: its own `depends_on`, and every service of the groups its group needs.

    A needed group that is not among `groups` is not waited for: whoever called has checked it.
    A service counts as ready when it is healthy, or completed where it is a one-shot.
    """
    by_name = {group.name: group for group in groups}
    result: dict[Key, tuple[Wait, ...]] = {}
    for group in groups:
        needed = tuple(
            Wait((need, service.name), COMPLETED if service.one_shot else HEALTHY)
            for need in group.needs
            if need in by_name
            for service in by_name[need].services
        )
        names = {service.name for service in group.services}
        for service in group.services:
            own = tuple(
                Wait((group.name, dependency.service), _CONDITIONS[dependency.condition])
                for dependency in service.depends_on
                if dependency.service in names
            )
            result[group.name, service.name] = own + needed
    return result


def start_order(groups: t.Sequence[Group]) -> list[Key]:
    """All services, each behind everything it waits for; definition order otherwise.

    Raises InputError naming the whole cycle when there is one.
    """
    graph = waits(groups)
    order: list[Key] = []
    done: set[Key] = set()
    for start in graph:
        _visit(start, graph, done, order, [])
    return order


def _visit(key: Key, graph: dict[Key, tuple[Wait, ...]], done: set[Key], order: list[Key], path: list[Key]) -> None:
    if key in done:
        return
    if key in path:
        cycle = [*path[path.index(key) :], key]
        raise InputError("the start order has a cycle: " + " → ".join("/".join(step) for step in cycle))
    for wait in graph[key]:
        _visit(wait.key, graph, done, order, [*path, key])
    done.add(key)
    order.append(key)
