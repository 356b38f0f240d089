# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A service's environment: its `env_file` files and `environment`, put together."""

from __future__ import annotations

from collections.abc import Callable

from ...module_utils._errors import FleetError
from .context import Context, Data, outside
from .envfile import parse_env
from .loader import read
from .mounts import absolute
from .spec import Path


def normalize_environment(service: Data, path: Path, context: Context) -> Data:
    """env_file in order, then environment; a name alone has the value it has outside, or None."""
    result: Data = {}
    files = service.get("env_file", [])
    for index, entry in enumerate([files] if isinstance(files, str) else files):
        place = (*path, "env_file") if isinstance(files, str) else (*path, "env_file", index)
        result.update(_env_file(entry, place, context, result))
    for name, value in (service.get("environment") or {}).items():
        if value is None:
            value = outside(name, (*path, "environment", name), context)
        result[name] = value
    return result


def labels_of_files(service: Data, path: Path, context: Context) -> Data:
    """The labels that the files below `label_file` hold, later files last. They see no variables from outside."""
    result: Data = {}
    files = service["label_file"]
    for index, entry in enumerate([files] if isinstance(files, str) else files):
        place = (*path, "label_file") if isinstance(files, str) else (*path, "label_file", index)
        result.update(_variables({"path": entry}, place, context, result.get, "label"))
    return result


def _env_file(entry: str | Data, path: Path, context: Context, earlier: Data) -> dict[str, str]:
    """The variables of one file; those of earlier files can be used in it."""

    def get(name: str) -> str | None:
        value = context.variables.get(name)
        return earlier.get(name) if value is None else value

    return _variables({"path": entry} if isinstance(entry, str) else entry, path, context, get, "environment")


def _variables(
    entry: Data, path: Path, context: Context, get: Callable[[str], str | None], what: str
) -> dict[str, str]:
    file = absolute(entry["path"], context.directory)
    try:
        text = read(file)
    except FleetError as error:
        if entry.get("required", True) or not isinstance(error.__cause__, FileNotFoundError):
            context.problems.error(path, f"the {what} file {file}: {error.message}")
        return {}
    try:
        return parse_env(text, file, get)
    except FleetError as error:
        context.problems.error(path, f"{error.path}: {error.message}", error.mend)
        return {}
