# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""YAML as Compose reads it, and where everything stands."""

from __future__ import annotations

import typing as t

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.gpu_fleet.containers.plugins.module_utils._errors import InputError
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._compose.loader import parse, read

DOCUMENTS: list[tuple[str, str, t.Any]] = [
    ("quoted scalars are text", "a: '1'\nb: \"yes\"\nc: !!str 5", {"a": "1", "b": "yes", "c": "5"}),
    ("explicit tags", "a: !!int '5'\nb: !!float '1.5'", {"a": 5, "b": 1.5}),
    ("an empty value", "a:\nb: ''", {"a": None, "b": ""}),
    ("block text", "a: |\n  x\n  y\nb: >-\n  x\n  y\n", {"a": "x\ny\n", "b": "x y"}),
    ("an anchor", "a: &x [1]\nb: *x", {"a": [1], "b": [1]}),
    ("an anchor set anew", "a: &x 1\nb: *x\nc: &x 2\nd: *x", {"a": 1, "b": 1, "c": 2, "d": 2}),
    ("a merge", "a: &x {k: 1, l: 2}\nb: {<<: *x, l: 3}", {"a": {"k": 1, "l": 2}, "b": {"k": 1, "l": 3}}),
    ("a merge after the key", "a: &x {k: 1}\nb: {k: 2, <<: *x}", {"a": {"k": 1}, "b": {"k": 2}}),
    ("merges of a list, the first wins", "b: {<<: [{k: 1}, {k: 2, l: 3}]}", {"b": {"k": 1, "l": 3}}),
    (
        "a merge within a merge",
        "a: &x {k: 1}\nb: &y {<<: *x, l: 2}\nc: {<<: *y}",
        {"a": {"k": 1}, "b": {"k": 1, "l": 2}, "c": {"k": 1, "l": 2}},
    ),
    (
        "a merge within a merge, nearer wins",
        "a: &x {k: 1}\nb: {<<: {<<: *x, k: 2}}",
        {"a": {"k": 1}, "b": {"k": 2}},
    ),
    ("a quoted << is a key", "a: {'<<': 1}", {"a": {"<<": 1}}),
    ("a byte order mark is no part of it", "\ufeffa: 1", {"a": 1}),
]


@pytest.mark.parametrize(("text", "value"), [case[1:] for case in DOCUMENTS], ids=[case[0] for case in DOCUMENTS])
def test_document(text: str, value: t.Any) -> None:
    assert parse(text, "f.yml")[0] == value


def test_marks_of_keys_and_entries() -> None:
    _data, marks = parse("a:\n  - x\n  - b: 1\n    c: 2\n", "f.yml")
    assert marks == {("a",): (1, 1), ("a", 0): (2, 5), ("a", 1): (3, 5), ("a", 1, "b"): (3, 5), ("a", 1, "c"): (4, 5)}


def test_marks_of_merged_keys_are_where_they_are_written() -> None:
    _data, marks = parse("x: &x\n  k: 1\n  l: {m: 1}\ny:\n  <<: *x\n  l: {n: 2}\n", "f.yml")
    assert marks[("y", "k")] == (2, 3)
    assert marks[("y", "l")] == (6, 3)
    assert ("y", "l", "m") not in marks


def test_a_billion_laughs_are_refused_quickly() -> None:
    lines = ["a0: &a0 [lol, lol]"] + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    with pytest.raises(InputError, match="more than 100000 values"):
        parse("\n".join(lines), "f.yml")


def test_merges_of_merges_are_refused_quickly() -> None:
    lines = ["a0: &a0 {k: 1}"] + [f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 9)}]}}" for n in range(1, 12)]
    with pytest.raises(InputError, match="more than 100000 values"):
        parse("\n".join(lines), "f.yml")


@pytest.mark.parametrize("text", ["a: &a\n  b: *a\n", "a: &a [*a]\n", "a: &a {<<: *a}\n", "a: &a {b: {<<: *a}}\n"])
def test_an_anchor_in_itself_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="contains itself"):
        parse(text, "f.yml")


def test_deep_nesting_is_refused() -> None:
    with pytest.raises(InputError, match="nested too deeply"):
        parse("[" * 20000, "f.yml")


@pytest.mark.parametrize("content", [b"a: \xff", b""])
def test_read_refuses_what_is_no_text(tmp_path, content: bytes) -> None:
    file = tmp_path / "f.yml"
    file.write_bytes(content)
    if content:
        with pytest.raises(InputError, match="not UTF-8"):
            read(str(file))
    else:
        assert read(str(file)) == ""


def test_read_names_a_missing_file(tmp_path) -> None:
    with pytest.raises(InputError) as caught:
        read(str(tmp_path / "none.yml"))
    assert caught.value.path.endswith("none.yml")


PLAIN = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.text(st.characters(codec="ascii", categories=["L", "N"]))
)
DATA = st.recursive(
    PLAIN,
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(categories=["Ll"]), min_size=2), inner),
    max_leaves=12,
)


@given(DATA)
@settings(max_examples=100, deadline=None)
def test_what_is_written_with_quotes_is_read_back(data: t.Any) -> None:
    text = yaml.safe_dump({"data": data}, default_style='"')
    assert parse(text, "f.yml")[0] == {"data": data}


@given(st.text(max_size=100))
@settings(max_examples=200, deadline=None)
def test_any_text_gives_data_or_an_input_error(text: str) -> None:
    try:
        parse(text, "f.yml")
    except InputError as error:
        assert error.path.startswith("f.yml")
