# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Relative paths of a file other than the group file, made absolute before its parts move into the group."""

from __future__ import annotations

import typing as t

from . import mounts
from .context import Data


def of_service(service: Data, directory: str) -> Data:
    """The service, as the schema gave it back, with absolute paths. Bind sources become `mounts.OfController`."""
    result = dict(service)
    if "build" in result:
        result["build"] = _build(result["build"], directory)
    for key in ("env_file", "label_file"):
        if key in result:
            entries = [result[key]] if isinstance(result[key], str) else result[key]
            result[key] = [_file(entry, directory) for entry in entries]
    if "volumes" in result:
        result["volumes"] = [_volume(entry, directory) for entry in result["volumes"]]
    return result


def of_resources(data: Data, directory: str) -> Data:
    """The secrets and configs of a file with absolute paths."""
    return {
        kind: {
            name: {**entry, "file": mounts.absolute(entry["file"], directory)} if entry.get("file") else entry
            for name, entry in data[kind].items()
        }
        for kind in ("secrets", "configs")
        if data.get(kind)
    }


def _build(build: str | Data, directory: str) -> str | Data:
    if isinstance(build, str):
        return _context(build, directory)
    result: Data = dict(build)
    if result.get("context"):
        result["context"] = _context(result["context"], directory)
    if "additional_contexts" in result:
        result["additional_contexts"] = {
            name: mounts.additional_context(value, directory) for name, value in result["additional_contexts"].items()
        }
    if "x-stacks" in result:
        result["x-stacks"] = {
            stack: {**variant, "context": _context(variant["context"], directory)} if "context" in variant else variant
            for stack, variant in result["x-stacks"].items()
        }
    return result


def _context(where: str, directory: str) -> str:
    return where if mounts.is_remote(where) else mounts.absolute(where, directory)


def _file(entry: str | Data, directory: str) -> str | Data:
    if isinstance(entry, str):
        return mounts.absolute(entry, directory)
    return {**entry, "path": mounts.absolute(entry["path"], directory)}


def _volume(entry: str | Data, directory: str) -> str | Data:
    try:
        long: dict[str, t.Any] = mounts.parse_volume(entry) if isinstance(entry, str) else entry
    except mounts.MountError:
        return entry  # reported when the volume is read
    if long["type"] != "bind" or not long.get("source"):
        return entry
    return {**long, "source": mounts.bind_source(long["source"], directory)}
