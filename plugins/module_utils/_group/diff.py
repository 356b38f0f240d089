# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Differences of two configurations, as data: what a human is shown and what check mode reports."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass


@dataclass(frozen=True)
class Change:
    """One value that differs. `path` is ``environment.LOG_LEVEL``; None stands for «not set»."""

    path: str
    before: t.Any
    after: t.Any

    def __str__(self) -> str:
        return f"{self.path}: {_show(self.before)} → {_show(self.after)}"


def _show(value: t.Any) -> str:
    return "(not set)" if value is None else repr(value)


def compare(before: t.Any, after: t.Any, path: str = "") -> list[Change]:
    """Every difference between two JSON values, mappings by key, anything else as a whole.

    compare(x, x) is empty; swapping the arguments swaps before and after in each change.
    """
    if isinstance(before, dict) and isinstance(after, dict):
        changes: list[Change] = []
        for key in sorted({*before, *after}):
            changes += compare(before.get(key), after.get(key), f"{path}.{key}" if path else str(key))
        return changes
    if before == after and type(before) is type(after):
        return []
    if isinstance(before, dict) or isinstance(after, dict):
        return _one_sided(before, after, path)
    return [Change(path, before, after)]


def _one_sided(before: t.Any, after: t.Any, path: str) -> list[Change]:
    # A mapping that appears or goes is shown key by key, so that a diff stays readable.
    filled = before if isinstance(before, dict) else after
    other = after if isinstance(before, dict) else before
    if other is not None or not filled:
        return [Change(path, before, after)]
    if isinstance(before, dict):
        return compare(before, {}, path)
    return compare({}, after, path)


def as_ansible_diff(header: str, changes: t.Sequence[Change]) -> dict[str, str]:
    """The form that Ansible prints with --diff: only the lines that differ."""
    return {
        "before_header": header,
        "after_header": header,
        "before": "".join(
            f"{change.path}: {_text(change.before)}\n" for change in changes if change.before is not None
        ),
        "after": "".join(f"{change.path}: {_text(change.after)}\n" for change in changes if change.after is not None),
    }


def _text(value: t.Any) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(_text(entry) for entry in value) + "]"
    return str(value)
