# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The boot files of one inventory host on this machine: compared with what is wanted, written, removed.

Nothing here is done before a group is healthy: a group that failed keeps the files of the one it went back to. While
files and systemd may differ a mark lies beside them, so that the next run ends what one that was killed began.
"""

from __future__ import annotations

import contextlib
import glob
import json
import os
import shutil
import typing as t
from dataclasses import dataclass, field

from .._engine.docker_url import ROOTFUL
from .._errors import EngineError, FleetError, InputError
from .._group.config import Group
from .files import owner, read, remove, write, writing
from .systemd import PREFIX, Systemd
from .units import DROP_IN, Files, Settings, boot_files, escaped, owner_of, unit_name

ACTIVE, ACTIVATING = "active", "activating"


@dataclass(frozen=True)
class Change:
    """One file that is not as it should be."""

    group: str
    path: str
    before: str | None
    after: str | None
    """None: it is removed."""
    script: bool = False
    """Part of the script that all groups share."""

    def as_ansible_diff(self) -> dict[str, str]:
        return {
            "before_header": self.path,
            "after_header": self.path,
            "before": self.before or "",
            "after": self.after or "",
        }


@dataclass
class Boot:
    """One inventory host's boot files. `wanted`: group → its files; a group without an entry has none."""

    systemd: Systemd
    host: str
    folder: str
    wanted: dict[str, Files] = field(default_factory=dict)
    script: dict[str, str] = field(default_factory=dict)
    """path → text of the script's files; empty where no group wants any."""
    refusal: FleetError | None = None
    """Why this host can have no boot files, whatever its systemd is."""
    taken: set[str] = field(default_factory=set)
    """Groups whose start since boot was ended by this run, and that are not up yet."""

    # -- comparing

    def changes(self, groups: t.Iterable[str]) -> list[Change]:
        """What differs for these groups. Reads files only."""
        there = self.there()
        found = []
        for group in groups:
            files = self.wanted.get(group, Files())
            after = {**files.texts, **files.links}
            before = there.get(group, {})
            if group in self.taken:
                before.pop(self._mark_of(group), None)  # this run's own
            for path in sorted({*before, *after}):
                old, new = before.get(path, read(path)), after.get(path)
                if old != new:
                    found.append(Change(group, path, old, new))
            if files.texts:
                found += [
                    Change(group, path, None, text, script=True)
                    for path, text in self.script.items()
                    if read(path) != text
                ]
        return found

    def there(self) -> dict[str, dict[str, str]]:
        """group → path → text (of a link: its target) of what was written for this host."""
        found: dict[str, dict[str, str]] = {}
        places = (
            f"{glob.escape(self.systemd.units)}/{PREFIX}*.service",
            f"{glob.escape(self.systemd.units)}/*.service.d/{DROP_IN}",
            f"{glob.escape(self.folder)}/*.json",
        )
        for path in sorted(path for place in places for path in glob.glob(place)):
            text = read(path)
            whose = owner(path, text or "")
            if text is not None and whose is not None and whose[0] == self.host:
                found.setdefault(whose[1], {})[path] = text
        for group, files in found.items():
            unit = unit_name(self.host, group)
            for path in glob.glob(f"{glob.escape(self.systemd.units)}/*.wants/{glob.escape(unit)}"):
                files[path] = read(path) or ""
        return found

    def groups(self) -> list[str]:
        """Groups of this host that have a unit."""
        paths = glob.glob(f"{glob.escape(self.systemd.units)}/{PREFIX}*.service")
        owners = [owner_of(read(path) or "") for path in paths]
        return sorted(owner[1] for owner in owners if owner is not None and owner[0] == self.host)

    def problems(self, changes: t.Sequence[Change]) -> list[FleetError]:
        """Why these changes cannot be made here. Asks systemd only where there are some to write."""
        if not any(change.after is not None for change in changes):
            return []
        errors = [self.refusal] if self.refusal else self.systemd.problems()
        for change in changes:
            whose = owner(change.path, change.before or "")
            if change.after is not None and whose not in (None, (self.host, change.group)):
                errors.append(
                    InputError(
                        f"{change.path} is the unit of group {whose[1]} of {whose[0]}",  # type: ignore[index]
                        change.group,
                        "Name the host or the group otherwise.",
                    )
                )
        return errors

    def warnings(self) -> list[str]:
        if self.wanted and not self.systemd.lingers:
            return [
                f"{self.host}: its units start when the user logs in, not at boot. Run: loginctl enable-linger "
                "(the role podman does it)."
            ]
        return []

    # -- changing

    def take_over(self, groups: t.Iterable[str]) -> None:
        """End the start of groups that still wait since boot: this run brings them up now. See `give_back`."""
        there = self.there()
        units = {unit_name(self.host, group): group for group in groups if group in there and self.systemd.runs}
        busy = [unit for unit, state in self.systemd.states(list(units)).items() if state == ACTIVATING]
        if not busy:
            return
        self.taken |= {units[unit] for unit in busy}
        self._mark(self.taken)
        self.systemd.ask("stop", *busy)

    def give_back(self) -> None:
        """Have those starts go on whose groups this run did not bring up. Raises EngineError."""
        if self.taken:
            self.systemd.ask("start", "--no-block", *sorted(unit_name(self.host, group) for group in self.taken))
            self._unmark(self.taken)
            self.taken = set()

    def apply(self, groups: t.Collection[str], changes: t.Sequence[Change]) -> None:
        """Make `changes` of these groups, and let systemd know that they are up, or gone. Raises EngineError."""
        mine = [change for change in changes if change.group in groups]
        differ = {change.group for change in mine}
        self._mark(differ)
        marks = {self._mark_of(group) for group in groups}
        with writing(self.systemd.units):
            for change in mine:
                if change.after is not None:
                    write(change.path, change.after, link=self._is_link(change))
            for change in mine:
                if change.after is None and change.path not in marks:
                    remove(change.path)
        if mine:
            if self.systemd.runs:
                self.systemd.reload()
            self._forget_scripts()
        self._forget_units(sorted(unit_name(self.host, group) for group in differ if group not in self.wanted))
        self._mark_up([group for group in groups if group in self.wanted])
        self._unmark(groups)
        self.taken -= set(groups)

    def remove(self, groups: t.Iterable[str]) -> None:
        """Remove all files of groups that are not wanted; their containers are not touched. Raises EngineError."""
        there = self.there()
        mine = [group for group in groups if group in there]
        self.take_over(mine)
        self.apply(mine, [Change(group, path, text, None) for group in mine for path, text in there[group].items()])

    def _forget_units(self, units: t.Sequence[str]) -> None:
        """Without their files: a unit that was up stays in systemd's memory, and what it noted below /run."""
        if not units:
            return
        if self.systemd.runs:
            self.systemd.forget(units)
        with writing(self.systemd.runtime):
            for unit in units:
                for suffix in ("adopt", "json"):
                    remove(f"{self.systemd.runtime}/{unit}.{suffix}")
            with contextlib.suppress(OSError):  # another group's may lie in it
                os.rmdir(self.systemd.runtime)

    def _mark_of(self, group: str) -> str:
        return f"{self.folder}/{escaped(self.host)}-{escaped(group)}.unfinished.json"

    def _mark(self, groups: t.Iterable[str]) -> None:
        """A file that nobody wants is a difference for the next run, until it is done."""
        with writing(self.folder):
            for group in groups:
                write(self._mark_of(group), json.dumps({"host": self.host, "group": group}) + "\n")

    def _unmark(self, groups: t.Iterable[str]) -> None:
        with writing(self.folder):
            for group in groups:
                remove(self._mark_of(group))
            with contextlib.suppress(OSError):  # others' files may lie in it
                os.rmdir(self.folder)

    def _is_link(self, change: Change) -> bool:
        return change.path in self.wanted[change.group].links

    def _mark_up(self, groups: t.Sequence[str]) -> None:
        """Start the units of groups that are up. They find everything running and leave it."""
        states = self.systemd.states([unit_name(self.host, group) for group in groups])
        down = [unit for unit, state in states.items() if state != ACTIVE]
        if not down:
            return
        with writing(self.systemd.runtime):
            for unit in down:
                write(f"{self.systemd.runtime}/{unit}.adopt", "")
        self.systemd.ask("start", "--no-block", *down)

    def _forget_scripts(self) -> None:
        """Scripts that no group's unit names any more, of any host on this machine. The one that groups want now stays: their
        units may be about to be written, as when all groups of a host are renamed at once."""
        wanted = {os.path.dirname(path) for path in self.script} if self.wanted else set()
        units = [read(path) or "" for path in glob.glob(f"{glob.escape(self.systemd.units)}/{PREFIX}*.service")]
        with writing(self.folder):
            for home in (path for path in glob.glob(f"{glob.escape(self.folder)}/*") if os.path.isdir(path)):
                if home not in wanted and not any(home in text for text in units):
                    shutil.rmtree(home)


