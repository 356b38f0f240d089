# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The record beside a settings file: what of it is ours, and how the file was without us.

It is written before the file and again after it. Between the two it holds two states, and the bytes of the file tell
which one is true, so a run that was killed at any point leaves nothing that the next one could misread.
"""

from __future__ import annotations

import base64
import hashlib
import json
import typing as t
from dataclasses import dataclass

from .._errors import InputError
from .merge import Entry, Keys

SUFFIX = ".gpu-fleet-record"
"""No engine reads such a name: containers.conf.d takes ``*.conf`` only, dockerd ``daemon.json`` only."""

_VERSION = 1


@dataclass(frozen=True)
class State:
    """written: SHA-256 of the file as we left it, empty for no file. original: its bytes without us, None for no file.
    backups: names of the copies beside it."""

    keys: Keys
    written: str
    original: bytes | None
    backups: tuple[str, ...] = ()


def digest(data: bytes | None) -> str:
    """SHA-256 in hexadecimal; empty for no file."""
    return "" if data is None else hashlib.sha256(data).hexdigest()


def dump(states: t.Sequence[State | None]) -> bytes:
    """One state, or the one before a write and the one after it; None is a file in which nothing is ours."""
    plain = {"gpu_fleet_settings": _VERSION, "states": [_plain(state) for state in states]}
    return (json.dumps(plain, indent=1) + "\n").encode()


def load(data: bytes, path: str) -> tuple[State | None, ...]:
    """Raises InputError when it is not such a record."""
    try:
        plain = json.loads(data)
        if plain["gpu_fleet_settings"] != _VERSION:
            raise InputError(
                f"it is of version {plain['gpu_fleet_settings']}, not {_VERSION}", path, "Update this collection."
            )
        return tuple(_state(state) for state in plain["states"])
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"it is not the record that was written there: {error!r}",
            path,
            "Remove it; keys that were set before then count as yours.",
        ) from None


def choose(states: t.Sequence[State | None], found: bytes | None, holds: t.Callable[[Keys], bool]) -> State | None:
    """The state that is true of the file. holds: whether all keys stand in it.

    By the file's bytes where one state wrote them; else somebody edited it since, and the state with the most keys
    that are all there is it.
    """
    if len(states) == 1:
        return states[0]
    for state in reversed(states):
        if state is not None and state.written == digest(found):
            return state
    fitting = [state for state in states if state is None or holds(state.keys)]
    return max(fitting or states[-1:], key=_size)


def _size(state: State | None) -> int:
    return sum(map(len, state.keys.owners.values())) if state else 0


def _plain(state: State | None) -> dict[str, t.Any] | None:
    if state is None:
        return None
    return {
        "written": state.written,
        "original": None if state.original is None else base64.b64encode(state.original).decode(),
        "backups": state.backups,
        "made": state.keys.made,
        "owners": {name: [entry._asdict() for entry in entries] for name, entries in state.keys.owners.items()},
    }


def _state(plain: dict[str, t.Any] | None) -> State | None:
    if plain is None:
        return None
    owners = {
        name: tuple(Entry(**{**entry, "path": tuple(entry["path"])}) for entry in entries)
        for name, entries in plain["owners"].items()
    }
    original = plain["original"]
    return State(
        Keys(owners, tuple(tuple(path) for path in plain["made"])),
        plain["written"],
        None if original is None else base64.b64decode(original, validate=True),
        tuple(plain["backups"]),
    )
