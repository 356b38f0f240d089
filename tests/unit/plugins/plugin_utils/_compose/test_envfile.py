# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Environment files."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.gpu_fleet.containers.plugins.module_utils._errors import InputError
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._compose.envfile import parse_env

OUTSIDE = {"OUT": "outside", "A": "from outside"}


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("", {}),
        ("\n# comment\n   \n", {}),
        ("B=1", {"B": "1"}),
        ("B = 1 ", {"B": "1"}),
        ("export B=1\nexport\tC=2", {"B": "1", "C": "2"}),
        ("B: 1", {"B": "1"}),
        ("B=", {"B": ""}),
        ("B=a=b", {"B": "a=b"}),
        ("B=a b", {"B": "a b"}),
        ("B=a # comment", {"B": "a"}),
        ("B=a#b", {"B": "a#b"}),
        ("B=a\r\nC=b\r\n", {"B": "a", "C": "b"}),
        ("OUT\nNOPE", {"OUT": "outside"}),
        ("B='a $OUT \\n # b' # c", {"B": "a $OUT \\n # b"}),
        ('B="a $OUT\\n\\"b\\" # c"', {"B": 'a outside\n"b" # c'}),
        ('B="\\$OUT"', {"B": "$OUT"}),
        ("B='a\nb'\nC=1", {"B": "a\nb", "C": "1"}),
        ("B=$OUT-${NOPE:-d}-$$", {"B": "outside-d-$"}),
        ("B=1\nC=${B}2", {"B": "1", "C": "12"}),
        ("A=inside\nC=$A", {"A": "inside", "C": "from outside"}),
        ("B=1\nB=2", {"B": "2"}),
        ("a.b-c=1", {"a.b-c": "1"}),
    ],
)
def test_parse(text: str, result: dict[str, str]) -> None:
    assert parse_env(text, "x.env", OUTSIDE.get) == result


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("B=1\n=2", "x.env:2"),
        ("A B=1", "x.env:1"),
        ("B=1\n\nC='a\nb", "x.env:3"),
        ("B=${C", "x.env:1"),
        ("B=${C:?needed}", "x.env:1"),
        ("!=1", "x.env:1"),
    ],
)
def test_refused_with_the_line(text: str, where: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_env(text, "x.env", {}.get)
    assert caught.value.path == where


@given(
    st.dictionaries(
        st.from_regex(r"[A-Z_][A-Z0-9_]{0,5}", fullmatch=True), st.text(st.characters(exclude_characters="'\r\\"))
    )
)
def test_what_is_written_in_single_quotes_is_read_back(values: dict[str, str]) -> None:
    text = "".join(f"{name}='{value}'\n" for name, value in values.items())
    assert parse_env(text, "x.env", {}.get) == values


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        parse_env(text, "x.env", {}.get)
    except InputError as error:
        assert error.path.startswith("x.env:")
