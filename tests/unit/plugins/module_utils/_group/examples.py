"""Groups, what they resolve to, and containers as an engine would show them."""

from __future__ import annotations

import typing as t
from dataclasses import replace

from ansible_collections.gpu_fleet.containers.plugins.module_utils._engine.base import (
    Observed,
    ObservedContainer,
    ObservedNetwork,
    ObservedVolume,
)
from ansible_collections.gpu_fleet.containers.plugins.module_utils._group import labels as names
from ansible_collections.gpu_fleet.containers.plugins.module_utils._group.config import (
    Attachment,
    ContainerConfig,
    Dependency,
    Group,
    NetworkConfig,
    Service,
)
from ansible_collections.gpu_fleet.containers.plugins.module_utils._group.resolve import (
    Wanted,
    marker,
    network_labels,
    resolve,
)

HOST = "mainpc"
KEY = b"k" * 32


def service(name: str, *after: str, group: str = "core", image: str = "agent:1", **config: t.Any) -> Service:
    config.setdefault("networks", (Attachment(f"{group}_default", (name,)),))
    return Service(
        name,
        ContainerConfig(f"{group}-{name}-1", image, **config),
        tuple(Dependency(each, "service_healthy") for each in after),
    )


def group(name: str, *services: Service, **others: t.Any) -> Group:
    others.setdefault("networks", (NetworkConfig(f"{name}_default"),))
    return Group(name, name, services, **others)


def wanted(*groups: Group, host: str = HOST, secrets: dict[str, str] | None = None) -> dict[tuple[str, str], Wanted]:
    return resolve(host, groups, {}, secrets or {}, KEY)


def running(entry: Wanted, **changes: t.Any) -> ObservedContainer:
    """The container of `entry` as it runs after a deploy."""
    container = ObservedContainer(
        entry.config.name,
        f"id-of-{entry.config.name}",
        entry.config.image,
        f"sha256:{entry.config.image}",
        "running",
        labels=entry.labels,
        networks=tuple(sorted(attachment.network for attachment in entry.config.networks)),
        ports=tuple((port.address, port.host or 0, port.protocol) for port in entry.config.ports),
    )
    return replace(container, **changes)


def deployed(*groups: Group, host: str = HOST) -> Observed:
    """Everything an engine shows after a good deploy of `groups`."""
    entries = wanted(*groups, host=host)
    markers = [marker(host, each, entries) for each in groups]
    return Observed(
        containers=tuple(running(entry) for entry in entries.values()),
        networks=tuple(
            ObservedNetwork(network.name, network.name, network_labels(host, each, network))
            for each in groups
            for network in each.networks
            if not network.external
        ),
        volumes=tuple(ObservedVolume(volume.name, labels) for volume, labels in markers),
    )


def stranger(name: str, **labels: str) -> ObservedContainer:
    return ObservedContainer(name, f"stranger-{name}", "other:1", "sha256:other", "running", labels=labels)


def compose_labels(project: str, service_name: str) -> dict[str, str]:
    return {names.COMPOSE_PROJECT: project, names.COMPOSE_SERVICE: service_name}


def fill(engine: t.Any, *groups: Group, host: str = HOST) -> None:
    """Deploy `groups` on an engine by its own calls, markers included, and forget the calls."""
    seen, entries = deployed(*groups, host=host), wanted(*groups, host=host)
    for network in seen.networks:
        engine.create_network(network, network.labels)
    for entry in entries.values():
        engine.create_container(entry.config, entry.labels, {})
        engine.start_container(entry.config.name)
    for volume in seen.volumes:
        engine.create_volume(volume, volume.labels)
    engine.calls.clear()
