# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a file's bytes and its record to what is to be written: pure, so check mode is this and nothing more."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from .._errors import InputError
from . import ini_text, json_text, toml_text
from .encoding import decode, encode
from .merge import Format, Keys, Merged, holds, merge, undo_all, wishes
from .misread import MisreadError, line_and_column
from .record import State, choose, digest

FORMATS: dict[str, t.Any] = {"json": json_text, "ini": ini_text, "toml": toml_text}


@dataclass(frozen=True)
class Request:
    """path is for messages. settings: what `by` wants in the file; empty is the undo. add: lists keep foreign entries.
    unless_set: dotted keys of `settings` that yield to what the file says."""

    path: str
    format: str
    by: str
    settings: dict[str, t.Any]
    add: bool = False
    unless_set: tuple[str, ...] = ()


@dataclass(frozen=True)
class Plan:
    """What to do with the file. found, after: its bytes, None for no file. states: what is noted before and after.
    keep: whether the found bytes are somebody's work of which no copy is kept yet."""

    found: bytes | None
    after: bytes | None
    before: State | None
    state: State | None
    changed: tuple[str, ...]
    kept: tuple[str, ...]
    keep: bool

    @property
    def changes(self) -> bool:
        return self.after != self.found


def plan(request: Request, found: bytes | None, states: t.Sequence[State | None]) -> Plan:
    """states: as the record has them, empty without one. Raises InputError, with line and column where it has them."""
    text = ""
    try:
        text, encoding = decode(found or b"")
        form: Format = FORMATS[request.format]
        state = choose(states, found, lambda keys: holds(form, text, keys)) if states else None
        keys = state.keys if state else Keys()
        merged = merge(form, text, keys, request.by, wishes(form, request.settings, request.add, request.unless_set))
        # Where the bytes are those that we wrote, the file without us is the one we found; else somebody worked on it.
        untouched = state is not None and state.written == digest(found)
        if state is not None and untouched:
            original = state.original
        else:
            original = None if found is None else encode(undo_all(form, text, keys), encoding)
        if merged.keys.owners:
            after: bytes | None = encode(merged.text, encoding)
        elif untouched or found is None:
            after = original
        else:
            after = encode(merged.text, encoding)
            if state is not None and state.original is None and _is_empty(form, merged.text):
                after = None
    except MisreadError as error:
        raise _input_error(error, request.path, text) from None
    return _plan(found, after, state, merged, original, untouched)


def _plan(
    found: bytes | None,
    after: bytes | None,
    state: State | None,
    merged: Merged,
    original: bytes | None,
    untouched: bool,
) -> Plan:
    new: State | None = None
    if merged.keys.owners:
        new = State(merged.keys, digest(after), original, state.backups if state else ())
        if after == found and state is not None:
            # Nothing is written, so what the file was without us is still found by its bytes or by its keys.
            new = State(merged.keys, state.written, state.original, state.backups)
    names = tuple(sorted(".".join(path) for path in merged.changed))
    kept = tuple(sorted(".".join(path) for path in merged.kept)) if found is not None else ()
    keep = after != found and found is not None and not untouched
    return Plan(found, after, state, new, names, kept, keep)


def text_of(data: bytes | None) -> str:
    """For showing differences; bytes that were read or made here are text."""
    return decode(data or b"")[0]


def _is_empty(form: Format, text: str) -> bool:
    return not text.strip() or (form is FORMATS["json"] and not form.data(text))


def _input_error(error: MisreadError, path: str, text: str) -> InputError:
    if error.offset is not None:
        path = "{}:{}:{}".format(path, *line_and_column(text, error.offset))
    return InputError(error.message, path, f"{error.mend} Nothing was changed.")
