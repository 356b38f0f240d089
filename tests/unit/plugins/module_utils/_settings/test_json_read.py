"""Our reading of JSON is Python's, where that is strict."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.gpu_fleet.containers.plugins.module_utils._settings.json_read import read
from ansible_collections.gpu_fleet.containers.plugins.module_utils._settings.merge import same
from ansible_collections.gpu_fleet.containers.plugins.module_utils._settings.misread import MisreadError

from . import documents


def strict(text):
    """The object, or ValueError also where Python's parser is generous."""

    def once(pairs):
        if len(dict(pairs)) < len(pairs):
            raise ValueError("a key twice")
        return dict(pairs)

    def never(word):
        raise ValueError(word)

    value = json.loads(text, object_pairs_hook=once, parse_constant=never) if text.strip(" \t\r\n") else {}
    if not isinstance(value, dict):
        raise ValueError("no object")
    return value


PIECES = ['"a"', '"b"', "{", "}", "[", "]", ":", ",", " ", "\n", "1", "-", "0", ".5", "e1", "true", "null", "\\", '"']


@given(st.lists(st.sampled_from(PIECES), max_size=10).map("".join), st.booleans())
def test_what_python_refuses_is_refused_and_the_other_way_round(text, whole):
    text = text if whole else f'{{"k": {text}}}'
    try:
        expected = strict(text)
    except ValueError:
        with pytest.raises(MisreadError):
            read(text)
    else:
        assert same(read(text).value, expected)


@given(documents.json_files())
def test_files_in_every_style(text):
    node = read(text)
    assert same(node.value, json.loads(text))
    for key, member in node.members.items():
        assert json.loads(text[member.start : member.key_end]) == key
        assert same(json.loads(text[member.node.start : member.node.end]), member.node.value)


def test_a_number_that_python_does_not_convert_is_read():
    assert read(f'{{"a": {"1" * 5000}}}').value == {"a": float("inf")}
