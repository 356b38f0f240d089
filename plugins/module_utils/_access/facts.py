# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What `gpu_facts` returns: the host, its engines, and the default access plan of each ready stack."""

from __future__ import annotations

import dataclasses
import typing as t

from .._gpu.findings import Finding, finding
from .._gpu.host import describe
from .._gpu.model import EngineFacts, GpuHost, plain
from .._gpu.probe import Reader


def gather(reader: Reader, engines: t.Sequence[str], url: str = "") -> dict[str, t.Any]:
    """The `gpu` value. engines: which of docker and podman to ask; none starts no process on a host without a GPU."""
    host = describe(reader)
    findings = list(host.findings)
    damage = getattr(reader, "findings", None)
    if damage is not None:
        findings += damage()
    access: dict[str, t.Any] = {}
    if engines:
        from .._gpu.engines import probe_engines

        facts, found = probe_engines(reader, engines, url, with_declared=bool(host.devices))
        findings += found
        if host.best != "cpu":
            facts, found = _with_cdi(reader, facts)
            findings += found
        host = dataclasses.replace(host, engines=facts)
        access = {name: _plans(host, name) for name in engines}
        findings += _without_access(host, access)
    host = dataclasses.replace(host, findings=tuple(findings))
    return {**host.to_dict(), "access": access}


def _with_cdi(reader: Reader, engines: dict[str, EngineFacts]) -> tuple[dict[str, EngineFacts], list[Finding]]:
    """Engines with the CDI devices they resolve. Desktop's daemon and remote ones do not see this host's files."""
    from .cdi import resolve

    known, findings = {}, []
    for name, engine in engines.items():
        here = engine.flavour == "engine" and not engine.url.startswith(("tcp://", "ssh://", "http"))
        names, found = resolve(reader, engine) if here else (engine.cdi_devices, [])
        known[name] = dataclasses.replace(engine, cdi_devices=names)
        findings += [entry for entry in found if entry not in findings]
    return known, findings


def _without_access(host: GpuHost, access: dict[str, t.Any]) -> list[Finding]:
    """A GPU that is ready and cannot be given to a container of an engine that runs."""
    return [
        finding("toolkit-missing", f"{name}: {plan['gpu']['reason']}", f"{name} info")
        for name, plans in access.items()
        for stack, plan in plans.items()
        if stack != "cpu" and plan["gpu"]["mode"] == "none" and host.engines[name].ready
    ]


def _plans(host: GpuHost, engine: str) -> dict[str, t.Any]:
    from .plan import GpuWish, plan_stack

    ready = [stack for stack in host.stacks if stack.ready]
    return {stack.name: plain(plan_stack(host, host.engines[engine], stack, GpuWish())) for stack in ready}
