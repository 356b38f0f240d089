# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Formats whose files are lines: where a line begins and ends, and lines put in and taken out."""

from __future__ import annotations

import re

NEWLINE = re.compile(r"\r\n|\n|\r")


def line_start(text: str, offset: int) -> int:
    """Where the line of `offset` begins."""
    return max(text.rfind("\n", 0, offset), text.rfind("\r", 0, offset)) + 1


def previous_line(text: str, start: int) -> int:
    """Where the line before the one that begins at `start` begins."""
    return line_start(text, start - (2 if text[:start].endswith("\r\n") else 1))


def next_line(text: str, offset: int) -> int:
    """Where the line after that of `offset` begins; the end of the text where there is none."""
    found = NEWLINE.search(text, offset)
    return found.end() if found else len(text)


def newline_before(text: str, offset: int) -> str:
    """The kind of line end that the text has before `offset`, else after it, else a line feed."""
    found = NEWLINE.findall(text, 0, offset) or NEWLINE.findall(text)
    return found[-1] if found else "\n"


def put_line(text: str, offset: int, line: str) -> str:
    """Insert a line where one begins, or at the end. A text without a line end at its end stays one."""
    newline = newline_before(text, offset)
    if offset and text[offset - 1] not in "\r\n":
        return f"{text[:offset]}{newline}{line}{text[offset:]}"
    return f"{text[:offset]}{line}{newline}{text[offset:]}"


def put_block(text: str, lines: list[str]) -> str:
    """Append lines after a blank one. A text without a line end at its end stays one."""
    newline = newline_before(text, len(text))
    block = newline.join(lines)
    if not text:
        return block + newline
    return f"{text}{newline}{block}{newline}" if text[-1] in "\r\n" else f"{text}{newline}{newline}{block}"


def cut_lines(text: str, start: int, end: int) -> str:
    """Remove whole lines: from a line's begin to another's, or to the end of the text."""
    if end == len(text) and start and text[end - 1 :] not in ("\r", "\n"):
        start -= 2 if text[start - 2 : start] == "\r\n" else 1
    return text[:start] + text[end:]


def cut_block(text: str, start: int, end: int) -> str:
    """Remove whole lines and one blank line before them, which `put_block` has put there."""
    before = previous_line(text, start) if start else 0
    if start and not text[before:start].strip():
        start = before
    return cut_lines(text, start, end)
