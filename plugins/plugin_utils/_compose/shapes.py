# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How values of a group file are put together: lists, mappings, alternatives, NAME=value pairs.

A shape is a kind, too: it checks what it holds and gives it back in canonical form.
"""

from __future__ import annotations

import math
import re
import typing as t
from collections.abc import Mapping
from dataclasses import dataclass, field

from .._nearest import did_you_mean, nearest
from . import units
from .kinds import Kind, Unsupported, name_of, wrong
from .problems import Problems
from .scalars import Timestamp
from .spec import Path


@dataclass(frozen=True)
class ListOf:
    item: Kind
    words: str = "a list"

    def accepts(self, value: t.Any) -> bool:
        return isinstance(value, list)

    def check(self, value: t.Any, path: Path, problems: Problems) -> list[t.Any]:
        if not isinstance(value, list):
            wrong(self, value, path, problems)
            return []
        return [self.item.check(item, (*path, index), problems) for index, item in enumerate(value)]


@dataclass(frozen=True)
class MapOf:
    value: Kind
    words: str = "a mapping"
    key: str = ""
    """Pattern of the keys; empty: any."""

    def accepts(self, value: t.Any) -> bool:
        return isinstance(value, dict)

    def check(self, value: t.Any, path: Path, problems: Problems) -> dict[str, t.Any]:
        if not isinstance(value, dict):
            wrong(self, value, path, problems)
            return {}
        result = {}
        for key, item in value.items():
            if self.key and not re.fullmatch(self.key, key):
                problems.error((*path, key), f"{key!r} is not a name; letters, digits, '.', '_' and '-' are allowed")
                continue
            result[key] = self.value.check(item, (*path, key), problems)
        return result


@dataclass(frozen=True)
class Object:
    """A mapping with known keys. Keys that start with ``x-`` are ignored and left out."""

    keys: Mapping[str, Kind]
    required: tuple[str, ...] = ()
    words: str = "a mapping"
    extensions: Mapping[str, Kind] = field(default_factory=dict)
    """Our own x- keys: kept."""
    nullable: bool = False
    """Empty means {}."""

    def accepts(self, value: t.Any) -> bool:
        return isinstance(value, dict) or (self.nullable and value is None)

    def check(self, value: t.Any, path: Path, problems: Problems) -> dict[str, t.Any]:
        if value is None and self.nullable:
            return {}
        if not isinstance(value, dict):
            wrong(self, value, path, problems)
            return {}
        result = {}
        for key, item in value.items():
            kind = self.keys.get(key) or self.extensions.get(key)
            if kind is not None:
                result[key] = kind.check(item, (*path, key), problems)
            elif key.startswith("x-"):
                self.hint(key, path, problems)
            else:
                problems.error((*path, key), f"the key {key} is not known here", did_you_mean(key, self.supported()))
        for key in self.required:
            if key not in value:
                problems.error(path, f"the key {key} is missing")
        return result

    def supported(self) -> list[str]:
        known = [key for key, kind in self.keys.items() if not isinstance(kind, Unsupported)]
        return [*known, *self.extensions]

    def hint(self, key: str, path: Path, problems: Problems) -> None:
        # The common x- would make everything look alike.
        meant = nearest(key[2:], [known[2:] for known in self.extensions], likeness=0.75)
        if meant:
            problems.warn((*path, key), f"{key} is ignored; was x-{meant} meant?")


@dataclass(frozen=True)
class OneOf:
    kinds: tuple[Kind, ...]

    @property
    def words(self) -> str:
        names = list(dict.fromkeys(kind.words for kind in self.kinds))
        return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"

    def accepts(self, value: t.Any) -> bool:
        return any(kind.accepts(value) for kind in self.kinds)

    def check(self, value: t.Any, path: Path, problems: Problems) -> t.Any:
        for kind in self.kinds:
            if kind.accepts(value):
                return kind.check(value, path, problems)
        wrong(self, value, path, problems)
        return ""


@dataclass(frozen=True)
class Pairs:
    """``{NAME: value}`` or ``[NAME=value]``; the canonical form is a mapping of text.

    A name alone has the value `bare`: None (take it from the environment) or an empty text.
    """

    bare: str | None = ""
    words: str = "a mapping or a list of NAME=value"

    def accepts(self, value: t.Any) -> bool:
        return isinstance(value, (dict, list))

    def check(self, value: t.Any, path: Path, problems: Problems) -> dict[str, str | None]:
        if isinstance(value, dict):
            return {key: self.text(item, (*path, key), problems) for key, item in value.items()}
        if not isinstance(value, list):
            wrong(self, value, path, problems)
            return {}
        result: dict[str, str | None] = {}
        for index, item in enumerate(value):
            if not isinstance(item, str):
                problems.error((*path, index), f"this must be a text NAME=value, but is {name_of(item)}")
                continue
            key, equals, text = item.partition("=")
            result[key] = text if equals else self.bare
        problems.named(path, [item.partition("=")[0] if isinstance(item, str) else "" for item in value])
        return result

    def text(self, value: t.Any, path: Path, problems: Problems) -> str | None:
        if value is None:
            return self.bare
        if isinstance(value, (dict, list)):
            problems.error(path, f"this must be a text, a number or a boolean, but is {name_of(value)}")
            return ""
        if isinstance(value, float) and not math.isfinite(value):
            problems.error(path, "this is not a number that can be handed on", "Put it in quotes.")
        if isinstance(value, Timestamp):
            problems.warn(path, f"Compose takes this for a time and makes {value.printed!r} of it; put it in quotes")
            return value.printed
        return units.go_text(value)
