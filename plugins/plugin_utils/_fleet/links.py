# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""x-links: which service is meant, and the address under which the consumer reaches it."""

from __future__ import annotations

import typing as t
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from ...module_utils._errors import InputError
from ...module_utils._group.config import Group, Link
from .._compose.spec import LinkWish
from .._nearest import did_you_mean
from .errors import Errors
from .placement import Placement
from .ports import ALL_ADDRESSES, Published

LINK = "link"
"""Key of the network that the plan makes for the links to a group's services."""

HOST_MODES = ("host",)


@dataclass(frozen=True)
class Resolved:
    """One link with both its ends."""

    consumer: Placement
    service: str
    provider: Placement
    provider_service: str
    link: Link
    network: str
    """Full name of the link network it goes over; empty: a shared network of the group, or a published port."""


def alias(service: str, group: str) -> str:
    """The provider's name on a link network: service names repeat between groups."""
    return f"{service}.{group}"


def link_network(provider: Placement) -> str:
    return f"{provider.project}_{LINK}"


def resolve_links(
    placements: list[Placement], ports: list[Published], lost: Collection[str], errors: Errors
) -> list[Resolved]:
    """Every link of every service of every host.

    lost: groups that could not be read; a link that may go there is left out, their own errors are enough.
    """
    table: dict[tuple[str, str, str], list[Published]] = {}
    for port in ports:
        table.setdefault((*port.placement.node, port.service), []).append(port)
    result = []
    for consumer in placements:
        for service in consumer.services:
            for wish in consumer.extensions(service).links:
                if lost and not _matches(wish, placements) and (not wish.group or wish.group in lost):
                    continue
                with errors.collect():
                    result.append(_resolve(consumer, service, wish, placements, table))
    return result


def _resolve(
    consumer: Placement,
    service: str,
    wish: LinkWish,
    placements: list[Placement],
    ports: Mapping[tuple[str, str, str], list[Published]],
) -> Resolved:
    where = consumer.where("services", service, "x-links", wish.variable)
    if wish.variable in (consumer.services[service].get("environment") or {}):
        raise InputError(f"{wish.variable} is set in environment as well", where, "Keep one of the two.")
    provider = _provider(consumer, wish, placements, where)
    network = ""
    if provider.host.name == consumer.host.name:
        authority, network = _same_host(consumer, service, provider, wish, where)
    else:
        authority = _published(consumer, service, provider, wish, ports, where)
    link = Link(
        variable=wish.variable,
        url=f"{wish.scheme}://{authority}{wish.suffix}",
        to=f"{provider.name}/{wish.service}:{wish.port}",
        host=provider.host.name,
        published=provider.host.name != consumer.host.name,
        outside=not provider.host.inside,
        needed=provider.host.name != consumer.host.name and provider.name in consumer.spec.needs,
        check=wish.check,
    )
    return Resolved(consumer, service, provider, wish.service, link, network)


def _provider(consumer: Placement, wish: LinkWish, placements: list[Placement], where: str) -> Placement:
    """The one group copy that is meant: the consumer's own group, then its host, then the only one anywhere."""
    found = _matches(wish, placements)
    own = [entry for entry in found if entry.node == consumer.node]
    here = [entry for entry in found if entry.host.name == consumer.host.name]
    for matches in (own, here, found):
        if len(matches) == 1:
            return matches[0]
        if matches:
            names = ", ".join(f"{entry.name}/{wish.service} on {entry.host.name}" for entry in matches)
            raise InputError(
                f"{wish.url} could mean {names}", where, "Write the group in front: scheme://group/service:port."
            )
    raise InputError(f"{wish.url}: {_missing(wish, placements)}", where, _hint(wish, placements))


def _matches(wish: LinkWish, placements: list[Placement]) -> list[Placement]:
    return [
        entry for entry in placements if wish.service in entry.services and (not wish.group or entry.name == wish.group)
    ]


def _missing(wish: LinkWish, placements: list[Placement]) -> str:
    if wish.group and not any(entry.name == wish.group for entry in placements):
        return f"no host runs a group «{wish.group}»"
    return f"there is no service «{wish.service}»" + (f" in the group «{wish.group}»" if wish.group else "")


