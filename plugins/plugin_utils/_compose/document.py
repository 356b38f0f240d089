# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One file on its way into a group: read, filled in and checked, but not yet put together with others."""

from __future__ import annotations

import os
import typing as t
from dataclasses import dataclass, field

from . import paths
from .context import Context, Data, outside
from .interpolate import Variables, interpolate
from .loader import parse, read
from .problems import Problems
from .schema import GROUP_FILE
from .schema_service import SERVICE


@dataclass
class Document:
    file: str
    directory: str
    """Relative paths in the file start here."""
    variables: Variables
    problems: Problems
    data: Data
    complete: set[str] = field(default_factory=set)
    """Services whose `extends` has been carried out."""
    broken: set[str] = field(default_factory=set)
    """Services for which that failed; why is among the problems."""
    unchecked: set[str] = field(default_factory=set)
    """Services that nobody has looked at yet, see `open_base`."""

    @property
    def services(self) -> Data:
        return self.data.get("services") or {}


def parse_document(
    text: str, file: str, directory: str, variables: Variables, within: Problems | None = None
) -> Document:
    """A file's text, filled in but not checked. `within`: the problems of the group file that leads to this file.

    Raises InputError for what is not YAML, FleetErrors for variables.
    """
    data, marks = parse(text, file)
    problems = Problems(file, marks)
    if within is not None:
        problems = within.of_file(file, {path: (*mark[:2], file) for path, mark in marks.items()})
    if isinstance(data, dict):
        # Compose ignores other top-level x- keys; they are mostly anchors, which count where they are used.
        data = {key: value for key, value in data.items() if not key.startswith("x-") or key in GROUP_FILE.extensions}
    data = interpolate(data, variables, problems)
    problems.stop_if_any()
    return Document(file, directory, variables, problems, data)


def check_document(document: Document) -> None:
    """The whole file against the schema. Raises FleetErrors."""
    document.data = GROUP_FILE.check(document.data, (), document.problems)
    document.problems.stop_if_any()


def open_base(file: str, variables: Variables, within: Problems) -> Document:
    """A file that `extends` names: of it only the services that are asked for need to be right, as in Compose."""
    document = parse_document(read(file), _shown(file), os.path.dirname(file), variables, within)
    services = document.data.get("services") if isinstance(document.data, dict) else None
    document.data = {"services": services if isinstance(services, dict) else {}}
    document.unchecked = set(document.services)
    return document


def check_base(document: Document, name: str) -> None:
    """One service of such a file is checked now, and gets absolute paths."""
    if name in document.unchecked:
        document.unchecked.discard(name)
        service = SERVICE.check(document.services[name], ("services", name), document.problems)
        document.problems.stop_if_any()
        document.services[name] = paths.of_service(service, document.directory)


def open_part(file: str, directory: str, variables: Variables, within: Problems) -> Document:
    """A file that `include` names, checked as a whole and with absolute paths."""
    document = parse_document(read(file), _shown(file), directory, variables, within)
    check_document(document)
    if document.data.pop("x-fleet", None):
        document.problems.warn(("x-fleet",), "x-fleet of an included file is ignored; it belongs into the group file")
    document.data = {
        **document.data,
        **paths.of_resources(document.data, directory),
        "services": {name: paths.of_service(service, directory) for name, service in document.services.items()},
    }
    return document


def _shown(file: str) -> str:
    """Relative to where the user is, when it lies below."""
    relative = os.path.relpath(file)
    return file if relative.startswith("..") else relative


def finish_part(document: Document) -> None:
    """What an included file settles for itself: where builds start, and variables that are handed on by name."""
    context = Context(document.directory, document.variables, document.problems)
    for name, service in document.services.items():
        if isinstance(service.get("build"), dict) and not service["build"].get("context"):
            service["build"] = {**service["build"], "context": document.directory}
        environment: dict[str, t.Any] = service.get("environment") or {}
        for variable, value in environment.items():
            if value is None:
                environment[variable] = outside(variable, ("services", name, "environment", variable), context)
