# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kinds of single values that a group file is made of.

A kind checks a value and gives it back in canonical form: numbers and booleans from
text, sizes in bytes, durations the Go way. What is wrong goes to the `Problems`; the
value given back is then of the right type, so checking goes on.
"""

from __future__ import annotations

import math
import re
import typing as t
from collections.abc import Callable
from dataclasses import dataclass

from .._nearest import nearest
from . import units
from .problems import Problems
from .scalars import Timestamp
from .spec import Path

_TRUE = ("true", "y", "yes", "on")
_FALSE = ("false", "n", "no", "off")
_INTEGER = re.compile(r"[-+]?[0-9]+")
_FLOAT = re.compile(r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")
_NAMES: tuple[tuple[type, str], ...] = (
    (bool, "a boolean"),
    (Timestamp, "a time"),
    (str, "a text"),
    (int, "a number"),
    (float, "a number"),
    (list, "a list"),
)


def name_of(value: t.Any) -> str:
    """What a value is, in words for a message."""
    if value is None:
        return "empty"
    return next((words for kind, words in _NAMES if isinstance(value, kind)), "a mapping")


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
    """Whole numbers are accepted and become text."""
    fractions: bool = False
    """So are other numbers."""

    def accepts(self, value: t.Any) -> bool:
        number = self.numbers and _is_number(value) and (self.fractions or isinstance(value, int))
        return number or _is_text(value)

    def check(self, value: t.Any, path: Path, problems: Problems) -> str:
        if not self.accepts(value):
            mend = "Put it in quotes." if isinstance(value, (bool, int, float, Timestamp)) else ""
            problems.error(path, f"this must be {self.words}, but is {name_of(value)}", mend)
            return ""
        text = units.go_text(value)
        if self.choices and text not in self.choices:
            meant = nearest(text, self.choices)
            mend = f"Did you mean «{meant}»?" if meant else ""
            problems.error(path, f"{text!r} is not one of {', '.join(filter(None, self.choices))}", mend)
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
            if _INTEGER.fullmatch(value) and len(value) <= 20:
                return int(value)
            value = float(value) if not self.whole and _FLOAT.fullmatch(value) else None
        if not _is_number(value) or not math.isfinite(value):
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
class Mode:
    """A file mode: an octal number such as 0440."""

    words: str = "a file mode such as 0440, without quotes"

    def accepts(self, value: object) -> bool:
        return True

    def check(self, value: object, path: Path, problems: Problems) -> int:
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 0o7777:
            return value
        # Compose 2.26 reads the text "0440" as the decimal number 440, later versions as octal.
        shown = units.go_text(value) if isinstance(value, (str, int, float)) else "this"
        problems.error(path, f"{shown!r} is not {self.words}")
        return 0


@dataclass(frozen=True)
class DeviceCount:
    """How many devices: a number or ``all``, which is -1."""

    words: str = "a number or all"

    def accepts(self, value: object) -> bool:
        return True

    def check(self, value: object, path: Path, problems: Problems) -> int:
        if value == "all":
            return -1
        number = Number().read(value)
        if number is None or (number < 1 and number != -1):
            shown = repr(value) if isinstance(value, (str, int, float)) else "this"
            problems.error(path, f"{shown} is not {self.words}")
            return -1
        return number


@dataclass(frozen=True)
class Internet:
    """An IP address or an IP network."""

    words: str
    parse: Callable[[str], object]

    def accepts(self, value: object) -> bool:
        return isinstance(value, str)

    def check(self, value: object, path: Path, problems: Problems) -> str:
        text = Text().check(value, path, problems)
        try:
            if text:
                self.parse(text)
        except ValueError:
            problems.error(path, f"{text!r} is not {self.words}")
        return text


def _is_text(value: t.Any) -> bool:
    return isinstance(value, str) and not isinstance(value, Timestamp)


def _is_number(value: t.Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
