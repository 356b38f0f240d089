# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A strict JSON parser that keeps the place of every value; Python's own says neither where a value stands nor that a
key stands twice, and takes NaN."""

from __future__ import annotations

import json
import re
import typing as t

from .misread import MisreadError, line_and_column

DEPTH = 200
"""How deep values may be nested; a settings file has a handful of levels."""

_SPACE = re.compile(r"[ \t\r\n]*")
_STRING = re.compile(r'"(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"')
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?(?![\w.+-])")
_WORD = re.compile(r"(true|false|null)(?!\w)")
_WORDS = {"true": True, "false": False, "null": None}


class Node(t.NamedTuple):
    """One value. start, end: its place in the text. members: of an object, in order; items: of a list."""

    start: int
    end: int
    value: t.Any
    members: dict[str, Member] | None = None
    items: list[Node] | None = None


class Member(t.NamedTuple):
    start: int
    key_end: int
    node: Node


def read(text: str) -> Node:
    """The object that the file is; an empty file is an empty object, as dockerd has it. Raises MisreadError."""
    start = _skip(text, 0)
    if start == len(text):
        return Node(0, len(text), {}, {})
    node = _value(text, start, 0)
    rest = _skip(text, node.end)
    if rest < len(text):
        raise _unexpected(text, rest, "the end of the file")
    if node.members is None:
        raise MisreadError("the file is not one JSON object", "Put its content into braces { }, with keys.", node.start)
    return node


def _skip(text: str, offset: int) -> int:
    return t.cast("re.Match[str]", _SPACE.match(text, offset)).end()


def _value(text: str, start: int, depth: int) -> Node:
    if depth > DEPTH:
        raise MisreadError(f"values are nested deeper than {DEPTH} levels", "Look at the file.", start)
    first = text[start : start + 1]
    if first == "{":
        return _object(text, start, depth)
    if first == "[":
        return _list(text, start, depth)
    if first == '"':
        end = _string(text, start)
        return Node(start, end, json.loads(text[start:end]))
    word = _WORD.match(text, start)
    if word:
        return Node(start, word.end(), _WORDS[word.group()])
    number = _NUMBER.match(text, start)
    if number:
        return Node(start, number.end(), _number(number))
    raise _unexpected(text, start, "a value")


def _number(found: re.Match[str]) -> int | float:
    try:
        return float(found.group()) if found.group(1) or found.group(2) else int(found.group())
    except ValueError:  # more digits than Python converts
        return float(found.group())


def _string(text: str, start: int) -> int:
    found = _STRING.match(text, start)
    if not found:
        raise MisreadError(
            "a text in quotes does not end on its line, or holds a control character or an unknown \\ escape",
            "Close the quote; write \\\\ for one backslash.",
            start,
        )
    return found.end()


def _object(text: str, start: int, depth: int) -> Node:
    members: dict[str, Member] = {}
    offset = _skip(text, start + 1)
    while text[offset : offset + 1] != "}" or members:
        if text[offset : offset + 1] != '"':
            raise _unexpected(text, offset, "a key in double quotes", after_comma=bool(members))
        key_end = _string(text, offset)
        key = json.loads(text[offset:key_end])
        if key in members:
            line = line_and_column(text, members[key].start)[0]
            raise MisreadError(f'the key "{key}" stands twice, first in line {line}', "Remove one of them.", offset)
        colon = _skip(text, key_end)
        if text[colon : colon + 1] != ":":
            raise _unexpected(text, colon, "':'")
        node = _value(text, _skip(text, colon + 1), depth + 1)
        members[key] = Member(offset, key_end, node)
        offset = _skip(text, node.end)
        if text[offset : offset + 1] == "}":
            break
        offset = _comma(text, offset, "',' or '}'")
    return Node(start, offset + 1, {key: member.node.value for key, member in members.items()}, members)


def _list(text: str, start: int, depth: int) -> Node:
    items: list[Node] = []
    offset = _skip(text, start + 1)
    while text[offset : offset + 1] != "]" or items:
        if text[offset : offset + 1] == "]":
            raise _unexpected(text, offset, "a value", after_comma=True)
        items.append(_value(text, offset, depth + 1))
        offset = _skip(text, items[-1].end)
        if text[offset : offset + 1] == "]":
            break
        offset = _comma(text, offset, "',' or ']'")
    return Node(start, offset + 1, [item.value for item in items], None, items)


def _comma(text: str, offset: int, expected: str) -> int:
    if text[offset : offset + 1] != ",":
        raise _unexpected(text, offset, expected)
    return _skip(text, offset + 1)


def _unexpected(text: str, offset: int, expected: str, after_comma: bool = False) -> MisreadError:
    """What stands at `offset` in words, with what to do about it."""
    found = text[offset : offset + 1]
    if found == "#" or text[offset : offset + 2] in ("//", "/*"):
        return MisreadError("a comment; JSON has none", "Remove the comment.", offset)
    if after_comma and found in ("}", "]"):
        return MisreadError(f"a comma stands before '{found}'", "Remove that comma.", offset)
    if not found:
        return MisreadError(f"the file ends where {expected} is expected", "Complete it.", offset)
    if found == "'":
        return MisreadError("single quotes; JSON has double quotes only", "Write double quotes.", offset)
    return MisreadError(f"{expected} is expected, not {found!r}", "Mend the file.", offset)
