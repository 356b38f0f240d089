# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""TOML as text with places: set or take out one key, leave every other byte as it is. For Podman's containers.conf.

Edited are tables and plain keys, dotted or not, and entries of lists. What lies in an inline table is replaced or taken
out but not added to, and an array of tables is not edited at all: there a guess would be needed.
"""

from __future__ import annotations

import json
import math
import re
import typing as t

from .lines import cut_block, cut_lines, line_start, next_line, previous_line, put_block, put_line
from .misread import MisreadError, dotted
from .toml_read import Value
from .toml_tables import Document, Leaf, Path, Section, Table, Tables, plain, read

_BARE = re.compile(r"[A-Za-z0-9_-]+\Z")
_INTEGERS = range(-(2**63), 2**63)


def data(text: str) -> dict[str, t.Any]:
    """The file's content; dates and times are texts of the class Moment. Raises MisreadError."""
    return plain(read(text).root)


def fold(part: str) -> str:
    """TOML's keys are told apart by case."""
    return part


def normal(path: Path, value: t.Any) -> t.Any:
    """The value as `data` will give it back. Raises MisreadError for what is not written here."""
    if isinstance(value, list) and not any(isinstance(item, dict) for item in value):
        return [normal(path, item) for item in value]
    if isinstance(value, (bool, str)) or (isinstance(value, dict) and not value):
        return value
    if isinstance(value, int) and value in _INTEGERS:
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    raise MisreadError(
        f"{dotted(path)} has a value that is not written to TOML",
        "Give a text, a boolean, a finite number or a list of them.",
    )


def raw(text: str, path: Path) -> str:
    """The value's text as it stands in the file."""
    value = _value(read(text), path)
    return text[value.start : value.end]


def put(text: str, path: Path, value: t.Any) -> str:
    """Set one key, or with an empty dict have a table; tables on the way to it are made. Raises MisreadError."""
    if isinstance(value, dict):
        return put_block(text, [f"[{_key(path)}]"])
    return put_raw(text, path, _render(value))


def put_raw(text: str, path: Path, raw: str) -> str:
    document = read(text)
    node, rest = _walk(document, path)
    if isinstance(node, Tables):
        raise MisreadError(f"{dotted(path)} lies in an array of tables", "Edit it by hand.")
    if isinstance(node, Leaf):
        value = _member(node.value, rest)
        if value is None:
            raise MisreadError(
                f"{dotted(path)} would have to be added to an inline table",
                f"Write [{dotted(path[:-1])}] as a table of its own in the file.",
                node.value.start,
            )
        return text[: value.start] + raw + text[value.end :]
    if len(rest) > 1 or node.section is None:
        return put_block(text, [f"[{_key(path[:-1])}]", f"{_key(path[-1:])}{_gap(document)}{raw}"])
    return _put_statement(text, document, node.section, f"{_key((*node.prefix, *rest))}{_gap(document, node)}{raw}")


def take(text: str, path: Path) -> str:
    """Take out one key, or the head of an empty table."""
    node, rest = _walk(read(text), path)
    if isinstance(node, Leaf):
        return _take_member(text, node.value, rest) if rest else cut_lines(text, node.start, node.end)
    if isinstance(node, Table) and node.kind == "head" and node.section is not None and not rest:
        return cut_block(text, node.section.start, next_line(text, node.section.start))
    return text


def append(text: str, path: Path, item: t.Any) -> str:
    """Add one entry at the end of a list, on a line of its own where the last one has one."""
    array, entry = _value(read(text), path), _render(item)
    items = array.items or []
    if not items:
        end = array.end - 1 if not text[array.start + 1 : array.end - 1].strip() else array.start + 1
        return text[: array.start + 1] + entry + text[end:]
    last, comma = items[-1]
    before = items[-2].value.end if len(items) > 1 else array.start + 1
    if comma is None:
        text, comma, trailing, end = f"{text[: last.end]},{text[last.end :]}", last.end, "", array.end + 1
    else:
        trailing, end = ",", array.end
    newline = re.search(r"\r?\n", text[before : last.start])
    if newline is None:
        return f"{text[: comma + 1]} {entry}{trailing}{text[comma + 1 :]}"
    # Behind a comment on that line, unless the list ends on it.
    line_end = len(text[: next_line(text, comma)].rstrip("\r\n"))
    where = line_end if line_end < end else comma + 1
    indent = text[line_start(text, last.start) : last.start]
    return f"{text[:where]}{newline.group()}{indent if not indent.strip() else ''}{entry}{trailing}{text[where:]}"


