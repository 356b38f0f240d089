# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The groups of this host that still run on another engine: stopped, and removed or started again."""

from __future__ import annotations

from dataclasses import dataclass, field

from .._engine.base import Engine, ObservedContainer
from . import labels as names
from .owned import Owned, dependents_first, stop_grace


@dataclass
class Elsewhere:
    """Our objects on an engine that the inventory no longer names for this host."""

    engine: Engine
    owned: Owned
    stopped: dict[str, list[str]] = field(default_factory=dict)
    """group → names of containers that this run stopped."""

    def moves(self, group: str) -> bool:
        """Whether anything of a group is here."""
        return group in self.owned.groups

    def _containers(self, group: str) -> list[ObservedContainer]:
        """The group's containers, in the order in which they can be removed."""
        everything = (*self.owned.current.values(), *self.owned.previous.values(), *self.owned.extra)
        mine = [container for container in everything if container.labels.get(names.GROUP) == group]
        return [container for level in dependents_first(mine) for container in level]

    def stop(self, group: str) -> bool:
        """Stop what runs, the last started first. False: nothing of the group is here."""
        if not self.moves(group):
            return False
        running = [container for container in self._containers(group) if container.state == "running"]
        self.stopped[group] = [container.name for container in running]
        for container in running:
            self.engine.stop_container(container.name, stop_grace(container))
        return True

    def start_again(self, group: str) -> bool:
        """Undo `stop`, in the opposite order. False: nothing was stopped."""
        stopped = self.stopped.pop(group, [])
        for name in reversed(stopped):
            self.engine.start_container(name)
        return bool(stopped)

    def remove(self, group: str) -> None:
        """Remove the group's containers and its marker. Volumes stay; networks go when nobody uses them any more."""
        if not self.moves(group):
            return
        for container in self._containers(group):
            self.engine.remove_container(container.name)
        for marker in self.owned.good.get(group, ()):
            self.engine.remove_volume(marker.name)

    def volumes(self) -> list[str]:
        """Names of our volumes that stay behind."""
        return sorted(self.owned.volumes)
