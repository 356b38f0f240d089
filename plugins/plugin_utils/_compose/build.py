# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A service's `build` in canonical form."""

from __future__ import annotations

from . import mounts
from .context import Context, Data, is_empty, outside
from .references import extra_hosts, file_reference
from .spec import Path

_NO_DOUBLES = ("tags", "cache_from", "cache_to")


def normalize_build(build: str | Data, path: Path, context: Context) -> Data:
    if isinstance(build, str):
        build = {"context": build}
    result = {key: value for key, value in build.items() if not key.startswith("x-") and not is_empty(value)}
    where = result.get("context", ".")
    result["context"] = where if mounts.is_remote(where) else mounts.absolute(where, context.directory)
    if "dockerfile_inline" not in result:
        result.setdefault("dockerfile", "Dockerfile")
    elif "dockerfile" in result:
        context.problems.error((*path, "dockerfile_inline"), "dockerfile and dockerfile_inline exclude each other")
    if "args" in result:
        result["args"] = build_arguments(result["args"], (*path, "args"), context)
        if not result["args"]:
            del result["args"]
    for key in _NO_DOUBLES:
        if key in result:
            result[key] = list(dict.fromkeys(result[key]))
    if "additional_contexts" in result:
        result["additional_contexts"] = {
            name: mounts.additional_context(value, context.directory)
            for name, value in result["additional_contexts"].items()
        }
    if "secrets" in result:
        result["secrets"] = [file_reference(entry, "") for entry in result["secrets"]]
    if "extra_hosts" in result:
        result["extra_hosts"] = extra_hosts(result["extra_hosts"], (*path, "extra_hosts"), context.problems)
    if isinstance(result.get("ssh"), dict):
        result["ssh"] = [f"{name}={value}" if value else name for name, value in result["ssh"].items()]
    return result


def build_arguments(arguments: Data, path: Path, context: Context) -> dict[str, str]:
    """An argument without a value takes it from outside; it is left out where there is none."""
    result = {}
    for name, value in arguments.items():
        if value is None:
            value = outside(name, (*path, name), context)
        if value is not None:
            result[name] = value
    return result
