# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""JSON as text with places: read it strictly, set or take out one member, leave every other byte as it is.

For Docker's daemon.json and the files of Docker Desktop. Their readers are strict JSON parsers, so comments, trailing
commas and the like are errors that are named, not accepted.
"""

from __future__ import annotations

import json
import re
import typing as t

from .json_read import Member, Node, read
from .misread import MisreadError, dotted

Path = tuple[str, ...]


class _Raw(str):
    """A value as it stood in a file, to be put back letter for letter."""


class _Style(t.NamedTuple):
    """How a file is written: `unit` is one level of indentation, empty where all stands on one line."""

    newline: str
    unit: str
    colon: str
    comma: str


def data(text: str) -> dict[str, t.Any]:
    """The file's content. Raises MisreadError."""
    return read(text).value


def fold(part: str) -> str:
    """JSON's keys are told apart by case."""
    return part


def normal(path: Path, value: t.Any) -> t.Any:
    """The value as `data` will give it back. Raises MisreadError for what JSON cannot hold."""
    try:
        return json.loads(json.dumps(value, allow_nan=False))
    except (TypeError, ValueError):
        raise MisreadError(
            f"{dotted(path)} has a value that JSON cannot hold", "Give a finite number or a text."
        ) from None


def raw(text: str, path: Path) -> str:
    """The value's text as it stands in the file."""
    node = _find(read(text), path)
    return text[node.start : node.end]


def put(text: str, path: Path, value: t.Any) -> str:
    """Set one member; objects on the way to it are made."""
    if not text.strip():
        made = _render(_nest(path, value), _Style("\n", "  ", ": ", ", "), "")
        return f"{made}\n"
    root = read(text)
    style, node = _style(text, root), root
    for depth, key in enumerate(path):
        member = (node.members or {}).get(key)
        if member is None:
            entry = f"{_string(key)}{style.colon}"
            indent = _indent_of_new(text, node, style)
            return _insert(text, node, entry + _render(_nest(path[depth + 1 :], value), style, indent), style)
        node = member.node
    return text[: node.start] + _render(value, style, _indent_at(text, node.start)) + text[node.end :]


def put_raw(text: str, path: Path, raw: str) -> str:
    """Set one member to a value as it stood in a file."""
    return put(text, path, _Raw(raw))


def take(text: str, path: Path) -> str:
    """Take one member out."""
    parent = _find(read(text), path[:-1])
    return _cut(text, parent, list(parent.members or ()).index(path[-1]))


def append(text: str, path: Path, item: t.Any) -> str:
    """Add one entry at the end of a list."""
    root = read(text)
    node, style = _find(root, path), _style(text, root)
    return _insert(text, node, _render(item, style, _indent_of_new(text, node, style)), style)


def drop(text: str, path: Path, index: int) -> str:
    """Take one entry out of a list."""
    return _cut(text, _find(read(text), path), index)


def _find(node: Node, path: Path) -> Node:
    for key in path:
        node = (node.members or {})[key].node
    return node


def _nest(path: Path, value: t.Any) -> t.Any:
    for key in reversed(path):
        value = {key: value}
    return value


def _style(text: str, root: Node) -> _Style:
    newline = re.search(r"\r\n|\n|\r", text[root.start : root.end])
    members = list((root.members or {}).values())
    if not members:
        return _Style(newline.group() if newline else _newline_of(text), "  ", ": ", ", ")
    between = text[members[0].key_end : members[0].node.start]
    colon = between if between.strip(" ") == ":" else ": "
    comma = "," if colon == ":" else ", "
    before = text[root.start + 1 : members[0].start]
    if newline is None or not re.search(r"[\r\n]", before):
        return _Style("", "", colon, comma)
    return _Style(newline.group(), _indent_at(text, members[0].start) or "  ", colon, comma)


def _newline_of(text: str) -> str:
    found = re.search(r"\r\n|\n|\r", text)
    return found.group() if found else "\n"


def _indent_at(text: str, offset: int) -> str:
    """The white space at the beginning of the line of `offset`."""
    line = max(text.rfind("\n", 0, offset), text.rfind("\r", 0, offset)) + 1
    return text[line : len(text) - len(text[line:].lstrip(" \t"))]


def _parts(node: Node) -> list[tuple[int, int]]:
    """Where each member or entry of a container begins and ends."""
    if node.items is not None:
        return [(item.start, item.end) for item in node.items]
    return [_span(member) for member in (node.members or {}).values()]


def _span(member: Member) -> tuple[int, int]:
    return member.start, member.node.end


def _indent_of_new(text: str, node: Node, style: _Style) -> str:
    """The indentation of a line that a new part of this container gets."""
    parts = _parts(node)
    if parts and _own_lines(text, node, parts):
        return _indent_at(text, parts[-1][0])
    return _indent_at(text, node.start) + ("" if parts else style.unit)


def _own_lines(text: str, node: Node, parts: list[tuple[int, int]]) -> bool:
    """Whether the last part of a container begins a line of its own."""
    before = parts[-2][1] if len(parts) > 1 else node.start + 1
    return bool(re.search(r"[\r\n]", text[before : parts[-1][0]]))


def _insert(text: str, node: Node, part: str, style: _Style) -> str:
    """Put a part at the end of an object or list, written like the ones before it."""
    parts = _parts(node)
    if not parts:
        inner = part
        if style.unit and node.items is None:
            outer = _indent_at(text, node.start)
            inner = f"{style.newline}{outer}{style.unit}{part}{style.newline}{outer}"
        return text[: node.start + 1] + inner + text[node.end - 1 :]
    end = parts[-1][1]
    if _own_lines(text, node, parts):
        newline = re.findall(r"\r\n|\n|\r", text[: parts[-1][0]])[-1]
        return f"{text[:end]},{newline}{_indent_at(text, parts[-1][0])}{part}{text[end:]}"
    return f"{text[:end]}{style.comma}{part}{text[end:]}"


def _cut(text: str, node: Node, index: int) -> str:
    """Take a part out with the comma that goes with it."""
    parts = _parts(node)
    if index:
        return text[: parts[index - 1][1]] + text[parts[index][1] :]
    if len(parts) > 1:
        return text[: parts[0][0]] + text[parts[1][0] :]
    return text[: node.start + 1] + text[node.end - 1 :]


def _string(value: t.Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _render(value: t.Any, style: _Style, indent: str) -> str:
    """A value in the file's style; `indent` is that of the line it begins on."""
    if isinstance(value, _Raw):
        return str(value)
    inner = indent + style.unit
    if isinstance(value, dict):
        parts = [f"{_string(key)}{style.colon}{_render(item, style, inner)}" for key, item in value.items()]
    elif isinstance(value, list):
        parts = [_render(item, style, inner) for item in value]
    else:
        return _string(value)
    begin, end = "{}" if isinstance(value, dict) else "[]"
    # A list of plain values stays on one line, as Docker's documentation has it.
    plain = isinstance(value, list) and not any(isinstance(item, (dict, list)) for item in value)
    if not parts or not style.unit or plain:
        return begin + style.comma.join(parts) + end
    lines = f",{style.newline}{inner}".join(parts)
    return f"{begin}{style.newline}{inner}{lines}{style.newline}{indent}{end}"
