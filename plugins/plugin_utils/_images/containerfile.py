# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads a Containerfile as far as needed to know which images it is built from.

Source: Docker's documentation, «Dockerfile reference» (parser directives, escape,
environment replacement, FROM, «Understand how ARG and FROM interact», COPY --from,
here-documents).
"""

from __future__ import annotations

import re
import shlex
import typing as t
from collections.abc import Mapping
from dataclasses import dataclass

from ...module_utils._errors import InputError

_DIRECTIVE = re.compile(r"#\s*([a-zA-Z][\w-]*)\s*=\s*(\S+)\s*")
_HEREDOC = re.compile(r"(?<![<\w])<<(-?)([\"']?)(\w+)\2")
_VARIABLE = re.compile(r"\\\$|\$(?:(\w+)|\{(\w+)(?::?([-+])([^}]*))?\})")
_COLON = re.compile(r"\$\{\w+:")


@dataclass(frozen=True)
class Instruction:
    line: int
    """Line of its first word, from 1."""
    name: str
    """In upper case."""
    rest: str
    """Continuation lines joined."""


@dataclass(frozen=True)
class Bases:
    references: tuple[str, ...]
    """Images it is built from, as written, variables filled in; without stages and scratch, in order, once each."""
    defaults: Mapping[str, str]
    """Defaults of the arguments before the first FROM."""
    final: str = ""
    """The one of `references` whose layers the built image has below its own; empty: it starts from scratch."""


def parse_bases(text: str, arguments: Mapping[str, str], target: str = "", path: str = "Containerfile") -> Bases:
    """The images that building `target` (the last stage when empty) starts from.

    Stages after the target don't count. Raises InputError with `path` and line for a
    variable without a value, a target that is not there, a file without FROM.
    """
    variables: dict[str, str] = {}
    defaults: dict[str, str] = {}
    stages: list[str] = []
    found: list[str] = []
    starts: list[str] = []
    for instruction in instructions(text):
        where = f"{path}:{instruction.line}"
        if instruction.name == "FROM":
            if stages and target and _is_target(target, stages):
                break
            image, stage = _from_words(instruction.rest, where)
            image = _fill(image.strip("\"'"), variables, where)
            if not image:
                raise InputError(f"FROM {instruction.rest} is empty once its variables are filled in", path=where)
            if image.lower() in stages:
                starts.append(starts[stages.index(image.lower())])
            elif image == "scratch":
                starts.append("")
            else:
                found.append(image)
                starts.append(image)
            stages.append(stage.lower())
        elif instruction.name == "ARG" and not stages:
            _declare(instruction.rest, arguments, variables, defaults, where)
        elif instruction.name in ("COPY", "ADD"):
            found.extend(_copied_from(instruction.rest, stages))
    if not stages:
        raise InputError("has no FROM", path=path)
    if target and not _is_target(target, stages):
        raise InputError(f"has no stage {target!r}", path=path, mend=_stages_hint(stages))
    return Bases(tuple(dict.fromkeys(found)), defaults, starts[_index(target, stages)])


def replace_bases(text: str, arguments: Mapping[str, str], images: Mapping[str, str], path: str) -> str:
    """The Containerfile with other images in its FROM and COPY --from.

    images: what is written there with its variables filled in, as `parse_bases` has it → what is to stand there. Raises
    InputError where it cannot be put there.
    """
    lines = text.splitlines(keepends=True)
    variables: dict[str, str] = {}
    started = False
    for instruction in instructions(text):
        where = f"{path}:{instruction.line}"
        if instruction.name == "ARG" and not started:
            _declare(instruction.rest, arguments, variables, {}, where)
        elif instruction.name == "FROM":
            started = True
            written, _stage = _from_words(instruction.rest, where)
            image = _fill(written.strip("\"'"), variables, where)
            if image in images and images[image] != written:
                _put(lines, instruction.line - 1, written, images[image], where)
        elif instruction.name in ("COPY", "ADD"):
            for image in _copied_from(instruction.rest, []):
                if image in images:
                    _put(lines, instruction.line - 1, f"--from={image}", f"--from={images[image]}", where)
    return "".join(lines)


def _put(lines: list[str], first: int, old: str, new: str, where: str) -> None:
    """Replace a word of the instruction that begins on this line; it may go on over more of them."""
    word = re.compile(rf"(?<!\S){re.escape(old)}(?=[\s\\`]|$)")
    for number in range(first, len(lines)):
        changed = word.sub(lambda match: new, lines[number], count=1)
        if changed != lines[number]:
            lines[number] = changed
            return
    raise InputError(f"{old} is not in one piece, so it cannot get its digest", where, "Write it on one line.")


def instructions(text: str) -> t.Iterator[Instruction]:
    """Instructions with continuation lines joined; comments, blank lines and here-document bodies left out."""
    escape = _escape_character(text)
    lines = enumerate(text.removeprefix("\ufeff").splitlines(), start=1)
    for number, line in lines:
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        parts = [line.rstrip()]
        while parts[-1].endswith(escape):
            parts[-1] = parts[-1][:-1]
            following = next((entry for _n, entry in lines if entry.strip() and not entry.lstrip().startswith("#")), "")
            parts.append(following.rstrip())
        name, _space, rest = "".join(parts).strip().partition(" ")
        if "\t" in name:
            name, _tab, tail = name.partition("\t")
            rest = f"{tail} {rest}"
        if name.upper() in ("RUN", "COPY", "ADD"):
            for dash, _quote, word in _HEREDOC.findall(rest):
                _skip_heredoc(lines, word, bool(dash))
        yield Instruction(number, name.upper(), rest.strip())


def _skip_heredoc(lines: t.Iterator[tuple[int, str]], word: str, strip_tabs: bool) -> None:
    for _number, line in lines:
        if (line.lstrip("\t") if strip_tabs else line) == word:
            return


def _escape_character(text: str) -> str:
    # Directives stand at the very top; the first line that is none ends them.
    for line in text.removeprefix("\ufeff").splitlines():
        match = _DIRECTIVE.fullmatch(line.strip())
        if match is None:
            break
        if match[1].lower() == "escape":
            return match[2]
    return "\\"


def _from_words(rest: str, where: str) -> tuple[str, str]:
    words = [word for word in rest.split() if not word.startswith("--")]
    if len(words) == 3 and words[1].upper() == "AS":
        return words[0], words[2]
    if len(words) != 1:
        raise InputError(f"FROM {rest!r} is not «FROM image [AS stage]»", path=where)
    return words[0], ""


def _declare(
    rest: str, arguments: Mapping[str, str], variables: dict[str, str], defaults: dict[str, str], where: str
) -> None:
    try:
        words = shlex.split(rest)
    except ValueError as error:
        raise InputError(f"ARG {rest}: {error}", path=where) from None
    for word in words:
        name, equals, default = word.partition("=")
        if equals:
            # In a default, builders take an unset variable as empty; platform arguments are often used so.
            known = {match[1] or match[2]: "" for match in _VARIABLE.finditer(default)}
            variables[name] = defaults[name] = _fill(default, {**known, **variables}, where)
        if name in arguments:
            variables[name] = arguments[name]


def _fill(text: str, variables: Mapping[str, str], where: str) -> str:
    def value(match: re.Match[str]) -> str:
        name = match[1] or match[2]
        if name is None:
            return "$"
        known = variables.get(name)
        if known == "" and _COLON.match(match[0]):
            known = None
        if match[3] == "-":
            return match[4] if known is None else known
        if match[3] == "+":
            return "" if known is None else match[4]
        if known is None:
            raise InputError(
                f"variable {name} has no value",
                path=where,
                mend=f"Give the build argument {name}, or write «ARG {name}=…» before the first FROM.",
            )
        return known

    return _VARIABLE.sub(value, text)


def _copied_from(rest: str, stages: list[str]) -> list[str]:
    sources = [word.partition("=")[2] for word in rest.split() if word.startswith("--from=")]
    # Variables are not filled in here by the builders either; a number is a stage.
    return [name for name in sources if name.lower() not in stages and not name.isdigit() and "$" not in name]


def _is_target(target: str, stages: list[str]) -> bool:
    if target.isdigit():
        return int(target) < len(stages)
    return target.lower() in stages


def _index(target: str, stages: list[str]) -> int:
    if not target:
        return -1
    return int(target) if target.isdigit() else stages.index(target.lower())


def _stages_hint(stages: list[str]) -> str:
    names = [stage for stage in stages if stage]
    return f"Its stages: {', '.join(names)}." if names else "Its stages have no names; use their number."
