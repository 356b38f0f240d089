"""Merging and undoing as a whole, from bytes to bytes, for all formats and styles."""

from __future__ import annotations

import codecs
import copy
import json
import tomllib

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ansible_collections.gpu_fleet.containers.plugins.module_utils._errors import InputError
from ansible_collections.gpu_fleet.containers.plugins.module_utils._settings import ini_text
from ansible_collections.gpu_fleet.containers.plugins.module_utils._settings.merge import same
from ansible_collections.gpu_fleet.containers.plugins.module_utils._settings.plan import FORMATS, Request, plan

from . import documents

ENCODINGS = [(b"", "utf-8"), (codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le")]
ENCODINGS += [(codecs.BOM_UTF16_BE, "utf-16-be")]


KINDS = [
    ("ini", documents.ini_files(), documents.INI_SETTINGS),
    ("toml", documents.toml_files(), documents.trees()),
    ("json", documents.json_files(), documents.trees(st.one_of(documents.VALUES, st.none()))),
]


@st.composite
def cases(draw, kinds=tuple(KINDS)):
    """(format, bytes of the file or None, settings of ours, whether lists are added to)."""
    name, files, settings = draw(st.sampled_from(kinds))
    mark, codec = draw(st.sampled_from(ENCODINGS))
    text = draw(st.one_of(files, st.none()))
    found = None if text is None else mark + text.encode(codec)
    return name, found, draw(settings), draw(st.booleans())


def step(name, found, states, settings, add=False, by="us"):
    """The plan of one run; cases in which the settings do not fit the file are dropped."""
    try:
        return plan(Request("file", name, by, settings, add), found, states)
    except InputError as error:
        words = ("plain value", "plain value:", "no list", "inline table", "keys of its own", "another value")
        assert any(word in str(error) for word in words), error
        assume(False)
        raise


def states(planned):
    return () if planned.state is None else (planned.state,)


def data(name, found):
    """Read with Python's own parser where there is one."""
    text, mark = found or b"", b""
    for mark, codec in reversed(ENCODINGS):
        if text.startswith(mark):
            text = text[len(mark) :].decode(codec)
            break
    if name == "json":
        return json.loads(text) if text.strip() else {}
    return tomllib.loads(text) if name == "toml" else ini_text.data(text)


def merged(name, theirs, ours, add):
    """What a merge of dicts gives."""
    theirs = copy.deepcopy(theirs)
    for key, value in ours.items():
        key = key.lower() if name == "ini" else key
        if isinstance(value, dict):
            theirs[key] = merged(name, theirs.get(key, {}), value, add)
        elif add and isinstance(value, list):
            present = theirs.get(key, [])
            for item in value:
                present = present if any(same(each, item) for each in present) else [*present, item]
            if present or key in theirs:
                theirs[key] = present
        else:
            theirs[key] = ini_text.normal(("s", key), value) if name == "ini" else value
    return theirs


@given(cases())
def test_undo_gives_the_bytes_back_when_nobody_touched_the_file(case):
    name, found, settings, add = case
    done = step(name, found, (), settings, add)
    undone = plan(Request("file", name, "us", {}), done.after, states(done))
    assert undone.after == found and undone.state is None


@given(cases(), st.data())
def test_undo_gives_the_bytes_back_after_several_owners_and_changes_of_mind(case, draw):
    name, found, settings, add = case
    kinds = documents.INI_SETTINGS if name == "ini" else documents.trees()
    done = step(name, found, (), settings, add)
    for by in draw.draw(st.lists(st.sampled_from(["us", "them"]), max_size=4)):
        done = step(name, done.after, states(done), draw.draw(kinds), draw.draw(st.booleans()), by)
    for by in ("us", "them"):
        done = plan(Request("file", name, by, {}), done.after, states(done))
    assert done.after == found and done.state is None


@given(cases())
def test_twice_is_once(case):
    name, found, settings, add = case
    first = step(name, found, (), settings, add)
    second = step(name, first.after, states(first), settings, add)
    assert (second.after, second.state, second.changed) == (first.after, first.state, ())


@given(cases())
def test_what_is_read_afterwards_is_what_a_merge_of_dicts_gives(case):
    name, found, settings, add = case
    before = data(name, found)
    done = step(name, found, (), settings, add)
    after = data(name, done.after)
    if add:
        # An empty list to add to nothing is nothing, so its table need not be there either.
        assert same(_without_empty(after), _without_empty(merged(name, before, settings, add)))
    else:
        assert same(after, merged(name, before, settings, add))


def _without_empty(tree):
    if not isinstance(tree, dict):
        return tree
    trimmed = {key: _without_empty(value) for key, value in tree.items()}
    return {key: value for key, value in trimmed.items() if value != {}}


@given(cases(KINDS[:2]))
def test_every_comment_is_kept(case):
    name, found, settings, add = case
    done = step(name, found, (), settings, add)
    comments = [line for line in (found or b"").splitlines() if line.strip().startswith((b"#", b";"))]
    kept = (done.after or b"").splitlines()
    assert all(comment in kept for comment in comments)


def leaves(tree, path=()):
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from leaves(value, (*path, key))
        else:
            yield (*path, key), value


def look(tree, path):
    for key in path:
        if not isinstance(tree, dict) or key not in tree:
            return None
        tree = tree[key]
    return tree


@given(cases(), st.data())
def test_after_an_edit_of_somebody_else_undo_takes_our_keys_alone(case, draw):
    name, found, settings, _add = case
    form = FORMATS[name]
    done = step(name, found, (), settings)
    assume(done.after is not None)
    mark, codec = next(each for each in reversed(ENCODINGS) if done.after.startswith(each[0]))
    text = done.after[len(mark) :].decode(codec)
    new = ("wsl2", "mine") if name == "ini" else ("mine",)
    text = form.put(text, new, form.normal(new, "theirs"))
    ours = list(leaves(settings))
    touched = draw.draw(st.lists(st.sampled_from(ours), unique_by=str)) if ours else []
    for path, _value in touched:
        text = form.put(text, path, form.normal(path, "changed"))
    edited = mark + text.encode(codec)
    undone = plan(Request("file", name, "us", {}), edited, states(done))
    after, before = data(name, undone.after), data(name, found)
    assert look(after, new) == "theirs"
    fold = tuple if name != "ini" else (lambda path: tuple(part.lower() for part in path))
    changed = [fold(path) for path, _value in touched]
    for path, _value in ours:
        wanted = "changed" if fold(path) in changed else look(before, fold(path))
        assert same(look(after, fold(path)), wanted), path
    for path, value in leaves(before):
        if path not in [fold(each) for each, _value in ours]:
            assert same(look(after, path), value)
    assert undone.state is None


WRONG = [
    ("json", b'{"a": 1,\n // c\n "b": 2}', "file:2:2: a comment; JSON has none"),
    ("json", b'{"a": 1, # c\n}', "file:1:10: a comment"),
    ("json", b'{\n "a": 1,\n}', "file:3:1: a comma stands before '}'"),
    ("json", b'{"a": [1, ]}', "file:1:11: a comma stands before ']'"),
    ("json", b'{"a": 1, "b": {"a": 2, "a": 3}}', 'file:1:24: the key "a" stands twice, first in line 1'),
    ("json", b"[1]", "file:1:1: the file is not one JSON object"),
    ("json", b'"a"', "file:1:1: the file is not one JSON object"),
    ("json", b'{"a": 1} x', "file:1:10: the end of the file is expected, not 'x'"),
    ("json", b'{"a": 1', "file:1:8: the file ends where ',' or '}' is expected"),
    ("json", b"{'a': 1}", "file:1:2: single quotes"),
    ("json", b'{"a": NaN}', "file:1:7: a value is expected, not 'N'"),
    ("json", b'{"a": 01}', "file:1:7: a value is expected, not '0'"),
    ("json", b'{"a": "x\ny"}', "file:1:7: a text in quotes does not end on its line"),
    ("json", b'{"a" 1}', "file:1:6: ':' is expected"),
    ("json", b'{"a":' + b"[" * 300 + b"]" * 300 + b"}", "nested deeper than 200 levels"),
    ("json", b'{"a": "\xff"}', "it is not UTF-8 text: byte 7, line 1"),
    ("json", '{"a": 1}'.encode("utf-16-le"), "it holds zero bytes"),
    ("json", codecs.BOM_UTF16_LE + b"{\0}", "it is not UTF-16-LE text"),
    ("toml", b"a = 1\nb = \n", "file:2:5: a value is expected"),
    ("toml", b"a = 1\na = 2\n", "file:2:1: the key a stands twice"),
    ("toml", b"[a]\n[a]\n", "file:2:1: a stands twice"),
    ("toml", b"[a\n", "file:1:3: ']' is expected"),
    ("toml", b'a = "x\n', "file:1:5: a text in quotes does not end"),
    ("toml", b"a = 1 b = 2\n", "file:1:7: the end of the line is expected"),
    ("toml", b"a = " + b"[" * 300 + b"]" * 300, "nested deeper than 100 levels"),
    ("toml", b'a = "\\q"\n', "is no escape of TOML"),
]


@pytest.mark.parametrize(("name", "found", "words"), WRONG)
def test_a_wrong_file_is_an_error_that_says_where_and_what_to_do(name, found, words):
    with pytest.raises(InputError) as caught:
        plan(Request("file", name, "us", {"x": {"y": True}}), found, ())
    assert words in str(caught.value) and caught.value.mend


UNFIT = [
    ("json", b'{"features": true}', {"features": {"cdi": True}}, "in the file features is a plain value"),
    ("json", b'{"log-opts": {"max-size": "1m"}}', {"log-opts": "none"}, "in the file it has keys of its own"),
    ("json", b"{}", {"a": float("nan")}, "a has a value that JSON cannot hold"),
    ("ini", b"", {"wsl2": True}, "wsl2 is no key of a section"),
    ("ini", b"", {"wsl2": {"a": [1]}}, "wsl2.a is neither text, number nor boolean"),
    ("ini", b"", {"wsl2": {"a": None}}, "wsl2.a is neither text"),
    ("ini", b"", {"wsl2": {"a b": 1}}, "'a b' is no name that WSL reads"),
    ("ini", b"", {"wsl2": {"a": "x\ry"}}, "wsl2.a holds a control character"),
    ("ini", b"", {"wsl2": {"a": 1}, "WSL2": {"A": 2}}, "WSL2.A stands twice in the settings"),
    ("toml", b"", {"a": None}, "a has a value that is not written to TOML"),
    ("toml", b"", {"a": [{"b": 1}]}, "a has a value that is not written to TOML"),
    ("toml", b"", {"a": 2**70}, "a has a value that is not written to TOML"),
    ("toml", b"a = {b = 1}\n", {"a": {"c": 1}}, "a.c would have to be added to an inline table"),
    ("toml", b"[[a]]\nb = 1\n", {"a": {"b": 2}}, "in the file a is a plain value"),
    ("json", b"{}", {"a": "\ud800"}, "a value holds the character U+D800"),
]


@pytest.mark.parametrize(("name", "found", "settings", "words"), UNFIT)
def test_settings_that_do_not_fit_are_an_error(name, found, settings, words):
    with pytest.raises(InputError) as caught:
        plan(Request("file", name, "us", settings), found, ())
    assert words in str(caught.value) and caught.value.mend


def test_two_owners_cannot_want_different_values():
    first = plan(Request("file", "json", "us", {"a": 1}), b"{}", ())
    with pytest.raises(InputError, match="a is set by 'us' already, to another value"):
        plan(Request("file", "json", "them", {"a": 2}), first.after, states(first))


@given(cases(KINDS[:2]), st.data())
def test_after_any_edit_that_can_be_read_undo_and_a_new_run_go_through(case, draw):
    name, found, settings, add = case
    done = step(name, found, (), settings, add)
    assume(done.after)
    mark, codec = next(each for each in reversed(ENCODINGS) if done.after.startswith(each[0]))
    lines = done.after[len(mark) :].decode(codec).split("\n")
    text = "\n".join(draw.draw(st.lists(st.sampled_from(lines), max_size=len(lines) + 2)))
    edited = mark + text.encode(codec)
    try:
        before = data(name, edited)
    except tomllib.TOMLDecodeError:
        assume(False)
    undone = plan(Request("file", name, "us", {}), edited, states(done))
    assert undone.state is None
    after = data(name, undone.after)
    ours = [entry.path for own in done.state.keys.owners.values() for entry in own] if done.state else []
    for path, value in leaves(before):
        if not any(path[: len(each)] == each for each in ours):
            assert same(look(after, path), value), path
    again = step(name, edited, states(done), settings, add)
    assert not step(name, again.after, states(again), settings, add).changes
