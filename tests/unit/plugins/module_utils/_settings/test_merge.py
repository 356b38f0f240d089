"""Who owns which key, when owners share a file."""

from __future__ import annotations

import json

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._settings import json_text
from ansible_collections.gpu_fleet.containers.plugins.module_utils._settings.merge import (
    Keys,
    holds,
    merge,
    same,
    wishes,
)
from ansible_collections.gpu_fleet.containers.plugins.module_utils._settings.misread import MisreadError

SAME = [
    (1, 1, True),
    (1, 1.0, False),
    (1, True, False),
    (None, False, False),
    ([1, {"a": 2}], [1, {"a": 2}], True),
    ([1], [True], False),
    ({"a": 1, "b": 2}, {"b": 2, "a": 1}, True),
    ({"a": 1}, {"a": 1, "b": 2}, False),
    ([1], [1, 1], False),
]


@pytest.mark.parametrize(("one", "other", "expected"), SAME)
def test_same(one, other, expected):
    assert same(one, other) is expected


class File:
    """A text and what in it is whose."""

    def __init__(self, tree):
        self.text, self.keys = json.dumps(tree), Keys()

    def by(self, owner, settings, add=False):
        done = merge(json_text, self.text, self.keys, owner, wishes(json_text, settings, add))
        self.text, self.keys = done.text, done.keys
        return done

    @property
    def tree(self):
        return json.loads(self.text)


def test_a_value_that_two_want_stays_until_both_are_gone():
    file = File({"a": 1})
    file.by("us", {"a": 2})
    file.by("them", {"a": 2})
    file.by("us", {})
    assert file.tree == {"a": 2}
    file.by("them", {})
    assert file.tree == {"a": 1} and file.keys == Keys()


def test_an_entry_that_two_want_stays_until_both_are_gone():
    file = File({"l": ["theirs"]})
    file.by("us", {"l": ["x", "y", "theirs"]}, add=True)
    file.by("them", {"l": ["x"]}, add=True)
    assert file.tree == {"l": ["theirs", "x", "y"]}
    file.by("us", {})
    assert file.tree == {"l": ["theirs", "x"]}
    file.by("them", {})
    assert file.tree == {"l": ["theirs"]} and file.keys == Keys()


def test_an_object_that_one_made_stays_while_another_has_keys_in_it():
    file = File({})
    file.by("us", {"o": {"a": 1}})
    file.by("them", {"o": {"b": 2}})
    file.by("us", {})
    assert file.tree == {"o": {"b": 2}}
    file.by("them", {})
    assert file.tree == {}


def test_a_value_that_is_there_already_is_not_taken_into_possession():
    file = File({"a": 1})
    assert file.by("us", {"a": 1}).changed == ()
    file.by("us", {})
    assert file.tree == {"a": 1}


def test_what_is_not_wanted_any_more_goes_back():
    file = File({"a": 1, "l": [1]})
    file.by("us", {"a": 2, "b": {"c": 3}, "l": [2, 3]}, add=True)
    done = file.by("us", {"l": [3]}, add=True)
    assert file.tree == {"a": 1, "l": [1, 3]}
    assert done.changed == (("a",), ("b", "c"), ("l",))


def test_another_value_of_ours_still_goes_back_to_the_first():
    file = File({"a": 1})
    file.by("us", {"a": 2})
    file.by("us", {"a": 3})
    file.by("us", {})
    assert file.tree == {"a": 1}


def test_a_value_that_somebody_set_over_ours_is_what_undo_gives_back():
    file = File({"a": 1})
    file.by("us", {"a": 2})
    file.text = json.dumps({"a": 7})
    assert not holds(json_text, file.text, file.keys)
    file.by("us", {"a": 2})
    assert file.tree == {"a": 2} and holds(json_text, file.text, file.keys)
    file.by("us", {})
    assert file.tree == {"a": 7}


def test_entries_that_somebody_took_out_are_not_missed_at_the_undo():
    file = File({"l": ["theirs"]})
    file.by("us", {"l": ["x", "y"]}, add=True)
    file.text = json.dumps({"l": ["y", "new"]})
    assert file.by("us", {}).kept == ()
    assert file.tree == {"l": ["new"]}


def test_a_list_may_change_from_added_to_replaced():
    file = File({"l": ["theirs"]})
    file.by("us", {"l": ["x"]}, add=True)
    file.by("us", {"l": ["x"]})
    assert file.tree == {"l": ["x"]}
    file.by("us", {"l": ["y"]}, add=True)
    assert file.tree == {"l": ["theirs", "y"]}
    file.by("us", {})
    assert file.tree == {"l": ["theirs"]}


def test_an_empty_object_is_had_and_goes():
    file = File({"theirs": {}})
    file.by("us", {"ours": {}, "theirs": {}})
    assert file.tree == {"theirs": {}, "ours": {}}
    file.by("us", {"x": 1, "ours": {}})
    assert file.tree == {"theirs": {}, "ours": {}, "x": 1}
    file.by("us", {})
    assert file.tree == {"theirs": {}}


@pytest.mark.parametrize("owner", ["us", "them"])
def test_an_empty_object_that_is_wanted_outlives_the_keys_that_we_had_in_it(owner):
    file = File({})
    file.by("us", {"features": {"cdi": True}})
    file.by(owner, {"features": {}})
    file.by("us", {"features": {}} if owner == "us" else {})
    assert file.tree == {"features": {}}
    assert not file.by(owner, {"features": {}}).changed
    file.by(owner, {})
    assert file.tree == {} and file.keys == Keys()


def yielding(file, value):
    done = merge(json_text, file.text, file.keys, "us", wishes(json_text, {"a": {"b": value}}, False, ("a.b",)))
    file.text, file.keys = done.text, done.keys
    return done


def test_a_key_that_yields_is_set_and_followed_where_nobody_else_says_anything():
    file = File({})
    yielding(file, 1)
    assert file.tree == {"a": {"b": 1}} and not yielding(file, 1).changed
    yielding(file, 2)
    assert file.tree == {"a": {"b": 2}}
    file.by("us", {})
    assert file.tree == {}


def test_a_key_that_yields_leaves_what_somebody_said_before_or_after():
    file = File({"a": {"b": 7}})
    assert not yielding(file, 1).changed and file.keys == Keys()
    file = File({})
    yielding(file, 1)
    file.text = file.text.replace("1", "7")
    assert not yielding(file, 1).changed and file.tree == {"a": {"b": 7}}
    file = File({})
    file.by("them", {"a": {"b": 7}})
    assert not yielding(file, 1).changed and file.tree == {"a": {"b": 7}}


def test_a_key_that_yields_can_be_insisted_on():
    file = File({"a": {"b": 7}})
    yielding(file, 1)
    file.by("us", {"a": {"b": 1}})
    assert file.tree == {"a": {"b": 1}}
    file.by("us", {})
    assert file.tree == {"a": {"b": 7}}


def test_what_yields_has_to_be_wanted():
    with pytest.raises(MisreadError, match=r"'a\.c' of unless_set is no key of the settings"):
        wishes(json_text, {"a": {"b": 1}}, False, ("a.c",))
