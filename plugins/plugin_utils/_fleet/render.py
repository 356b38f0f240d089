# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan as plain text, readable at 100 columns."""

from __future__ import annotations

import textwrap
import typing as t
from collections.abc import Mapping

from ...module_utils._engine.docker_url import is_elsewhere
from ...module_utils._group.config import Group, Port, Service
from ...module_utils._units import human
from .boot import awaits_in_words
from .needs import Node
from .vram import Budget

WIDTH = 100


def render(
    hosts: Mapping[str, Mapping[str, t.Any]],
    groups: Mapping[str, list[Group]],
    waves: list[list[Node]],
    budgets: list[Budget],
    warnings: list[str],
    circles: Mapping[Node, tuple[str, ...]] | None = None,
) -> str:
    """hosts: name → engine, engine_url, images, selected, gpu, displays (as in the plan). groups: host → its groups.

    circles: group → what it links to and does not wait for at boot.
    """
    lines = _waves(waves)
    for name, host in hosts.items():
        lines += ["", *_host(name, host, groups[name], circles or {})]
    lines += _vram(budgets)
    lines += _warnings(warnings)
    return "\n".join(lines) + "\n"


def _waves(waves: list[list[Node]]) -> list[str]:
    if not waves:
        return ["Nothing to deploy: no group is inside the limit."]
    lines = ["Start order"]
    for number, wave in enumerate(waves, start=1):
        names = ", ".join(f"{group} ({host})" for host, group in wave)
        lines += _wrap(names, f"  {number:>2}  ", " " * 6)
    return lines


def _host(
    name: str, host: Mapping[str, t.Any], groups: list[Group], circles: Mapping[Node, tuple[str, ...]]
) -> list[str]:
    url = f" at {host['engine_url']}" if host["engine_url"] else ""
    supervised = ", kept up and started at boot by systemd" if host.get("supervisor") == "systemd" else ""
    lines = [f"{name}: {host['engine']}{url}" + (supervised if groups else ", no groups")]
    for group in groups:
        note = "" if group.name in host["selected"] else "  (checked only)"
        project = "" if group.project == group.name else f"  [{group.project}]"
        lines.append(f"  {group.name}{project}{note}")
        width = max(len(service.name) for service in group.services)
        for service in group.services:
            key = f"{group.name}/{service.name}"
            lines += _service(service, width, _image(service, host), host["gpu"].get(key), host["displays"].get(key))
            if is_elsewhere(host["engine_url"]) and key in host["gpu"]:
                # Nobody looked at that host: what was concluded from its engine's words can be checked here.
                lines += _wrap(f"because {host['gpu'][key]['reason']}", " " * (width + 6), " " * (width + 8))
        for text in awaits_in_words(group.awaits, circles.get((name, group.name), ()), host.get("boot_wait", 0)):
            lines += _wrap(text, "    ", "      ")
    return lines


def _image(service: Service, host: Mapping[str, t.Any]) -> str:
    if not service.config.image.startswith("build:"):
        return service.config.image
    key = service.config.image.removeprefix("build:")
    builder = host.get("images", {}).get(key, {}).get("builder")
    return f"{key.partition('@')[0]} (built{f' on {builder}' if builder else ''})"


def _service(
    service: Service, width: int, image: str, gpu: Mapping[str, t.Any] | None, display: str | None
) -> list[str]:
    indent = " " * (width + 6)
    parts = [
        image,
        *([_gpu(gpu)] if gpu else []),
        *([display] if display else []),
        *(_port(port) for port in service.config.ports),
    ]
    lines = _wrap("  ".join(parts), f"    {service.name:<{width}}  ", indent)
    for link in service.links:
        where = f"{link.host}, outside the limit" if link.outside else link.host
        lines += _wrap(f"→ {link.to} ({where}) {link.variable}={link.url}", indent, indent + "  ")
    return lines


def _gpu(gpu: Mapping[str, t.Any]) -> str:
    if gpu["cpu_fallback"]:
        return "cpu (allowed by the group)"
    memory = f" {human(gpu['memory'])}" if gpu["memory"] else ""
    return f"{gpu['stack']}/{gpu['mode']}{memory}" if gpu["mode"] != "none" else gpu["stack"]


def _port(port: Port) -> str:
    address = f"[{port.address}]" if ":" in port.address else port.address or "*"
    protocol = "" if port.protocol == "tcp" else f"/{port.protocol}"
    return f"{address}:{port.host or 'any'}→{port.container}{protocol}"


def _vram(budgets: list[Budget]) -> list[str]:
    claimed = [budget for budget in budgets if budget.claims]
    if not claimed:
        return []
    lines = ["", "GPU memory"]
    for budget in claimed:
        total = f"of {human(budget.total)}" if budget.total else "(total unknown)"
        lines += _wrap(
            f"{budget.name} on {', '.join(budget.hosts)}: {human(budget.planned)} planned, {human(budget.foreign)} used"
            f" by others, {human(budget.reserve)} reserved, {total}",
            "  ",
            "    ",
        )
    return lines


def _warnings(warnings: list[str]) -> list[str]:
    if not warnings:
        return []
    lines = ["", "Warnings"]
    for warning in warnings:
        lines += _wrap(warning, "  - ", "    ")
    return lines


def _wrap(text: str, first: str, rest: str) -> list[str]:
    return textwrap.wrap(
        text, WIDTH, initial_indent=first, subsequent_indent=rest, break_long_words=False, break_on_hyphens=False
    )
