# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What has to be done: the desired state compared with the observed one, as data.

`decide` is the one place that says «up to date, start, recreate». Nothing here
touches an engine: check mode is these actions not executed, diff is these printed.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from .._engine.base import UNIT_EDITED, UNIT_GONE, Observed, ObservedContainer
from . import labels as names
from .config import Group, NetworkConfig, VolumeConfig, digest, to_dict
from .diff import Change, compare
from .order import Key, start_order
from .owned import Owned, deployed_spec, owner
from .resolve import Wanted, marker

KEEP = "keep"
CHECK = "check"
"""Runs as it should, but nobody knows whether it is healthy: asked, not changed."""
CREATE = "create"
START = "start"
RESTART = "restart"
RECREATE = "recreate"
REMOVE = "remove"

NEVER_STARTED = ("created", "configured", "initialized")
"""States of a container whose run was killed before it started. A start that was cut off may have left helpers of
the engine behind that hold its ports (seen with Podman 4.3 and conmon), so it is made anew. Nothing is lost."""

_LEFT = "not in the plan any more (left the group file, or its profile is not active)"

CHANGING = (CREATE, START, RESTART, RECREATE, REMOVE)


@dataclass(frozen=True)
class Action:
    """What happens to one container."""

    kind: str
    group: str
    service: str
    name: str
    reason: str = ""
    changes: tuple[Change, ...] = ()

    @property
    def key(self) -> Key:
        return (self.group, self.service)

    def __str__(self) -> str:
        return f"{self.kind} {self.group}/{self.service}" + (f": {self.reason}" if self.reason else "")


@dataclass(frozen=True)
class GroupActions:
    """What happens to one group."""

    group: Group
    services: dict[Key, Action] = field(default_factory=dict)
    """In start order; services that stay as they are included."""
    removals: tuple[Action, ...] = ()
    """Containers of services that left the definition."""
    networks: tuple[NetworkConfig, ...] = ()
    """To be made."""
    changed_networks: tuple[NetworkConfig, ...] = ()
    """There, but with another definition: made anew, with everything that is attached."""
    volumes: tuple[VolumeConfig, ...] = ()
    """To be made."""
    marker_due: bool = False
    """Not exactly this revision is marked as good, or a killed run left something."""
    warnings: tuple[str, ...] = ()

    @property
    def changing(self) -> list[Action]:
        return [action for action in (*self.services.values(), *self.removals) if action.kind in CHANGING]

    @property
    def changed(self) -> bool:
        return bool(self.changing or self.networks or self.changed_networks or self.volumes)


def plan_groups(
    groups: t.Sequence[Group],
    wanted: dict[Key, Wanted],
    owned: Owned,
    observed: Observed,
    lost: t.Collection[Key] = (),
) -> list[GroupActions]:
    """The actions for each group, in the order given.

    lost: services whose staged content or secrets are not on the host (any more).
    """
    order = start_order(groups)
    return [_plan_group(group, order, wanted, owned, observed, lost) for group in groups]


def _plan_group(
    group: Group,
    order: list[Key],
    wanted: dict[Key, Wanted],
    owned: Owned,
    observed: Observed,
    lost: t.Collection[Key],
) -> GroupActions:
    missing, changed = _networks(group, owned, observed)
    renewed = {network.name for network in (*missing, *changed)}
    good_services = owned.good_services(group.name)
    services: dict[Key, Action] = {}
    for key in order:
        if key[0] == group.name:
            action = decide(wanted[key], owned.current.get(key), key[1] in good_services, renewed, key in lost)
            services[key] = _with_dependencies(action, wanted[key], services)
    removals = tuple(
        Action(REMOVE, *key, name=container.name, reason=_LEFT)
        for key, container in sorted(owned.current.items())
        if key[0] == group.name and key not in wanted
    ) + tuple(
        Action(
            REMOVE,
            group.name,
            container.labels.get(names.SERVICE, ""),
            name=container.name,
            reason="a second container of this service",
        )
        for container in owned.extra
        if container.labels.get(names.GROUP) == group.name
    )
    volumes, warnings = _volumes(group, owned, observed)
    return GroupActions(
        group,
        services,
        removals,
        missing,
        changed,
        volumes,
        _marker_due(group, wanted, owned),
        warnings,
    )


def _marker_due(group: Group, wanted: dict[Key, Wanted], owned: Owned) -> bool:
    """Not exactly this revision is marked as good, or something of a killed run stands about."""
    _volume, labels = marker("", group, wanted)
    left = any(key[0] == group.name for key in owned.previous)
    return left or len(owned.good.get(group.name, ())) != 1 or not owned.is_good(group.name, labels[names.CONFIG])


