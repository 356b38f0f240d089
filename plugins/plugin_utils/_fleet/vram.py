# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The GPU memory budget, for each GPU over all hosts that have it: admission, not isolation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ...module_utils._access.choose import declared_by, identities
from ...module_utils._errors import InputError
from ...module_utils._gpu.model import GpuDevice, GpuHost
from ...module_utils._units import human
from .errors import Errors
from .inventory import Host


@dataclass(frozen=True)
class Claim:
    """GPU memory that one service declares, on each of `uuids`."""

    host: str
    group: str
    service: str
    memory: int
    uuids: tuple[str, ...]
    where: str


@dataclass(frozen=True)
class Budget:
    """One GPU. Bytes; `total` 0 means the host does not say how much it has."""

    uuid: str
    name: str
    hosts: tuple[str, ...]
    total: int
    foreign: int
    """Used by what is not ours."""
    reserve: int
    claims: tuple[Claim, ...]

    @property
    def planned(self) -> int:
        return sum(claim.memory for claim in self.claims)

    @property
    def room(self) -> int:
        return self.total - self.reserve - self.foreign


def taken(claims: list[Claim]) -> dict[str, int]:
    """Bytes by uuid that are planned."""
    result: dict[str, int] = {}
    for claim in claims:
        for uuid in claim.uuids:
            result[uuid] = result.get(uuid, 0) + claim.memory
    return result


def budgets(hosts: list[Host], facts: Mapping[str, GpuHost], claims: list[Claim]) -> list[Budget]:
    """All GPUs of the hosts that have facts; one GPU seen by several hosts, or stacks of a host, is one budget.

    foreign = max(0, used − declared): what our own containers declared is not counted twice, so a
    second run does not refuse itself.
    """
    seen: dict[str, list[tuple[Host, GpuHost]]] = {}
    for host in hosts:
        if host.name in facts:
            for uuid in dict.fromkeys(identities(facts[host.name]).values()):
                seen.setdefault(uuid, []).append((host, facts[host.name]))
    return [_budget(uuid, entries, claims) for uuid, entries in seen.items()]


def _budget(uuid: str, entries: list[tuple[Host, GpuHost]], claims: list[Claim]) -> Budget:
    devices = [
        device for _host, facts in entries for device in facts.devices if identities(facts).get(device.uuid) == uuid
    ]
    total = max(device.memory_bytes or 0 for device in devices)
    used = max(_used(device) for device in devices)
    declared: dict[str, int] = {}
    for host, facts in entries:
        for name, engine in facts.engines.items():
            # Hosts that share an engine see the same containers: counted once for each engine.
            declared[engine.id or f"{host.machine} {name}"] = declared_by(engine, identities(facts)).get(uuid, 0)
    return Budget(
        uuid=uuid,
        name=devices[0].name,
        hosts=tuple(host.name for host, _facts in entries),
        total=total,
        foreign=max(0, used - sum(declared.values())),
        reserve=max(host.gpu_reserve for host, _facts in entries),
        claims=tuple(claim for claim in claims if uuid in claim.uuids),
    )


def check_budgets(entries: list[Budget], errors: Errors) -> None:
    for budget in entries:
        if budget.total and budget.claims and budget.planned > budget.room:
            parts = ", ".join(
                f"{claim.group}/{claim.service} on {claim.host} {human(claim.memory)}" for claim in budget.claims
            )
            errors.append(
                InputError(
                    f"{budget.name} ({budget.uuid}) has room for {human(max(0, budget.room))}"
                    f" ({human(budget.total)} less {human(budget.foreign)} used by others and"
                    f" {human(budget.reserve)} reserved), but {human(budget.planned)} are planned: {parts}",
                    budget.claims[-1].where,
                    "Lower x-gpu.memory, free the GPU, or move a group to another host.",
                )
            )


def _used(device: GpuDevice) -> int:
    if device.memory_bytes is None or device.memory_free_bytes is None:
        return 0
    return device.memory_bytes - device.memory_free_bytes
