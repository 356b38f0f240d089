"""One member set or taken out of a JSON text, in the text's own style."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.gpu_fleet.containers.plugins.module_utils._settings import json_text

from . import documents

PUT = [
    ("", ("a",), 1, '{\n  "a": 1\n}\n'),
    ("{}", ("a",), 1, '{\n  "a": 1\n}'),
    ("{}\r\n", ("a",), 1, '{\r\n  "a": 1\r\n}\r\n'),
    ("{\n}\n", ("a", "b"), [], '{\n  "a": {\n    "b": []\n  }\n}\n'),
    ('{"a":1}', ("b",), {"c": [1, 2]}, '{"a":1,"b":{"c":[1,2]}}'),
    ('{ "a": 1 }\n', ("b",), 2, '{ "a": 1, "b": 2 }\n'),
    ('{\n\t"a" : 1.0e3\n}', ("b", "c"), 2, '{\n\t"a" : 1.0e3,\n\t"b" : {\n\t\t"c" : 2\n\t}\n}'),
    ('{\r\n    "a": 1\r\n}', ("b",), True, '{\r\n    "a": 1,\r\n    "b": true\r\n}'),
    ('{\n  "a": {"b": 1},\n  "z": 0\n}', ("a", "c"), "é", '{\n  "a": {"b": 1, "c": "é"},\n  "z": 0\n}'),
    ('{\n  "a": {},\n  "z": 0\n}', ("a", "b"), 1, '{\n  "a": {\n    "b": 1\n  },\n  "z": 0\n}'),
    (
        '{\n  "a": [1, 2],\n  "b":   null\n}',
        ("b",),
        [{"c": 1}],
        '{\n  "a": [1, 2],\n  "b":   [\n    {\n      "c": 1\n    }\n  ]\n}',
    ),
    ('{"a": 1,\n "b": 2}', ("c",), 3, '{"a": 1,\n "b": 2,\n "c": 3}'),
    ('{"\\u0061": 1}', ("a",), 2, '{"\\u0061": 2}'),
]


@pytest.mark.parametrize(("text", "path", "value", "expected"), PUT)
def test_put(text, path, value, expected):
    assert json_text.put(text, path, value) == expected


TAKE = [
    ('{"a": 1}', ("a",), "{}"),
    ('{\n  "a": 1,\n  "b": 2\n}', ("a",), '{\n  "b": 2\n}'),
    ('{\n  "a": 1,\n  "b": 2\n}', ("b",), '{\n  "a": 1\n}'),
    ('{"x": {"a": 1, "b": 2, "c": 3}}', ("x", "b"), '{"x": {"a": 1, "c": 3}}'),
]


@pytest.mark.parametrize(("text", "path", "expected"), TAKE)
def test_take(text, path, expected):
    assert json_text.take(text, path) == expected


APPEND = [
    ('{"a": []}', 1, '{"a": [1]}'),
    ('{"a": [1]}', 2, '{"a": [1, 2]}'),
    ('{\n  "a": [\n    "x"\n  ]\n}', "y", '{\n  "a": [\n    "x",\n    "y"\n  ]\n}'),
]


@pytest.mark.parametrize(("text", "item", "expected"), APPEND)
def test_append_and_drop(text, item, expected):
    assert json_text.append(text, ("a",), item) == expected
    assert json_text.drop(expected, ("a",), len(json.loads(expected)["a"]) - 1) == text


@given(documents.json_files(), documents.VALUES)
def test_taking_out_what_was_put_gives_the_text_back_where_it_held_something(text, value):
    tree = json.loads(text)
    put = json_text.put(text, ("new",), value)
    assert json.loads(put) == {**tree, "new": value}
    if tree:
        assert json_text.take(put, ("new",)) == text


@given(documents.json_files(), st.data())
def test_a_value_put_back_as_it_stood_gives_the_text_back(text, draw):
    keys = list(json.loads(text))
    if keys:
        path = (draw.draw(st.sampled_from(keys)),)
        changed = json_text.put(text, path, "other")
        assert json_text.put_raw(changed, path, json_text.raw(text, path)) == text
