# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A group file to a GroupSpec: the way through this package, top to bottom."""

from __future__ import annotations

import os
import re
import typing as t
from collections.abc import Mapping

from . import checks, extensions, resources
from .context import Context
from .document import check_document, parse_document
from .envfile import parse_env
from .extends import apply_extends
from .include import apply_include
from .interpolate import Variables
from .loader import read
from .mounts import OfController
from .problems import Problems
from .service import normalize_service
from .spec import GroupSpec, Path
from .units import go_text

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")
"""What Compose takes for a project's name."""


def load_group(
    path: str | os.PathLike[str],
    environment: Mapping[str, str] | None = None,
    secret_names: frozenset[str] = frozenset(),
) -> GroupSpec:
    """Read, fill in, check and normalise one group file.

    environment:  variables for ``${…}``; a `.env` beside the file is read underneath them.
    secret_names: names of secrets; interpolating one of them is an error.

    Raises InputError, or FleetErrors with everything found in one pass.
    """
    file = os.fspath(path)
    directory = os.path.dirname(os.path.abspath(file))
    variables = Variables(_text(environment or {}), secrets=frozenset(secret_names))
    variables = Variables(variables.values, _dot_env(file, variables), variables.secrets)
    return load_text(read(file), file, directory, variables)


def load_text(text: str, file: str, directory: str, variables: Variables) -> GroupSpec:
    """The same for text that was read already; still reads the files it names: `env_file`, `extends`, `include`."""
    document = parse_document(text, file, directory, variables)
    check_document(document)
    apply_extends(document)
    apply_include(document)
    problems, data = document.problems, document.data
    context = Context(directory, variables, problems)
    spec = _spec(data, file, context)
    problems.stop_if_any()
    return spec


def _text(environment: Mapping[str, t.Any]) -> dict[str, str]:
    """Inventory values may be numbers or booleans; Compose's variables are text."""
    return {name: value if isinstance(value, str) else go_text(value) for name, value in environment.items()}


def _dot_env(file: str, variables: Variables) -> dict[str, str]:
    path = os.path.join(os.path.dirname(file), ".env")
    return parse_env(read(path), path, variables.get) if os.path.isfile(path) else {}


def _spec(data: dict[str, t.Any], file: str, context: Context) -> GroupSpec:
    problems = context.problems
    if "version" in data:
        problems.warn(("version",), "version is obsolete and ignored; remove it")
    raw = data.get("services", {})
    if not raw:
        problems.error(("services",) if "services" in data else (), "the group is empty: it has no services")
    services = {name: normalize_service(value, ("services", name), context) for name, value in raw.items()}
    checks.check_services(services, problems)
    declared = {
        kind: resources.normalize(kind, data.get(kind) or {}, context.directory, problems) for kind in resources.KINDS
    }
    kept = resources.keep_used(declared, services, problems)
    relative = _relative_sources(services)
    fleet = data.get("x-fleet", {})
    name = _name(data, file, problems)
    return GroupSpec(
        name=name,
        path=file,
        directory=context.directory,
        services=services,
        **kept,
        needs=_needs(fleet, name, problems),
        timeout=extensions.duration_seconds(fleet["timeout"]) if "timeout" in fleet else 120.0,
        description=fleet.get("description", ""),
        extensions={
            key: extensions.service_extensions(value, services[key], ("services", key), context)
            for key, value in raw.items()
        },
        builds={
            key: extensions.build_extensions(value["build"], ("services", key, "build"), context)
            for key, value in raw.items()
            if "build" in value
        },
        relative=relative,
        warnings=tuple(problems.warnings),
        marks=problems.marks,
    )


def _relative_sources(services: dict[str, t.Any]) -> frozenset[Path]:
    """Where binds of the controller's paths stand; the paths are plain text from here on."""
    found = set()
    for name, service in services.items():
        for index, entry in enumerate(service.get("volumes", [])):
            if isinstance(entry.get("source"), OfController):
                entry["source"] = str(entry["source"])
                found.add(("services", name, "volumes", index))
    return frozenset(found)


def _name(data: dict[str, t.Any], file: str, problems: Problems) -> str:
    stem = os.path.splitext(os.path.basename(file))[0]
    name = data.get("name", stem)
    if not _NAME.fullmatch(name):
        problems.error(
            ("name",) if "name" in data else (),
            f"{name!r} is not the name of a group: lower-case letters, digits, '-' and '_' are allowed",
        )
    elif name != stem:
        problems.error(
            ("name",),
            f"the name {name} differs from the file's name {stem}",
            "container_groups names the file; make both the same, or leave name out.",
        )
    return name


def _needs(fleet: dict[str, t.Any], group: str, problems: Problems) -> tuple[str, ...]:
    needs = fleet.get("needs", [])
    for index, name in enumerate(needs):
        if not _NAME.fullmatch(name):
            problems.error(("x-fleet", "needs", index), f"{name!r} is not the name of a group")
        elif name == group:
            problems.error(("x-fleet", "needs", index), f"the group {name} needs itself")
        elif name in needs[:index]:
            problems.error(("x-fleet", "needs", index), f"the group {name} is named twice")
    return tuple(needs)
