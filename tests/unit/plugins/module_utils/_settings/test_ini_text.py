"""wsl.conf and .wslconfig: what WSL reads of them, and one key set or taken out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.gpu_fleet.containers.plugins.module_utils._settings import ini_text

from . import documents

# Expected values follow ParseConfigFile of microsoft/WSL by hand.
READ = [
    ("[boot]\nsystemd=true", {"boot": {"systemd": "true"}}),
    ("[Boot]\r\nSystemD = True  \r\n", {"boot": {"systemd": "True"}}),
    ("[wsl2] # limits\nmemory=8GB # of 64\n", {"wsl2": {"memory": "8GB"}}),
    ("a=1\n[x]\nb=2", {"x": {"b": "2"}}),
    ("[x]\na=1\na=2\n[y]\n[X]\nA=3\nb=4", {"x": {"a": "1", "b": "4"}, "y": {}}),
    ("[x]\n;a=1\nb c=2\n_d=3\n2e=4\nf 5\n=6", {"x": {}}),
    ("[x]\na=1 ; no comment", {"x": {"a": "1 ; no comment"}}),
    ('[x]\na=" b # c "  # d\n', {"x": {"a": " b # c "}}),
    (
        '[x]\na=say \\"hi\\"\nb=C:\\\\Users\\\\me\nc=1\\n2\\t3\\b',
        {"x": {"a": 'say "hi"', "b": "C:\\Users\\me", "c": "1\n2\t3\b"}},
    ),
    ("[x]\na=C:\\Users\nb=1", {"x": {"b": "1"}}),
    ('[x]\na="open\nb=1', {"x": {"b": "1"}}),
    ("[x]\na=1 \\\n  2\nb=3", {"x": {"a": "1   2", "b": "3"}}),
    ("[x]\na=1\n[not this]\nb=2\n[y]\nc=3", {"x": {"a": "1"}, "y": {"c": "3"}}),
    ("[x]\r\na=1 \\\r\n  2\r\nb=3", {"x": {"a": "1   2", "b": "3"}}),
    ("[x]\na=1\n[1]\nb=2\n[]\nc=3", {"x": {"a": "1", "b": "2", "c": "3"}}),
    ("[x]\na=", {"x": {"a": ""}}),
    ("[x]\n  a\t=  b  c\t", {"x": {"a": "b  c"}}),
]


@pytest.mark.parametrize(("text", "expected"), READ)
def test_data(text, expected):
    assert ini_text.data(text) == expected


PUT = [
    ("", ("wsl2", "memory"), "8GB", "[wsl2]\nmemory=8GB\n"),
    ("[wsl2]", ("wsl2", "memory"), "8GB", "[wsl2]\nmemory=8GB"),
    (
        "[wsl2]\r\nswap = 0\r\n\r\n[x]\r\n",
        ("WSL2", "memory"),
        "8GB",
        "[wsl2]\r\nswap = 0\r\nmemory = 8GB\r\n\r\n[x]\r\n",
    ),
    ("[Boot]\nSystemd=false # c\n", ("boot", "systemd"), "true", "[Boot]\nSystemd=true # c\n"),
    ("[b]\na=1\na=2\n", ("b", "a"), "3", "[b]\na=3\na=2\n"),
    ("[b]\na=\n", ("b", "a"), "3", "[b]\na=3\n"),
    ("[b]\n  a = 1\n", ("b", "c"), "x # y", '[b]\n  a = 1\n  c = "x # y"\n'),
    ("[b]\n# c\n", ("c", "d"), "1", "[b]\n# c\n\n[c]\nd=1\n"),
    ("[b]\nx=1 \\\n2\n", ("b", "y"), "1", "[b]\nx=1 \\\n2\ny=1\n"),
    ("# c", ("b", "a"), "1", "# c\n\n[b]\na=1"),
    ("[b]\r\nx = 1 \\\r\n2\r\n", ("b", "x"), "3", "[b]\r\nx = 3\r\n"),
    ("[b]\n", ("b", "a"), "C:\\x", "[b]\na=C:\\\\x\n"),
]


@pytest.mark.parametrize(("text", "path", "value", "expected"), PUT)
def test_put(text, path, value, expected):
    assert ini_text.put(text, path, value) == expected


TAKE = [
    ("[b]\na=1\nc=2\n", ("b", "A"), "[b]\nc=2\n"),
    ("[b]\na=1\nc=2", ("b", "c"), "[b]\na=1"),
    ("[b]\na=1 \\\n 2\nc=2\n", ("b", "a"), "[b]\nc=2\n"),
    ("[a]\nx=1\r\n\r\n[b] # c\r\n", ("b",), "[a]\nx=1\r\n"),
    ("[b]\n", ("b",), ""),
]


@pytest.mark.parametrize(("text", "path", "expected"), TAKE)
def test_take(text, path, expected):
    assert ini_text.take(text, path) == expected


@given(
    documents.ini_files(),
    st.text(st.characters(exclude_categories=["Cc", "Cs"]) | st.sampled_from("\b\n\t"), max_size=9),
)
def test_any_text_comes_back_and_goes_again(text, value):
    path = ("newsection", "key")
    put = ini_text.put(text, path, value)
    assert ini_text.data(put) == {**ini_text.data(text), "newsection": {"key": value}}
    assert ini_text.take(ini_text.take(put, path), path[:1]) == text


@pytest.mark.parametrize(
    ("value", "expected"), [(True, "true"), (False, "false"), (8, "8"), (1.5, "1.5"), ("8GB", "8GB"), ({}, None)]
)
def test_values_are_texts(value, expected):
    if expected is None:
        assert ini_text.normal(("wsl2",), value) == {}
    else:
        assert ini_text.normal(("wsl2", "x"), value) == expected
