# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which files of a build context are sent: the rules of .dockerignore.

Source: Docker's documentation, «Dockerfile reference / .dockerignore file» and «Build
context / .dockerignore files», and the behaviour of moby/patternmatcher where the
documentation is silent (a pattern also matches everything below a directory it names).
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass

from ...module_utils._errors import InputError


@dataclass(frozen=True)
class Pattern:
    text: str
    regex: re.Pattern[str]
    keep: bool
    """True for ``!pattern``: what it matches is sent after all."""


@dataclass(frozen=True)
class IgnoreRules:
    patterns: tuple[Pattern, ...] = ()

    @property
    def has_exceptions(self) -> bool:
        """Whether something inside an ignored directory may still be sent."""
        return any(pattern.keep for pattern in self.patterns)

    def ignores(self, path: str) -> bool:
        """Whether `path` (relative to the context, with slashes) is left out. The last rule that matches wins."""
        candidates = [path]
        while "/" in path:
            path = path.rpartition("/")[0]
            candidates.append(path)
        ignored = False
        for pattern in self.patterns:
            if pattern.keep == ignored and any(pattern.regex.fullmatch(candidate) for candidate in candidates):
                ignored = not pattern.keep
        return ignored


def parse_ignore(text: str, path: str = ".dockerignore") -> IgnoreRules:
    """Read an ignore file. Raises InputError with `path` and the line for a pattern that means nothing."""
    patterns = []
    for number, line in enumerate(text.removeprefix("\ufeff").splitlines(), start=1):
        if line.startswith("#"):
            continue
        keep = line.strip().startswith("!")
        body = line.strip().removeprefix("!").strip()
        if not body:
            if keep:
                raise InputError("«!» without a pattern", path=f"{path}:{number}")
            continue
        body = posixpath.normpath(body).lstrip("/")
        if body in ("", "."):
            continue
        try:
            patterns.append(Pattern(body, re.compile(_regex(body), re.DOTALL), keep))
        except re.error as error:
            raise InputError(f"{line.strip()!r} is not a pattern: {error}", path=f"{path}:{number}") from None
    return IgnoreRules(tuple(patterns))


def _regex(pattern: str) -> str:
    """Go's filepath.Match as a regular expression, plus ``**`` for any number of directories, none included."""
    result = ""
    position = 0
    while position < len(pattern):
        character = pattern[position]
        position += 1
        if character == "*" and pattern[position : position + 1] == "*":
            position += 1
            if pattern[position : position + 1] == "/":
                position += 1
            result += "(?:.*/)?" if position < len(pattern) else ".*"
        elif character == "*":
            result += "[^/]*"
        elif character == "?":
            result += "[^/]"
        elif character == "[":
            end = _class_end(pattern, position)
            result += _character_class(pattern[position:end])
            position = end + 1
        elif character == "\\" and position < len(pattern):
            result += re.escape(pattern[position])
            position += 1
        else:
            result += re.escape(character)
    return result


def _class_end(pattern: str, start: int) -> int:
    position = start
    while position < len(pattern):
        if pattern[position] == "\\":
            position += 1
        elif pattern[position] == "]" and position > start:
            return position
        position += 1
    raise re.error("unclosed [")


def _character_class(body: str) -> str:
    negated = body.startswith("^")
    body = body.removeprefix("^").replace("[", "\\[")
    return f"(?!/)[{'^' if negated else ''}{body}]"
