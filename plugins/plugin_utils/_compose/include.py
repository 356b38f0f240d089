# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`include`: services, networks, volumes, secrets and configs of other files, taken in as if they stood here."""

from __future__ import annotations

import os

from ...module_utils._errors import InputError
from .context import Data
from .document import Document, finish_part, open_part
from .envfile import parse_env
from .extends import apply_extends
from .interpolate import Variables
from .loader import read
from .merge import merge_file
from .mounts import absolute, is_remote
from .problems import Problems
from .spec import Path

_KINDS = ("services", "networks", "volumes", "secrets", "configs")


def apply_include(document: Document, trail: tuple[str, ...] = ()) -> None:
    """Everything the files below `include` define becomes part of the document.

    Raises FleetErrors: a file that is missing, that includes itself, or that defines something differently.
    """
    trail = (*trail, os.path.abspath(document.file))
    for index, entry in enumerate(document.data.pop("include", None) or ()):
        path: Path = ("include", index)
        part = _part(document, {"path": entry} if isinstance(entry, str) else entry, path, trail)
        if part is not None:
            _take_in(document, part, path)
    document.problems.stop_if_any()


def _part(document: Document, entry: Data, path: Path, trail: tuple[str, ...]) -> Document | None:
    """One entry: its files read, laid over each other, with what they include themselves."""
    given = [entry["path"]] if isinstance(entry["path"], str) else entry["path"]
    remote = next((file for file in given if is_remote(file)), "")
    if remote:
        document.problems.error(path, f"{remote} is not a file on this machine", "Keep a copy beside this file.")
        return None
    files = [absolute(file, document.directory) for file in given]
    for file in files:
        if file in trail:
            names = [os.path.basename(step) for step in (*trail[trail.index(file) :], file)]
            document.problems.error(path, f"the files include each other in a circle: {' → '.join(names)}")
            return None
    if not files:
        document.problems.error((*path, "path"), "no file is named")
        return None
    folder = entry.get("project_directory")
    directory = absolute(folder, document.directory) if folder else os.path.dirname(files[0])
    problems = document.problems
    if folder and not os.path.isdir(directory):
        problems.error((*path, "project_directory"), f"there is no directory {directory}")
        return None
    try:
        variables = _variables(document, entry.get("env_file", []), directory)
        part = open_part(files[0], directory, variables, problems)
        apply_extends(part)
        for file in files[1:]:
            over = open_part(file, directory, variables, problems)
            apply_extends(over)
            _lay_over(part, over, problems)
    except InputError as error:
        if not isinstance(error.__cause__, OSError):
            raise
        problems.error(path, f"{error.path} cannot be included: {error.message}")
        return None
    finish_part(part)
    apply_include(part, (*trail, *files[1:]))
    return part


def _variables(document: Document, files: str | list[str], directory: str) -> Variables:
    """The including file's variables win over those of the included file's `.env`, or of the files named instead."""
    outer = document.variables
    variables = Variables({**outer.file, **outer.values}, {}, outer.secrets)
    default = os.path.join(directory, ".env")
    named = [files] if isinstance(files, str) else files
    if not named and os.path.isfile(default):
        named = [default]
    for file in named:
        place = absolute(file, document.directory)
        found = parse_env(read(place), place, variables.get)
        variables = Variables(variables.values, {**variables.file, **found}, variables.secrets)
    return variables


def _lay_over(part: Document, over: Document, problems: Problems) -> None:
    data, marks = merge_file(part.data, over.data, part.problems.marks, over.problems.marks)
    part.data = data
    part.problems = problems.of_file(part.file, marks)


def _take_in(document: Document, part: Document, path: Path) -> None:
    for kind in _KINDS:
        own = document.data.get(kind) or {}
        for name, value in (part.data.get(kind) or {}).items():
            if name not in own:
                own = {**own, name: value}
                at: Path = (kind, name)
                marks = {key: mark for key, mark in part.problems.marks.items() if key[:2] == at}
                document.problems.marks.update(marks)
            elif own[name] != value:
                document.problems.error(
                    (kind, name),
                    f"{part.file} defines {name}, too, and differently",
                    "Rename one of them, or lay a second file over the included one: "
                    "include: [{path: [file, changes]}].",
                )
        if own:
            document.data[kind] = own
