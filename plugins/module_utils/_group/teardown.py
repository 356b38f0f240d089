# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Take groups of one host away: containers, networks, secrets; named volumes only when that was asked for."""

from __future__ import annotations

import typing as t
from concurrent.futures import ThreadPoolExecutor

from .._engine.base import Engine, ObservedContainer
from . import labels as names
from . import stage
from .owned import Owned, dependents_first, deployed_config, owned_by, stop_grace

if t.TYPE_CHECKING:
    from .._boot.apply import Boot

Emit = t.Callable[..., None]


def tear_down(
    host: str,
    engines: t.Sequence[Engine],
    only: frozenset[str] | None,
    remove_volumes: bool,
    state_dir: str,
    check: bool,
    emit: Emit,
    boot: Boot | None = None,
) -> dict[str, t.Any]:
    """Remove this host's groups from every engine given; `only` limits it to the groups it names.

    boot: the files that start its groups at boot; None where the engines run on another machine.
    Returns changed, removed {containers, networks, volumes, and boot files where there were some} by name,
    kept {volumes} as engine → names, and warnings.
    """
    removed: dict[str, list[str]] = {"containers": [], "networks": [], "volumes": []}
    kept: dict[str, list[str]] = {}
    known: set[str] = set()
    if boot is not None:
        # First, so that nothing starts again what is being removed.
        there = {group: files for group, files in boot.there().items() if only is None or group in only}
        known |= set(there)
        if there:
            removed["boot files"] = sorted(path for files in there.values() for path in files)
        if not check:
            boot.remove(there)
    for engine in engines:
        observed = engine.observe()
        owned = owned_by(host, observed)
        known |= _groups(owned)
        containers = [
            entry
            for entry in (*owned.current.values(), *owned.previous.values(), *owned.extra)
            if only is None or entry.labels.get(names.GROUP) in only
        ]
        going = {entry.name for entry in containers}
        in_use = {network for entry in observed.containers if entry.name not in going for network in entry.networks}
        networks = [
            name
            for name, network in owned.networks.items()
            if name not in in_use and (only is None or network.labels.get(names.GROUP) in only)
        ]
        markers = [
            volume.name for group, volumes in owned.good.items() if only is None or group in only for volume in volumes
        ]
        volumes = [
            name for name, volume in owned.volumes.items() if only is None or volume.labels.get(names.GROUP) in only
        ]
        removed["containers"] += sorted(going)
        removed["networks"] += sorted(networks)
        removed["volumes"] += sorted(volumes) if remove_volumes else []
        if volumes and not remove_volumes:
            kept[engine.name] = sorted(volumes)
        if not check:
            _remove_containers(engine, containers, emit)
            for name in networks:
                engine.remove_network(name)
            for name in (*markers, *(volumes if remove_volumes else ())):
                engine.remove_volume(name)
    if not check and only is None:
        stage.remove_host(state_dir, host)
    return {
        "changed": any(removed.values()),
        "removed": removed,
        "kept": {"volumes": kept},
        "warnings": _unknown(host, only or frozenset(), known),
    }


def _groups(owned: Owned) -> set[str]:
    """Names of the groups that anything here belongs to, be it a volume that was kept."""
    things = (*owned.networks.values(), *owned.volumes.values(), *owned.extra)
    return owned.groups | {thing.labels.get(names.GROUP, "") for thing in things}


def _unknown(host: str, only: frozenset[str], known: set[str]) -> list[str]:
    there = f"its groups are {', '.join(sorted(known))}" if known else "nothing of it is left there"
    return [f"{host} has no group {name}; {there}" for name in sorted(only - known)]


def _remove_containers(engine: Engine, containers: t.Sequence[ObservedContainer], emit: Emit) -> None:
    """Dependents before what they depend on; within one level at the same time."""
    with ThreadPoolExecutor(max_workers=8) as pool:
        for level in dependents_first(containers):
            for entry, _done in zip(level, pool.map(lambda each: _remove(engine, each), level)):
                emit("removed", entry.labels.get(names.GROUP, ""), entry.labels.get(names.SERVICE, ""))


def _remove(engine: Engine, container: ObservedContainer) -> None:
    if container.state == "running":
        engine.stop_container(container.name, stop_grace(container))
    engine.remove_container(container.name)


def summary(owned: Owned) -> list[dict[str, t.Any]]:
    """Our containers as `container_groups_info` returns them, one entry each."""
    return [
        {
            "group": group,
            "service": service,
            "container": entry.name,
            "id": entry.id,
            "state": entry.state,
            "health": entry.health,
            "exit_code": entry.exit_code,
            "image": entry.image,
            "revision": entry.labels.get(names.REVISION, ""),
            "networks": list(entry.networks),
            "ports": [
                {"address": address, "host": port, "protocol": protocol} for address, port, protocol in entry.ports
            ],
            "gpu": _gpu(entry),
        }
        for (group, service), entry in sorted(owned.current.items())
    ]


def _gpu(container: ObservedContainer) -> dict[str, t.Any] | None:
    config = deployed_config(container)
    if config is None or config.gpu is None:
        return None
    return {"stack": config.gpu.stack, "mode": config.gpu.mode}
