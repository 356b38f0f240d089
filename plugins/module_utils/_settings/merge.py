# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Merging keys of ours into a settings text and taking them out again, whatever the format.

Who set what is kept as entries: an entry is a key whose value in the file is ours, with what stood there before. A key
that the file has already with the value we want is nobody's entry: it is the file's own and stays when we go.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field, replace

from .misread import MisreadError, dotted

Path = tuple[str, ...]


class Format(t.Protocol):
    """What `json_text`, `ini_text` and `toml_text` have in common; all raise MisreadError."""

    def data(self, text: str) -> dict[str, t.Any]: ...
    def fold(self, part: str) -> str: ...
    def normal(self, path: Path, value: t.Any) -> t.Any: ...
    def raw(self, text: str, path: Path) -> str: ...
    def put(self, text: str, path: Path, value: t.Any) -> str: ...
    def put_raw(self, text: str, path: Path, raw: str) -> str: ...
    def take(self, text: str, path: Path) -> str: ...
    def append(self, text: str, path: Path, item: t.Any) -> str: ...
    def drop(self, text: str, path: Path, index: int) -> str: ...


class Wish(t.NamedTuple):
    """A key and the value it shall have. add: the value is a list, whose entries shall be in the file's list.
    yields: only where nobody else has set the key."""

    path: Path
    value: t.Any
    add: bool = False
    yields: bool = False


class Entry(t.NamedTuple):
    """A key of an owner's. ours: its value, or the entries of a list that we added. before: the text of the value that
    stood there, None where there was none (and for added entries)."""

    path: Path
    ours: t.Any
    before: str | None = None
    added: bool = False


@dataclass(frozen=True)
class Keys:
    """What in a file is ours. made: objects, sections, tables and lists that were not there before us."""

    owners: dict[str, tuple[Entry, ...]] = field(default_factory=dict)
    made: tuple[Path, ...] = ()

    def others(self, by: str, path: Path) -> list[tuple[str, Entry]]:
        """Entries of other owners for the same key."""
        return [(name, each) for name, own in self.owners.items() if name != by for each in own if each.path == path]


class Merged(t.NamedTuple):
    """changed: keys whose value is another now; kept: keys of ours that somebody else changed, which were left alone."""

    text: str
    keys: Keys
    changed: tuple[Path, ...] = ()
    kept: tuple[Path, ...] = ()


class _Absent:
    """No such key; JSON's null is a value."""


ABSENT = _Absent()


def wishes(form: Format, settings: dict[str, t.Any], add: bool, unless_set: t.Sequence[str] = ()) -> list[Wish]:
    """The leaves of nested settings; those whose dotted names are in `unless_set` yield. Raises MisreadError for a key
    that stands twice or is none of them, or a value the format has not."""
    found = list(_leaves(form, settings, (), add))
    seen: dict[Path, Path] = {}
    for wish in found:
        path = _fold(form, wish.path)
        if path in seen:
            raise MisreadError(f"{dotted(wish.path)} stands twice in the settings", "Remove one of them.")
        seen[path] = wish.path
    yielding = [form.fold(name) for name in unless_set]
    for name in yielding:
        if name not in map(dotted, seen):
            raise MisreadError(f"'{name}' of unless_set is no key of the settings", "Correct or remove it.")
    return [wish._replace(yields=dotted(_fold(form, wish.path)) in yielding) for wish in found]


def merge(form: Format, text: str, keys: Keys, by: str, wanted: list[Wish]) -> Merged:
    """The text in which of all keys of `by` exactly the wanted ones are set; none wanted is the undo.

    Raises MisreadError where a wish does not fit the file, or fits ill with what another owner wants.
    """
    _refuse_conflicts(form, keys, by, wanted)
    now = Merged(text, keys)
    for entry in keys.owners.get(by, ()):
        now = _give_back(form, now, by, entry, _still_wanted(form, entry, wanted))
    for wish in wanted:
        now = _add(form, now, by, wish) if wish.add else _set(form, now, by, wish)
    return _prune(form, now)


def undo_all(form: Format, text: str, keys: Keys) -> str:
    """The text without anything of ours."""
    now = Merged(text, keys)
    for by in keys.owners:
        now = merge(form, now.text, now.keys, by, [])
    return now.text


def holds(form: Format, text: str, keys: Keys) -> bool:
    """Whether everything that is noted as ours stands in the text."""
    data = form.data(text)
    return all(_in_place(look(form, data, entry.path), entry) for own in keys.owners.values() for entry in own)


