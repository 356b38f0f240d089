# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What must hold before anything is changed on a host; every violation is found in one pass."""

from __future__ import annotations

import errno
import os
import socket
import typing as t
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from .._engine.base import Observed, ObservedContainer
from .._errors import FleetError, InputError
from . import labels as names
from .actions import CREATE, RECREATE, START, GroupActions
from .config import Group, Link, Port, VolumeConfig
from .links import can_be_asked, wait_for
from .order import Key
from .owned import PREVIOUS, Owned, deployed_config, is_marker, owner
from .resolve import Wanted
from .takeover import is_held

OUTSIDE_PATIENCE = 5.0
"""Seconds an outside link may take to answer; never more than its group's timeout."""


def take_over(
    owned: Owned, observed: Observed, wanted: dict[Key, Wanted], adopt: bool
) -> tuple[Owned, list[FleetError]]:
    """Containers under a name we need that do not carry our labels: drift of our own, adopted, or refused.

    `docker compose up` on one of our projects makes containers anew without our
    labels. They are recognised by the project and by the group's revision marker.
    """
    strangers = {container.name: container for container in observed.containers if _is_stranger(container, owned)}
    current, previous, errors = dict(owned.current), dict(owned.previous), []
    for key, entry in wanted.items():
        for name, place in ((entry.config.name, current), (entry.config.name + PREVIOUS, previous)):
            container = strangers.get(name)
            if container is None:
                continue
            if key not in place and (adopt or _is_compose_drift(container, entry, owned)):
                place[key] = container
            else:
                errors.append(
                    InputError(
                        f"a container named {name} exists and belongs to {owner(container.labels)}",
                        f"{key[0]}: services.{key[1]}",
                        "Remove or rename it, or take it over with container_adopt=true.",
                    )
                )
    return replace(owned, current=current, previous=previous), errors


def _is_stranger(container: ObservedContainer, owned: Owned) -> bool:
    ids = {entry.id for entry in (*owned.current.values(), *owned.previous.values(), *owned.extra)}
    return container.id not in ids


def _is_compose_drift(container: ObservedContainer, entry: Wanted, owned: Owned) -> bool:
    return (
        entry.group in owned.good
        and names.SCHEMA not in container.labels
        and container.labels.get(names.COMPOSE_PROJECT) == entry.labels[names.COMPOSE_PROJECT]
        and container.labels.get(names.COMPOSE_SERVICE) == entry.service.name
    )


def objects(groups: t.Iterable[Group], owned: Owned, observed: Observed, adopt: bool) -> list[FleetError]:
    """Networks and volumes: external ones must be there, ours must not be somebody else's."""
    errors: list[FleetError] = []
    networks = {network.name: network.labels for network in observed.networks}
    volumes = {volume.name: volume.labels for volume in observed.volumes if not is_marker(volume)}
    for group in groups:
        for kind, wanted, there, mine in (
            ("network", group.networks, networks, owned.networks),
            ("volume", group.volumes, volumes, owned.volumes),
        ):
            for entry in wanted:
                where = f"{group.name}: {kind}s.{entry.key}"
                if entry.external and entry.name not in there:
                    errors.append(
                        InputError(f"the external {kind} {entry.name} does not exist", where, "Create it by hand.")
                    )
                elif not entry.external and entry.name in there and entry.name not in mine and not adopt:
                    errors.append(
                        InputError(
                            f"a {kind} named {entry.name} exists and belongs to {owner(there[entry.name])}",
                            where,
                            "Declare it external, remove it, or take it over with container_adopt=true.",
                        )
                    )
    return errors


def renamed_volumes(plans: t.Sequence[GroupActions], groups: t.Iterable[Group], owned: Owned) -> list[FleetError]:
    """A volume is not made empty while its group has its data under another name.

    The names of a group change when a second local host joins the inventory (they take the host's name), or by hand.
    groups: all of this host; what any of them names is in its place.
    """
    named = {volume.name for group in groups for volume in group.volumes}
    errors: list[FleetError] = []
    for plan in plans:
        for volume in plan.volumes:
            before = sorted(
                name
                for name, mine in owned.volumes.items()
                if name not in named
                and mine.labels.get(names.GROUP) == plan.group.name
                and mine.labels.get(names.COMPOSE_VOLUME) == volume.key
            )
            if before:
                errors.append(_renamed(plan.group.name, volume, before))
    return errors


def _renamed(group: str, volume: VolumeConfig, before: list[str]) -> FleetError:
    return InputError(
        f"volume {', '.join(before)} of this group has the data; "
        f"the plan now calls it {volume.name}, which does not exist",
        f"{group}: volumes.{volume.key}",
        f"Name it in the group file: volumes: {{{volume.key}: {{name: {before[0]}}}}}. Or create {volume.name} by hand, "
        f"with a copy of the data if it is needed, and declare it: "
        f"volumes: {{{volume.key}: {{name: {volume.name}, external: true}}}}.",
    )


def ports(
    plans: t.Iterable[GroupActions], wanted: dict[Key, Wanted], going: t.Iterable[ObservedContainer]
) -> list[FleetError]:
    """Published ports of what will be started must be free, apart from what containers hold that go in this run."""
    held = {port for container in going for port in _ports_of(container)}
    errors: list[FleetError] = []
    for plan in plans:
        for key, action in plan.services.items():
            if action.kind not in (CREATE, RECREATE, START):
                continue
            for index, port in enumerate(wanted[key].config.ports):
                problem = "" if port.host is None or is_held(port, held) else _why_not_free(port)
                if problem:
                    errors.append(
                        InputError(
                            problem,
                            f"{key[0]}: services.{key[1]}.ports[{index}]",
                            _port_mend(problem),
                        )
                    )
    return errors


