# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Carries a plan out: copy, record, file, record. Killed between any two of them, the next run goes on from there."""

from __future__ import annotations

import contextlib
import os
import typing as t
from dataclasses import replace

from .._errors import FleetError
from . import files
from .plan import Plan, Request, plan
from .record import SUFFIX, State, digest, dump, load

_BACKUP = ".gpu-fleet-backup-"


class Done(t.NamedTuple):
    """plan: what was found and done. backup: the kept original, empty where there is none."""

    plan: Plan
    backup: str
    changed: bool


class Steps(t.NamedTuple):
    """What the caller does on the way. judge: is given the bytes that the file would have, and raises FleetError where
    they must not be written; own: see `new` of `files.write`."""

    judge: t.Callable[[bytes], None] = lambda _after: None
    own: files.Prepare = lambda _path: None


def look(request: Request, real: str, steps: Steps) -> Done:
    """What `apply` would do; reads only."""
    states = _states(real)
    return _done(_judged(request, real, states, steps), real, states)


def apply(request: Request, real: str, steps: Steps) -> Done:
    """Bring the file to what is asked. real: its path without links. Raises FleetError."""
    if not request.settings and not os.path.isdir(os.path.dirname(real)):
        return look(request, real, steps)
    with files.alone(os.path.dirname(real)):
        states = _states(real)
        planned = _write(_judged(request, real, states, steps), real, states, steps.own)
        if planned.state is None and states:
            _forget(planned, real, states)
        return _done(planned, real, states)


def _states(real: str) -> tuple[State | None, ...]:
    data = files.read(real + SUFFIX)
    return () if data is None else load(data, real + SUFFIX)


def _judged(request: Request, real: str, states: t.Sequence[State | None], steps: Steps) -> Plan:
    planned = plan(request, files.read(real), states)
    if planned.changes and planned.after is not None:
        steps.judge(planned.after)
    return planned


def _write(planned: Plan, real: str, states: t.Sequence[State | None], new: files.Prepare) -> Plan:
    if not planned.changes:
        if planned.state is not None and states != (planned.state,):
            _note(real, [planned.state])
        return planned
    backup = _keep(planned, real)
    state = planned.state
    if state is not None and backup and backup not in state.backups:
        state = replace(state, backups=(*state.backups, backup))
        planned = replace(planned, state=state)
    found = files.read(real + SUFFIX)
    written = False
    try:
        if state is not None or states:
            _note(real, [planned.before, state])
        if planned.after is None:
            _remove_as_found(planned, real)
        else:
            files.write(real, planned.after, planned.found, new)
        written = True
    finally:
        # Also when the module ends in here, because an owner is unknown.
        if not written:
            _put_back(real + SUFFIX, found)
            if backup and backup not in (planned.before.backups if planned.before else ()):
                files.remove(os.path.join(os.path.dirname(real), backup))
    if state is not None:
        _note(real, [state])
    return planned


def _keep(planned: Plan, real: str) -> str:
    """Keep a copy of what is about to be replaced; its name, or empty. The name follows from the content, so that one
    content has one copy."""
    if not planned.keep or planned.found is None:
        return ""
    path = f"{real}{_BACKUP}{digest(planned.found)[:8]}"
    files.keep(path, planned.found, real)
    return os.path.basename(path)


def _remove_as_found(planned: Plan, real: str) -> None:
    if files.read(real) != planned.found:
        raise FleetError("another program changed it meanwhile", real, "Run again. Nothing was changed.")
    files.remove(real)


def _note(real: str, states: t.Sequence[State | None]) -> None:
    path, data = real + SUFFIX, dump(states)
    found = files.read(path)
    if found != data:
        # mkstemp's mode, 0600, stays: the record holds the whole original.
        files.write(path, data, found)


def _put_back(path: str, found: bytes | None) -> None:
    with contextlib.suppress(FleetError):
        if found is None:
            files.remove(path)
        else:
            files.write(path, found, files.read(path))


def _forget(planned: Plan, real: str, states: t.Sequence[State | None]) -> None:
    """Nothing in the file is ours any more: the record goes, and copies that say no more than the file itself."""
    for name in sorted({name for state in states if state for name in state.backups}):
        path = os.path.join(os.path.dirname(real), name)
        if files.read(path) == planned.after:
            files.remove(path)
    files.remove(real + SUFFIX)


def _done(planned: Plan, real: str, states: t.Sequence[State | None]) -> Done:
    names = planned.state.backups if planned.state else ()
    backup = os.path.join(os.path.dirname(real), names[0]) if names else ""
    return Done(planned, backup, planned.changes or (planned.state is None and bool(states)))