def look(form: Format, data: t.Any, path: Path) -> t.Any:
    """The value of a key, or ABSENT."""
    for part in path:
        part = form.fold(part)
        if not isinstance(data, dict) or part not in data:
            return ABSENT
        data = data[part]
    return data


def same(one: t.Any, other: t.Any) -> bool:
    """Equal and of the same types: 1, 1.0 and true are three values, which Python's == takes for one."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(value, other[key]) for key, value in one.items())
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


def _leaves(form: Format, settings: dict[str, t.Any], path: Path, add: bool) -> t.Iterator[Wish]:
    for key, value in settings.items():
        here = (*path, str(key))
        if isinstance(value, dict) and value:
            yield from _leaves(form, value, here, add)
        elif add and isinstance(value, list):
            unique: list[t.Any] = []
            for item in form.normal(here, value):
                if not _has(unique, item):
                    unique.append(item)
            yield Wish(here, unique, add=True)
        else:
            yield Wish(here, form.normal(here, value))


def _refuse_conflicts(form: Format, keys: Keys, by: str, wanted: list[Wish]) -> None:
    for wish in [wish for wish in wanted if not wish.yields]:
        for name, entry in keys.others(by, _fold(form, wish.path)):
            if entry.added != wish.add or not (entry.added or same(entry.ours, wish.value)):
                raise MisreadError(
                    f"{dotted(wish.path)} is set by '{name}' already, to another value",
                    f"Let one of '{name}' and '{by}' set it.",
                )


def _still_wanted(form: Format, entry: Entry, wanted: list[Wish]) -> Wish | None:
    fitting = [wish for wish in wanted if _fold(form, wish.path) == entry.path and wish.add == entry.added]
    return fitting[0] if fitting else None


def _give_back(form: Format, now: Merged, by: str, entry: Entry, wish: Wish | None) -> Merged:
    """Take back what an entry did and is not wanted any more; all of it without a wish."""
    if entry.added:
        return _give_back_items(form, now, by, entry, wish.value if wish else [])
    if wish is not None:
        return now
    now = now._replace(keys=_with(now.keys, by, entry.path, None))
    if entry.ours == {} or now.keys.others(by, entry.path):
        return now
    current = look(form, form.data(now.text), entry.path)
    if not same(current, entry.ours):
        return now._replace(kept=(*now.kept, entry.path))
    before = entry.before
    text = form.take(now.text, entry.path) if before is None else form.put_raw(now.text, entry.path, before)
    return now._replace(text=text, changed=(*now.changed, entry.path))


def _give_back_items(form: Format, now: Merged, by: str, entry: Entry, wanted: list[t.Any]) -> Merged:
    elsewhere = [item for _name, other in now.keys.others(by, entry.path) for item in other.ours]
    going = [item for item in entry.ours if not _has(wanted, item)]
    staying = entry._replace(ours=[item for item in entry.ours if _has(wanted, item)])
    text, changed = now.text, now.changed
    for item in going:
        current = look(form, form.data(text), entry.path)
        if _has(elsewhere, item) or not isinstance(current, list) or not _has(current, item):
            continue
        last = max(index for index, each in enumerate(current) if same(each, item))
        text, changed = form.drop(text, entry.path, last), _once(changed, entry.path)
    keys = _with(now.keys, by, entry.path, staying if staying.ours else None)
    return now._replace(text=text, keys=keys, changed=changed)


def _set(form: Format, now: Merged, by: str, wish: Wish) -> Merged:
    path = _fold(form, wish.path)
    data = form.data(now.text)
    current = _current(form, data, wish)
    entry = next((each for each in now.keys.owners.get(by, ()) if each.path == path), None)
    if wish.yields and current is not ABSENT and not (entry and same(current, entry.ours)):
        return now._replace(keys=_with(now.keys, by, path, None))
    if wish.value == {} and isinstance(current, dict):
        # One that we made would go with its last key.
        return now._replace(keys=_with(now.keys, by, path, Entry(path, {}))) if path in now.keys.made else now
    if same(current, wish.value):
        others = [each for _name, each in now.keys.others(by, path)]
        shared = entry or (others[0] if others else None)
        return now._replace(keys=_with(now.keys, by, path, shared._replace(ours=wish.value))) if shared else now
    before = None if current is ABSENT else form.raw(now.text, wish.path)
    if entry is not None and same(current, entry.ours):
        before = entry.before
    keys = _with(now.keys, by, path, Entry(path, wish.value, before))
    keys = _made(form, keys, data, wish.path if wish.value == {} else wish.path[:-1])
    return now._replace(text=form.put(now.text, wish.path, wish.value), keys=keys, changed=_once(now.changed, path))


def _add(form: Format, now: Merged, by: str, wish: Wish) -> Merged:
    path = _fold(form, wish.path)
    data = form.data(now.text)
    current = _current(form, data, wish)
    if current is not ABSENT and not isinstance(current, list):
        raise MisreadError(
            f"{dotted(wish.path)} is no list in the file", "Use lists: replace, or make it a list there."
        )
    present = [] if current is ABSENT else current
    missing = [item for item in wish.value if not _has(present, item)]
    noted = [item for own in now.keys.owners.values() for each in own if each.path == path for item in each.ours]
    entry = Entry(path, [item for item in wish.value if _has(missing, item) or _has(noted, item)], added=True)
    keys = _with(now.keys, by, path, entry if entry.ours else None)
    if not missing:
        return now._replace(keys=keys)
    text = now.text
    if current is ABSENT:
        text = form.put(text, wish.path, missing)
    else:
        for item in missing:
            text = form.append(text, wish.path, item)
    return now._replace(text=text, keys=_made(form, keys, data, wish.path), changed=_once(now.changed, path))


def _current(form: Format, data: dict[str, t.Any], wish: Wish) -> t.Any:
    """The value that a wish is about. Raises MisreadError where something else stands in its place."""
    for above in _containers(wish):
        found = look(form, data, above)
        if found is not ABSENT and not isinstance(found, dict):
            raise MisreadError(
                f"{dotted(wish.path)} cannot be set: in the file {dotted(above)} is a plain value",
                f"Remove {dotted(above)} from the file, or from the settings.",
            )
    current = look(form, data, wish.path)
    if isinstance(current, dict) and wish.value != {}:
        raise MisreadError(
            f"{dotted(wish.path)} cannot be set to a plain value: in the file it has keys of its own",
            f"Remove {dotted(wish.path)} from the file, or from the settings.",
        )
    return current


def _containers(wish: Wish) -> list[Path]:
    """What has to be an object, a section or a table for a wish, from the top; with an empty object the key itself."""
    depth = len(wish.path) + (wish.value == {})
    return [wish.path[:length] for length in range(1, depth)]


def _prune(form: Format, now: Merged) -> Merged:
    """Take out what we made and nothing is in any more, the innermost first."""
    text, made = now.text, []
    held = {entry.path for own in now.keys.owners.values() for entry in own}
    for path in sorted(now.keys.made, key=len, reverse=True):
        current = look(form, form.data(text), path)
        if current in ({}, []) and path not in held:
            text = form.take(text, path)
        elif isinstance(current, (dict, list)):
            made.append(path)
    return now._replace(text=text, keys=replace(now.keys, made=tuple(sorted(made))))


def _made(form: Format, keys: Keys, data: dict[str, t.Any], upto: Path) -> Keys:
    """With every part of `upto` noted that is not there yet."""
    ways = [upto[:depth] for depth in range(1, len(upto) + 1)]
    new = [_fold(form, way) for way in ways if look(form, data, way) is ABSENT]
    return replace(keys, made=tuple(sorted({*keys.made, *new})))


def _with(keys: Keys, by: str, path: Path, entry: Entry | None) -> Keys:
    """With the entry of `by` for this key replaced, or gone."""
    own = [each for each in keys.owners.get(by, ()) if each.path != path] + ([entry] if entry else [])
    owners = {**keys.owners, by: tuple(sorted(own, key=lambda each: each.path))}
    return replace(keys, owners={name: entries for name, entries in owners.items() if entries})


def _in_place(current: t.Any, entry: Entry) -> bool:
    if entry.added:
        return isinstance(current, list) and all(_has(current, item) for item in entry.ours)
    return isinstance(current, dict) if entry.ours == {} else same(current, entry.ours)


def _fold(form: Format, path: Path) -> Path:
    return tuple(map(form.fold, path))


def _has(items: list[t.Any], item: t.Any) -> bool:
    return any(same(each, item) for each in items)


def _once(paths: tuple[Path, ...], path: Path) -> tuple[Path, ...]:
    return paths if path in paths else (*paths, path)
