# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compose's legacy `links: [service:alias]`: the service answers to the alias on the networks that both are in.

Docker shows such an alias to the linking container only, Podman has none; on a network of the
group it is seen by everybody there, so it must mean one service only.
"""

from __future__ import annotations

from ...module_utils._errors import InputError
from .placement import Placement


def link_aliases(placement: Placement, service: str, network: str) -> tuple[str, ...]:
    """The aliases that other services' links give to `service` on one of its networks. Raises InputError."""
    found: dict[str, None] = {}
    for name, content in placement.services.items():
        for index, entry in enumerate(content.get("links") or ()):
            target, _colon, alias = entry.partition(":")
            if target != service or not alias or network not in (content.get("networks") or {}):
                continue
            _check(placement, service, alias, placement.where("services", name, "links", index))
            found[alias] = None
    return tuple(found)


def check_links(placement: Placement, service: str) -> None:
    """A link needs a network that both services are in. Raises InputError."""
    own = placement.services[service].get("networks") or {}
    for index, entry in enumerate(placement.services[service].get("links") or ()):
        target = entry.partition(":")[0]
        other = (placement.services.get(target) or {}).get("networks") or {}
        if target in placement.services and not set(own) & set(other):
            raise InputError(
                f"{service} and {target} have no network in common, so the link leads nowhere",
                placement.where("services", service, "links", index),
                f"Give both the same entry below networks, or remove the link and write depends_on: [{target}].",
            )


def _check(placement: Placement, service: str, alias: str, where: str) -> None:
    if alias != service and alias in placement.services:
        raise InputError(
            f"the alias {alias} is the name of another service", where, "Choose an alias that no service has."
        )
    others = [
        target
        for content in placement.services.values()
        for target, _colon, name in (entry.partition(":") for entry in content.get("links") or ())
        if name == alias and target != service
    ]
    if others:
        raise InputError(
            f"the alias {alias} means {service} here and {others[0]} elsewhere in the group",
            where,
            "Choose different aliases.",
        )
