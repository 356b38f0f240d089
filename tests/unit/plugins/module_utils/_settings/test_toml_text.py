"""One key set or taken out of a TOML text."""

from __future__ import annotations

import tomllib

import pytest
from hypothesis import given

from ansible_collections.gpu_fleet.containers.plugins.module_utils._settings import toml_text
from ansible_collections.gpu_fleet.containers.plugins.module_utils._settings.misread import MisreadError

from . import documents

# As Podman's own containers.conf is: all keys commented out.
SHIPPED = '# The file.\n\n[containers]\n# Limits.\n#pids_limit = 2048\n\n[engine]\n#runtime = "crun"\n'

PUT = [
    ("", ("a", "b"), 1, "[a]\nb = 1\n"),
    ("", ("a",), True, "a = true\n"),
    (SHIPPED, ("engine", "runtime"), "runc", SHIPPED.replace("[engine]\n", '[engine]\nruntime = "runc"\n')),
    (SHIPPED, ("network", "x"), ["a"], SHIPPED + '\n[network]\nx = ["a"]\n'),
    (SHIPPED, ("top",), 1, SHIPPED.replace("\n[containers]", "\ntop = 1\n[containers]")),
    ("# about a\n[a]\n", ("x",), 1, "x = 1\n# about a\n[a]\n"),
    ("[a]\r\n  b='x' # c\r\n\r\n[c]\r\n", ("a", "d"), 1, "[a]\r\n  b='x' # c\r\n  d=1\r\n\r\n[c]\r\n"),
    ("[a]\nb = 'x' # c", ("a", "b"), "y", '[a]\nb = "y" # c'),
    ("[a]\nb = 1", ("a", "c"), 2, "[a]\nb = 1\nc = 2"),
    ("a.b.c = 1\n[d]\n", ("a", "b", "e"), 2, "a.b.c = 1\na.b.e = 2\n[d]\n"),
    ("a.b.c = 1\n", ("a", "x", "y"), 2, "a.b.c = 1\n\n[a.x]\ny = 2\n"),
    ("[a.b]\nc = 1\n", ("a", "x"), 2, "[a.b]\nc = 1\n\n[a]\nx = 2\n"),
    ("a = {b = 1}\n", ("a", "b"), 2, "a = {b = 2}\n"),
    ("[a]\nb = [\n  1, # c\n]\nd = 1\n", ("a", "b"), [2], "[a]\nb = [2]\nd = 1\n"),
    ("", ("a b", "c.d"), "\x7f", '["a b"]\n"c.d" = "\\u007f"\n'),
    ("[[p]]\nx = 1\n", ("q", "y"), 1, "[[p]]\nx = 1\n\n[q]\ny = 1\n"),
]


@pytest.mark.parametrize(("text", "path", "value", "expected"), PUT)
def test_put(text, path, value, expected):
    assert toml_text.put(text, path, value) == expected
    tomllib.loads(expected)


REFUSED = [
    ("a = {b = 1}\n", ("a", "c"), "would have to be added to an inline table"),
    ("a.b = {}\n", ("a", "b", "c"), "would have to be added to an inline table"),
    ("[[a]]\n", ("a", "c"), "lies in an array of tables"),
]


@pytest.mark.parametrize(("text", "path", "words"), REFUSED)
def test_what_would_be_a_guess_is_refused(text, path, words):
    with pytest.raises(MisreadError, match=words):
        toml_text.put(text, path, 1)


TAKE = [
    ("[a]\nb = 1\nc = 2\n", ("a", "b"), "[a]\nc = 2\n"),
    ("[a]\nb = 1\nc = 2", ("a", "c"), "[a]\nb = 1"),
    ("x = 1\r\n\r\n[a] # c\r\n", ("a",), "x = 1\r\n"),
    ("a = {b = 1, c = 2}", ("a", "b"), "a = {c = 2}"),
    ("a = {b = 1, c.d = 2}", ("a", "c", "d"), "a = {b = 1}"),
    ("a = {b = 1 }", ("a", "b"), "a = { }"),
    ("a.b = 1\na.c = 2\n", ("a", "b"), "a.c = 2\n"),
]


@pytest.mark.parametrize(("text", "path", "expected"), TAKE)
def test_take(text, path, expected):
    assert toml_text.take(text, path) == expected


APPEND = [
    ("a = []\n", 'a = ["z"]\n'),
    ("a = [ ]\n", 'a = ["z"]\n'),
    ("a = ['x']\n", "a = ['x', \"z\"]\n"),
    ("a = ['x', ]\n", "a = ['x', \"z\", ]\n"),
    ("a = [\n  'x'\n]\n", "a = [\n  'x',\n  \"z\"\n]\n"),
    ("a = [\r\n  'x', # why\r\n]\r\n", "a = [\r\n  'x', # why\r\n  \"z\",\r\n]\r\n"),
    ("a = [\n  'x' # why\n]\n", "a = [\n  'x', # why\n  \"z\"\n]\n"),
    ("a = [\n  'x',\n  'y']\n", "a = [\n  'x',\n  'y',\n  \"z\"]\n"),
    ("a = [\n  # 'x',\n]\n", "a = [\"z\"\n  # 'x',\n]\n"),
]


@pytest.mark.parametrize(("text", "expected"), APPEND)
def test_append_and_drop(text, expected):
    done = toml_text.append(text, ("a",), "z")
    assert done == expected
    before, after = tomllib.loads(text)["a"], tomllib.loads(done)["a"]
    assert after == [*before, "z"]
    gone = toml_text.drop(done, ("a",), len(after) - 1)
    assert gone == (text if "[ ]" not in text else "a = []\n")


DROP = [
    ("a = [1, 2, 3]", 0, "a = [2, 3]"),
    ("a = [1, 2, 3]", 1, "a = [1, 3]"),
    ("a = [\n 1, # one\n 2, # two\n 3\n]", 1, "a = [\n 1, # one\n 3\n]"),
    ("a = [\n 1, # one\n 2, # two\n]", 0, "a = [\n 2, # two\n]"),
    ("a = [1, # one\n 2]", 1, "a = [1 # one\n ]"),
    ("a = [1, # one\n 2]", 0, "a = [ # one\n 2]"),
]


@pytest.mark.parametrize(("text", "index", "expected"), DROP)
def test_drop(text, index, expected):
    done = toml_text.drop(text, ("a",), index)
    before = tomllib.loads(text)["a"]
    assert done == expected
    assert tomllib.loads(done)["a"] == before[:index] + before[index + 1 :]


@given(documents.toml_files(), documents.VALUES)
def test_a_table_of_ours_comes_and_goes(text, value):
    put = toml_text.put(text, ("new", "key"), value)
    assert tomllib.loads(put) == {**tomllib.loads(text), "new": {"key": value}}
    assert toml_text.take(toml_text.take(put, ("new", "key")), ("new",)) == text
