"""Bytes to text and back, unchanged."""

from __future__ import annotations

import codecs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.gpu_fleet.containers.plugins.module_utils._settings.encoding import decode, encode
from ansible_collections.gpu_fleet.containers.plugins.module_utils._settings.misread import (
    MisreadError,
    line_and_column,
)

TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0\ufeff"))
MARKS = [(b"", "utf-8"), (codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le")]


@given(TEXTS, st.sampled_from([*MARKS, (codecs.BOM_UTF16_BE, "utf-16-be")]))
def test_text_and_mark_come_back(text, encoding):
    mark, codec = encoding
    data = mark + text.encode(codec)
    read, found = decode(data)
    assert (read, *found) == (text, mark, codec)
    assert encode(read, found) == data


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"a\nb\xff", "it is not UTF-8 text: byte 3, line 2"),
        (codecs.BOM_UTF16_LE + b"a", "it is not UTF-16-LE text: byte 2, line 1"),
        ("a".encode("utf-16-le"), "it holds zero bytes"),
    ],
)
def test_other_bytes_are_refused(data, words):
    with pytest.raises(MisreadError, match=words):
        decode(data)


@pytest.mark.parametrize(
    ("text", "offset", "expected"),
    [("", 0, (1, 1)), ("ab", 1, (1, 2)), ("a\nbc", 3, (2, 2)), ("a\r\nbc", 4, (2, 2)), ("a\rb", 2, (2, 1))],
)
def test_line_and_column(text, offset, expected):
    assert line_and_column(text, offset) == expected
