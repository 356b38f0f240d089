# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What `gpu_facts` returns: the host, its engines, and the default access plan of each ready stack."""

from __future__ import annotations

import dataclasses
import typing as t

from .._engine.docker_url import Tls
from .._gpu.host import describe
from .._gpu.model import GpuHost, plain
from .._gpu.probe import Reader
from .._group.labels import VRAM


def gather_elsewhere(url: str, tls: Tls | None) -> dict[str, t.Any]:
    """The same of a host of which only the engine is reached. Raises EngineError when that does not answer."""
    from .._engine.docker_connect import ask_info
    from .._gpu.engines import add_declared
    from .._gpu.reported import describe as describe_reported

    info, labels = ask_info(url, tls, VRAM)
    host = describe_reported(info, url)
    sums = add_declared(labels)
    engines = {**host.engines, "docker": dataclasses.replace(host.engines["docker"], declared=sums)}
    host = dataclasses.replace(host, engines=engines)
    return {**host.to_dict(), "access": {"docker": _plans(host, "docker")}}


def gather(reader: Reader, engines: t.Sequence[str], url: str = "") -> dict[str, t.Any]:
    """The `gpu` value. engines: which of docker and podman to ask; none starts no process on a host without a GPU."""
    host = describe(reader)
    findings = list(host.findings)
    damage = getattr(reader, "findings", None)
    if damage is not None:
        findings += damage()
    access: dict[str, t.Any] = {}
    if engines:
        from .._gpu.engines import CDI_DIRS, probe_engines
        from .advise import advice, disproved

        facts, found = probe_engines(reader, engines, url, with_declared=bool(host.devices))
        findings += found
        carried: dict[str, t.Any] = {}
        folders = {path for each in facts.values() for path in (*CDI_DIRS, *each.cdi_dirs)}
        if any(map(reader.directory, folders)) or reader.known(("nvidia-ctk", "cdi", "list")):
            from .survey import survey

            facts, carried, found = survey(reader, facts, CDI_DIRS)
            findings += found
        host = dataclasses.replace(host, engines=facts, cdi=carried)
        access = {name: _plans(host, name) for name in engines}
        findings = [entry for entry in findings if not disproved(entry, host)]
        findings += advice(reader, dataclasses.replace(host, findings=tuple(findings)), access)
    host = dataclasses.replace(host, findings=tuple(dict.fromkeys(findings)))
    return {**host.to_dict(), "access": access}


def _plans(host: GpuHost, engine: str) -> dict[str, t.Any]:
    from .plan import GpuWish, plan_stack

    ready = [stack for stack in host.stacks if stack.ready]
    return {stack.name: plain(plan_stack(host, host.engines[engine], stack, GpuWish())) for stack in ready}
