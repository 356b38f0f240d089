# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The CDI specs of a host against its engines: who resolves what, and what goes along for those who cannot."""

from __future__ import annotations

import dataclasses
import typing as t

from .._cdi.names import is_cdi_name
from .._cdi.resolve import engine_version, merge, newest_version, read_specs, resolve, stale
from .._cdi.spec import CdiSpec
from .._gpu.findings import Finding, finding
from .._gpu.model import EngineFacts
from .._gpu.probe import Reader
from .carry import carried
from .case import is_here

LISTED = ("nvidia-ctk", "cdi", "list")
"""Says the names of NVIDIA's devices one a line, where the specs themselves are not to be had (a snapshot)."""

FEATURE = (25, 0)
"""First Docker that can read CDI specs; the feature is on by default from 28.2 on (moby)."""


def survey(
    reader: Reader, engines: dict[str, EngineFacts], directories: tuple[str, ...]
) -> tuple[dict[str, EngineFacts], dict[str, t.Any], list[Finding]]:
    """(engines with what they resolve, `GpuHost.cdi`, findings). directories: where specs of this host usually are.

    Desktop's daemon and remote ones do not see this host's files: they are taken at their word.
    """
    read = {directories: read_specs(reader, directories)}
    known: dict[str, EngineFacts] = {}
    findings: list[Finding] = []
    for name, engine in engines.items():
        known[name] = engine
        if is_here(engine) and engine.cdi_dirs:
            if engine.cdi_dirs not in read:
                read[engine.cdi_dirs] = read_specs(reader, engine.cdi_dirs)
            engine = _told(reader, engine, read[engine.cdi_dirs][0])
            found = resolve(reader, engine, read[engine.cdi_dirs])
            known[name] = dataclasses.replace(
                engine, cdi_devices=found.names, cdi_nodes=found.nodes, cdi_groups=found.groups
            )
            findings += found.findings
    specs = read[directories][0]
    findings += [problem for engine in known.values() for problem in _unread(engine, bool(specs))]
    usable, _conflicts = merge(spec for spec in specs if stale(reader, spec) is None)
    lacking = {name for engine in known.values() for name in set(usable) - set(engine.cdi_devices) if _needs(engine)}
    owners = {name: owner for name, owner in usable.items() if name in lacking}
    return known, carried(reader, owners), list(dict.fromkeys(findings))


def _told(reader: Reader, engine: EngineFacts, specs: list[CdiSpec]) -> EngineFacts:
    """The engine with the names that NVIDIA's tool lists, where nobody recorded a spec that the engine could read."""
    answer = reader.known(LISTED) if not specs and not engine.cdi_devices else None
    if answer is None or answer.rc != 0 or (newest_version(engine) or (1, 0)) == (0, 0):
        return engine
    names = [line.strip() for line in answer.stdout.splitlines()]
    return dataclasses.replace(engine, cdi_devices=tuple(sorted(filter(is_cdi_name, names))))


def _needs(engine: EngineFacts) -> bool:
    return engine.ready and is_here(engine)


def _unread(engine: EngineFacts, specs: bool) -> t.Iterator[Finding]:
    """Specs are there, and a Docker that could read them does not."""
    if not specs or not engine.ready or engine.name != "docker":
        return
    if engine.flavour == "desktop":
        text = "Docker Desktop's daemon runs in a virtual machine of its own and does not see this host's CDI specs"
        yield finding(
            "cdi-not-seen-by-desktop", text, "docker info", f"OperatingSystem: Docker Desktop {engine.version}"
        )
    elif engine.flavour == "engine" and not engine.cdi_dirs and (engine_version(engine) or (0, 0)) >= FEATURE:
        config = "~/.config/docker/daemon.json" if engine.rootless else "/etc/docker/daemon.json"
        text = f"docker {engine.version} could read this host's CDI specs, and its feature cdi is off"
        yield finding("cdi-off", text, "docker info", "CDISpecDirs is empty", config=config)
