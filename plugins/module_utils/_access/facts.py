# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What `gpu_facts` returns: the host, its engines, and the default access plan of each ready stack."""

from __future__ import annotations

import dataclasses
import typing as t

from .._errors import FleetError
from .._gpu.host import describe
from .._gpu.model import GpuHost, plain
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
        host = dataclasses.replace(host, engines=facts)
        findings += found
        access = {name: _plans(host, name) for name in engines}
    host = dataclasses.replace(host, findings=tuple(findings))
    return {**host.to_dict(), "access": access}


def _plans(host: GpuHost, engine: str) -> dict[str, t.Any]:
    from .plan import GpuWish, plan_access

    plans = {}
    for stack in host.stacks:
        if stack.ready:
            try:
                plans[stack.name] = plain(plan_access(host, host.engines[engine], GpuWish(stacks=(stack.name,))))
            except FleetError as error:
                plans[stack.name] = {"gpu": {"stack": stack.name, "mode": "none", "reason": str(error)}}
    return plans
