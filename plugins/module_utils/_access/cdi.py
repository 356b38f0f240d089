# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which CDI devices an engine can resolve, from the specs in its directories.

Rules of the Container Device Interface (cncf-tags/container-device-interface): only
``*.json`` and ``*.yaml``; a later directory wins over an earlier one; a name that two
files of one directory define is unusable; a file of a version that the engine's library
does not know is dropped as a whole, which engines report only as «unresolvable».
"""

from __future__ import annotations

import json
import re
import typing as t
from dataclasses import dataclass

from .._gpu.findings import Finding, finding
from .._gpu.model import EngineFacts
from .._gpu.probe import Reader
from . import yaml_subset

VERSIONS = {
    # engine: (first engine version, highest CDI version its library reads), newest first.
    # From the vendored library of each release (moby vendor.mod, podman go.mod).
    "docker": (((29, 2), (1, 1)), ((28, 1), (1, 0)), ((27, 5), (0, 8)), ((26, 1), (0, 7)), ((25, 0), (0, 6))),
    "podman": (
        ((5, 5), (1, 0)),
        ((5, 2), (0, 8)),
        ((5, 1), (0, 7)),
        ((4, 9), (0, 6)),
        ((4, 3), (0, 5)),
        ((4, 1), (0, 4)),
    ),
}


@dataclass(frozen=True)
class CdiSpec:
    path: str
    version: str
    kind: str
    """``vendor/class``."""
    names: tuple[str, ...]
    host_paths: tuple[str, ...]
    """Files and nodes of the host that the spec refers to."""

    @property
    def directory(self) -> str:
        return self.path.rpartition("/")[0]


def resolve(reader: Reader, engine: EngineFacts) -> tuple[tuple[str, ...], list[Finding]]:
    """Names (``nvidia.com/gpu=all``) that the engine resolves, sorted, and what is wrong with the specs."""
    if engine.cdi_devices:
        return engine.cdi_devices, []
    specs, findings = read_specs(reader, engine.cdi_dirs)
    limit = newest_version(engine)
    good = []
    for spec in specs:
        wrong = _unusable(reader, spec, engine, limit)
        if wrong is None:
            good.append(spec)
        else:
            findings.append(wrong)
    names, conflicts = merge(good)
    return names, findings + conflicts


def newest_version(engine: EngineFacts) -> tuple[int, int] | None:
    """Highest CDI version the engine reads: (0, 0) for none at all, None when its version is not known."""
    own = _two_numbers(engine.version)
    if own is None:
        return None
    return next((cdi for first, cdi in VERSIONS[engine.name] if own >= first), (0, 0))


def _two_numbers(version: str) -> tuple[int, int] | None:
    found = re.match(r"([0-9]{1,4})\.([0-9]{1,4})(?![0-9])", version)
    return (int(found.group(1)), int(found.group(2))) if found else None


def read_specs(reader: Reader, directories: t.Iterable[str]) -> tuple[list[CdiSpec], list[Finding]]:
    """All specs of the directories, in their order; a file that cannot be read is a finding."""
    specs: list[CdiSpec] = []
    findings: list[Finding] = []
    for directory in directories:
        for name in reader.directory(directory) or ():
            if not name.endswith((".json", ".yaml")):
                continue
            path = f"{directory.rstrip('/')}/{name}"
            try:
                specs.append(_spec(path, reader.file(path)))
            except ValueError as error:
                findings.append(finding("cdi-unreadable", f"{path}: {error}", path, path=path))
    return specs, findings


def _spec(path: str, text: str | None) -> CdiSpec:
    if text is None:
        raise ValueError("it may not be read")
    try:
        data = json.loads(text) if path.endswith(".json") else yaml_subset.parse(text)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    if not isinstance(data, dict):
        raise ValueError("it holds no mapping")
    version, kind, devices = data.get("cdiVersion"), data.get("kind"), data.get("devices")
    if not isinstance(version, str) or not isinstance(kind, str) or "/" not in kind or not isinstance(devices, list):
        raise ValueError("cdiVersion, kind or devices is missing")
    named = [entry for entry in devices if isinstance(entry, dict) and isinstance(entry.get("name"), (str, int))]
    if len(named) != len(devices) or not named:
        raise ValueError("a device has no name")
    edits = [data.get("containerEdits"), *(entry.get("containerEdits") for entry in named)]
    paths = sorted({each for edit in edits if isinstance(edit, dict) for each in _host_paths(edit)})
    return CdiSpec(path, version, kind, tuple(str(entry["name"]) for entry in named), tuple(paths))


def _host_paths(edit: dict[str, t.Any]) -> t.Iterator[str]:
    for key in ("deviceNodes", "mounts"):
        for entry in edit.get(key) or ():
            if isinstance(entry, dict):
                # A device node without hostPath is the same path on the host.
                value = entry.get("hostPath") or (entry.get("path") if key == "deviceNodes" else None)
                if isinstance(value, str) and value.startswith("/"):
                    yield value


def _unusable(reader: Reader, spec: CdiSpec, engine: EngineFacts, limit: tuple[int, int] | None) -> Finding | None:
    own = _two_numbers(spec.version.lstrip("v")) or (0, 0)
    if limit is not None and own > limit:
        readable = f"up to {limit[0]}.{limit[1]}" if limit > (0, 0) else "no CDI spec"
        text = f"{spec.path} has version {spec.version}; {engine.name} {engine.version} reads {readable} and drops the file"
        return finding("cdi-too-new", text, spec.path, path=spec.path)
    gone = next((path for path in spec.host_paths if not reader.exists(path)), None)
    if gone is not None:
        text = f"{spec.path} names {gone}, which is not there any more (a driver update?)"
        return finding("cdi-stale", text, spec.path, path=spec.path)
    return None


def merge(specs: t.Iterable[CdiSpec]) -> tuple[tuple[str, ...], list[Finding]]:
    """Names after CDI's precedence, and names that cancel each other out or are shadowed."""
    owners: dict[str, list[CdiSpec]] = {}
    for spec in specs:
        for name in spec.names:
            owners.setdefault(f"{spec.kind}={name}", []).append(spec)
    usable, findings = [], []
    for name, found in owners.items():
        last = [spec for spec in found if spec.directory == found[-1].directory]
        if len(last) > 1:
            paths = ", ".join(spec.path for spec in last)
            findings.append(finding("cdi-conflict", f"{name} stands in {paths}", last[0].path, path=paths))
            continue
        usable.append(name)
        for spec in found[:-1]:
            shadow = finding("cdi-shadowed", f"{spec.path} is hidden by {found[-1].path}", spec.path, path=spec.path)
            if shadow not in findings:
                findings.append(shadow)
    return tuple(sorted(usable)), findings
