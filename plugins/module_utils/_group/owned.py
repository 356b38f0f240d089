# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which of an engine's objects are ours: the observed state of one inventory host."""

from __future__ import annotations

import json
import typing as t
from dataclasses import dataclass, field

from .._engine.base import Observed, ObservedContainer, ObservedNetwork, ObservedVolume
from . import labels as names
from .config import ContainerConfig, GpuPromise, NetworkConfig, from_dict, to_dict
from .order import Key

PREVIOUS = ".previous"
"""Suffix of a container that is kept, stopped, until the one in its place is healthy."""

IMAGE_IDENTITY = "image_identity"
"""In a deployed spec beside the configuration: what makes the image the same on any engine."""

_PIECE = 64 * 1024
"""Characters of a configuration that go into one label."""

MARKER = "fleet-revision"
"""Key of the empty volume that says which revision of a group was good last.

It lives in the engine, so any controller can go on where another stopped.
"""


@dataclass(frozen=True)
class Owned:
    """Our objects on one engine, for one inventory host."""

    current: dict[Key, ObservedContainer] = field(default_factory=dict)
    previous: dict[Key, ObservedContainer] = field(default_factory=dict)
    extra: tuple[ObservedContainer, ...] = ()
    """Ours, but a second one for the same service: left by somebody's hand, removed by us."""
    networks: dict[str, ObservedNetwork] = field(default_factory=dict)
    volumes: dict[str, ObservedVolume] = field(default_factory=dict)
    good: dict[str, tuple[ObservedVolume, ...]] = field(default_factory=dict)
    """group → its revision markers; a group without one has never been healthy as a whole.

    Two at once mean that a run was killed between «the new revision is good» and forgetting the old one.
    """

    whole: dict[str, frozenset[str]] = field(default_factory=dict)
    """group → its services, where all of one revision are up: as good as marked when the marker is gone.

    ``docker volume prune`` takes empty volumes that no container mounts, and markers are such.
    """

    def was_good(self, group: str) -> bool:
        """Whether there is something to go back to."""
        return group in self.good or group in self.whole

    def is_good(self, group: str, revision_hash: str) -> bool:
        """Whether just this revision of a group was healthy."""
        return any(marker.labels.get(names.CONFIG) == revision_hash for marker in self.good.get(group, ()))

    def good_services(self, group: str) -> set[str]:
        """Services of the last good revision; empty when there was none."""
        if group not in self.good:
            return set(self.whole.get(group, ()))
        found: set[str] = set()
        for marker in self.good.get(group, ()):
            found |= {entry for entry in marker.labels.get(names.SERVICES, "").split(",") if entry}
        return found

    @property
    def groups(self) -> set[str]:
        keys = {group for group, _service in [*self.current, *self.previous]}
        return keys | set(self.good)


def owned_by(host: str, observed: Observed) -> Owned:
    """What carries our schema and this host's name."""
    current: dict[Key, ObservedContainer] = {}
    previous: dict[Key, ObservedContainer] = {}
    extra: list[ObservedContainer] = []
    for container in observed.containers:
        if not is_ours(container.labels, host):
            continue
        key = (container.labels.get(names.GROUP, ""), container.labels.get(names.SERVICE, ""))
        place = previous if container.name.endswith(PREVIOUS) else current
        if key in place:
            extra.append(container)
        else:
            place[key] = container
    volumes = {volume.name: volume for volume in observed.volumes if is_ours(volume.labels, host)}
    good: dict[str, tuple[ObservedVolume, ...]] = {}
    for volume in volumes.values():
        if is_marker(volume):
            group = volume.labels.get(names.GROUP, "")
            good[group] = (*good.get(group, ()), volume)
    return Owned(
        current=current,
        previous=previous,
        extra=tuple(extra),
        networks={network.name: network for network in observed.networks if is_ours(network.labels, host)},
        volumes={name: volume for name, volume in volumes.items() if not is_marker(volume)},
        good=good,
        whole=_whole(current),
    )


def _whole(current: dict[Key, ObservedContainer]) -> dict[str, frozenset[str]]:
    groups: dict[str, dict[str, ObservedContainer]] = {}
    for (group, service), container in current.items():
        groups.setdefault(group, {})[service] = container
    return {
        group: frozenset(members)
        for group, members in groups.items()
        if all(map(_is_up, members.values()))
        and any(container.labels.get(names.SERVICES) == ",".join(sorted(members)) for container in members.values())
    }


def _is_up(container: ObservedContainer) -> bool:
    if container.state == "exited":
        return container.exit_code == 0
    return container.state == "running" and container.health in ("healthy", "none")


def is_ours(labels: dict[str, str], host: str) -> bool:
    return labels.get(names.SCHEMA) == names.SCHEMA_VERSION and labels.get(names.HOST) == host


