# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Networks and volumes of a group, and a service's place in them."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping
from dataclasses import replace

from ...module_utils._errors import InputError
from ...module_utils._group.config import Attachment, Dependency, NetworkConfig, VolumeConfig
from .._nearest import did_you_mean
from .aliases import link_aliases
from .links import LINK, Resolved, alias, link_network
from .mounts import volume_name
from .placement import Placement

_NETWORK_KEYS = {
    "name", "driver", "driver_opts", "internal", "enable_ipv6", "attachable", "ipam", "labels", "external",
}  # fmt: skip
_VOLUME_KEYS = {"name", "driver", "driver_opts", "labels", "external"}
_ATTACHMENT_KEYS = {"aliases", "ipv4_address", "ipv6_address", "mac_address", "priority"}
_IPAM_KEYS = {"subnet", "gateway", "ip_range"}
_SHARED_PREFIX = "service:"


def network_name(placement: Placement, key: str) -> str:
    definition = placement.spec.networks.get(key) or {}
    if definition.get("name"):
        return definition["name"]
    return key if definition.get("external") else f"{placement.project}_{key}"


def group_networks(placement: Placement, links: list[Resolved]) -> tuple[NetworkConfig, ...]:
    """The networks that this group's services use, its own and those of links from or to it. Raises InputError."""
    used = {key for service in placement.services.values() for key in service.get("networks") or ()}
    result = []
    for key in sorted(used):
        if key not in placement.spec.networks and key != "default":
            raise InputError(
                f"there is no network «{key}»", placement.where("services"), did_you_mean(key, placement.spec.networks)
            )
        result.append(_network(placement, key, placement.spec.networks.get(key) or {}))
    providers = {
        link.network: link.provider
        for link in links
        if link.network and placement.node in (link.consumer.node, link.provider.node)
    }
    # On the list of both groups, so that whichever starts first makes it. Internal, because a link must not
    # open a way out for a service whose own networks have none.
    result += [
        NetworkConfig(name=name, key=LINK, internal=True, group=provider.name, project=provider.project)
        for name, provider in sorted(providers.items())
    ]
    return tuple(result)


def _network(placement: Placement, key: str, definition: Mapping[str, t.Any]) -> NetworkConfig:
    where = placement.where("networks", key)
    _check(definition, _NETWORK_KEYS, where)
    ipam = definition.get("ipam") or {}
    _check(ipam, {"driver", "config"}, f"{where}.ipam")
    if ipam.get("driver") not in (None, "", "default"):
        raise InputError(f"the IPAM driver {ipam['driver']} is not supported", f"{where}.ipam", "Leave it out.")
    pools = ipam.get("config") or []
    for pool in pools:
        _check(pool, _IPAM_KEYS, f"{where}.ipam.config")
    return NetworkConfig(
        name=network_name(placement, key),
        key=key,
        driver=definition.get("driver") or "",
        options=_strings(definition.get("driver_opts")),
        internal=bool(definition.get("internal")),
        ipv6=bool(definition.get("enable_ipv6")),
        attachable=bool(definition.get("attachable")),
        subnets=_column(pools, "subnet"),
        gateways=_column(pools, "gateway"),
        ip_ranges=_column(pools, "ip_range"),
        labels=_strings(definition.get("labels")),
        external=bool(definition.get("external")),
    )


def group_volumes(placement: Placement) -> tuple[VolumeConfig, ...]:
    """The named volumes that this group's services use. Raises InputError."""
    used = {
        entry["source"]
        for service in placement.services.values()
        for entry in service.get("volumes") or ()
        if entry["type"] == "volume" and entry.get("source")
    }
    result = []
    for key in sorted(used):
        definition = placement.spec.volumes.get(key) or {}
        _check(definition, _VOLUME_KEYS, placement.where("volumes", key))
        result.append(
            VolumeConfig(
                name=volume_name(placement, key),
                key=key,
                driver=definition.get("driver") or "",
                options=_strings(definition.get("driver_opts")),
                labels=_strings(definition.get("labels")),
                external=bool(definition.get("external")),
            )
        )
    return tuple(result)


