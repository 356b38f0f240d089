# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of our Quadlet units: read, written whole, put aside.

``NAME.container`` makes the service ``NAME.service``. One that stands by is ``NAME.container.previous``, which Quadlet
does not read; its container's name is then NAME with `owned.PREVIOUS`, as with an engine's.
"""

from __future__ import annotations

import os
import tempfile
import typing as t
from dataclasses import dataclass

from .._errors import EngineError, make_room
from .._group import labels as names
from .._group.owned import PREVIOUS
from .quadlet_unit import read_labels

_SUFFIX = ".container"
SYSTEM_FOLDER = "/etc/containers/systemd"
USER_FOLDER = "containers/systemd"
"""Below XDG_CONFIG_HOME or ~/.config (podman-systemd.unit(5))."""


@dataclass(frozen=True)
class UnitFile:
    name: str
    """Of the container, with `PREVIOUS` for one that stands by."""
    path: str
    text: str

    @property
    def aside(self) -> bool:
        return self.name.endswith(PREVIOUS)

    @property
    def service(self) -> str:
        return f"{self.name}.service"

    @property
    def labels(self) -> dict[str, str]:
        return read_labels(self.text)


@dataclass(frozen=True)
class UnitFolder:
    """Where Quadlet looks for units of one user."""

    folder: str
    rootless: bool

    @classmethod
    def of_this_user(cls, environment: t.Mapping[str, str] | None = None) -> UnitFolder:
        """environment: instead of this process's own."""
        if os.geteuid() == 0:
            return cls(SYSTEM_FOLDER, False)
        values = os.environ if environment is None else environment
        settings = values.get("XDG_CONFIG_HOME") or os.path.join(
            values.get("HOME") or os.path.expanduser("~"), ".config"
        )
        return cls(os.path.join(settings, USER_FOLDER), True)

    def path(self, name: str) -> str:
        file = name[: -len(PREVIOUS)] + _SUFFIX + PREVIOUS if name.endswith(PREVIOUS) else name + _SUFFIX
        return os.path.join(self.folder, file)

    def read(self, name: str) -> UnitFile | None:
        """The unit of a container, None when it has none of ours."""
        path = self.path(name)
        try:
            with open(path, encoding="utf-8", errors="replace", newline="") as file:
                unit = UnitFile(name, path, file.read())
        except FileNotFoundError:
            return None
        except OSError as error:
            raise EngineError(f"{path} cannot be read: {error.strerror}", path=f"container {name}") from error
        return unit if names.SCHEMA in unit.labels else None

    def read_all(self) -> dict[str, UnitFile]:
        """Our units by the names of their containers."""
        try:
            there = sorted(os.listdir(self.folder))
        except (FileNotFoundError, NotADirectoryError):
            return {}
        except OSError as error:
            raise EngineError(f"{self.folder} cannot be read: {error.strerror}", path="systemd") from error
        found = {}
        for file in there:
            if file.endswith(_SUFFIX):
                name = file[: -len(_SUFFIX)]
            elif file.endswith(_SUFFIX + PREVIOUS):
                name = file[: -len(_SUFFIX + PREVIOUS)] + PREVIOUS
            else:
                continue
            unit = self.read(name)
            if unit is not None:
                found[name] = unit
        return found

    def refusal(self, name: str) -> EngineError | None:
        """Somebody else's unit of that name is not overwritten."""
        path = self.path(name)
        if not os.path.exists(path) or self.read(name) is not None:
            return None
        return EngineError(f"{path} is somebody else's unit", path=f"container {name}", mend="Remove or rename it.")

    def write(self, unit: UnitFile) -> None:
        """Whole or not at all."""
        refusal = self.refusal(unit.name)
        if refusal is not None:
            raise refusal
        try:
            os.makedirs(self.folder, mode=0o755, exist_ok=True)
            descriptor, temporary = tempfile.mkstemp(dir=self.folder, prefix=".new-")
            try:
                with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
                    file.write(unit.text)
                    file.flush()
                    os.fchmod(file.fileno(), 0o644)
                    # After a power cut an empty file would stand in its place.
                    os.fsync(file.fileno())
                os.replace(temporary, unit.path)
            except BaseException:
                os.unlink(temporary)
                raise
        except OSError as error:
            raise EngineError(
                f"the unit cannot be written: {error.strerror}", path=unit.path, mend=f"{make_room(error)}."
            ) from error

    def rename(self, unit: UnitFile, new_name: str) -> None:
        if unit.name + PREVIOUS != new_name and new_name + PREVIOUS != unit.name:
            raise EngineError(f"a unit cannot be renamed to {new_name}", path=f"container {unit.name}")
        self._change(lambda: os.rename(unit.path, self.path(new_name)), unit)

    def remove(self, unit: UnitFile) -> None:
        """Not there is fine."""
        self._change(lambda: os.unlink(unit.path), unit)

    def _change(self, change: t.Callable[[], None], unit: UnitFile) -> None:
        try:
            change()
        except FileNotFoundError:
            pass
        except OSError as error:
            raise EngineError(f"{unit.path}: {error.strerror}", path=f"container {unit.name}") from error