def is_marker(volume: ObservedVolume) -> bool:
    return volume.labels.get(names.COMPOSE_VOLUME) == MARKER


def owner(labels: dict[str, str]) -> str:
    """Whose an object is, in words for an error."""
    if names.HOST in labels:
        return f"inventory host {labels[names.HOST]!r}, group {labels.get(names.GROUP, '?')!r}"
    if names.COMPOSE_PROJECT in labels:
        return f"the Compose project {labels[names.COMPOSE_PROJECT]!r}"
    return "somebody else"


def spec_labels(spec: dict[str, t.Any]) -> dict[str, str]:
    """A configuration as labels: one, and further ones where it is long.

    Linux takes no word of a command line beyond 128 KiB (execve(2), MAX_ARG_STRLEN), and Podman gets labels as words.
    """
    text = json.dumps(spec, sort_keys=True, separators=(",", ":"))
    pieces = [text[start : start + _PIECE] for start in range(0, len(text), _PIECE)]
    return {f"{names.SPEC}.{number}" if number else names.SPEC: piece for number, piece in enumerate(pieces)}


def _spec_text(labels: dict[str, str]) -> str:
    pieces = [labels.get(names.SPEC, "")]
    while f"{names.SPEC}.{len(pieces)}" in labels:
        pieces.append(labels[f"{names.SPEC}.{len(pieces)}"])
    return "".join(pieces)


def deployed_spec(container: ObservedContainer) -> dict[str, t.Any] | None:
    """The configuration this container was made from, None when its label is gone or unreadable."""
    try:
        spec = json.loads(_spec_text(container.labels))
    except ValueError:
        return None
    return spec if isinstance(spec, dict) else None


def deployed_config(container: ObservedContainer) -> ContainerConfig | None:
    """The same as a value, None when the label cannot be read (by this version)."""
    spec = deployed_spec(container)
    if spec is None:
        return None
    try:
        return from_dict(ContainerConfig, {key: entry for key, entry in spec.items() if key != IMAGE_IDENTITY})
    except (TypeError, AttributeError):
        return None


def promise_label(promise: GpuPromise) -> str:
    """A promise as the text of a label. It is no part of the configuration, so a new promise makes nothing anew."""
    return json.dumps(to_dict(promise), sort_keys=True, separators=(",", ":"))


def deployed_promise(container: ObservedContainer) -> GpuPromise | None:
    """What a container was promised of a GPU when it was made; None where no label says it (readably)."""
    try:
        data = json.loads(container.labels.get(names.PROMISE, ""))
        return from_dict(GpuPromise, data) if isinstance(data, dict) else None
    except (ValueError, TypeError):
        return None


def stop_grace(container: ObservedContainer) -> float:
    """Seconds this container has to stop: as it was deployed, the default where that cannot be read."""
    config = deployed_config(container)
    return config.stop_grace_period if config else ContainerConfig.stop_grace_period


def with_sharers(names: t.Collection[str], among: t.Sequence[ObservedContainer]) -> list[ObservedContainer]:
    """The containers of these names, and whoever lives in a namespace of one of them and cannot outlive it."""
    found = set(names)
    while True:
        more = {entry.name for entry in among if found & _lives_in(entry)} - found
        if not more:
            return [entry for entry in among if entry.name in found]
        found |= more


def _lives_in(container: ObservedContainer) -> set[str]:
    """Names of the containers whose namespaces it shares."""
    config = deployed_config(container)
    modes = (config.network_mode, config.ipc, config.pid) if config else ()
    return {mode.partition(":")[2] for mode in modes if mode.startswith("container:")}


def dependents_first(containers: t.Iterable[ObservedContainer]) -> t.Iterator[list[ObservedContainer]]:
    """Containers in levels in which they can be removed: what depends on others goes before them.

    Podman refuses to remove a container whose network, IPC or PID namespace another one uses.
    """
    left = list(containers)
    while left:
        needed = {name for entry in left for name in _depends_on(entry, left)}
        level = [entry for entry in left if entry.name not in needed] or list(left)
        yield level
        left = [entry for entry in left if entry not in level]


def _depends_on(container: ObservedContainer, among: t.Iterable[ObservedContainer]) -> list[str]:
    """Names of the containers it depends on, from Compose's own label."""
    services = {
        entry.partition(":")[0] for entry in container.labels.get(names.COMPOSE_DEPENDS_ON, "").split(",") if entry
    }
    group = container.labels.get(names.GROUP)
    return [
        other.name
        for other in among
        if other.labels.get(names.GROUP) == group and other.labels.get(names.SERVICE) in services
    ]


def deployed_network(network: ObservedNetwork) -> NetworkConfig | None:
    """The definition this network was made from, None when its label cannot be read."""
    try:
        return from_dict(NetworkConfig, json.loads(network.labels.get(names.SPEC, "")))
    except (TypeError, ValueError, AttributeError):
        return None
