# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the part of YAML in which tools write CDI specs; targets have no PyYAML.

Understood: block mappings and sequences, plain and quoted scalars on one line, empty or
flat flow collections, comments, one document. Anything else (anchors, tags, block
scalars, folded lines) is a ValueError that names the line, never a wrong value.
"""

from __future__ import annotations

import json
import re
import typing as t

KEY = re.compile(
    r"""("(?:[^"\\]|\\.)*"|'(?:[^']|'')*'|[^\s\[\]{},#&*!|>'"%@`?:-][^#]*?|-[^\s][^#]*?)\s*:(?:\s+(.*)|)$"""
)
INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*)$")
OCTAL = re.compile(r"[-+]?0[0-7]+$")
FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+\.[0-9]*)([eE][-+]?[0-9]+)?$")
DEPTH = 40


class _Line(t.NamedTuple):
    number: int
    indent: int
    text: str


def parse(text: str) -> t.Any:
    """The value of a document. Raises ValueError for what is outside the subset."""
    lines = list(_lines(text))
    if not lines:
        return None
    value, rest = _block(lines, 0, lines[0].indent, 0)
    if rest != len(lines):
        raise ValueError(f"line {lines[rest].number}: unexpected indentation")
    return value


def _lines(text: str) -> t.Iterator[_Line]:
    started = False
    for number, raw in enumerate(text.splitlines(), 1):
        stripped = raw.strip(" ")
        if not stripped or stripped.startswith("#"):
            continue
        if raw.rstrip() == "---" and not started:
            started = True
            continue
        if raw.startswith(("---", "...", "%")) or "\t" in raw:
            raise ValueError(f"line {number}: only one document, indented by spaces, is understood")
        started = True
        yield _Line(number, len(raw) - len(raw.lstrip(" ")), stripped)


def _block(lines: list[_Line], at: int, indent: int, depth: int) -> tuple[t.Any, int]:
    if depth > DEPTH:
        raise ValueError(f"line {lines[at].number}: nested too deeply")
    if _is_item(lines[at].text):
        return _sequence(lines, at, indent, depth)
    if KEY.match(lines[at].text):
        return _mapping(lines, at, indent, depth)
    return _scalar(lines[at].text, lines[at].number), at + 1


def _is_item(text: str) -> bool:
    return text == "-" or text.startswith("- ")


def _sequence(lines: list[_Line], at: int, indent: int, depth: int) -> tuple[list[t.Any], int]:
    items: list[t.Any] = []
    while at < len(lines) and lines[at].indent == indent and _is_item(lines[at].text):
        line = lines[at]
        content = line.text[1:].lstrip(" ")
        if not content or content.startswith("#"):
            value, at = _nested(lines, at + 1, indent + 1, depth)
        elif _is_item(content) or KEY.match(content):
            # «- key: value»: the rest of the line opens a block of its own, indented to where it stands.
            inner = indent + len(line.text) - len(content)
            lines = [*lines[:at], _Line(line.number, inner, content), *lines[at + 1 :]]
            value, at = _block(lines, at, inner, depth + 1)
        else:
            value, at = _scalar(content, line.number), at + 1
        items.append(value)
    return items, at


def _mapping(lines: list[_Line], at: int, indent: int, depth: int) -> tuple[dict[str, t.Any], int]:
    values: dict[str, t.Any] = {}
    while at < len(lines) and lines[at].indent == indent and not _is_item(lines[at].text):
        line = lines[at]
        found = KEY.match(line.text)
        if found is None:
            raise ValueError(f"line {line.number}: {line.text!r} is no «key: value»")
        key = _scalar(found.group(1), line.number)
        content = (found.group(2) or "").strip()
        if not content or content.startswith("#"):
            # A sequence may stand at the indentation of its key.
            same = at + 1 < len(lines) and lines[at + 1].indent == indent and _is_item(lines[at + 1].text)
            value, at = _nested(lines, at + 1, indent if same else indent + 1, depth)
        else:
            value, at = _scalar(content, line.number), at + 1
        if not isinstance(key, str) or key in values:
            raise ValueError(f"line {line.number}: the key {key!r} stands twice or is no text")
        values[key] = value
    return values, at


def _nested(lines: list[_Line], at: int, least: int, depth: int) -> tuple[t.Any, int]:
    """The block below a key or dash, or null when the next line is not indented enough."""
    if at >= len(lines) or lines[at].indent < least:
        return None, at
    return _block(lines, at, lines[at].indent, depth + 1)


def _scalar(text: str, number: int) -> t.Any:
    if text[0] == '"':
        return _double(text, number)
    if text[0] == "'":
        return _single(text, number)
    if text[0] in "[{":
        return _flow(text, number)
    if text[0] in "&*!|>%@`,]}" or text[:2] in ("? ", ": ") or text in ("?", ":"):
        raise ValueError(f"line {number}: {text!r} is not understood")
    plain = re.sub(r"\s+#.*$", "", text)
    if ": " in plain or plain.endswith(":"):
        raise ValueError(f"line {number}: {text!r} is not understood")
    return _plain(plain)


def _plain(text: str) -> t.Any:
    if text in ("", "~", "null", "Null", "NULL"):
        return None
    if text in ("true", "True", "TRUE", "false", "False", "FALSE"):
        return text.lower() == "true"
    if OCTAL.match(text):
        return int(text, 8)
    if INTEGER.match(text):
        return int(text)
    if FLOAT.match(text):
        return float(text)
    return text


def _double(text: str, number: int) -> str:
    found = re.match(r'("(?:[^"\\]|\\.)*")\s*(?:#.*)?$', text)
    try:
        # Tools use JSON's escapes; YAML's further ones (\x41) are refused here rather than guessed.
        return json.loads(found.group(1)) if found else _refuse(text, number)
    except ValueError as error:
        raise ValueError(f"line {number}: {text!r} is not understood") from error


def _single(text: str, number: int) -> str:
    found = re.match(r"'((?:[^']|'')*)'\s*(?:#.*)?$", text)
    return found.group(1).replace("''", "'") if found else _refuse(text, number)


def _flow(text: str, number: int) -> t.Any:
    text = re.sub(r"\s+#.*$", "", text)
    if text == "{}":
        return {}
    found = re.match(r"\[([^\[\]{}\"'#&*!]*)\]$", text)
    if found is None:
        return _refuse(text, number)
    parts = [part.strip() for part in found.group(1).split(",")]
    return [] if parts == [""] else [_scalar(part, number) for part in parts if part]


def _refuse(text: str, number: int) -> t.Any:
    raise ValueError(f"line {number}: {text!r} is not understood")