def boot_of(
    host: str,
    groups: t.Sequence[Group],
    engine: str,
    supervisor: str,
    state_dir: str,
    boot_wait: float,
    systemd: Systemd,
    socket: str = "",
) -> Boot:
    """A host's boot files as they should be. socket: where Docker answers on this machine."""
    folder = f"{state_dir}/boot"
    if supervisor != "systemd":
        return Boot(systemd, host, folder)
    # Here, as most hosts have no units, and what it installs brings an HTTP client along.
    from .install import lasting_python, script_files

    script, texts = script_files(folder)
    settings = Settings(
        host=host,
        engine=engine,
        units=systemd.units,
        folder=folder,
        runtime=systemd.runtime,
        command=(lasting_python(), script),
        user=systemd.user,
        socket=socket,
        boot_wait=boot_wait,
    )
    refusal = None
    if systemd.user and engine == "docker" and os.path.realpath(socket) == os.path.realpath(ROOTFUL):
        refusal = InputError(
            f"Docker at {socket} is the system's, and an ordinary user's systemd cannot be ordered behind it",
            "container_supervisor",
            "Set ansible_become: true, or use a rootless Docker of this user.",
        )
    return Boot(systemd, host, folder, boot_files(settings, groups), texts, refusal)


def start_states(host: str, systemd: Systemd) -> dict[str, str]:
    """Group → state of the unit that starts it at boot: active, activating (it waits), failed … One question to systemd,
    none where there are no units. A systemd that does not answer knows nothing."""
    groups = Boot(systemd, host, "").groups()
    try:
        states = systemd.states([unit_name(host, group) for group in groups])
    except EngineError:
        states = {}
    return {group: states.get(unit_name(host, group), "unknown") for group in groups}
