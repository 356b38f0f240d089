# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a plan says about choices that a user made and may not have meant."""

from __future__ import annotations

import os
import typing as t
from collections.abc import Mapping

from ...module_utils._access.plan import AccessPlan
from ...module_utils._group.config import Service
from .links import Resolved
from .needs import Graph
from .placement import Placement
from .ports import ALL_ADDRESSES, Published


def service_warnings(placement: Placement, service: Service) -> t.Iterator[str]:
    """About one service: what it may do on the host."""
    where = placement.where("services", service.name)
    config = service.config
    if config.privileged:
        yield f"{where} is privileged: it can do anything on the host. Name the capabilities it needs in cap_add."


def access_warnings(where: str, access: AccessPlan, content: Mapping[str, t.Any]) -> t.Iterator[str]:
    """About what a service's GPU or CDI devices lack."""
    if access.missed:
        yield f"{where}: its CDI spec is carried out without {', '.join(access.missed)}."
    needed = [entry for entry in access.environment.get("LD_LIBRARY_PATH", "").split(":") if entry]
    written = (content.get("environment") or {}).get("LD_LIBRARY_PATH")
    missing = [entry for entry in needed if written is not None and entry not in str(written).split(":")]
    if missing:
        yield f"{where}.environment.LD_LIBRARY_PATH lacks {':'.join(missing)}, where its GPU's libraries are. Add it."


def library_warnings(host: str, paths: Mapping[str, list[str]]) -> t.Iterator[str]:
    """About variables of images that a GPU's libraries replace. paths: the variable's value → services."""
    for path, services in paths.items():
        yield (
            f"{host}: LD_LIBRARY_PATH is {path} in {', '.join(services)}, for the GPU's libraries and in place of the"
            " image's own. Where an image has one, write both into the service's environment."
        )


def port_warnings(ports: list[Published]) -> t.Iterator[str]:
    """About ports that are published on all addresses of a host, or that nobody can reach."""
    for entry in ports:
        if entry.placement.is_isolated(entry.service):
            # Docker publishes nothing then, and says nothing.
            yield f"{entry.where} reaches nobody: {entry.service} is in internal networks only."
        if (
            entry.port.address in ALL_ADDRESSES
            and entry.placement.services[entry.service].get("network_mode") != "host"
        ):
            host = entry.placement.host
            name = "" if entry.port.address else host.link_address
            why = f": engines publish on addresses, and container_link_address is the name «{name}»" if name else ""
            mend = "an IP address as container_link_address" if name else "container_link_address"
            yield (
                f"{entry.where} is published on all addresses of {host.name}{why}."
                f" Write an address in front, or set {mend} for {host.name}."
            )


def need_warnings(placements: list[Placement], graph: Graph, links: list[Resolved]) -> t.Iterator[str]:
    """About needs whose other end is outside the limit and that no link checks."""
    hosts = {placement.host.name: placement.host for placement in placements}
    linked = {(link.consumer.node, link.provider.node) for link in links}
    for node, needed in graph.items():
        for other in needed:
            if hosts[node[0]].inside and not hosts[other[0]].inside and (node, other) not in linked:
                yield (
                    f"{node[1]} on {node[0]} needs {other[1]} on {other[0]}, which is outside the limit and to which"
                    f" it has no link: nothing checks that it is up."
                )


def file_warnings(placements: list[Placement]) -> t.Iterator[str]:
    """What reading the group files had to say, once for each file."""
    yield from dict.fromkeys(text for placement in placements for text in placement.spec.warnings)


def shorten(text: str) -> str:
    """Paths below the working directory without it: shorter to read, and the same on every controller."""
    return text.replace(os.getcwd() + os.sep, "")
