# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two definitions of one thing put together, as Compose does for `extends` and for files that override others.

Mappings merge, lists append, single values and command lines are replaced (compose-spec,
13-merge.md; compose-go, override/merge.go and uncity.go). The values are those that the
schema gave back, so NAME=value lists are mappings already.
"""

from __future__ import annotations

import typing as t
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field

from ...module_utils._cdi.names import is_cdi_name
from .mounts import MountError, parse_volume
from .spec import Mark, Path

Data = dict[str, t.Any]

_REPLACED = frozenset(
    (
        ("command",),
        ("entrypoint",),
        ("healthcheck", "test"),
        # Ours: an order of preference or a choice makes no sense when the base's stands in front of it.
        ("x-gpu", "stacks"),
        ("x-gpu", "ids"),
        ("x-links", "*", "check"),
        ("x-display",),
        ("x-display", "kinds"),
    )
)
"""Lists that are replaced as a whole."""


@dataclass
class Merge:
    """Where every part of the merged value came from, so that messages name the right file and line."""

    base_marks: Mapping[Path, Mark]
    base_at: Path
    over_marks: Mapping[Path, Mark]
    over_at: Path
    """Also the place of the result."""
    placed: list[tuple[Path, bool, Path]] = field(default_factory=list)
    """(place in the result, from the override, place it had there), outer ones first."""

    def place(self, path: Path, over: bool, old: Path) -> None:
        self.placed.append((path, over, old))

    def marks(self) -> dict[Path, Mark]:
        """The marks of everything below the result."""
        sides = [_by_parent(self.base_marks, self.base_at), _by_parent(self.over_marks, self.over_at)]
        result: dict[Path, Mark] = {}
        for new, over, old in self.placed:
            for rest, mark in sides[over].get(old, {}).items():
                result[(*self.over_at, *new, *rest)] = mark
        return result


def _by_parent(marks: Mapping[Path, Mark], top: Path) -> dict[Path, dict[Path, Mark]]:
    """place → (what lies below it → mark), places relative to `top`."""
    result: dict[Path, dict[Path, Mark]] = {}
    for path, mark in marks.items():
        if path[: len(top)] == top:
            inside = path[len(top) :]
            for length in range(len(inside) + 1):
                result.setdefault(inside[:length], {})[inside[length:]] = mark
    return result


def merge_service(
    base: Data, over: Data, base_marks: Mapping[Path, Mark], base_at: Path, over_marks: Mapping[Path, Mark], at: Path
) -> tuple[Data, dict[Path, Mark]]:
    """A service laid over another, and the marks of the result (which stands where the overriding one did)."""
    state = Merge(base_marks, base_at, over_marks, at)
    return _mappings(base, over, (), state, ()), state.marks()


def merge_file(
    base: Data, over: Data, base_marks: Mapping[Path, Mark], over_marks: Mapping[Path, Mark]
) -> tuple[Data, dict[Path, Mark]]:
    """A whole file laid over another."""
    state = Merge(base_marks, (), over_marks, ())
    return _mappings(base, over, (), state, None), state.marks()


def _mappings(base: Data, over: Data, path: Path, state: Merge, rule: Path | None) -> Data:
    """`rule` is the place below a service, with ``*`` for free names; None: not below a service."""
    result = {}
    for key, value in base.items():
        here = (*path, key)
        if key in over and (over[key] is not None or _empties(rule, key)):
            result[key] = _values(value, over[key], here, state, _rule(rule, key, path))
        else:
            state.place(here, False, here)
            result[key] = value
    for key, value in over.items():
        if key not in base:
            state.place((*path, key), True, (*path, key))
            result[key] = value
    return result


def _empties(rule: Path | None, key: str) -> bool:
    """Does a key without a value take away what the base has? A variable then comes from outside."""
    return rule in (("environment",), ("build", "args")) or (rule is not None and (*rule, key) in _REPLACED)


def _rule(rule: Path | None, key: str, path: Path) -> Path | None:
    if rule is None:
        return () if len(path) == 1 and path[0] == "services" else None
    return (*rule, "*") if rule in (("x-links",), ("ulimits",), ("networks",)) else (*rule, key)


def _values(base: t.Any, over: t.Any, path: Path, state: Merge, rule: Path | None) -> t.Any:
    special = _SPECIAL.get(rule) if rule else None
    if special is not None:
        base, over = special(base), special(over)
    if rule == ("logging",) and base.get("driver") and over.get("driver") and base["driver"] != over["driver"]:
        state.place(path, True, path)
        return over
    if isinstance(base, dict) and isinstance(over, dict):
        state.place(path, True, path)
        return _mappings(base, over, path, state, rule)
    if isinstance(base, list) and isinstance(over, list) and rule not in _REPLACED:
        state.place(path, True, path)
        return _lists(base, over, path, state, _UNIQUE.get(rule, _itself) if rule else _itself)
    state.place(path, True, path)
    return over


def _lists(base: list[t.Any], over: list[t.Any], path: Path, state: Merge, index: Callable[[t.Any], t.Any]) -> t.Any:
    """Appended; an entry with the key of an earlier one takes that one's place."""
    places: dict[Hashable, int] = {}
    result: list[t.Any] = []
    origins: list[tuple[bool, Path]] = []
    for from_over, entries in ((False, base), (True, over)):
        for number, entry in enumerate(entries):
            key = index(entry)
            position = places.setdefault(key, len(result)) if key is not None else len(result)
            origin = (from_over, (*path, number))
            if position < len(result):
                result[position], origins[position] = entry, origin
            else:
                result.append(entry)
                origins.append(origin)
    for number, (from_over, old) in enumerate(origins):
        state.place((*path, number), from_over, old)
    return result


