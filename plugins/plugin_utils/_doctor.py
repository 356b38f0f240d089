# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What `doctor.yml` says: per host what was found, what each engine can give, what is wrong and the mend.

Pure: the registered results of `gpu_facts` in, lines of text or JSON data out.
"""

from __future__ import annotations

import typing as t
from collections.abc import Mapping, Sequence

from ..module_utils._units import human
from ._report import Results, table

NOT_ASKED = "it could not be asked (unreachable, or gpu_facts failed)"

LEVELS = ("error", "warning", "info")


def doctor_data(asked: Results) -> dict[str, t.Any]:
    """The whole answer as JSON: ``{"hosts": {name: {"gpu": …} or {"error": text}}}``."""
    return {"hosts": {host: _answer(result) for host, result in asked.items()}}


def _answer(result: Mapping[str, t.Any] | None) -> dict[str, t.Any]:
    gpu = (result or {}).get("gpu")
    if isinstance(gpu, Mapping):
        return {"gpu": dict(gpu)}
    return {"error": str((result or {}).get("msg") or NOT_ASKED)}


def doctor_lines(data: Mapping[str, t.Any]) -> list[str]:
    """The text for what `doctor_data` made; hosts in their order, then one line that counts."""
    lines: list[str] = []
    for host, answer in data["hosts"].items():
        gpu = answer.get("gpu")
        lines += [f"{host}: {answer['error']}"] if gpu is None else _host_lines(host, gpu)
        lines.append("")
    return [*lines, _sum(data)]


def _host_lines(host: str, gpu: Mapping[str, t.Any]) -> list[str]:
    lines = [f"{host}: platform {gpu['platform']}, best stack {gpu['stack']}"]
    blocks = [_stacks(gpu), _devices(gpu), _engines(gpu), _displays(gpu), _findings(gpu["findings"])]
    return lines + [f"  {line}" for block in blocks for line in block]


def _stacks(gpu: Mapping[str, t.Any]) -> list[str]:
    rows = [["STACK", "READY", "WHY", "RANK"]]
    rows += [[each["name"], _yes(each["ready"]), each["reason"], each.get("rank", "")] for each in gpu["stacks"]]
    return table(rows)


def _devices(gpu: Mapping[str, t.Any]) -> list[str]:
    found = [("GPU", device) for device in gpu["devices"]] + [("NPU", device) for device in gpu.get("npus", ())]
    if not found:
        return []
    rows = [["DEVICE", "STACK", "INDEX", "NAME", "MEMORY", "FREE", "DRIVER", "READY", "UUID"]]
    for kind, device in found:
        rows.append(
            [
                kind,
                device["stack"],
                "-" if device["index"] is None else str(device["index"]),
                device["name"],
                _size(device["memory_bytes"]),
                _size(device["memory_free_bytes"]),
                device["driver"] or "-",
                _yes(device["ready"]),
                device["uuid"] or "-",
            ]
        )
    return table(rows)


def _engines(gpu: Mapping[str, t.Any]) -> list[str]:
    rows = [["ENGINE", "VERSION", "STACK", "GIVES", "WHY"]]
    for name, engine in gpu["engines"].items():
        version = engine["version"] or "-"
        plans = {stack: plan["gpu"] for stack, plan in gpu["access"].get(name, {}).items() if stack != "cpu"}
        if not engine["ready"]:
            rows.append([name, version, "-", "-", engine["reason"]])
        elif not plans:
            rows.append([name, version, "-", "the CPU", "no GPU stack of this host is ready"])
        else:
            rows += [[name, version, stack, _given(plan), plan["reason"]] for stack, plan in plans.items()]
    return table(rows) if len(rows) > 1 else []


def _given(plan: Mapping[str, t.Any]) -> str:
    return "nothing" if plan["mode"] == "none" else plan["mode"]


def _displays(gpu: Mapping[str, t.Any]) -> list[str]:
    rows = [["DISPLAY", "NAME", "SOCKET", "COOKIE"]]
    for display in gpu.get("displays", ()):
        rows.append([display["kind"], display["name"], display["socket"], display["authority"] or "-"])
    return table(rows) if len(rows) > 1 else []


def _findings(findings: Sequence[Mapping[str, t.Any]]) -> list[str]:
    """Errors first; what was read and what to do stand below each."""
    lines = []
    for found in sorted(findings, key=lambda found: LEVELS.index(found["level"])):
        lines.append(f"{found['level']} {found['code']}: {found['message']}")
        if found.get("evidence"):
            lines.append(f"    seen: {found['probe']}: {' '.join(found['evidence'].split())}")
        lines.append(f"    mend: {found['mend']}")
    return lines or ["nothing is wrong"]


def _sum(data: Mapping[str, t.Any]) -> str:
    hosts = data["hosts"].values()
    found = [entry for answer in hosts if "gpu" in answer for entry in answer["gpu"]["findings"]]
    counts = [f"{sum(entry['level'] == level for entry in found)} {level}" for level in LEVELS]
    unasked = sum("error" in answer for answer in hosts)
    return f"{len(hosts)} host{'' if len(hosts) == 1 else 's'}, findings: {', '.join(counts)}" + (
        f"; {unasked} could not be asked" if unasked else ""
    )


def _size(amount: int | None) -> str:
    return "unknown" if amount is None else human(amount)


def _yes(value: bool) -> str:
    return "yes" if value else "no"
