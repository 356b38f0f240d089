# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`extends`: a service laid over another one, of the same file or of another."""

from __future__ import annotations

import os

from ...module_utils._errors import InputError
from .._nearest import did_you_mean
from .context import Data
from .document import Document, check_base, open_base
from .merge import merge_service
from .mounts import absolute, is_remote
from .spec import Path

MOST_STEPS = 50
"""Services that may extend each other in a row; far above any real file."""

_Step = tuple[str, str]
"""File and service."""


def apply_extends(document: Document) -> None:
    """Every service of a checked document that extends another is replaced by the two put together.

    Raises FleetErrors: no such file or service, services that extend each other.
    """
    files: dict[str, Document] = {}
    for name in document.services:
        _complete(document, name, files, ())
    document.problems.stop_if_any()


def _complete(document: Document, name: str, files: dict[str, Document], trail: tuple[_Step, ...]) -> bool:
    """Put one service together with what it extends. False when that failed; the problem is then noted."""
    if name in document.complete or name in document.broken:
        return name in document.complete
    service = dict(document.services[name])
    extends = service.pop("extends", None)
    if extends and not _extend(document, name, service, extends, files, trail):
        document.broken.add(name)
        return False
    if not extends:
        document.services[name] = service
    document.complete.add(name)
    return True


def _extend(
    document: Document,
    name: str,
    service: Data,
    extends: str | Data,
    files: dict[str, Document],
    trail: tuple[_Step, ...],
) -> bool:
    path: Path = ("services", name, "extends")
    here = (os.path.abspath(document.file), name)
    if here in trail:
        _circle(document, path, (*trail[trail.index(here) :], here))
        return False
    if len(trail) > MOST_STEPS:
        document.problems.error(path, f"more than {MOST_STEPS} services extend each other in a row")
        return False
    wanted = {"service": extends} if isinstance(extends, str) else extends
    other = _other(document, wanted.get("file", ""), path, files)
    base = wanted["service"]
    if other is None or not _has(other, base, document, path) or not _complete(other, base, files, (*trail, here)):
        return False
    at: Path = ("services", name)
    marks = document.problems.marks
    document.services[name], found = merge_service(
        other.services[base], service, other.problems.marks, ("services", base), marks, at
    )
    for old in [key for key in marks if key[:2] == at and len(key) > 2]:
        del marks[old]
    marks.update({key: mark for key, mark in found.items() if len(key) > 2})
    return True


def _other(document: Document, file: str, path: Path, files: dict[str, Document]) -> Document | None:
    if not file:
        return document
    if is_remote(file):
        document.problems.error(
            (*path, "file"), f"{file} is not a file on this machine", "Keep a copy beside this file."
        )
        return None
    place = absolute(file, document.directory)
    if place not in files:
        try:
            files[place] = open_base(place, document.variables, document.problems)
        except InputError as error:
            if not isinstance(error.__cause__, OSError):
                raise
            document.problems.error((*path, "file"), f"the file {file} cannot be extended: {error.message}")
            return None
    return files[place]


def _has(other: Document, service: str, document: Document, path: Path) -> bool:
    """Is there such a service?"""
    if service not in other.services:
        file = "" if other is document else f" in {other.file}"
        document.problems.error(path, f"there is no service {service}{file}", did_you_mean(service, other.services))
        return False
    check_base(other, service)
    return True


def _circle(document: Document, path: Path, steps: tuple[_Step, ...]) -> None:
    several = len({file for file, _service in steps}) > 1
    names = [f"{service} ({os.path.basename(file)})" if several else service for file, service in steps]
    document.problems.error(path, f"the services extend each other in a circle: {' → '.join(names)}")