def _itself(entry: t.Any) -> Hashable | None:
    return entry if isinstance(entry, str) else None


def _volume_target(entry: str | Data) -> Hashable | None:
    if isinstance(entry, dict):
        return entry.get("target")
    try:
        return parse_volume(entry)["target"]
    except MountError:
        return None  # reported when the volume is read


def _device_target(entry: str | Data) -> Hashable | None:
    if isinstance(entry, dict):
        return entry.get("target") or entry.get("source")
    if is_cdi_name(entry):
        return entry
    parts = entry.split(":")
    return parts[1] if len(parts) > 1 else parts[0]


def _file_target(folder: str) -> Callable[[str | Data], Hashable]:
    def target(entry: str | Data) -> Hashable:
        if isinstance(entry, str):
            return folder + entry
        return entry.get("target") or folder + entry["source"]

    return target


_UNIQUE: dict[Path, Callable[[t.Any], Hashable | None]] = {
    ("volumes",): _volume_target,
    ("devices",): _device_target,
    ("secrets",): _file_target("/run/secrets/"),
    ("configs",): _file_target("/"),
    ("env_file",): lambda entry: entry if isinstance(entry, str) else entry["path"],
}
"""What tells two entries apart; other lists keep equal texts once."""


def _list(value: t.Any) -> t.Any:
    return [value] if isinstance(value, str) else value


def _hosts(value: Data | list[str]) -> list[str]:
    if isinstance(value, list):
        return value
    return [f"{name}={address}" for name, addresses in value.items() for address in _list(addresses)]


_SPECIAL: dict[Path, Callable[[t.Any], t.Any]] = {
    ("build",): lambda value: {"context": value} if isinstance(value, str) else value,
    ("build", "extra_hosts"): _hosts,
    ("depends_on",): lambda value: (
        {name: {"condition": "service_started", "required": True} for name in value}
        if isinstance(value, list)
        else value
    ),
    ("extra_hosts",): _hosts,
    ("networks",): lambda value: dict.fromkeys(value) if isinstance(value, list) else value,
    **dict.fromkeys((("dns",), ("dns_search",), ("env_file",), ("label_file",), ("tmpfs",)), _list),
}
"""Short forms that have to be long before they can be put together."""