def _ports_of(container: ObservedContainer) -> set[tuple[str, int, str]]:
    """What it publishes now, and what it was made to publish: a start that was cut off can hold ports unseen."""
    config = deployed_config(container)
    made_for = config.ports if config else ()
    return {*container.ports, *((port.address, port.host, port.protocol) for port in made_for if port.host)}


def _why_not_free(port: Port) -> str:
    """Empty when the port can be bound now."""
    kind = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}.get(port.protocol)
    if kind is None:
        return ""
    family = socket.AF_INET6 if ":" in port.address else socket.AF_INET
    shown = f"{port.address or 'all addresses'} port {port.host}/{port.protocol}"
    try:
        with socket.socket(family, kind) as probe:
            # As the engines' own proxies do; a listening socket is still in the way.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((port.address or "0.0.0.0", port.host))
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return f"{shown} is taken by another program"
        if error.errno == errno.EADDRNOTAVAIL:
            return f"{port.address} is not an address of this host"
        if error.errno == errno.EACCES:
            # Whether the engine may bind low ports is the engine's to say (rootless).
            return ""
        return f"{shown}: {error.strerror}"
    return ""


def _port_mend(problem: str) -> str:
    if "not an address" in problem:
        return "Correct container_link_address, or run playbooks/prepare.yml, which sets up link addresses it manages."
    return "Stop that program (ss -ltnp shows it) or publish another port."


def binds(wanted: t.Iterable[Wanted]) -> list[FleetError]:
    """Host paths that Compose would not create must exist."""
    return [
        InputError(
            f"the bind source {mount.source} does not exist on this host",
            f"{entry.group}: services.{entry.service.name}.volumes",
            "Create it, or let the engine create it with bind.create_host_path: true.",
        )
        for entry in wanted
        for mount in entry.config.mounts
        if mount.type == "bind"
        and not mount.create_host_path
        and mount.source.startswith("/")
        and not os.path.exists(mount.source)
    ]


def silent_links(groups: t.Sequence[Group], changing: bool) -> list[FleetError]:
    """Links to hosts outside this run must answer now; all are asked at once, each other group gives one error.

    changing: this call brings the groups up, so what they need on other hosts must be up already and answer, too: a
    network that was cut meanwhile is no reason to take down what still runs.
    """
    wishes = [
        (group, service.name, link)
        for group in groups
        for service in group.services
        for link in service.links
        if (link.outside or (changing and link.needed)) and can_be_asked(link.url)
    ]
    if not wishes:
        return []
    patience = {link.url: min(OUTSIDE_PATIENCE, group.timeout) for group, _service, link in wishes}
    with ThreadPoolExecutor(max_workers=min(16, len(patience))) as pool:
        answers = dict(zip(patience, pool.map(wait_for, patience, patience.values())))
    silent: dict[tuple[str, str], list[tuple[Group, str, Link]]] = {}
    for wish in wishes:
        if not answers[wish[2].url].answered:
            silent.setdefault((wish[2].host, wish[2].to.partition("/")[0]), []).append(wish)
    return [
        _silence(host, other, found, {link.url: answers[link.url].reason for _group, _service, link in found})
        for (host, other), found in silent.items()
    ]


def _silence(host: str, other: str, found: list[tuple[Group, str, Link]], reasons: dict[str, str]) -> FleetError:
    """One error for all links to one group that does not answer."""
    group, service, link = found[0]
    tried = ", ".join(f"{url} ({reason})" for url, reason in reasons.items())
    consumers = dict.fromkeys(f"{group.name}/{service}" for group, service, _link in found)
    start = f"ansible-playbook deploy.yml -l {host} -e container_group={other}"
    return FleetError(
        f"the link to {link.to} on {host} does not answer; tried {tried}; needed by {', '.join(consumers)}",
        f"{group.config_files or group.name}: services.{service}.x-links.{link.variable}",
        f"Start it: {start}"
        if link.outside
        # With container_group it may not be part of this run.
        else f"If playbooks/status.yml shows it healthy, look at the network and firewalls between this host and {host}; "
        f"else start it: {start}",
    )


def needed_groups(groups: t.Sequence[Group], selected: t.Collection[str], owned: Owned) -> list[FleetError]:
    """Groups of this host that are needed but not part of this call must be up."""
    by_name = {group.name: group for group in groups}
    errors: list[FleetError] = []
    for group in groups:
        if group.name not in selected:
            continue
        for need in group.needs:
            if need in selected or need not in by_name:
                continue
            down = [
                service.name for service in by_name[need].services if not _is_up(service, (need, service.name), owned)
            ]
            if down:
                errors.append(
                    FleetError(
                        f"it needs group {need}, which is not up ({', '.join(down)})",
                        group.name,
                        f"Start it first: ansible-playbook deploy.yml -e container_group={need}",
                    )
                )
    return errors


def _is_up(service: t.Any, key: Key, owned: Owned) -> bool:
    container = owned.current.get(key)
    if container is None:
        return False
    if service.one_shot:
        return container.state == "exited" and container.exit_code == 0
    return container.state == "running" and container.health != "unhealthy"