def attachments(placement: Placement, service: str, links: list[Resolved]) -> tuple[Attachment, ...]:
    """The networks of one service: its own by priority, then those of links from and to it. Raises InputError."""
    entries = placement.services[service].get("networks") or {}
    result = []
    for key, entry in sorted(entries.items(), key=lambda item: (-int((item[1] or {}).get("priority") or 0), item[0])):
        entry = entry or {}
        _check(entry, _ATTACHMENT_KEYS, placement.where("services", service, "networks", key))
        result.append(
            Attachment(
                network=network_name(placement, key),
                aliases=tuple(
                    dict.fromkeys((service, *(entry.get("aliases") or ()), *link_aliases(placement, service, key)))
                ),
                ipv4=entry.get("ipv4_address") or "",
                ipv6=entry.get("ipv6_address") or "",
                mac=entry.get("mac_address") or "",
            )
        )
    mac = placement.services[service].get("mac_address")
    if mac and result and not result[0].mac:
        result[0] = replace(result[0], mac=mac)
    own = {
        link.network for link in links if link.network and _is(link.provider, link.provider_service, placement, service)
    }
    others = {link.network for link in links if link.network and _is(link.consumer, link.service, placement, service)}
    for name in sorted(own | others):
        provides = name == link_network(placement) and name in own
        result.append(Attachment(network=name, aliases=(alias(service, placement.name),) if provides else ()))
    return tuple(result)


def _is(placement: Placement, service: str, other: Placement, other_service: str) -> bool:
    return (placement.node, service) == (other.node, other_service)


def container_name(placement: Placement, service: str) -> str:
    """As Compose names it, unless the file does."""
    return (placement.services.get(service) or {}).get("container_name") or f"{placement.project}-{service}-1"


def shared_namespace(placement: Placement, service: str, key: str) -> str:
    """``service:x`` as ``container:<name of x>``; everything else as it is. Raises InputError."""
    value = placement.services[service].get(key) or ""
    if not value.startswith(_SHARED_PREFIX):
        return value
    name = value[len(_SHARED_PREFIX) :]
    if name not in placement.services:
        raise InputError(
            f"there is no service «{name}»",
            placement.where("services", service, key),
            did_you_mean(name, placement.services),
        )
    return f"container:{container_name(placement, name)}"


def dependencies(placement: Placement, service: str) -> tuple[Dependency, ...]:
    """`depends_on`, and the services whose namespaces this one shares, as Compose orders them too."""
    content = placement.services[service]
    found = {
        name: Dependency(
            name, entry["condition"], restart=bool(entry.get("restart")), required=entry.get("required", True)
        )
        for name, entry in (content.get("depends_on") or {}).items()
        if name in placement.services
    }
    for key in ("network_mode", "ipc", "pid"):
        value = content.get(key) or ""
        if value.startswith(_SHARED_PREFIX):
            name = value[len(_SHARED_PREFIX) :]
            # The namespace goes with the container: a new one needs this container again.
            condition = found[name].condition if name in found else "service_started"
            found[name] = Dependency(name, condition, restart=True)
    return tuple(found[name] for name in sorted(found))


def _check(entry: Mapping[str, t.Any], known: set[str], where: str) -> None:
    unknown = sorted(key for key in entry if key not in known and entry[key] not in (None, "", [], {}))
    if unknown:
        raise InputError(f"«{unknown[0]}» is not supported here", where, did_you_mean(unknown[0], known))


def _strings(value: Mapping[str, t.Any] | None) -> dict[str, str]:
    return {key: str(content) for key, content in (value or {}).items()}


def _column(pools: list[Mapping[str, str]], key: str) -> tuple[str, ...]:
    return tuple(pool[key] for pool in pools if pool.get(key))
