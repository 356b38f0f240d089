# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Differences of two configurations, as data: what a human is shown and what check mode reports."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from .config import STAGED, Port

_IDENTITY: dict[str, t.Callable[[dict[str, t.Any]], str]] = {
    "mounts": lambda entry: entry["target"],
    "networks": lambda entry: entry["network"],
    "secrets": lambda entry: entry["target"],
    "ports": lambda entry: f"{entry['container']}/{entry.get('protocol', Port.protocol)}",
    "ulimits": lambda entry: entry["name"],
}
"""Lists of a container's configuration whose entries have a name: compared entry by entry."""

_SHORT = 8
"""Characters of a content's hash that tell two apart."""


@dataclass(frozen=True)
class Change:
    """One value that differs. `path` is ``environment.LOG_LEVEL``; None stands for «not set»."""

    path: str
    before: t.Any
    after: t.Any

    def __str__(self) -> str:
        if self.path.startswith("secrets.") and self.path.endswith(".source") and _same_secret(self.before, self.after):
            return f"{self.path[: -len('.source')]}: value changed"
        return f"{self.path}: {_show(self.before, self.path)} → {_show(self.after, self.path)}"


def _same_secret(before: t.Any, after: t.Any) -> bool:
    """Two sources (``key#fingerprint``) of one secret."""
    return None not in (before, after) and before.rpartition("#")[0] == after.rpartition("#")[0]


def _show(value: t.Any, path: str) -> str:
    if value is None:
        return "(not set)"
    if isinstance(value, str) and not value.startswith(STAGED):
        return repr(value)
    return _text(value, path)


def compare(before: t.Any, after: t.Any, path: str = "") -> list[Change]:
    """Every difference between two JSON values: mappings by key, mounts and their like by entry, the rest as a whole.

    compare(x, x) is empty; swapping the arguments swaps before and after in each change.
    """
    if isinstance(before, dict) and isinstance(after, dict):
        changes: list[Change] = []
        for key in sorted({*before, *after}):
            changes += compare(before.get(key), after.get(key), f"{path}.{key}" if path else str(key))
        return changes
    if before == after and type(before) is type(after):
        return []
    if path in _IDENTITY:
        entries = _named(path, before), _named(path, after)
        if None not in entries:
            return _by_entry(*entries, path)
    if isinstance(before, dict) or isinstance(after, dict):
        return _one_sided(before, after, path)
    return [Change(path, before, after)]


def _named(path: str, value: t.Any) -> dict[str, t.Any] | None:
    """The entries of a list by their name, None when they have none or share one. A list that is not set is empty."""
    if value is not None and not isinstance(value, list):
        return None
    try:
        names = [_IDENTITY[path](entry) for entry in value or ()]
    except (KeyError, TypeError, AttributeError):
        return None
    entries = map(_without_owner, value or ()) if path == "secrets" else value or ()
    return dict(zip(names, entries)) if len(set(names)) == len(names) else None


def _without_owner(secret: dict[str, t.Any]) -> dict[str, t.Any]:
    """A secret whose source ends with the fingerprint: its owner and mode stand in fields of their own too."""
    key, mark, rest = str(secret.get("source", "")).rpartition("#")
    return {**secret, "source": key + mark + rest.partition("-")[0]} if mark else secret


def _by_entry(before: dict[str, t.Any], after: dict[str, t.Any], path: str) -> list[Change]:
    changes: list[Change] = []
    for name in sorted({*before, *after}):
        if name in before and name in after:
            changes += compare(before[name], after[name], f"{path}.{name}")
        else:
            changes.append(Change(f"{path}.{name}", before.get(name), after.get(name)))
    # The same entries in another order are another configuration too.
    return changes or [Change(path, list(before), list(after))]


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
        "before": _lines((change.path, change.before) for change in changes),
        "after": _lines((change.path, change.after) for change in changes),
    }


def _lines(values: t.Iterable[tuple[str, t.Any]]) -> str:
    return "".join(f"{path}: {_text(value, path)}\n" for path, value in values if value is not None)


def _text(value: t.Any, path: str = "") -> str:
    """A value as people write it: modes in octal, hashes of content short. path: where it stands."""
    if isinstance(value, list):
        return "[" + ", ".join(_text(entry) for entry in value) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_text(entry, key)}" for key, entry in sorted(value.items())) + "}"
    if isinstance(value, str) and value.startswith(STAGED):
        return value[: len(STAGED) + _SHORT]
    if path.rpartition(".")[2] == "mode" and isinstance(value, int):
        return f"{value:04o}"
    return str(value)
