# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of ``NAME=value`` lines: the `.env` beside a group file and a service's `env_file`.

The rules are compose-go's dotenv: ``export`` is allowed, a name alone takes the value
it has outside, single quotes are literal, double quotes know escapes, and ``${…}`` is
filled in from outside first and from earlier lines second.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from ...module_utils._errors import InputError
from .interpolate import TemplateError, substitute

_NAME = re.compile(r"[A-Za-z0-9_.\-\[\]]+")
_ESCAPE = re.compile(r'\\([abcfnrtv"\\$]|0[0-7]{0,3})')
_ESCAPES = {"a": "\a", "b": "\b", "c": "c", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}


def parse_env(text: str, file: str, get: Callable[[str], str | None]) -> dict[str, str]:
    """The variables of an environment file, in order. `get` answers for variables from outside.

    Raises InputError with file and line.
    """
    result: dict[str, str] = {}

    def lookup(name: str) -> str | None:
        value = get(name)
        return result.get(name) if value is None else value

    text = text.replace("\r\n", "\n")
    position = 0
    while position < len(text):
        end = _line_end(text, position)
        line = text[position:end].strip()
        if not line or line.startswith("#"):
            position = end + 1
            continue
        place = f"{file}:{text.count(chr(10), 0, position) + 1}"
        try:
            position = _entry(text, position, result, lookup)
        except TemplateError as error:
            raise InputError(error.message, path=place, mend=error.mend) from error
    return result


def _line_end(text: str, position: int) -> int:
    end = text.find("\n", position)
    return len(text) if end < 0 else end


def _entry(text: str, position: int, result: dict[str, str], lookup: Callable[[str], str | None]) -> int:
    """Read one entry into `result`; the position after it."""
    end = _line_end(text, position)
    line = text[position:end]
    start = position + len(line) - len(line.lstrip())
    if re.match(r"export\s", text[start:end]):
        start += len("export")
        start += len(text[start:end]) - len(text[start:end].lstrip())
    match = _NAME.match(text, start, end)
    if not match:
        raise TemplateError(f"{text[start:end]!r} does not start with a name", "Write NAME=value.")
    name, after = match.group(), match.end()
    while after < end and text[after] in " \t":
        after += 1
    if after == end or text[after] == "#":
        value = lookup(name)
        if value is not None:
            result[name] = value
        return end + 1
    if text[after] not in "=:":
        raise TemplateError(f"after the name {name} there is no =", "Write NAME=value.")
    after += 1
    while after < end and text[after] in " \t":
        after += 1
    if text[after : after + 1] in ("'", '"'):
        return _quoted(text, after, name, result, lookup)
    value = re.split(r"\s#", " " + text[after:end], maxsplit=1)[0].strip()
    result[name] = substitute(value, lookup)
    return end + 1


def _quoted(text: str, start: int, name: str, result: dict[str, str], lookup: Callable[[str], str | None]) -> int:
    quote = text[start]
    position = start + 1
    while position < len(text) and text[position] != quote:
        position += 2 if text[position] == "\\" else 1
    if position >= len(text):
        raise TemplateError(f"the quotes around the value of {name} are not closed", f"Close them with {quote}.")
    value = text[start + 1 : position]
    result[name] = value if quote == "'" else substitute(_ESCAPE.sub(_unescape, value), lookup)
    return _line_end(text, position) + 1


def _unescape(match: re.Match[str]) -> str:
    what = match.group(1)
    if what == "$":
        return "$$"
    if what[0] == "0":
        return chr(int(what, 8))
    return _ESCAPES.get(what, what)
