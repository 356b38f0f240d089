# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What people read at the end of a playbook, as lines of text. Pure: registered results in, lines out."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping, Sequence

from ..module_utils._group.gpu_check import NOT_SEEN

Results = Mapping[str, Mapping[str, t.Any] | None]
"""Inventory host → registered result of one task, None where the host has none."""


def table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows as left-aligned columns; the first row is the head."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def deploy_lines(plan: Mapping[str, t.Any], asked: Results, applied: Results) -> list[str]:
    """Per host: what happened to its groups, what its GPU services got, and what a user should know.

    asked: the answers of the read-only call; applied: host → group → result of what was carried out.
    """
    lines = []
    for host, question in asked.items():
        if not question or "groups" not in question:
            continue
        results = applied.get(host)
        groups = {**question["groups"], **(results or {})}
        states: dict[str, list[str]] = {}
        for name, entry in groups.items():
            states.setdefault(entry["status"], []).append(name)
        if question.get("leaving"):
            states["would be removed" if results is None else "removed"] = question["leaving"]
        text = "; ".join(f"{state}: {', '.join(sorted(names))}" for state, names in sorted(states.items()))
        lines.append(f"{host} ({plan['hosts'][host]['engine']}): {text or 'no groups'}")
        lines += [f"  {line}" for line in _gpu_lines(plan["hosts"][host]["gpu"], results or {})]
        lines += [
            f"  left behind on {engine}: volumes {', '.join(names)} (remove them there when their data is not needed)"
            for engine, names in question.get("left_behind", {}).items()
        ]
        lines += [f"  warning: {text}" for text in _gpu_warnings(results or {})]
    return lines + [f"warning: {text}" for text in plan.get("plan_warnings", ())]


def _gpu_lines(services: Mapping[str, Mapping[str, t.Any]], results: Mapping[str, t.Any]) -> list[str]:
    """What the services that asked for a GPU got, and what those that were asked see; equal ones share a line.

    services: the plan's `gpu`, by group/service.
    """
    got: dict[tuple[str, str], list[str]] = {}
    for name, gpu in services.items():
        group, _slash, service = name.partition("/")
        seen = results.get(group, {}).get("gpu", {}).get(service)
        got.setdefault((_what_it_got(gpu), _what_it_sees(seen)), []).append(name)
    return [f"{given}: {', '.join(names)}{f' ({sees})' if sees else ''}" for (given, sees), names in got.items()]


def _what_it_sees(seen: Mapping[str, t.Any] | None) -> str:
    """Empty for one that was not asked in this run: it runs as it did."""
    if seen is None:
        return ""
    # Its image and its devices are still those of the GPU's stack.
    return "it sees none: on the CPU, as the group allows" if seen["verdict"] == NOT_SEEN else seen["words"]


def _gpu_warnings(results: Mapping[str, t.Any]) -> list[str]:
    """What was found about GPUs inside containers, with its mend; one line for equal ones."""
    found: dict[tuple[str, str], list[str]] = {}
    for group, result in results.items():
        for service, seen in result.get("gpu", {}).items():
            for entry in seen["findings"]:
                found.setdefault((entry["message"], entry["mend"]), []).append(f"{group}/{service}")
    return [f"{', '.join(names)}: {message}. {mend}" for (message, mend), names in found.items()]


def _what_it_got(gpu: Mapping[str, t.Any]) -> str:
    if gpu["cpu_fallback"]:
        return f"on the CPU, as the group allows ({gpu['reason']})"
    return gpu["stack"] if gpu["mode"] == "none" else f"{gpu['stack']} through {gpu['mode']}"


def status_lines(status: Results) -> list[str]:
    """One row a container."""
    rows = [["HOST", "ENGINE", "GROUP", "SERVICE", "STATE", "HEALTH", "GPU", "IMAGE", "PORTS"]]
    for host, result in status.items():
        for entry in (result or {}).get("services", ()):
            rows.append(
                [
                    host,
                    entry["engine"],
                    entry["group"],
                    entry["service"],
                    entry["state"],
                    entry["health"],
                    _gpu_cell(entry.get("gpu")),
                    entry["image"],
                    ", ".join(f"{port['address']}:{port['host']}" for port in entry["ports"]) or "-",
                ]
            )
    shown = [*table(rows), *_gpu_remarks(status)] if len(rows) > 1 else ["nothing of this inventory runs"]
    return [*shown, *_boot_remarks(status)]


def _boot_remarks(results: Results) -> list[str]:
    """Groups whose unit has not (yet) brought them up since the host booted."""
    lines = [
        f"{host}: {group}: its unit is {state}; journalctl -t gpu-fleet says what it waits for"
        for host, result in results.items()
        for group, state in sorted((result or {}).get("boot", {}).items())
        if state != "active"
    ]
    return ["", "Starts at boot that are not done:", *lines] if lines else []


