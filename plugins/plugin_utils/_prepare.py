# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What `prepare.yml` says at its end: per host what was done, what that mended, what is left with its mend, what is due.

Pure: what the playbook and its roles registered in, lines of text out.
"""

from __future__ import annotations

import typing as t
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ._needs import engine_elsewhere

Facts = Mapping[str, t.Any]

WRONG = ("error", "warning")
"""Levels of findings that are told here; the doctor tells all."""


@dataclass(frozen=True)
class Host:
    """One host of the play."""

    variables: Mapping[str, t.Any] = field(default_factory=dict)
    """`container_engine_url`, as far as it is set."""
    needs: Sequence[Mapping[str, t.Any]] | None = None
    """As `_needs.needs` gives them; None where that could not be worked out."""
    failed: Mapping[str, str] = field(default_factory=dict)
    """Role → what it failed with."""
    before: Facts | None = None
    """What `gpu_facts` found at the start, None where it was not asked."""
    after: Facts | None = None
    """The same at the end; None where no role ran."""
    due: Sequence[str] = ()
    """What somebody has to do, in the words of the roles."""


def _log_in(result: Mapping[str, t.Any]) -> list[str]:
    users = [each["item"] for each in result.get("results", ()) if each.get("changed")]
    return [f"Log in again as {', '.join(users)}: new groups count from the next login on"] if users else []


DUE: tuple[tuple[str, t.Callable[[Mapping[str, t.Any]], t.Sequence[str]]], ...] = (
    ("wsl_after", lambda result: [each["message"] for each in result.get("restarts", ())]),
    ("docker_desktop_after", lambda result: result.get("messages", ())),
    ("docker_taken", lambda result: [result["due"]] if result.get("due") else []),
    ("rocm_users_added", _log_in),
    ("intel_users_added", _log_in),
)
"""What roles register, and how to read from it what is due."""


def due(registered: t.Callable[[str], Mapping[str, t.Any] | None]) -> list[str]:
    """What a host's roles leave to somebody. registered: the host's variable of a name, None where it has none."""
    texts = [text for name, read in DUE for text in read(registered(name) or {})]
    return list(dict.fromkeys(texts))


def prepare_lines(hosts: Mapping[str, Host], check: bool = False) -> list[str]:
    """The report; hosts in their order, then one line that counts."""
    lines = [line for name, host in hosts.items() for line in _host_lines(name, host, check)]
    left = [entry for host in hosts.values() for entry in _wrong(host.after or host.before)]
    worked = sum(1 for host in hosts.values() if _wanted(host))
    counts = ", ".join(f"{sum(entry['level'] == level for entry in left)} {level}" for level in WRONG)
    verb = "would be changed or looked after" if check else "had something to do"
    failed = sum(1 for host in hosts.values() if host.failed)
    fell = f", {failed} with a role that failed" if failed else ""
    return [*lines, "", f"{len(hosts)} host{'' if len(hosts) == 1 else 's'}, {worked} {verb}{fell}; left: {counts}"]


def _host_lines(name: str, host: Host, check: bool) -> list[str]:
    if engine_elsewhere(host.variables):
        return [f"{name}: its engine is elsewhere ({host.variables['container_engine_url']}), and nothing is done here"]
    if host.before is None:
        return [f"{name}: it could not be asked (unreachable, or gpu_facts failed)"]
    if host.needs is None:
        return [f"{name}: what it needs could not be worked out, see its failed task"]
    lines = [*_roles(host, check), *_mended(host), *_left(host), *(f"due: {text}" for text in host.due)]
    return [f"{name}: {_head(host)}", *(f"  {line}" for line in lines or ["nothing to do, and nothing is wrong"])]


def _head(host: Host) -> str:
    before, after = host.before or {}, host.after or host.before or {}
    text = f"{after['platform']}, best stack {after['stack']}"
    return text if after["stack"] == before["stack"] else f"{text} (was {before['stack']})"


def _roles(host: Host, check: bool) -> list[str]:
    lines = []
    for need in host.needs or ():
        role, reason = need["role"], need["reason"]
        if need["skip"]:
            lines.append(f"left out, as the inventory says: {role} ({reason})")
        elif role in host.failed:
            lines.append(f"failed: {role} ({reason}): {host.failed[role]}")
        else:
            lines.append(f"{'would run' if check else 'ran'}: {role} ({reason})")
    return lines


def _mended(host: Host) -> list[str]:
    """Findings that were there and are no more."""
    if host.after is None:
        return []
    still = {entry["code"] for entry in host.after["findings"]}
    gone = [entry["code"] for entry in (host.before or {})["findings"] if entry["code"] not in still]
    return [f"mended: {', '.join(dict.fromkeys(gone))}"] if gone else []


def _left(host: Host) -> list[str]:
    lines = []
    for entry in sorted(_wrong(host.after or host.before), key=lambda entry: WRONG.index(entry["level"])):
        lines += [f"left: {entry['level']} {entry['code']}: {entry['message']}", f"    mend: {entry['mend']}"]
    return lines


def _wrong(gpu: Facts | None) -> list[Mapping[str, t.Any]]:
    return [entry for entry in (gpu or {}).get("findings", ()) if entry["level"] in WRONG]


def _wanted(host: Host) -> bool:
    return any(not need["skip"] for need in host.needs or ())
