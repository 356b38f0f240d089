# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Published ports: where each is published, and clashes between all hosts that share a machine or an address."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from ...module_utils._errors import InputError
from ...module_utils._group.config import Port
from .errors import Errors
from .placement import Placement

ALL_ADDRESSES = ("", "0.0.0.0", "::")


@dataclass(frozen=True)
class Published:
    """One published port of one service."""

    placement: Placement
    service: str
    index: int
    port: Port

    @property
    def where(self) -> str:
        return self.placement.where("services", self.service, "ports", self.index)

    def __str__(self) -> str:
        address = self.port.address
        shown = f"[{address}]" if ":" in address else address or "*"
        return f"{shown}:{self.port.host or '?'}→{self.port.container}/{self.port.protocol}"


def published_ports(placements: list[Placement], errors: Errors) -> list[Published]:
    result = []
    for placement in placements:
        for name, service in placement.services.items():
            for index, entry in enumerate(service.get("ports") or ()):
                with errors.collect():
                    result.append(Published(placement, name, index, _port(placement, name, index, entry)))
    return result


def _port(placement: Placement, service: str, index: int, entry: dict) -> Port:
    where = placement.where("services", service, "ports", index)
    published = str(entry.get("published") or "")
    if published and not published.isdigit():
        raise InputError(
            f"one container port cannot be published on a choice of ports ({published})",
            where,
            "Name one port, or a range of the same length on both sides.",
        )
    address = entry.get("host_ip") or placement.host.link_address
    if address:
        try:
            ipaddress.ip_address(address)
        except ValueError:
            if entry.get("host_ip"):
                raise InputError(f"{address!r} is not an IP address", where) from None
            # A name is fine to reach a host by, but engines publish on addresses only.
            address = ""
    return Port(
        container=int(entry["target"]),
        host=int(published) if published and published != "0" else None,
        address=address,
        protocol=entry.get("protocol") or "tcp",
    )


def check_clashes(ports: list[Published], errors: Errors) -> None:
    """The same port twice on one address is an error, whichever hosts and groups publish it."""
    for number, first in enumerate(ports):
        for second in ports[number + 1 :]:
            if _clash(first, second):
                errors.append(
                    InputError(
                        f"port {first.port.host}/{first.port.protocol} on {_place(first, second)} is already"
                        f" published by {_whose(first)}",
                        second.where,
                        "Publish one of the two on another port.",
                    )
                )


def _clash(first: Published, second: Published) -> bool:
    if first.port.host is None or (first.port.host, first.port.protocol) != (second.port.host, second.port.protocol):
        return False
    one, other = first.port.address, second.port.address
    if first.placement.host.machine == second.placement.host.machine:
        return one == other or one in ALL_ADDRESSES or other in ALL_ADDRESSES
    return one == other and one not in ALL_ADDRESSES and not ipaddress.ip_address(one).is_loopback


def _place(first: Published, second: Published) -> str:
    return first.port.address if first.port.address == second.port.address != "" else "all addresses"


def _whose(port: Published) -> str:
    host, group = port.placement.node
    return f"{group}/{port.service} of {host}"
