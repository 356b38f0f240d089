# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The groups of this host that still run on another engine: stopped, and removed or started again."""

from __future__ import annotations

from dataclasses import dataclass, field

from .._engine.base import Engine
from . import labels as names
from .owned import Owned


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

    def _containers(self, group: str) -> list[str]:
        both = (*self.owned.current.items(), *self.owned.previous.items())
        extra = [entry.name for entry in self.owned.extra if entry.labels.get(names.GROUP) == group]
        return [container.name for key, container in both if key[0] == group] + extra

    def stop(self, group: str) -> bool:
        """Stop what runs, the last started first. False: nothing of the group is here."""
        if not self.moves(group):
            return False
        running = [
            container.name
            for key, container in self.owned.current.items()
            if key[0] == group and container.state == "running"
        ]
        self.stopped[group] = running
        for name in running:
            self.engine.stop_container(name, 10.0)
        return True

    def start_again(self, group: str) -> bool:
        """Undo `stop`. False: nothing was stopped."""
        stopped = self.stopped.pop(group, [])
        for name in stopped:
            self.engine.start_container(name)
        return bool(stopped)

    def remove(self, group: str) -> None:
        """Remove the group's containers and its marker. Volumes stay; networks go when nobody uses them any more."""
        if not self.moves(group):
            return
        for name in self._containers(group):
            self.engine.remove_container(name)
        for marker in self.owned.good.get(group, ()):
            self.engine.remove_volume(marker.name)

    def volumes(self) -> list[str]:
        """Names of our volumes that stay behind."""
        return sorted(self.owned.volumes)
