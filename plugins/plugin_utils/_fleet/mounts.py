# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Volumes, tmpfs, configs of a service as mounts; controller content is staged on the way."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping
from dataclasses import replace

from ...module_utils._errors import InputError
from ...module_utils._group.config import STAGED, Mount
from .._nearest import did_you_mean
from .placement import Placement
from .staging import Manifest, stage_content, stage_path
from .units import size

Files = dict[str, Manifest]
"""sha256 → what to put on the host."""

_KEYS = {
    "": {"type", "source", "target", "read_only", "bind", "volume", "tmpfs", "consistency"},
    "bind": {"propagation", "create_host_path", "selinux"},
    "volume": {"nocopy", "subpath"},
    "tmpfs": {"size", "mode"},
}


def mounts(placement: Placement, service: str, files: Files) -> tuple[Mount, ...]:
    """All mounts of a service, in the order of the file. New staged content is added to `files`. Raises InputError."""
    content = placement.services[service]
    result = _volumes(placement, service, files)
    result += [
        _tmpfs(placement.where("services", service, "tmpfs", index), entry)
        for index, entry in enumerate(content.get("tmpfs") or ())
    ]
    result += [
        _config(placement, ("services", service, "configs", index), entry, files)
        for index, entry in enumerate(content.get("configs") or ())
    ]
    _check_targets(placement, service, result)
    return tuple(result)


def _volumes(placement: Placement, service: str, files: Files, trail: tuple[str, ...] = ()) -> list[Mount]:
    """A service's own volumes, after those of `volumes_from` that are not on the same place in the container."""
    content = placement.services[service]
    result = {}
    for index, entry in enumerate(content.get("volumes_from") or ()):
        other, _colon, mode = entry.partition(":")
        where = placement.where("services", service, "volumes_from", index)
        if other not in placement.services or other in (*trail, service):
            raise InputError(f"the volumes of {other} cannot be used here", where, "Name them below volumes.")
        for mount in _volumes(placement, other, files, (*trail, service)):
            if mount.type == "volume" and not mount.source:
                raise InputError(
                    f"the volume of {other} on {mount.target} has no name, so it cannot be shared",
                    where,
                    f"Give it one in {other}: volumes: [NAME:{mount.target}].",
                )
            if mount.type != "tmpfs":
                result[mount.target] = replace(mount, read_only=mount.read_only or mode == "ro")
    own = [
        _volume(placement, ("services", service, "volumes", index), entry, files)
        for index, entry in enumerate(content.get("volumes") or ())
    ]
    taken = {mount.target for mount in own}
    return [mount for target, mount in result.items() if target not in taken] + own


def volume_name(placement: Placement, key: str) -> str:
    definition = placement.spec.volumes.get(key) or {}
    if definition.get("name"):
        return definition["name"]
    return key if definition.get("external") else f"{placement.project}_{key}"


def _volume(placement: Placement, path: tuple[str | int, ...], entry: Mapping[str, t.Any], files: Files) -> Mount:
    where = placement.where(*path)
    _check_keys(entry, where)
    kind = entry["type"]
    common = {"target": entry["target"], "read_only": bool(entry.get("read_only"))}
    if kind == "bind":
        return _bind(placement, path, entry, common, files)
    if kind == "volume":
        options = entry.get("volume") or {}
        source = entry.get("source") or ""
        if source and source not in placement.spec.volumes:
            raise InputError(f"there is no volume «{source}»", where, did_you_mean(source, placement.spec.volumes))
        return Mount(
            "volume",
            source=volume_name(placement, source) if source else "",
            nocopy=bool(options.get("nocopy")),
            subpath=options.get("subpath") or "",
            **common,
        )
    if kind == "tmpfs":
        options = entry.get("tmpfs") or {}
        return Mount("tmpfs", size=size(options.get("size") or 0, where), mode=int(options.get("mode") or 0), **common)
    raise InputError(f"a mount of type {kind} is not supported", where, "Use bind, volume or tmpfs.")


def _bind(
    placement: Placement,
    path: tuple[str | int, ...],
    entry: Mapping[str, t.Any],
    common: dict[str, t.Any],
    files: Files,
) -> Mount:
    options = entry.get("bind") or {}
    source = entry["source"]
    if path not in placement.spec.relative:
        return Mount(
            "bind",
            source=source,
            create_host_path=bool(options.get("create_host_path")),
            propagation=options.get("propagation") or "",
            selinux=options.get("selinux") or "",
            **common,
        )
    where = placement.where(*path)
    if not common["read_only"]:
        raise InputError(
            "a relative path is the controller's, and a container cannot write there",
            where,
            "Use a named volume, an absolute path on the host, or :ro.",
        )
    sha, manifest = stage_path(source, where)
    files[sha] = manifest
    return Mount("bind", source=STAGED + sha, create_host_path=False, selinux=options.get("selinux") or "", **common)


def _tmpfs(where: str, entry: str) -> Mount:
    target, _colon, options = entry.partition(":")
    values: dict[str, t.Any] = {}
    for option in filter(None, options.split(",")):
        name, _equals, value = option.partition("=")
        if name == "size":
            values["size"] = size(value, where)
        elif name == "mode":
            values["mode"] = int(value, 8)
        elif name == "ro":
            values["read_only"] = True
        # What every engine gives a tmpfs anyway.
        elif name not in ("rw", "noexec", "nosuid", "nodev"):
            raise InputError(f"the tmpfs option {name} is not supported", where, "Use size, mode or ro.")
    return Mount("tmpfs", target=target, **values)


def _config(placement: Placement, path: tuple[str | int, ...], entry: Mapping[str, t.Any], files: Files) -> Mount:
    name = entry["source"]
    definition = placement.spec.configs.get(name)
    if definition is None:
        raise InputError(
            f"there is no config «{name}»", placement.where(*path), did_you_mean(name, placement.spec.configs)
        )
    where = placement.where("configs", name)
    mode = entry.get("mode")
    if definition.get("file"):
        sha, manifest = stage_path(definition["file"], where, mode)
    elif "content" in definition:
        sha, manifest = stage_content(definition["content"], mode)
    elif definition.get("environment") in placement.host.environment:
        sha, manifest = stage_content(placement.host.environment[definition["environment"]], mode)
    else:
        raise InputError(
            f"no value for the config's variable {definition.get('environment')}",
            where,
            f"Put it into container_environment of {placement.host.name}, or use «file» or «content».",
        )
    files[sha] = manifest
    target = entry.get("target") or f"/{name}"
    return Mount("bind", target=target, source=STAGED + sha, read_only=True, create_host_path=False)


def _check_keys(entry: Mapping[str, t.Any], where: str) -> None:
    for section, known in _KEYS.items():
        content = entry.get(section) or {} if section else entry
        unknown = sorted(set(content) - known)
        if unknown:
            name = f"{section}.{unknown[0]}" if section else unknown[0]
            raise InputError(f"{name} of a mount is not supported", where, did_you_mean(unknown[0], known))


def _check_targets(placement: Placement, service: str, found: list[Mount]) -> None:
    targets = [mount.target.rstrip("/") for mount in found]
    for target in targets:
        if targets.count(target) > 1:
            raise InputError(
                f"two mounts have the target {target}",
                placement.where("services", service, "volumes"),
                "Take one of them away.",
            )
