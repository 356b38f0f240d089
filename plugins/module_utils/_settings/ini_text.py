# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
r"""wsl.conf and .wslconfig as WSL reads them: read, set or take out one key, leave every other byte as it is.

The rules are those of microsoft/WSL, src/shared/configfile/configfile.cpp (ParseConfigFile):
- ``[section]``: a letter, then letters and digits; ``key = value``: the key likewise. Case does not matter.
- ``#`` begins a comment, also after a value; there is no other sign for one. A line that does not fit is skipped with a
  warning (``;`` begins such a line).
- A section may stand several times. Of several equal keys of a section the first counts.
- In a value ``"`` toggles quoting (and is dropped), which keeps ``#`` and outer blanks; ``\\``, ``\"``, ``\b``, ``\n``
  and ``\t`` are escapes, ``\`` at the end of a line goes on in the next one; any other escape spoils the line.
"""

from __future__ import annotations

import re
import typing as t

from .lines import cut_block, cut_lines, next_line, put_block, put_line
from .misread import MisreadError, dotted

Path = tuple[str, ...]

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9]*\Z")
_SECTION = re.compile(r"[ \t]*\[([A-Za-z][A-Za-z0-9]*)\][ \t]*(?=[\r\n#]|\Z)")
_BRACKET = re.compile(r"[ \t]*\[[A-Za-z]")  # without a letter the line is skipped, and the section goes on
_KEY = re.compile(r"[ \t]*([A-Za-z][A-Za-z0-9]*)([ \t]*=[ \t]*)")
_ESCAPES = {"\\": "\\", '"': '"', "b": "\b", "n": "\n", "t": "\t", "\n": ""}
_ESCAPED = {"\\": "\\\\", '"': '\\"', "\b": "\\b", "\n": "\\n", "\t": "\\t"}


class _Line(t.NamedTuple):
    """A section's head (without a key) or a key. Names in lower case. start, end: whole lines, with their line ends.
    value_start, value_end: the value as written, without outer blanks."""

    section: str
    key: str
    start: int
    end: int
    value: str = ""
    value_start: int = 0
    value_end: int = 0
    gap: str = ""


def data(text: str) -> dict[str, dict[str, str]]:
    """Sections with their keys and values, names in lower case; keys before any section are left out."""
    found: dict[str, dict[str, str]] = {}
    for line in _lines(text):
        if line.section:
            section = found.setdefault(line.section, {})
            if line.key:
                section.setdefault(line.key, line.value)
    return found


def fold(part: str) -> str:
    return part.lower()


def normal(path: Path, value: t.Any) -> t.Any:
    """The value as WSL will read it: a text. Raises MisreadError."""
    for part in path:
        if not _NAME.match(part):
            raise MisreadError(
                f"{dotted(path)}: '{part}' is no name that WSL reads", "Names are a letter, then letters and digits."
            )
    if len(path) == 1 and value == {} and isinstance(value, dict):
        return {}
    if len(path) != 2:
        raise MisreadError(f"{dotted(path)} is no key of a section", "Settings here are {section: {key: value}}.")
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return str(value)
    if not isinstance(value, str):
        raise MisreadError(f"{dotted(path)} is neither text, number nor boolean", "Give it as one text.")
    if any(ord(sign) < 32 and sign not in _ESCAPED for sign in value):
        raise MisreadError(f"{dotted(path)} holds a control character", "Take it out.")
    return value


def raw(text: str, path: Path) -> str:
    line = _find(text, path)
    return text[line.value_start : line.value_end]


def put(text: str, path: Path, value: t.Any) -> str:
    """Set one key, or with an empty dict have a section."""
    return put_raw(text, path, "" if value == {} else _encode(value))


def put_raw(text: str, path: Path, raw: str) -> str:
    lines = _lines(text)
    section = fold(path[0])
    own = [line for line in lines if line.section == section]
    if len(path) == 1:
        return text if own else put_block(text, [f"[{path[0]}]"])
    same = [line for line in own if line.key == fold(path[1])]
    if same:
        return text[: same[0].value_start] + raw + text[same[0].value_end :]
    keys = [line for line in own if line.key] or [line for line in lines if line.key]
    written = f"{path[1]}{keys[-1].gap if keys else '='}{raw}"
    if not own:
        return put_block(text, [f"[{path[0]}]", written])
    indent = re.match(r"[ \t]*", text[own[-1].start :])
    return put_line(text, own[-1].end, (indent.group() if indent and own[-1].key else "") + written)


def take(text: str, path: Path) -> str:
    """Take out one key, or the heads of a section without keys."""
    if len(path) == 2:
        line = _find(text, path)
        return cut_lines(text, line.start, line.end)
    for line in reversed([line for line in _lines(text) if line.section == fold(path[0])]):
        text = cut_block(text, line.start, line.end)
    return text


def append(text: str, path: Path, item: t.Any) -> str:
    raise MisreadError(f"{dotted(path)} is no list: this format has none", "Give it as one text.")


def drop(text: str, path: Path, index: int) -> str:
    raise MisreadError(f"{dotted(path)} is no list: this format has none", "Give it as one text.")


def _find(text: str, path: Path) -> _Line:
    section, key = map(fold, path)
    return next(line for line in _lines(text) if (line.section, line.key) == (section, key))


def _lines(text: str) -> list[_Line]:
    found = []
    section, offset = "", 0
    while offset < len(text):
        end = next_line(text, offset)
        head, key = _SECTION.match(text, offset), _KEY.match(text, offset)
        if head:
            section = head.group(1).lower()
            found.append(_Line(section, "", offset, end))
        elif _BRACKET.match(text, offset):
            section = ""  # WSL skips a head that it cannot read, and what follows has no sensible section
        elif key:
            value, stop = _value(text, key.end())
            end = next_line(text, stop)
            if value is not None:
                start = key.end()
                stop = start + len(text[start:stop].rstrip(" \t"))
                found.append(_Line(section, key.group(1).lower(), offset, end, value, start, stop, key.group(2)))
        offset = end
    return found


def _value(text: str, offset: int) -> tuple[str | None, int]:
    """A value as WSL reads it and where it ends; None where the line is spoilt."""
    value, kept, quoted = "", 0, False
    while offset < len(text) and text[offset] not in "\r\n":
        sign = text[offset]
        if sign == "#" and not quoted:
            break
        if sign == '"':
            quoted = not quoted
        elif sign == "\\":
            offset += 1
            # WSL opens .wslconfig as text («rt,ccs=UTF-8», WslCoreConfig.cpp), where Windows makes one sign of both.
            offset += text.startswith("\r\n", offset)
            following = text[offset : offset + 1]
            if following not in _ESCAPES:
                return None, offset
            value += _ESCAPES[following]
        else:
            value += sign
        if sign not in " \t":
            kept = len(value)
        offset += 1
    return (None if quoted else value[:kept]), offset


def _encode(value: str) -> str:
    written = "".join(_ESCAPED.get(sign, sign) for sign in value)
    return f'"{written}"' if "#" in value or value != value.strip(" \t") else written
