# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Devices that a group file asks for by CDI names of its own (Compose's `devices`), of whatever vendor and kind."""

from __future__ import annotations

import typing as t
from dataclasses import replace

from .._cdi.names import is_cdi_name, split
from .._errors import InputError
from .._gpu.model import EngineFacts, GpuHost
from .case import AccessPlan, cdi_groups, elsewhere, groups_for, is_here
from .environment import joined_environment
from .expand import Expansion, NotExpandable, expand


def with_named_devices(
    plan: AccessPlan, host: GpuHost, engine: EngineFacts, named: t.Sequence[str], where: str = ""
) -> AccessPlan:
    """The plan with devices that the group file asks for by CDI names of its own (Compose's `devices`).

    Passed on where the engine resolves them, carried out here where it cannot read their specs.
    Raises InputError for a name that neither way gives.
    """
    resolved = [name for name in named if name in engine.cdi_devices]
    left = [name for name in named if name not in resolved]
    made = _expanded(host, engine, left, where) if left else Expansion()
    groups, _lost = groups_for(engine, (*cdi_groups(engine, resolved), *made.group_add))
    return replace(
        plan,
        devices=(*plan.devices, *resolved, *made.devices),
        mounts=(*plan.mounts, *made.mounts),
        environment=joined_environment(made.environment, plan.environment),
        group_add=tuple(dict.fromkeys((*plan.group_add, *groups))),
        missed=tuple(dict.fromkeys((*plan.missed, *made.missed))),
    )


def _expanded(host: GpuHost, engine: EngineFacts, names: list[str], where: str) -> Expansion:
    try:
        if not is_here(engine):
            raise NotExpandable(elsewhere(engine))
        return expand(host.cdi, names)
    except NotExpandable as error:
        raise InputError(
            f"{engine.name} does not resolve the CDI device {names[0]}, and it cannot be carried out here: "
            + (_other_names(engine, names[0]) or str(error)),
            where,
            f"Known to {engine.name}: {', '.join(engine.cdi_devices) or 'none'}. doctor.yml tells what is wrong with specs, "
            "cdi_spec writes one; a GPU needs none where it is asked for with `gpus` or `x-gpu`.",
        ) from error


def _other_names(engine: EngineFacts, name: str) -> str:
    """What the spec has in place of a name that it does not have."""
    kind = split(name)[0]
    others = [split(other)[1] for other in engine.cdi_devices if split(other)[0] == kind]
    return f"the spec of {kind} has no device {split(name)[1]}, only {', '.join(others)}" if others else ""


def named_devices(devices: t.Iterable[t.Mapping[str, t.Any] | str]) -> tuple[str, ...]:
    """The CDI names among a service's canonical `devices`."""
    sources = [entry if isinstance(entry, str) else str(entry.get("source")) for entry in devices]
    return tuple(source for source in sources if is_cdi_name(source))