def _hint(wish: LinkWish, placements: list[Placement]) -> str:
    groups = {entry.name for entry in placements}
    if wish.group and wish.group not in groups:
        return did_you_mean(wish.group, groups)
    return did_you_mean(
        wish.service,
        {name for entry in placements if not wish.group or entry.name == wish.group for name in entry.services},
    )


def _same_host(consumer: Placement, service: str, provider: Placement, wish: LinkWish, where: str) -> tuple[str, str]:
    mine, its = consumer.services[service], provider.services[wish.service]
    mine_in_host, its_in_host = mine.get("network_mode") in HOST_MODES, its.get("network_mode") in HOST_MODES
    if mine_in_host and its_in_host:
        return f"127.0.0.1:{wish.port}", ""
    for name, entry in ((service, mine), (wish.service, its)):
        if entry.get("network_mode"):
            raise InputError(
                f"«{name}» has network_mode {entry['network_mode']}, so the link's network cannot be attached",
                where,
                "Take network_mode away from it, or give the address yourself in environment.",
            )
    if provider.node == consumer.node and set(mine.get("networks") or ()) & set(its.get("networks") or ()):
        return f"{wish.service}:{wish.port}", ""
    return f"{alias(wish.service, provider.name)}:{wish.port}", link_network(provider)


def _check_way_out(placement: Placement, service: str, purpose: str, where: str) -> None:
    """A container that is in internal networks only has no way to other hosts, nor they to it."""
    if placement.is_isolated(service):
        raise InputError(
            f"{placement.name}/{service} is in internal networks only, so it cannot {purpose}",
            where,
            f"Give it a network of its own without «internal: true» in {placement.spec.path}.",
        )


def _published(
    consumer: Placement,
    name: str,
    provider: Placement,
    wish: LinkWish,
    ports: Mapping[tuple[str, str, str], list[Published]],
    where: str,
) -> str:
    host = provider.host
    service = f"{provider.name}/{wish.service}"
    _check_way_out(consumer, name, f"reach {service} on {host.name}", where)
    _check_way_out(provider, wish.service, "be reached through a published port", where)
    protocol = "udp" if wish.scheme == "udp" else "tcp"
    if not host.link_address:
        raise InputError(
            f"the link goes to {service} on {host.name}, which has no container_link_address",
            where,
            f"Add «container_link_address: ADDRESS» to host_vars of {host.name}:"
            " the address under which other hosts reach its published ports.",
        )
    if provider.services[wish.service].get("network_mode") in HOST_MODES:
        return authority(host.link_address, wish.port)
    matching = [
        entry.port
        for entry in ports.get((*provider.node, wish.service), ())
        if entry.port.container == wish.port and entry.port.protocol == protocol
    ]
    if not matching:
        raise InputError(
            f"the link goes to {service} on {host.name}, which does not publish its port {wish.port}/{protocol}",
            where,
            f'Add «ports: ["{wish.port}:{wish.port}"]» to {wish.service} in {provider.spec.path}.',
        )
    reachable = [port for port in matching if port.address in (*ALL_ADDRESSES, host.link_address)]
    if not reachable:
        raise InputError(
            f"the link goes to {service} on {host.name}, which publishes port {wish.port} on"
            f" {matching[0].address} and not on its container_link_address {host.link_address}",
            where,
            f"Leave the address out of the ports entry of {wish.service} in {provider.spec.path}.",
        )
    fixed = [port for port in reachable if port.host is not None]
    if not fixed:
        raise InputError(
            f"the link goes to {service} on {host.name}, whose port {wish.port} gets another number at each start",
            where,
            f'Publish it on a fixed port, «"{wish.port}:{wish.port}"», in {provider.spec.path}.',
        )
    return authority(host.link_address, fixed[0].host or 0)


def authority(address: str, port: int) -> str:
    """``10.0.0.1:80``, ``[fd00::1]:80``"""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def links_to_ask(groups: list[Group]) -> list[dict[str, t.Any]]:
    """All links of one host, in the form that `container_groups_info` asks them."""
    return [
        {
            "group": group.name,
            "service": service.name,
            "variable": link.variable,
            "url": link.url,
            "published": link.published,
            "check": list(link.check),
        }
        for group in groups
        for service in group.services
        for link in service.links
    ]