def _gpu_cell(gpu: Mapping[str, t.Any] | None) -> str:
    """``nvidia (cdi): seen``"""
    if not gpu:
        return "-"
    given = gpu["stack"] if gpu["mode"] == "none" else f"{gpu['stack']} ({gpu['mode']})"
    return f"{given}: {gpu['seen']['verdict']}" if "seen" in gpu else given


def _gpu_remarks(results: Results) -> list[str]:
    """Below a table: what the containers that were asked see, one line each, and what is wrong with its mend."""
    lines = []
    for host, result in results.items():
        for entry in (result or {}).get("services", ()):
            seen = (entry.get("gpu") or {}).get("seen")
            if seen is None:
                continue
            said = NOT_SEEN if seen["verdict"] == NOT_SEEN else seen["words"]
            lines.append(f"{host}: {entry['group']}/{entry['service']}: {said}")
            lines += [f"  {found['message']}. {found['mend']}" for found in seen["findings"]]
    return ["", "GPUs, as the containers see them:", *lines] if lines else []


def teardown_lines(removed: Results, check: bool = False) -> list[str]:
    """What was removed (in check mode: would be), and what stays, per host."""
    lines = []
    for host, result in removed.items():
        if not result or "removed" not in result:
            continue
        counts = ", ".join(f"{len(names)} {kind}" for kind, names in result["removed"].items())
        lines.append(f"{host}: {'would remove' if check else 'removed'} {counts}")
        kept = {engine: ", ".join(names) for engine, names in result["kept"]["volumes"].items()}
        if kept:
            on = [f"on {engine}: {names}" for engine, names in sorted(kept.items(), reverse=True)]
            text = "; ".join(on if len(kept) > 1 else kept.values())
            lines.append(f"  {'would keep' if check else 'kept'} volumes: {text}")
    return lines


def verdict(plan: Mapping[str, t.Any], verified: Results) -> dict[str, t.Any]:
    """``text`` to show and ``failures``: services that are not there, not healthy or without their GPU, silent links."""
    failures: list[str] = []
    services = 0
    rows = [["HOST", "LINK", "ADDRESS", "ANSWERED", "P50 ms", "P99 ms"]]
    for host, result in verified.items():
        engine = plan["hosts"][host]["engine"]
        found = (result or {}).get("services", ())
        there = {(entry["group"], entry["service"]): entry for entry in found if entry["engine"] == engine}
        away = {(entry["group"], entry["service"]): entry for entry in found if entry["engine"] != engine}
        for group in plan["hosts"][host]["groups"]:
            for service in group.get("services", ()):
                services += 1
                key = (group["name"], service["name"])
                problem = _problem(there.get(key), away.get(key), service)
                if problem:
                    failures.append(f"{host}: {group['name']}/{service['name']}: {problem}")
        for link in (result or {}).get("links", ()):
            name = f"{link['group']}/{link['service']} {link['variable']}"
            answered = {True: "yes", False: "no", None: "unknown"}[link["answered"]]
            figures = [f"{link[key]:.2f}" if key in link else "-" for key in ("p50_ms", "p99_ms")]
            rows.append([host, name, link["url"], answered, *figures])
            if link["answered"] is False:
                failures.append(f"{host}: link {name} to {link['url']} does not answer: {link['reason']}")
    good = services - sum(1 for text in failures if ": link " not in text)
    lines = [f"{good} of {services} services are healthy", *(table(rows) if len(rows) > 1 else ["no links"])]
    lines += _gpu_remarks(verified)
    return {"text": "\n".join(lines), "failures": failures}


def _problem(entry: Mapping[str, t.Any] | None, away: Mapping[str, t.Any] | None, service: Mapping[str, t.Any]) -> str:
    """entry: the service on the planned engine; away: on the other one."""
    if entry is None and away is not None:
        return f"it runs on {away['engine']}" if away["state"] == "running" else f"it is on {away['engine']}"
    if entry is None:
        return "it is missing"
    if service.get("one_shot"):
        return "" if entry["exit_code"] == 0 else f"it is {entry['state']} with exit status {entry['exit_code']}"
    if entry["state"] != "running":
        return f"it is {entry['state']}"
    if entry["health"] not in ("healthy", "none"):
        return f"it is {entry['health']}: {entry.get('health_output', 'no words')}"
    return _gpu_problem((entry.get("gpu") or {}).get("seen"))


def _gpu_problem(seen: Mapping[str, t.Any] | None) -> str:
    """A GPU that is not seen where its group does not allow the CPU."""
    errors = [found for found in (seen or {}).get("findings", ()) if found["level"] == "error"]
    if not errors:
        return ""
    return "it does not see its GPU: " + "; ".join(f"{found['message']}. {found['mend']}" for found in errors)
