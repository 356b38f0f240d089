# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""TOML 1.0 values with their places in the text, see https://toml.io/en/v1.0.0. Python has tomllib from 3.11 only,
and that does not say where a value stands."""

from __future__ import annotations

import re
import typing as t

from .misread import MisreadError

DEPTH = 100
"""How deep arrays and inline tables may be nested."""


class Moment(str):
    """A date or a time, as written."""


class Item(t.NamedTuple):
    """An entry of an array. comma: where the comma after it stands, None without one."""

    value: Value
    comma: int | None


class Value(t.NamedTuple):
    """start, end: its place. plain: as Python data. items: of an array; members: of an inline table, by key parts."""

    start: int
    end: int
    plain: t.Any
    items: list[Item] | None = None
    members: list[tuple[int, tuple[str, ...], Value]] | None = None


_BARE = re.compile(r"[A-Za-z0-9_-]+")
_BLANK = re.compile(r"[ \t]*")
# Control characters but the tab are no part of comments.
_SPACE = re.compile(r"(?:[ \t]|\r?\n|#[^\x00-\x08\x0a-\x1f\x7f]*)*")
_COMMENT = re.compile(r"#[^\x00-\x08\x0a-\x1f\x7f]*")
_BASIC = re.compile(r'"(?!"")((?:[^"\\\x00-\x08\x0a-\x1f\x7f]|\\.)*)"')
_LITERAL = re.compile(r"'(?!'')([^'\x00-\x08\x0a-\x1f\x7f]*)'")
_LONG_BASIC = re.compile(r'"""(?:\r?\n)?((?:[^"\\]|\\.|"{1,2}(?!"))*?"{0,2})"""(?!")', re.DOTALL)
_LONG_LITERAL = re.compile(r"'''(?:\r?\n)?((?:[^']|'{1,2}(?!'))*?'{0,2})'''(?!')", re.DOTALL)
_ESCAPE = re.compile(r"\\(?:([btnfr\"\\])|u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|[ \t]*\r?\n[ \t\r\n]*|(.|\Z))", re.DOTALL)
_LETTERS = {"b": "\b", "t": "\t", "n": "\n", "f": "\f", "r": "\r", '"': '"', "\\": "\\"}
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|\r(?!\n)")
_END = r"(?![\w.:+-])"
_TIME = r"[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]+)?"
_MOMENT = re.compile(
    rf"(?:[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}(?:[Tt ]{_TIME}(?:[Zz]|[+-][0-9]{{2}}:[0-9]{{2}})?)?|{_TIME}){_END}"
)
_BASED = re.compile(rf"0(?:x[0-9A-Fa-f]+(?:_[0-9A-Fa-f]+)*|o[0-7]+(?:_[0-7]+)*|b[01]+(?:_[01]+)*){_END}")
_DIGITS = r"[0-9]+(?:_[0-9]+)*"
_NUMBER = re.compile(rf"[+-]?(?:0|[1-9](?:_?[0-9])*)(\.{_DIGITS})?([eE][+-]?{_DIGITS})?{_END}")
_WORD = re.compile(rf"(?:true|false|[+-]?inf|[+-]?nan){_END}")


def blank(text: str, offset: int) -> int:
    """After spaces and tabs."""
    return t.cast("re.Match[str]", _BLANK.match(text, offset)).end()


def space(text: str, offset: int) -> int:
    """After white space, line ends and comments."""
    return t.cast("re.Match[str]", _SPACE.match(text, offset)).end()


def comment(text: str, offset: int) -> int:
    """After the comment that begins here."""
    return t.cast("re.Match[str]", _COMMENT.match(text, offset)).end()


def key(text: str, offset: int) -> tuple[tuple[str, ...], int]:
    """A key, dotted or not, as its parts, and where it ends. Raises MisreadError."""
    parts: list[str] = []
    while True:
        offset = blank(text, offset)
        bare, quoted = _BARE.match(text, offset), _BASIC.match(text, offset)
        literal = _LITERAL.match(text, offset)
        if bare:
            parts.append(bare.group())
        elif quoted:
            parts.append(_unescape(quoted.group(1), offset))
        elif literal:
            parts.append(literal.group(1))
        else:
            raise unexpected(text, offset, "a key")
        end = t.cast("re.Match[str]", bare or quoted or literal).end()
        offset = blank(text, end)
        if text[offset : offset + 1] != ".":
            return tuple(parts), end
        offset += 1


def value(text: str, offset: int, depth: int = 0) -> Value:
    """The value that begins here. Raises MisreadError."""
    if depth > DEPTH:
        raise MisreadError(f"values are nested deeper than {DEPTH} levels", "Look at the file.", offset)
    sign = text[offset : offset + 1]
    if sign == "[":
        return _array(text, offset, depth)
    if sign == "{":
        return _inline(text, offset, depth)
    if sign and sign in "\"'":
        return _string(text, offset)
    for pattern, convert in _SCALARS:
        found = pattern.match(text, offset)
        if found:
            return Value(offset, found.end(), convert(found))
    raise unexpected(text, offset, "a value")


def _number(found: re.Match[str]) -> int | float:
    digits = found.group().replace("_", "")
    try:
        return float(digits) if found.group(1) or found.group(2) else int(digits)
    except ValueError:  # more digits than Python converts
        return float(digits)


def _word(found: re.Match[str]) -> bool | float:
    return {"true": True, "false": False}.get(found.group()) if found.group()[-1] == "e" else float(found.group())


_SCALARS: tuple[tuple[re.Pattern[str], t.Callable[[re.Match[str]], t.Any]], ...] = (
    (_WORD, _word),
    (_MOMENT, lambda found: Moment(found.group())),
    (_BASED, lambda found: int(found.group().replace("_", ""), 0)),
    (_NUMBER, _number),
)


def _string(text: str, start: int) -> Value:
    for opening, pattern, escapes in (
        ('"""', _LONG_BASIC, True),
        ("'''", _LONG_LITERAL, False),
        ('"', _BASIC, True),
        ("'", _LITERAL, False),
    ):
        if text.startswith(opening, start):
            found = pattern.match(text, start)
            if not found or _CONTROL.search(found.group()):
                raise MisreadError("a text in quotes does not end, or holds a control character", "Mend it.", start)
            content = found.group(1).replace("\r\n", "\n")
            return Value(start, found.end(), _unescape(content, start) if escapes else content)
    raise unexpected(text, start, "a text")


def _unescape(content: str, start: int) -> str:
    def convert(found: re.Match[str]) -> str:
        letter, short, long, other = found.groups()
        if letter:
            return _LETTERS[letter]
        if short or long:
            code = int(short or long, 16)
            if code > 0x10FFFF or 0xD800 <= code < 0xE000:
                raise MisreadError(f"{found.group()} is no character", "Mend it.", start)
            return chr(code)
        if other is not None:
            raise MisreadError(f"{found.group()} is no escape of TOML", "Write \\\\ for one backslash.", start)
        return ""

    return _ESCAPE.sub(convert, content)


def _array(text: str, start: int, depth: int) -> Value:
    items: list[Item] = []
    offset = space(text, start + 1)
    while text[offset : offset + 1] != "]":
        if items and items[-1].comma is None:
            raise unexpected(text, offset, "',' or ']'")
        found = value(text, offset, depth + 1)
        offset = space(text, found.end)
        comma = offset if text[offset : offset + 1] == "," else None
        items.append(Item(found, comma))
        if comma is not None:
            offset = space(text, comma + 1)
    return Value(start, offset + 1, [item.value.plain for item in items], items)


def _inline(text: str, start: int, depth: int) -> Value:
    plain: dict[str, t.Any] = {}
    members: list[tuple[int, tuple[str, ...], Value]] = []
    offset = blank(text, start + 1)
    while text[offset : offset + 1] != "}" or members:
        parts, end = key(text, offset)
        found = assigned(text, end, depth + 1)
        _nest(plain, parts, found, offset, [each for _begin, each, _value in members])
        members.append((offset, parts, found))
        offset = blank(text, found.end)
        if text[offset : offset + 1] == "}":
            break
        if text[offset : offset + 1] != ",":
            raise unexpected(text, offset, "',' or '}'")
        offset = blank(text, offset + 1)
    return Value(start, offset + 1, plain, None, members)


def assigned(text: str, offset: int, depth: int = 0) -> Value:
    """The value after ``=``. Raises MisreadError."""
    offset = blank(text, offset)
    if text[offset : offset + 1] != "=":
        raise unexpected(text, offset, "'='")
    return value(text, blank(text, offset + 1), depth)


def _nest(
    plain: dict[str, t.Any], parts: tuple[str, ...], found: Value, offset: int, before: list[tuple[str, ...]]
) -> None:
    """Put a member of an inline table in its place; what another one set as a whole is closed."""
    for depth, part in enumerate(parts[:-1], start=1):
        plain = plain.setdefault(part, {})
        if parts[:depth] in before or not isinstance(plain, dict):
            raise MisreadError(f"{'.'.join(parts)} stands twice", "Remove one of them.", offset)
    if parts[-1] in plain:
        raise MisreadError(f"{'.'.join(parts)} stands twice", "Remove one of them.", offset)
    plain[parts[-1]] = found.plain


def unexpected(text: str, offset: int, expected: str) -> MisreadError:
    found = text[offset : offset + 1]
    if not found:
        return MisreadError(f"the file ends where {expected} is expected", "Complete it.", offset)
    return MisreadError(f"{expected} is expected, not {found!r}", "Mend the file.", offset)
