# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Errors and warnings of one file, collected with their line, column and key path."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ...module_utils._errors import FleetError, InputError, raise_all
from .spec import Mark, Path, locate

MOST = 30
"""More errors than this in one file help nobody."""


class Problems:
    def __init__(self, file: str, marks: Mapping[Path, Mark]) -> None:
        self.file = file
        self.marks: dict[Path, Mark] = dict(marks)
        self.errors: list[FleetError] = []
        self.warnings: list[str] = []

    def of_file(self, file: str, marks: Mapping[Path, Mark]) -> Problems:
        """For another file that this one reads; what is found there is collected here."""
        other = Problems(file, marks)
        other.errors, other.warnings = self.errors, self.warnings
        return other

    def error(self, path: Path, message: str, mend: str = "") -> None:
        if len(self.errors) < MOST:
            self.errors.append(InputError(message, path=locate(self.file, self.marks, path), mend=mend))

    def warn(self, path: Path, message: str) -> None:
        text = f"{locate(self.file, self.marks, path)}: {message}"
        if text not in self.warnings:
            self.warnings.append(text)

    def moved(self, path: Path, origins: Sequence[int]) -> None:
        """The list at `path` has new entries; `origins` says for each from which old one it was made."""
        places = [self.marks.get((*path, origin)) for origin in origins]
        self.marks.update({(*path, index): place for index, place in enumerate(places) if place})

    def named(self, path: Path, names: Sequence[str]) -> None:
        """The list at `path` becomes a mapping with these keys: each stands where its entry stood."""
        places = [self.marks.get((*path, index)) for index in range(len(names))]
        self.marks.update({(*path, name): place for name, place in zip(names, places, strict=True) if place})

    def stop_if_any(self) -> None:
        """Raise what was collected; nothing when all is well."""
        raise_all(self.errors)
