# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Networks, volumes, secrets and configs of a group file, in canonical form, as far as they are used."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping

from .._nearest import did_you_mean
from .mounts import absolute
from .problems import Problems
from .spec import Path

Data = dict[str, t.Any]

KINDS = ("networks", "volumes", "secrets", "configs")
_ONE = {"networks": "network", "volumes": "volume", "secrets": "secret", "configs": "config"}
_EXAMPLES = {"networks": "{}", "volumes": "{}", "secrets": "{file: ./…}", "configs": "{file: ./…}"}
_SOURCES = {"secrets": ("file", "environment", "external"), "configs": ("file", "environment", "content", "external")}


def normalize(kind: str, entries: Mapping[str, Data], directory: str, problems: Problems) -> dict[str, Data]:
    """Every entry of one kind in canonical form; external ones get the name they have outside."""
    return {key: _entry(kind, key, value, directory, problems) for key, value in entries.items()}


def _entry(kind: str, key: str, value: Data, directory: str, problems: Problems) -> Data:
    path = (kind, key)
    result = {k: v for k, v in value.items() if k == "enable_ipv6" or v not in ("", False, None, [], {})}
    external = result.get("external")
    if isinstance(external, dict):
        problems.warn((*path, "external"), "external.name is deprecated; write name and external: true")
        result["external"] = True
        if external.get("name"):
            result["name"] = external["name"]
    if result.get("external"):
        result.setdefault("name", key)
        for other in sorted(set(result) - {"name", "external", "ipam"}):
            problems.error((*path, other), f"external and {other} exclude each other", f"Remove {other}.")
    elif kind in _SOURCES:
        _one_source(kind, key, result, problems)
    if "file" in result:
        result["file"] = absolute(result["file"], directory)
    if kind == "networks":
        result["ipam"] = _ipam(result.get("ipam", {}))
        if result["ipam"].pop("options", None):
            problems.warn((*path, "ipam", "options"), "ipam.options is ignored, by Compose too")
    return result


def _one_source(kind: str, key: str, entry: Data, problems: Problems) -> None:
    given = [name for name in _SOURCES[kind] if name in entry]
    if len(given) != 1:
        found = " and ".join(given) if given else "nothing"
        problems.error(
            (kind, key),
            f"the {_ONE[kind]} {key} must come from one place, but names {found}",
            f"Write one of {', '.join(_SOURCES[kind])}.",
        )


def _ipam(ipam: Data) -> Data:
    result = {key: value for key, value in ipam.items() if value not in ("", None, [], {})}
    if "config" in result:
        result["config"] = [{key: value for key, value in pool.items() if value} for pool in result["config"]]
    return result


def used(services: Mapping[str, Data]) -> dict[str, list[tuple[str, Path]]]:
    """What the services refer to, with the place: kind → (key, path)."""
    result: dict[str, list[tuple[str, Path]]] = {kind: [] for kind in KINDS}
    for name, service in services.items():
        path = ("services", name)
        result["networks"] += [(key, (*path, "networks", key)) for key in service.get("networks") or {}]
        for index, mount in enumerate(service.get("volumes", [])):
            if mount["type"] == "volume" and mount.get("source"):
                result["volumes"].append((mount["source"], (*path, "volumes", index)))
        for kind in ("secrets", "configs"):
            for index, entry in enumerate(service.get(kind, [])):
                result[kind].append((entry["source"], (*path, kind, index)))
        for index, entry in enumerate(service.get("build", {}).get("secrets", [])):
            result["secrets"].append((entry["source"], (*path, "build", "secrets", index)))
    return result


def keep_used(
    resources: Mapping[str, dict[str, Data]], services: Mapping[str, Data], problems: Problems
) -> dict[str, dict[str, Data]]:
    """The resources that a service uses; a reference to nothing is an error. `default` need not be declared."""
    result: dict[str, dict[str, Data]] = {kind: {} for kind in KINDS}
    for kind, references in used(services).items():
        declared = resources[kind]
        for key, path in references:
            if key in declared:
                result[kind][key] = declared[key]
            elif kind == "networks" and key == "default":
                result[kind][key] = {"ipam": {}}
            else:
                mend = did_you_mean(key, declared) if declared else ""
                problems.error(
                    path,
                    f"the {_ONE[kind]} {key} is not declared",
                    mend or f"Declare it at the end of the file: {kind}: {{{key}: {_EXAMPLES[kind]}}}.",
                )
    return result
