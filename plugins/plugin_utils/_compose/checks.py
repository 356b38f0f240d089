# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What must hold between the services of a group: names, dependencies, ports."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping

from .._nearest import did_you_mean
from .ports import addresses_meet, published_ports
from .problems import Problems
from .references import linked, mounted_from
from .spec import Path, dotted

Services = Mapping[str, dict[str, t.Any]]


def check_services(services: Services, problems: Problems) -> None:
    """Everything that needs more than one key of a service, or more than one service."""
    for name, service in services.items():
        path = ("services", name)
        if not service.get("image") and "build" not in service:
            problems.error(path, f"the service {name} has neither image nor build", "Name an image or a build context.")
        if service.get("network_mode") and service.get("networks"):
            problems.error((*path, "network_mode"), "network_mode and networks exclude each other")
        _limits(service, path, problems)
        _one_container(service, path, problems)
        _cpu_time(service, path, problems)
        _references(services, name, path, problems)
        _legacy(services, name, path, problems)
        _targets(service, path, problems)
    _cycle(services, problems)
    _names(services, problems)
    _ports(services, problems)


def _targets(service: dict[str, t.Any], path: Path, problems: Problems) -> None:
    """Two volumes at one place: Compose takes the last one silently, the engine hides or refuses it."""
    first: dict[str, int] = {}
    for index, entry in enumerate(service.get("volumes", [])):
        other = first.setdefault(entry["target"], index)
        if other != index:
            message = f"two volumes on {entry['target']}, also {dotted((*path, 'volumes', other))}"
            problems.error((*path, "volumes", index), message)


_SAME = (
    ("cpus", ("limits", "cpus")),
    ("mem_limit", ("limits", "memory")),
    ("pids_limit", ("limits", "pids")),
    ("mem_reservation", ("reservations", "memory")),
)


def _limits(service: dict[str, t.Any], path: Path, problems: Problems) -> None:
    """Compose refuses a short key and its deploy counterpart when they differ; a missing one is 0 to it."""
    resources = service.get("deploy", {}).get("resources", {})
    for key, (part, other) in _SAME:
        section = resources.get(part) or {}
        if key not in service or not section or section.get(other) == service[key]:
            continue
        place = f"deploy.resources.{part}"
        if other in section:
            problems.error((*path, key), f"{key} and {place}.{other} differ", "Keep one of them.")
        else:
            problems.error(
                (*path, key), f"{key} stands beside {place}, which lacks it", f"Write it as {place}.{other}."
            )


def _one_container(service: dict[str, t.Any], path: Path, problems: Problems) -> None:
    for place, count in (
        ((*path, "scale"), service.get("scale", 1)),
        ((*path, "deploy", "replicas"), service.get("deploy", {}).get("replicas", 1)),
    ):
        if count != 1:
            problems.error(place, f"a service is one container, but {count} are asked for", "Write a service for each.")


def _references(services: Services, name: str, path: Path, problems: Problems) -> None:
    service = services[name]
    for key in ("network_mode", "ipc", "pid"):
        kind, _colon, target = (service.get(key) or "").partition(":")
        if kind == "service" and target not in services:
            _unknown(target, (*path, key), services, problems)
    implied_by = {*linked(service), *mounted_from(service)}
    for target in service.get("depends_on", {}):
        implied = target in implied_by or any(
            service.get(key) == f"service:{target}" for key in ("network_mode", "ipc", "pid")
        )
        if target not in services and not implied:
            _unknown(target, (*path, "depends_on", target), services, problems)


def _legacy(services: Services, name: str, path: Path, problems: Problems) -> None:
    """`links` and `volumes_from`."""
    service = services[name]
    for index, entry in enumerate(service.get("links", [])):
        target, colon, alias = entry.partition(":")
        place = (*path, "links", index)
        if target not in services:
            _unknown(target, place, services, problems)
        elif colon and not alias:
            problems.error(place, f"{entry!r} has no alias after the colon", "Write service or service:alias.")
        elif service.get("network_mode"):
            problems.error(place, "network_mode and links exclude each other", "Remove links.")
    for index, entry in enumerate(service.get("volumes_from", [])):
        target, _colon, mode = entry.partition(":")
        place = (*path, "volumes_from", index)
        if target == "container":
            problems.error(
                place, "volumes of containers outside the group cannot be used", "Name the volumes below volumes."
            )
        elif target not in services:
            _unknown(target, place, services, problems)
        elif mode not in ("", "ro", "rw"):
            problems.error(place, f"{entry!r} is not service, service:ro or service:rw")


def _cpu_time(service: dict[str, t.Any], path: Path, problems: Problems) -> None:
    """The engines refuse both ways of saying how much CPU time there is."""
    key = next((key for key in ("cpu_quota", "cpu_period") if service.get(key)), "")
    deploy = service.get("deploy", {}).get("resources", {}).get("limits", {}).get("cpus")
    if key and (service.get("cpus") or deploy):
        problems.error((*path, key), f"{key} and cpus exclude each other", "Keep cpus.")


def _unknown(target: str, path: Path, services: Services, problems: Problems) -> None:
    problems.error(path, f"there is no service {target}", did_you_mean(target, services))


def _cycle(services: Services, problems: Problems) -> None:
    """Name one cycle of depends_on, if there is one."""
    done: set[str] = set()
    for start in services:
        cycle = _walk(services, start, done)
        if cycle:
            path = ("services", cycle[0], "depends_on", cycle[1])
            problems.error(path, f"the services depend on each other in a circle: {' → '.join(cycle)}")
            return


def _walk(services: Services, start: str, done: set[str]) -> list[str]:
    # An explicit stack: a chain of services may be longer than Python's recursion limit.
    stack: list[tuple[str, t.Iterator[str]]] = [(start, iter(services[start].get("depends_on", {})))]
    trail = [start]
    while stack:
        name, rest = stack[-1]
        following = next((item for item in rest if item in services and item not in done), None)
        if following is None:
            done.add(name)
            stack.pop()
            trail.pop()
        elif following in trail:
            return [*trail[trail.index(following) :], following]
        else:
            trail.append(following)
            stack.append((following, iter(services[following].get("depends_on", {}))))
    return []


def _names(services: Services, problems: Problems) -> None:
    owners: dict[str, str] = {}
    for name, service in services.items():
        container = service.get("container_name")
        if container and container in owners:
            problems.error(
                ("services", name, "container_name"),
                f"the container name {container} is taken by the service {owners[container]}",
            )
        elif container:
            owners[container] = name


def _ports(services: Services, problems: Problems) -> None:
    taken: dict[tuple[int, str], list[tuple[str, Path]]] = {}
    for name, service in services.items():
        for index, entry in enumerate(service.get("ports", [])):
            path = ("services", name, "ports", index)
            for port in published_ports(entry):
                others = taken.setdefault((port, entry["protocol"]), [])
                address = entry.get("host_ip", "")
                clash = next((place for other, place in others if addresses_meet(address, other)), None)
                if clash is not None:
                    problems.error(path, f"port {port}/{entry['protocol']} is published twice, also by {dotted(clash)}")
                others.append((address, path))
