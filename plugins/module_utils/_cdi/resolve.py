# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which CDI devices an engine can resolve, from the specs in its directories.

Rules of the Container Device Interface (cncf-tags/container-device-interface, pkg/cdi/cache.go): only ``*.json``
and ``*.yaml``, not below the directory; a later directory wins over an earlier one; a name that two files of one
directory define is unusable, even where a later directory defines it again (tried on Podman 4.3); a file of a
version that the engine's library does not know is dropped as a whole.
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass, field

from .._gpu.findings import Finding, finding
from .._gpu.model import EngineFacts
from .._gpu.probe import Reader
from .kinds import KINDS, is_ours
from .spec import CHECKS_FEATURES, CdiSpec, Version, parse

VERSIONS: dict[str, tuple[tuple[Version, Version], ...]] = {
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

_LAZY = re.compile(r"/dev/nvidia-(uvm|modeset|caps)")
"""Nodes that NVIDIA's driver makes at the first use: their absence does not make a spec wrong (nvidia-modprobe)."""


@dataclass(frozen=True)
class Resolved:
    names: tuple[str, ...] = ()
    """``nvidia.com/gpu=all`` and the like, sorted."""
    nodes: dict[str, list[str]] = field(default_factory=dict)
    """Name → device nodes that a container gets under the path they have on the host."""
    groups: dict[str, list[int]] = field(default_factory=dict)
    """Name → gids that the spec adds."""
    findings: tuple[Finding, ...] = ()


def resolve(reader: Reader, engine: EngineFacts, read: tuple[list[CdiSpec], list[Finding]] | None = None) -> Resolved:
    """What an engine of this host resolves, and what is wrong with the specs in its directories.

    read: `read_specs` of its directories, where that was done already.
    """
    specs, findings = read or read_specs(reader, engine.cdi_dirs)
    limit = newest_version(engine)
    usable, wrong, outdated = [], [], set()
    for spec in specs:
        # What the daemon itself says it discovered, its library can read.
        read_by_daemon = {f"{spec.kind}={name}" for name in spec.names} & set(engine.cdi_devices)
        dropped = None if read_by_daemon else _too_new(spec, engine, limit)
        problem = dropped or stale(reader, spec)
        wrong += [problem] if problem else []
        if not dropped:
            usable.append(spec)
            outdated |= {spec.path} if problem else set()
    owners, conflicts = merge(usable)
    # An engine reads a stale spec as well: its names hide and clash with others, and fail only when they are used.
    owners = {name: owner for name, owner in owners.items() if owner[0].path not in outdated}
    if engine.cdi_devices and any(reader.directory(path) is not None for path in engine.cdi_dirs):
        # The daemon's discovery may be older than a driver update: what the files rule out is not used.
        dead = {f"{spec.kind}={name}" for spec in specs for name in spec.names} - set(owners)
        names = tuple(name for name in engine.cdi_devices if name not in dead)
    else:
        names = engine.cdi_devices or tuple(owners)
    nodes = {name: nodes_of(*owners[name]) for name in names if name in owners}
    groups = {name: gids for name in names if name in owners for gids in [groups_of(*owners[name])] if gids}
    return Resolved(tuple(sorted(names)), nodes, groups, (*findings, *wrong, *conflicts))


def newest_version(engine: EngineFacts) -> Version | None:
    """Highest CDI version the engine reads: (0, 0) for none at all, None when its version is not known."""
    own = engine_version(engine)
    if own is None:
        return None
    table = VERSIONS["podman" if engine.flavour == "podman" else engine.name]
    return next((cdi for first, cdi in table if own >= first), (0, 0))


def engine_version(engine: EngineFacts) -> Version | None:
    """``5.4.2`` → (5, 4); None for what is no version."""
    found = re.match(r"([0-9]{1,4})\.([0-9]{1,4})(?![0-9])", engine.version)
    return (int(found.group(1)), int(found.group(2))) if found else None


def read_specs(reader: Reader, directories: t.Iterable[str]) -> tuple[list[CdiSpec], list[Finding]]:
    """All specs of the directories, in their order; a file that cannot be used by any engine is a finding."""
    specs: list[CdiSpec] = []
    findings: list[Finding] = []
    for directory in directories:
        for name in reader.directory(directory) or ():
            path = f"{directory.rstrip('/')}/{name}"
            if name.endswith(".yml"):
                text = f"{path} is not read by any engine: CDI takes *.yaml and *.json"
                findings.append(finding("cdi-ignored", text, directory, name, path=path, new=f"{path[:-3]}yaml"))
            if not name.endswith((".json", ".yaml")):
                continue
            try:
                specs.append(parse(path, reader.file(path)))
            except ValueError as error:
                text = f"{path}: {error}; engines drop the file"
                findings.append(finding("cdi-unreadable", text, path, str(error), rewrite=rewrite(path)))
    return specs, findings


def _too_new(spec: CdiSpec, engine: EngineFacts, limit: Version | None) -> Finding | None:
    shown = f"{engine.name} {engine.version}"
    if limit is not None and spec.number > limit:
        readable = f"up to {limit[0]}.{limit[1]}" if limit > (0, 0) else "no CDI spec"
        text = f"{spec.path} has version {spec.version}; {shown} reads {readable} and drops the file"
        evidence = f"cdiVersion: {spec.version}"
        return finding("cdi-too-new", text, spec.path, evidence, rewrite=_older(spec, engine, limit))
    checks = limit is None or limit >= CHECKS_FEATURES
    if checks and spec.below_its_features:
        text = f"{spec.path} says version {spec.version} and uses what came with {spec.minimum}; {shown} drops the file"
        evidence = f"cdiVersion: {spec.version}"
        return finding("cdi-unreadable", text, spec.path, evidence, rewrite=rewrite(spec.path, spec.kind))
    if not checks and spec.version.startswith("v"):
        text = f"{spec.path} has version {spec.version!r}; {shown} wants it without the «v» and drops the file"
        evidence = f"cdiVersion: {spec.version}"
        return finding("cdi-unreadable", text, spec.path, evidence, rewrite=rewrite(spec.path, spec.kind))
    return None


def _older(spec: CdiSpec, engine: EngineFacts, limit: Version) -> str:
    """What helps against a version that is too new. Only NVIDIA's tool can be told to write a lower one."""
    if spec.kind.startswith("nvidia"):
        return rewrite(spec.path, spec.kind, limit)
    return f"Upgrade {engine.name}, or leave it: where the spec names nodes only, containers get them one by one."


def stale(reader: Reader, spec: CdiSpec) -> Finding | None:
    """Something of the host that the spec names is gone, or a node has other numbers now."""
    gone = next((path for path in spec.host_paths if not reader.exists(path)), None)
    if gone is not None:
        text = f"{spec.path} names {gone}, which is not there"
        if not gone.startswith("/dev/"):
            text += " (a driver update?)"
        lazy = "Make the node again: `nvidia-modprobe -u -c 0` (as root)."
        mend = lazy if _LAZY.match(gone) else rewrite(spec.path, spec.kind)
        return finding("cdi-stale", text, spec.path, gone, rewrite=mend)
    for edits in spec.all_edits:
        for entry in edits.get("deviceNodes") or ():
            path = entry.get("hostPath") or entry["path"]
            node = reader.node(path)
            if not entry.get("major") or node is None or node.major is None:
                continue
            said, seen = (entry["major"], entry.get("minor") or 0), (node.major, node.minor)
            if said != seen:
                text = f"{spec.path} says {said[0]}:{said[1]} for {path}, which is {seen[0]}:{seen[1]} now"
                evidence = f"{path} {seen[0]}:{seen[1]}"
                return finding("cdi-stale", text, spec.path, evidence, rewrite=rewrite(spec.path, spec.kind))
    return None


def merge(specs: t.Iterable[CdiSpec]) -> tuple[dict[str, tuple[CdiSpec, str]], list[Finding]]:
    """Name → the spec that gives it and the name there, after CDI's precedence; what cancels out or is hidden."""
    owners: dict[str, list[CdiSpec]] = {}
    for spec in specs:
        for name in spec.names:
            owners.setdefault(f"{spec.kind}={name}", []).append(spec)
    usable: dict[str, tuple[CdiSpec, str]] = {}
    findings: list[Finding] = []
    for name, found in owners.items():
        same = [spec for spec in found if [other.directory for other in found].count(spec.directory) > 1]
        if same:
            paths = " and ".join(spec.path for spec in same)
            clash = finding("cdi-conflict", f"{name} stands in {paths}", same[0].path, name, path=paths)
            if all(entry.mend != clash.mend for entry in findings):
                findings.append(clash)
            continue
        usable[name] = (found[-1], name.partition("=")[2])
        for spec in found[:-1]:
            text = f"{spec.path} is hidden by {found[-1].path}"
            shadow = finding("cdi-shadowed", text, spec.path, found[-1].path, path=spec.path)
            if shadow not in findings:
                findings.append(shadow)
    return dict(sorted(usable.items())), findings


def nodes_of(spec: CdiSpec, name: str) -> list[str]:
    """Nodes that a container with this device has under the path they have on the host, in the spec's order."""
    entries = [node for edits in (spec.edits, spec.devices[name]) for node in edits.get("deviceNodes") or ()]
    return list(dict.fromkeys(node["path"] for node in entries if node.get("hostPath") in (None, "", node["path"])))


def groups_of(spec: CdiSpec, name: str) -> list[int]:
    """Gids that a container's process gets with this device, in order."""
    gids = [gid for edits in (spec.edits, spec.devices[name]) for gid in edits.get("additionalGids") or ()]
    return sorted({gid for gid in gids if gid})


def rewrite(path: str, kind: str = "", limit: Version = (1, 1)) -> str:
    """The mend of a spec that has to be written again, with the tool of its vendor. limit: version it must stay below."""
    if is_ours(path):
        stacks = " or ".join(stack for stack, own in KINDS.items() if not kind or own == kind)
        return f"Write it again with the module cdi_spec (`stack: {stacks}`, `directory: {path.rpartition('/')[0]}`)."
    vendor = kind.partition("/")[0] or path.rpartition("/")[2]
    if vendor.startswith("nvidia"):
        # additionalGids are what raises NVIDIA's version (nvidia-container-toolkit 1860).
        flag = "--feature-flag no-additional-gids-for-device-nodes " if limit < (0, 7) else ""
        return f"Write it again: `nvidia-ctk cdi generate {flag}--output={path}`."
    if vendor.startswith("amd"):
        return f"Write it again: `amd-ctk cdi generate --output={path}`."
    if vendor.startswith("intel"):
        generator = kind.partition("/")[2].partition("-")[0] or "gpu"
        return f"Write it again: `intel-cdi-specs-generator {generator} --cdi-dir {path.rpartition('/')[0]}`."
    if vendor.startswith("gpu-fleet"):
        return "Write it again with the module gpu_fleet.containers.cdi_spec."
    return f"Write {path} again with the program that made it, or remove it."
