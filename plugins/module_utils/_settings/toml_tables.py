# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A TOML file as tables with the places where each is written and where more of it can be put."""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass, field

from . import toml_read
from .misread import MisreadError
from .toml_read import Value

Path = tuple[str, ...]


@dataclass
class Section:
    """The head of a table and the lines up to the next head; the first one, of the file's top, has no head.

    start, end: from its head to behind its last statement, in whole lines. indent, gap: how its last statement is
    written (gap is what stands between key and value).
    """

    start: int
    end: int
    indent: str = ""
    gap: str = ""


@dataclass
class Leaf:
    """A key with its value. start, end: the whole lines of its statement."""

    value: Value
    start: int
    end: int


@dataclass
class Table:
    """kind: ``head`` (has a head of its own), ``implied`` (only heads below it), ``dotted`` (by dotted keys in `section`,
    which begin with `prefix`)."""

    kind: str
    section: Section | None = None
    prefix: Path = ()
    children: dict[str, Table | Leaf | Tables] = field(default_factory=dict)


@dataclass
class Tables:
    """An array of tables."""

    tables: list[Table]


@dataclass
class Document:
    root: Table
    sections: list[Section]


_HEAD = re.compile(r"\[\[?")


def read(text: str) -> Document:
    """Raises MisreadError."""
    top = Section(0, 0)
    root = Table("head", top)
    document = Document(root, [top])
    table, offset = root, 0
    while True:
        offset = toml_read.space(text, offset)
        if offset == len(text):
            return document
        start = text.rfind("\n", 0, offset) + 1
        if text[offset] == "[":
            table, offset = _head(text, offset, start, document)
        else:
            offset = _assign(text, offset, start, table, document.sections[-1])
        document.sections[-1].end = offset


def plain(table: Table) -> dict[str, t.Any]:
    """As Python data."""
    return {key: _plain(child) for key, child in table.children.items()}


def _plain(child: Table | Leaf | Tables) -> t.Any:
    if isinstance(child, Leaf):
        return child.value.plain
    return plain(child) if isinstance(child, Table) else [plain(table) for table in child.tables]


def _line_end(text: str, offset: int) -> int:
    """Behind the line end that has to come now, or the end of the text."""
    offset = toml_read.blank(text, offset)
    if text[offset : offset + 1] == "#":
        offset = toml_read.comment(text, offset)
    if offset == len(text):
        return offset
    for newline in ("\n", "\r\n"):
        if text.startswith(newline, offset):
            return offset + len(newline)
    raise toml_read.unexpected(text, offset, "the end of the line")


def _head(text: str, offset: int, start: int, document: Document) -> tuple[Table, int]:
    opening = t.cast("re.Match[str]", _HEAD.match(text, offset)).group()
    path, end = toml_read.key(text, offset + len(opening))
    end = toml_read.blank(text, end)
    closing = "]" * len(opening)
    if not text.startswith(closing, end):
        raise toml_read.unexpected(text, end, f"'{closing}'")
    section = Section(start, 0)
    document.sections.append(section)
    parent = _enter(document.root, path[:-1], offset)
    make = _array_table if len(opening) == 2 else _plain_table
    return make(parent, path, section, offset), _line_end(text, end + len(closing))


def _enter(root: Table, path: Path, offset: int) -> Table:
    """The table above a head; what is missing is implied. Of an array of tables it is the last one."""
    table = root
    for key in path:
        child = table.children.setdefault(key, Table("implied"))
        if isinstance(child, Leaf):
            raise MisreadError(f"{'.'.join(path)} is no table", "Mend the file.", offset)
        table = child.tables[-1] if isinstance(child, Tables) else child
    return table


def _plain_table(parent: Table, path: Path, section: Section, offset: int) -> Table:
    table = parent.children.setdefault(path[-1], Table("implied"))
    if not isinstance(table, Table) or table.kind != "implied":
        raise MisreadError(f"{'.'.join(path)} stands twice", "Put both together.", offset)
    table.kind, table.section = "head", section
    return table


def _array_table(parent: Table, path: Path, section: Section, offset: int) -> Table:
    tables = parent.children.setdefault(path[-1], Tables([]))
    if not isinstance(tables, Tables):
        raise MisreadError(f"{'.'.join(path)} stands twice", "Put both together.", offset)
    tables.tables.append(Table("head", section))
    return tables.tables[-1]


def _assign(text: str, offset: int, start: int, table: Table, section: Section) -> int:
    """One ``key = value``; returns where the next line begins."""
    path, key_end = toml_read.key(text, offset)
    value = toml_read.assigned(text, key_end)
    end = _line_end(text, value.end)
    for depth, key in enumerate(path[:-1], start=1):
        child = table.children.setdefault(key, Table("dotted", section, path[:depth]))
        if isinstance(child, Table) and child.kind == "implied":
            child.kind, child.section, child.prefix = "dotted", section, path[:depth]
        if not isinstance(child, Table) or child.kind != "dotted" or child.section is not section:
            raise MisreadError(f"{'.'.join(path)} reaches into what is defined elsewhere", "Mend the file.", offset)
        table = child
    if path[-1] in table.children:
        raise MisreadError(f"the key {'.'.join(path)} stands twice", "Remove one of them.", offset)
    table.children[path[-1]] = Leaf(value, start, end)
    section.indent, section.gap = text[start:offset], text[key_end : value.start]
    return end