def decide(
    wanted: Wanted,
    current: ObservedContainer | None,
    deployed_before: bool,
    renewed_networks: t.Collection[str] = (),
    lost: bool = False,
) -> Action:
    """Up to date, start, restart or make anew, for one container, with the reason."""
    group, service = wanted.key

    def action(kind: str, reason: str = "", changes: t.Sequence[Change] = ()) -> Action:
        return Action(kind, group, service, wanted.config.name, reason, tuple(changes))

    if current is None:
        return action(CREATE, "it is missing" if deployed_before else "new")
    if current.labels.get(names.CONFIG) != wanted.hash:
        before = deployed_spec(current)
        if before is None:
            return action(RECREATE, f"it was made by {owner(current.labels)}")
        changes = compare(before, wanted.spec)
        return action(RECREATE, "; ".join(map(str, changes)), changes)
    if current.name != wanted.config.name:
        return action(RECREATE, f"it was renamed to {current.name}")
    attached = {attachment.network for attachment in wanted.config.networks}
    if attached & set(renewed_networks):
        return action(RECREATE, "its network is made anew: " + ", ".join(sorted(attached & set(renewed_networks))))
    if current.state in NEVER_STARTED:
        return action(RECREATE, "it was never started")
    if current.state == UNIT_GONE:
        return action(RECREATE, "its unit's file is gone")
    if current.state == UNIT_EDITED:
        return action(RECREATE, "its unit's file was edited")
    if wanted.service.one_shot and current.state == "exited" and current.exit_code == 0:
        return action(KEEP)
    if attached - {"bridge", "podman"} and not attached <= set(current.networks):
        return action(RECREATE, "detached from " + ", ".join(sorted(attached - set(current.networks))))
    if current.state != "running":
        return action(RESTART if current.state == "paused" else START, f"it is {_state(current)}")
    if lost:
        return action(RESTART, "files it mounts are gone from the host")
    if current.health == "unhealthy":
        return action(RESTART, "it is unhealthy")
    if current.health == "starting" or wanted.service.one_shot:
        return action(CHECK)
    return action(KEEP)


def _state(container: ObservedContainer) -> str:
    if container.state == "exited" and container.exit_code is not None:
        return f"stopped (exit status {container.exit_code})"
    return container.state


def _with_dependencies(action: Action, wanted: Wanted, before: dict[Key, Action]) -> Action:
    """A service that shares another's namespaces, or says `restart: true`, follows it."""
    for dependency in wanted.service.depends_on:
        other = before.get((wanted.group, dependency.service))
        if other is None or action.kind not in (KEEP, CHECK):
            continue
        shares = f"container:{other.name}" in (wanted.config.network_mode, wanted.config.ipc, wanted.config.pid)
        if shares and other.kind in (RECREATE, CREATE):
            return Action(RECREATE, *action.key, name=action.name, reason=f"it shares a namespace of {other.service}")
        if (dependency.restart or shares) and other.kind in (RECREATE, RESTART, CREATE, START):
            return Action(RESTART, *action.key, name=action.name, reason=f"{other.service}: {other.kind}")
    return action


def _networks(
    group: Group, owned: Owned, observed: Observed
) -> tuple[tuple[NetworkConfig, ...], tuple[NetworkConfig, ...]]:
    there = {network.name for network in observed.networks}
    missing, changed = [], []
    for network in group.networks:
        if network.external:
            continue
        if network.name not in there:
            missing.append(network)
        elif network.name in owned.networks:
            # A link network stands in several groups' lists; only its owner may change it.
            own = network.group in ("", group.name)
            if own and owned.networks[network.name].labels.get(names.CONFIG) != digest(network):
                changed.append(network)
    return tuple(missing), tuple(changed)


def _volumes(group: Group, owned: Owned, observed: Observed) -> tuple[tuple[VolumeConfig, ...], tuple[str, ...]]:
    there = {volume.name for volume in observed.volumes}
    missing, warnings = [], []
    for volume in group.volumes:
        if volume.external:
            continue
        mine = owned.volumes.get(volume.name)
        if volume.name not in there:
            missing.append(volume)
        elif mine is not None and mine.labels.get(names.CONFIG) != digest(volume):
            warnings.append(
                f"{group.name}: volume {volume.name} was made with another definition; it is kept with its data. "
                f"Remove it by hand if its content is not needed."
            )
    return tuple(missing), tuple(warnings)


def action_as_data(action: Action) -> dict[str, t.Any]:
    """The form in which a module returns an action."""
    return {
        "action": action.kind,
        "group": action.group,
        "service": action.service,
        "container": action.name,
        "reason": action.reason,
        "changes": [
            {"path": change.path, "before": to_dict(change.before), "after": to_dict(change.after)}
            for change in action.changes
        ],
    }