def drop(text: str, path: Path, index: int) -> str:
    """Take one entry out of a list, with its line where it has one, and the comma that goes with it."""
    array = _value(read(text), path)
    items = array.items or []
    item, comma = items[index]
    end = item.end if comma is None else comma + 1
    begin = item.start
    line, following = line_start(text, begin), next_line(text, end)
    alone = not text[line:begin].strip() and re.match(r"[ \t]*(#|\r?\n)", text[end:])
    if alone and array.start < line and following < array.end:
        begin, end = line, following
    elif index and "#" not in text[items[index - 1].value.end : begin]:
        return text[: items[index - 1].value.end] + text[item.end :]
    elif not index and len(items) > 1 and "#" not in text[end : items[1].value.start]:
        return text[:begin] + text[items[1].value.start :]
    text = text[:begin] + text[end:]
    spare = items[index - 1].comma if index and comma is None else None
    return text if spare is None else text[:spare] + text[spare + 1 :]


def _walk(document: Document, path: Path) -> tuple[Table | Leaf | Tables, Path]:
    """As far down as tables go, and what of the path is left."""
    node: Table | Leaf | Tables = document.root
    for depth, key in enumerate(path):
        if not isinstance(node, Table) or key not in node.children:
            return node, path[depth:]
        node = node.children[key]
    return node, ()


def _value(document: Document, path: Path) -> Value:
    node, rest = _walk(document, path)
    value = _member(node.value, rest) if isinstance(node, Leaf) else None
    if value is None:
        raise MisreadError(f"{dotted(path)} is no plain value in the file", "Edit it by hand.")
    return value


def _member(value: Value, rest: Path) -> Value | None:
    """A value inside of inline tables; itself where nothing of the path is left."""
    if not rest:
        return value
    for _start, parts, inner in value.members or ():
        if rest[: len(parts)] == parts:
            return _member(inner, rest[len(parts) :])
    return None


def _take_member(text: str, value: Value, rest: Path) -> str:
    members = value.members or []
    for index, (start, parts, inner) in enumerate(members):
        if rest == parts:
            if index:
                return text[: members[index - 1][2].end] + text[inner.end :]
            return text[:start] + text[members[1][0] if len(members) > 1 else inner.end :]
        if rest[: len(parts)] == parts:
            return _take_member(text, inner, rest[len(parts) :])
    return text


def _put_statement(text: str, document: Document, section: Section, statement: str) -> str:
    if section.end:
        return put_line(text, section.end, section.indent + statement)
    # The file's top has no statement yet: before the first head, with the comment that is attached to it.
    if len(document.sections) == 1:
        return put_line(text, len(text), statement)
    where = document.sections[1].start
    while where and text[previous_line(text, where) :].lstrip(" \t").startswith("#"):
        where = previous_line(text, where)
    return put_line(text, where, statement)


def _gap(document: Document, table: Table | None = None) -> str:
    """What is written between key and value: as in the same table, or in the last one that has keys."""
    sections = [table.section] if table and table.section and table.section.gap else document.sections
    gaps = [section.gap for section in sections if section and section.gap]
    return gaps[-1] if gaps else " = "


def _key(path: Path) -> str:
    return ".".join(part if _BARE.match(part) else _quote(part) for part in path)


def _quote(text: str) -> str:
    # JSON's escapes are TOML's, but DEL has to be escaped as well.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _render(value: t.Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return f"[{', '.join(map(_render, value))}]"
    return _quote(value) if isinstance(value, str) else repr(value)
