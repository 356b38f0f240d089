"""Differences as data: complete, exact, and the same in both directions."""

from __future__ import annotations

import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.gpu_fleet.containers.plugins.module_utils._group.diff import (
    Change,
    as_ansible_diff,
    compare,
)


class Case(t.NamedTuple):
    name: str
    before: t.Any
    after: t.Any
    changes: list[Change]


CASES = [
    Case("a value", {"a": 1}, {"a": 2}, [Change("a", 1, 2)]),
    Case("a new key", {}, {"a": 1}, [Change("a", None, 1)]),
    Case("a key that went", {"a": 1}, {}, [Change("a", 1, None)]),
    Case("deep inside", {"a": {"b": {"c": 1}}}, {"a": {"b": {"c": 2}}}, [Change("a.b.c", 1, 2)]),
    Case("lists as a whole", {"a": [1, 2]}, {"a": [2, 1]}, [Change("a", [1, 2], [2, 1])]),
    Case("true is not one", {"a": True}, {"a": 1}, [Change("a", True, 1)]),
    Case("text is no number", {"a": "1"}, {"a": 1}, [Change("a", "1", 1)]),
    Case("a mapping appears key by key", {}, {"e": {"X": "1"}}, [Change("e.X", None, "1")]),
    Case(
        "a mapping goes key by key",
        {"e": {"X": "1", "Y": "2"}},
        {},
        [Change("e.X", "1", None), Change("e.Y", "2", None)],
    ),
    Case("an empty mapping appears", {}, {"e": {}}, [Change("e", None, {})]),
    Case("a mapping for a value", {"a": 1}, {"a": {"b": 2}}, [Change("a", 1, {"b": 2})]),
    Case("sorted by path", {"b": 1, "a": 1}, {"b": 2, "a": 2}, [Change("a", 1, 2), Change("b", 1, 2)]),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_compare(case: Case):
    assert compare(case.before, case.after) == case.changes


def test_in_words():
    assert [str(change) for change in compare({"a": 1, "c": "x"}, {"a": 2, "b": "new"})] == [
        "a: 1 → 2",
        "b: (not set) → 'new'",
        "c: 'x' → (not set)",
    ]


A, B = "a" * 64, "b" * 64
MOUNT = {"type": "bind", "target": "/srv", "source": f"staged:{A}"}
SECRET = {"source": "core/db#1234abcd-0-0-400", "target": "/run/secrets/db"}
NAMED = [
    (
        "mounts",
        [MOUNT],
        [{**MOUNT, "source": f"staged:{B}"}],
        ["mounts./srv.source: staged:aaaaaaaa → staged:bbbbbbbb"],
    ),
    ("mounts", [MOUNT], None, ["mounts./srv: {source: staged:aaaaaaaa, target: /srv, type: bind} → (not set)"]),
    ("mounts", [{**MOUNT, "mode": 0o700}], [{**MOUNT, "mode": 0o1777}], ["mounts./srv.mode: 0700 → 1777"]),
    (
        "mounts",
        [MOUNT, {**MOUNT, "target": "/b"}],
        [{**MOUNT, "target": "/b"}, MOUNT],
        ["mounts: [/srv, /b] → [/b, /srv]"],
    ),
    ("secrets", [SECRET], [{**SECRET, "source": "core/db#5678-0-0-400"}], ["secrets./run/secrets/db: value changed"]),
    (
        "secrets",
        [SECRET],
        [{**SECRET, "source": "core/db#1234abcd-0-0-440", "mode": 0o440}],
        ["secrets./run/secrets/db.mode: (not set) → 0440"],
    ),
    (
        "secrets",
        [SECRET],
        [{**SECRET, "source": "core/x#1234abcd-0-0-400"}],
        ["secrets./run/secrets/db.source: 'core/db#1234abcd' → 'core/x#1234abcd'"],
    ),
    (
        "networks",
        [{"network": "core"}, {"network": "link", "aliases": ["a"]}],
        [{"network": "link", "aliases": ["b"]}],
        ["networks.core: {network: core} → (not set)", "networks.link.aliases: [a] → [b]"],
    ),
    ("ports", [{"container": 80, "host": 80}], [{"container": 80, "host": 81}], ["ports.80/tcp.host: 80 → 81"]),
    (
        "ports",
        [{"container": 53, "protocol": "udp"}],
        [{"container": 53}],
        ["ports.53/tcp: (not set) → {container: 53}", "ports.53/udp: {container: 53, protocol: udp} → (not set)"],
    ),
    (
        "ports",
        [{"container": 80, "host": 80}, {"container": 80, "host": 81}],
        [{"container": 80, "host": 80}],
        ["ports: [{container: 80, host: 80}, {container: 80, host: 81}] → [{container: 80, host: 80}]"],
    ),
    (
        "ulimits",
        [{"name": "nofile", "soft": 1, "hard": 2}],
        [{"name": "nofile", "soft": 1, "hard": 3}],
        ["ulimits.nofile.hard: 2 → 3"],
    ),
]


@pytest.mark.parametrize(("key", "before", "after", "words"), NAMED)
def test_entries_that_have_a_name(key, before, after, words):
    one, other = ({} if value is None else {key: value} for value in (before, after))
    assert list(map(str, compare(one, other))) == words
    printed = as_ansible_diff("x", compare(one, other))
    assert printed["before"] != printed["after"]


def test_what_ansible_prints_holds_only_what_differs():
    changes = compare({"same": 1, "image": "a:1", "command": ["run", "fast"]}, {"same": 1, "image": "a:2", "new": "x"})
    assert as_ansible_diff("core/web", changes) == {
        "before_header": "core/web",
        "after_header": "core/web",
        "before": "command: [run, fast]\nimage: a:1\n",
        "after": "image: a:2\nnew: x\n",
    }


# None and {} mean «not set» in what `to_dict` makes, so they do not stand as values of their own there.
_VALUES = st.recursive(
    st.one_of(st.booleans(), st.integers(-3, 3), st.text("ab.é", max_size=3), st.lists(st.integers(0, 2), max_size=2)),
    lambda inner: st.dictionaries(st.sampled_from("abcd"), inner, min_size=1, max_size=3),
    max_leaves=12,
)
SPECS = st.dictionaries(st.sampled_from("abcd"), _VALUES, max_size=4)


def apply(value: dict[str, t.Any], changes: list[Change]) -> dict[str, t.Any]:
    """What a reader of the changes would make of the first configuration."""
    result = _copy(value)
    for change in changes:
        *parents, last = change.path.split(".")
        place = result
        for key in parents:
            place = place.setdefault(key, {})
        if change.after is None:
            del place[last]
        else:
            place[last] = change.after
    return _without_empty(result)


def _copy(value: t.Any) -> t.Any:
    return {key: _copy(entry) for key, entry in value.items()} if isinstance(value, dict) else value


def _without_empty(value: dict[str, t.Any]) -> dict[str, t.Any]:
    cleaned = {key: _without_empty(entry) if isinstance(entry, dict) else entry for key, entry in value.items()}
    return {key: entry for key, entry in cleaned.items() if entry != {}}


def _strict(value: t.Any) -> t.Any:
    """With its types, since True == 1 in Python."""
    return {key: _strict(entry) for key, entry in value.items()} if isinstance(value, dict) else repr(value)


@given(SPECS)
def test_nothing_differs_from_itself(value):
    assert compare(value, _copy(value)) == []


@given(SPECS, SPECS)
def test_the_changes_lead_from_the_one_to_the_other(before, after):
    assert _strict(apply(before, compare(before, after))) == _strict(after)


@given(SPECS, SPECS)
def test_swapped_arguments_swap_each_change(before, after):
    forwards = compare(before, after)
    assert compare(after, before) == [Change(change.path, change.after, change.before) for change in forwards]


@given(SPECS, SPECS)
def test_a_difference_is_never_missed(before, after):
    assert bool(compare(before, after)) == (_strict(before) != _strict(after))


_NAMED_LISTS = st.fixed_dictionaries(
    {},
    optional={
        "mounts": st.lists(
            st.fixed_dictionaries(
                {"target": st.sampled_from(["/a", "/b", "/c"])},
                optional={"mode": st.integers(0, 2), "x": st.booleans()},
            ),
            min_size=1,
            max_size=3,
        ),
        "ports": st.lists(
            st.fixed_dictionaries(
                {"container": st.integers(1, 2)}, optional={"protocol": st.just("udp"), "host": st.integers(1, 2)}
            ),
            min_size=1,
            max_size=3,
        ),
        "networks": st.lists(st.one_of(st.text("ab", max_size=1), st.just({"x": 1})), min_size=1, max_size=2),
    },
)


@given(_NAMED_LISTS, _NAMED_LISTS)
def test_the_same_holds_entry_by_entry(before, after):
    forwards = compare(before, after)
    assert compare(before, before) == []
    assert compare(after, before) == [Change(change.path, change.after, change.before) for change in forwards]
    assert bool(forwards) == (before != after)
