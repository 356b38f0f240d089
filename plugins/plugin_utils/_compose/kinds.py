# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kinds of values a group file is made of.

A kind checks a value and gives it back in canonical form: numbers and booleans from
text, sizes in bytes, durations the Go way, without ``x-`` keys. What is wrong goes to
the `Problems`; the value given back is then of the right type, so checking goes on.
"""

from __future__ import annotations

import re
import typing as t
from collections.abc import Mapping
from dataclasses import dataclass, field

from . import units
from .loader import Timestamp
from .problems import Problems, did_you_mean, nearest
from .spec import Path

_TRUE = ("true", "y", "yes", "on")
_FALSE = ("false", "n", "no", "off")
_INTEGER = re.compile(r"[-+]?[0-9]+")
_FLOAT = re.compile(r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")


def name_of(value: t.Any) -> str:
    """What a value is, in words for a message."""
    if value is None:
        return "empty"
    for kind, words in ((bool, "a boolean"), (Timestamp, "a time"), (str, "a text"), (int, "a number"), (float, "a number"), (list, "a list")):
        if isinstance(value, kind):
            return words
    return "a mapping"


class Kind(t.Protocol):
    words: str

    def accepts(self, value: t.Any) -> bool:
        """Is this the kind the value was meant to be? Decides between alternatives."""

    def check(self, value: t.Any, path: Path, problems: Problems) -> t.Any: ...


def wrong(kind: Kind, value: t.Any, path: Path, problems: Problems) -> None:
    problems.error(path, f"this must be {kind.words}, but is {name_of(value)}")


@dataclass(frozen=True)
class Text:
    words: str = "a text"
    choices: tuple[str, ...] = ()
    pattern: str = ""
    numbers: bool = False
    """Numbers are accepted and become text."""
    empty: t.Any = ""

    def accepts(self, value: t.Any) -> bool:
        return _is_text(value) or (self.numbers and _is_number(value))

    def check(self, value: t.Any, path: Path, problems: Problems) -> str:
        if not self.accepts(value):
            mend = "Put it in quotes." if isinstance(value, (bool, int, float, Timestamp)) else ""
            problems.error(path, f"this must be {self.words}, but is {name_of(value)}", mend)
            return self.empty
        text = units.go_text(value)
        if self.choices and text not in self.choices:
            problems.error(path, f"{text!r} is not one of {', '.join(self.choices)}", did_you_mean(text, self.choices) if nearest(text, self.choices) else "")
        if self.pattern and not re.fullmatch(self.pattern, text):
            problems.error(path, f"{text!r} is not {self.words}")
        return text


@dataclass(frozen=True)
class Flag:
    words: str = "true or false"

    def accepts(self, value: t.Any) -> bool:
        return isinstance(value, (bool, str))

    def check(self, value: t.Any, path: Path, problems: Problems) -> bool:
        if isinstance(value, bool):
            return value
        if isinstance(value, str) and value.lower() in (*_TRUE, *_FALSE):
            return value.lower() in _TRUE
        if isinstance(value, str):
            problems.error(path, f"this must be true or false, but is {value!r}")
        else:
            wrong(self, value, path, problems)
        return False


@dataclass(frozen=True)
class Number:
    words: str = "a whole number"
    whole: bool = True
    least: float | None = None
    most: float | None = None

    def accepts(self, value: t.Any) -> bool:
        return _is_number(value) or isinstance(value, str)

    def check(self, value: t.Any, path: Path, problems: Problems) -> int | float:
        number = self.read(value)
        if number is None:
            shown = f"is {value!r}" if isinstance(value, (str, float)) else f"is {name_of(value)}"
            problems.error(path, f"this must be {self.words}, but {shown}")
            return 0
        if self.least is not None and number < self.least:
            problems.error(path, f"{units.go_text(number)} is too small; the least is {units.go_text(self.least)}")
        if self.most is not None and number > self.most:
            problems.error(path, f"{units.go_text(number)} is too large; the most is {units.go_text(self.most)}")
        return number

    def read(self, value: t.Any) -> int | float | None:
        if isinstance(value, str):
            if _INTEGER.fullmatch(value):
                return int(value)
            value = float(value) if not self.whole and _FLOAT.fullmatch(value) else None
        if not _is_number(value) or value != value or abs(value) == float("inf"):
            return None
        if value == int(value):
            return int(value)
        return None if self.whole else value


@dataclass(frozen=True)
class Size:
    """Bytes; the canonical form is a text, as Compose prints it, and empty for 0."""

    words: str = "a size, e.g. 512m"
    unlimited: bool = False
    """-1 is allowed."""
    text_only: bool = False
    """A number without a unit must be in quotes; Compose wants it so below `deploy`."""

    def accepts(self, value: t.Any) -> bool:
        return _is_number(value) or isinstance(value, str)

    def check(self, value: t.Any, path: Path, problems: Problems) -> str:
        if self.unlimited and value in (-1, "-1"):
            return "-1"
        if isinstance(value, int) and not isinstance(value, bool):
            if self.text_only:
                problems.error(path, f"this must be {self.words}, but is a number", f'Write "{value}b".')
            elif value < 0:
                problems.error(path, f"a size cannot be negative: {value}")
            return str(value or "")
        if not isinstance(value, str):
            wrong(self, value, path, problems)
            return ""
        try:
            return str(units.parse_size(value) or "")
        except ValueError as error:
            problems.error(path, str(error))
            return ""


@dataclass(frozen=True)
class Duration:
    words: str = "a duration, e.g. 1m30s"

    def accepts(self, value: t.Any) -> bool:
        return isinstance(value, str)

    def check(self, value: t.Any, path: Path, problems: Problems) -> str:
        if not isinstance(value, str):
            mend = f"Write {units.go_text(value)}s for seconds." if _is_number(value) else ""
            problems.error(path, f"this must be {self.words}, but is {name_of(value)}", mend)
            return "0s"
        try:
            return units.format_duration(units.parse_duration(value))
        except ValueError as error:
            problems.error(path, str(error))
            return "0s"


@dataclass(frozen=True)
class Null:
    words: str = "empty"

    def accepts(self, value: t.Any) -> bool:
        return value is None

    def check(self, value: t.Any, path: Path, problems: Problems) -> None:
        if value is not None:
            wrong(self, value, path, problems)


@dataclass(frozen=True)
class Unsupported:
    """A key that Compose knows and this collection does not carry out."""

    reason: str
    mend: str = ""
    words: str = "left out"

    def accepts(self, value: t.Any) -> bool:
        return True

    def check(self, value: t.Any, path: Path, problems: Problems) -> None:
        problems.error(path, f"{path[-1]} is not supported: {self.reason}", self.mend)


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
        meant = nearest(key, self.extensions)
        if meant:
            problems.warn((*path, key), f"{key} is ignored; was {meant} meant?")


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
        return result

    def text(self, value: t.Any, path: Path, problems: Problems) -> str | None:
        if value is None:
            return self.bare
        if isinstance(value, (dict, list)):
            problems.error(path, f"this must be a text, a number or a boolean, but is {name_of(value)}")
            return ""
        if isinstance(value, Timestamp):
            problems.warn(path, f"Compose takes this for a time and makes {value.printed!r} of it; put it in quotes")
            return value.printed
        return units.go_text(value)


def _is_text(value: t.Any) -> bool:
    return isinstance(value, str) and not isinstance(value, Timestamp)


def _is_number(value: t.Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
