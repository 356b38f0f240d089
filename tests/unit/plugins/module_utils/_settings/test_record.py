"""The record comes back as it was written, and says which of two states is true."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.gpu_fleet.containers.plugins.module_utils._settings.merge import Entry, Keys
from ansible_collections.gpu_fleet.containers.plugins.module_utils._settings.record import (
    State,
    choose,
    digest,
    dump,
    load,
)

PATHS = st.lists(st.text(max_size=4), min_size=1, max_size=3).map(tuple)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)
ENTRIES = st.builds(Entry, PATHS, VALUES, st.none() | st.text(), st.booleans())
KEYS = st.builds(Keys, st.dictionaries(st.text(), st.lists(ENTRIES, max_size=3).map(tuple)), st.lists(PATHS).map(tuple))
STATES = st.builds(State, KEYS, st.text(), st.none() | st.binary(), st.lists(st.text()).map(tuple))


@given(st.lists(st.none() | STATES, max_size=2).map(tuple))
def test_what_is_written_is_read(states):
    assert load(dump(states), "record") == states


def state(data, *paths):
    return State(Keys({"us": tuple(Entry((path,), 1) for path in paths)} if paths else {}), digest(data), b"")


OLD, NEW, LESS = state(b"old", "a"), state(b"new", "a", "b"), state(b"less")

CHOICES = [
    ((OLD,), b"edited", {"a"}, OLD),
    ((OLD, NEW), b"old", {"a"}, OLD),
    ((OLD, NEW), b"new", {"a", "b"}, NEW),
    ((OLD, NEW), b"new and edited", {"a", "b"}, NEW),
    ((OLD, NEW), b"old and edited", {"a"}, OLD),
    ((OLD, LESS), b"old and edited", {"a"}, OLD),
    ((OLD, LESS), b"less and edited", set(), LESS),
    ((None, NEW), b"found", set(), None),
    ((None, NEW), b"new", {"a", "b"}, NEW),
    ((None, NEW), b"new and edited", {"a", "b"}, NEW),
    ((OLD, None), b"original", set(), None),
    ((OLD, None), b"old", {"a"}, OLD),
]


@pytest.mark.parametrize(("states", "found", "there", "expected"), CHOICES)
def test_the_true_state(states, found, there, expected):
    def holds(keys):
        return all(entry.path[0] in there for own in keys.owners.values() for entry in own)

    assert choose(states, found, holds) == expected
