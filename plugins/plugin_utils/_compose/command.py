# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Command lines as text, to argv.

Compose splits them with mattn/go-shellwords: quotes as in a shell, a backslash keeps the
next character (inside double quotes too), no expansion, and everything from an operator (``&&``, ``|``, ``;``, ``>``) on is dropped.
"""

from __future__ import annotations

_OPERATORS = ";&|<>"


class CommandError(Exception):
    """A command line whose quotes or parentheses are not closed."""


def split(line: str) -> tuple[list[str], str]:
    """The words of a command line, and what Compose drops of it (empty when nothing). Raises CommandError."""
    words: list[str] = []
    word = ""
    started = escaped = False
    quote = ""
    for position, character in enumerate(line):
        if escaped:
            word += character
            escaped, started = False, True
        elif character == "\\" and quote != "'":
            escaped = True
        elif quote in ("'", '"'):
            if character == quote:
                quote = ""
            else:
                word += character
            started = True
        elif quote:
            # Inside `…` or $(…): kept as it is, nothing is run.
            quote = "" if character == quote else quote
            word += character
        elif character.isspace():
            if started:
                words.append(word)
            word, started = "", False
        elif character in "'\"":
            quote = character
            started = True
        elif character == "`" or (character == "(" and word.endswith("$")):
            quote = ")" if character == "(" else character
            word += character
            started = True
        elif character == "(":
            raise CommandError("a parenthesis stands outside quotes")
        elif character in _OPERATORS:
            if character == ">" and word[:1].isdigit():
                started = False
            return _finish(words, word, started), line[position:]
        else:
            word += character
            started = True
    if quote or escaped:
        raise CommandError("a quote, a backslash or a parenthesis is not closed")
    return _finish(words, word, started), ""


def _finish(words: list[str], word: str, started: bool) -> list[str]:
    return [*words, word] if started else words
