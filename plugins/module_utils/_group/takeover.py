# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What exists once and passes from one service to another in a run: published ports, fixed addresses, names.

The one that gives it up must have let go before the other starts, whatever the start order says.
"""

from __future__ import annotations

import typing as t

from .._engine.base import ObservedContainer
from .actions import CREATE, RECREATE, REMOVE, START, GroupActions
from .config import ContainerConfig, Port
from .order import Key
from .owned import Owned, deployed_config
from .resolve import Wanted

EVERYWHERE = ("", "0.0.0.0", "::")


def is_held(port: Port, held: t.Iterable[tuple[str, int, str]]) -> bool:
    """Whether one of the published (address, port, protocol) is in the way of `port`."""
    return any(
        number == port.host
        and protocol == port.protocol
        and (address == port.address or address in EVERYWHERE or port.address in EVERYWHERE)
        for address, number, protocol in held
    )


def leaving_containers(plans: t.Iterable[GroupActions], owned: Owned) -> dict[Key, ObservedContainer]:
    """Containers that are replaced or removed in this run."""
    return {
        action.key: owned.current[action.key]
        for plan in plans
        for action in (*plan.services.values(), *plan.removals)
        if action.key in owned.current
        and (action.kind == RECREATE or (action.kind == REMOVE and owned.current[action.key].name == action.name))
    }


def in_the_way(group: str, plans: t.Sequence[GroupActions], wanted: dict[Key, Wanted], owned: Owned) -> list[Key]:
    """Services whose container goes in this run and holds what another service needs, where either is of `group`."""
    going = leaving_containers(plans, owned)
    starting = [
        action.key for plan in plans for action in plan.services.values() if action.kind in (CREATE, RECREATE, START)
    ]
    return [
        key
        for key, holder in going.items()
        if any(
            other != key and group in (key[0], other[0]) and _clash(holder, wanted[other].config) for other in starting
        )
    ]


def _clash(holder: ObservedContainer, config: ContainerConfig) -> bool:
    if holder.name == config.name or any(is_held(port, holder.ports) for port in config.ports):
        return True
    before = deployed_config(holder)
    return before is not None and bool(_addresses(before) & _addresses(config))


def _addresses(config: ContainerConfig) -> set[tuple[str, str]]:
    """(network, fixed address)"""
    return {(entry.network, text) for entry in config.networks for text in (entry.ipv4, entry.ipv6) if text}
