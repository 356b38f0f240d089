# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``$VAR``, ``${VAR:-default}`` and the like, as Compose fills them in.

Names, operators and nesting follow compose-go's template package: a lone ``$`` that
starts nothing stays, ``$$`` is one ``$``, ``${`` that starts nothing valid is an error.
"""

from __future__ import annotations

import re
import typing as t
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from .problems import Problems
from .spec import Path

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_OPERATORS = (":-", ":?", ":+", "-", "?", "+")


class TemplateError(Exception):
    """What is wrong with a template, and how to mend it; the caller knows the path."""

    def __init__(self, message: str, mend: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.mend = mend


@dataclass(frozen=True)
class Variables:
    """What ``${…}`` may name. `values` win over `file` (the .env beside the group file)."""

    values: Mapping[str, str] = field(default_factory=dict)
    file: Mapping[str, str] = field(default_factory=dict)
    secrets: frozenset[str] = frozenset()

    def get(self, name: str) -> str | None:
        """The value, or None. Raises TemplateError for the name of a secret."""
        if name in self.secrets:
            raise TemplateError(
                f"{name} is a secret and must not be written into the configuration",
                f"Use a Compose secret instead: secrets: {{{name.lower()}: {{environment: {name}}}}}.",
            )
        if name in self.values:
            return self.values[name]
        return self.file.get(name)


def substitute(text: str, get: Callable[[str], str | None], unset: Callable[[str], None] = lambda name: None) -> str:
    """`text` with its variables filled in; `unset` is told each name that has neither value nor default.

    Raises TemplateError.
    """
    if "$" not in text:
        return text
    result: list[str] = []
    position = 0
    while True:
        dollar = text.find("$", position)
        if dollar < 0:
            return "".join(result) + text[position:]
        result.append(text[position:dollar])
        value, position = _one(text, dollar, get, unset)
        result.append(value)


def _one(text: str, dollar: int, get: t.Any, unset: t.Any) -> tuple[str, int]:
    """The value of what starts at this ``$``, and where the text goes on."""
    after = text[dollar + 1 : dollar + 2]
    if after == "$":
        return "$", dollar + 2
    if after == "{":
        end = _closing(text, dollar + 2)
        return _braced(text[dollar + 2 : end], get, unset), end + 1
    match = _NAME.match(text, dollar + 1)
    if not match:
        return "$", dollar + 1
    return _plain(match.group(), get, unset), match.end()


def _closing(text: str, start: int) -> int:
    depth = 1
    position = start
    while position < len(text):
        if text.startswith("${", position):
            depth += 1
            position += 2
            continue
        if text[position] == "}":
            depth -= 1
            if not depth:
                return position
        position += 1
    raise TemplateError("a ${ is not closed", "Close it with }, or write $$ for a dollar sign.")


def _braced(body: str, get: t.Any, unset: t.Any) -> str:
    match = _NAME.match(body)
    if not match:
        raise TemplateError(f"${{{body}}} names no variable", "Write $$ for a dollar sign.")
    name, rest = match.group(), body[match.end() :]
    if not rest:
        return _plain(name, get, unset)
    operator = next((operator for operator in _OPERATORS if rest.startswith(operator)), None)
    if operator is None:
        raise TemplateError(
            f"${{{body}}} is not understood", "Use ${NAME}, ${NAME:-default}, ${NAME:?message} or ${NAME:+value}."
        )
    argument = rest[len(operator) :]
    value = get(name)
    there = bool(value) if operator[0] == ":" else value is not None
    if operator[-1] == "-":
        return value if there else substitute(argument, get, unset)
    if operator[-1] == "+":
        return substitute(argument, get, unset) if there else ""
    if not there:
        message = substitute(argument, get, unset)
        raise TemplateError(
            f"the variable {name} is required but {'not set' if value is None else 'empty'}"
            + (f": {message}" if message else ""),
            f"Set it in container_environment, or as {name}=… in the .env beside the file.",
        )
    return value


def _plain(name: str, get: t.Any, unset: t.Any) -> str:
    value = get(name)
    if value is None:
        unset(name)
        return ""
    return value


def interpolate(data: t.Any, variables: Variables, problems: Problems, path: Path = ()) -> t.Any:
    """Every text value below `data` filled in; keys stay as they are. Errors and warnings go to `problems`."""
    if isinstance(data, dict):
        return {key: interpolate(value, variables, problems, (*path, key)) for key, value in data.items()}
    if isinstance(data, list):
        return [interpolate(value, variables, problems, (*path, index)) for index, value in enumerate(data)]
    if not isinstance(data, str):
        return data

    def unset(name: str) -> None:
        problems.warn(path, f"the variable {name} is not set; it is taken as empty")

    try:
        return substitute(data, variables.get, unset)
    except TemplateError as error:
        problems.error(path, error.message, error.mend)
        return ""
