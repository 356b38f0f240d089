# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Variables in values."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._compose.interpolate import (
    TemplateError,
    Variables,
    interpolate,
    substitute,
)
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._compose.problems import Problems

VALUES = {"A": "a", "EMPTY": "", "_B1": "b", "lower": "l"}


@pytest.mark.parametrize(
    ("template", "result"),
    [
        ("no variable", "no variable"),
        ("$A", "a"),
        ("${A}", "a"),
        ("x$A-y", "xa-y"),
        ("$Ab", ""),
        ("${A}b", "ab"),
        ("$_B1.$lower", "b.l"),
        ("$$A", "$A"),
        ("$$$A", "$a"),
        ("$$$$", "$$"),
        ("$", "$"),
        ("a$ b", "a$ b"),
        ("$1", "$1"),
        ("$(x)", "$(x)"),
        ("${A:-d}", "a"),
        ("${A-d}", "a"),
        ("${EMPTY:-d}", "d"),
        ("${EMPTY-d}", ""),
        ("${NOPE:-d}", "d"),
        ("${NOPE-d}", "d"),
        ("${NOPE:-}", ""),
        ("${NOPE:-a:-b}", "a:-b"),
        ("${NOPE:-http://x:80/?a=b}", "http://x:80/?a=b"),
        ("${A:+x}", "x"),
        ("${EMPTY:+x}", ""),
        ("${EMPTY+x}", "x"),
        ("${NOPE+x}", ""),
        ("${A:?m}", "a"),
        ("${EMPTY?m}", ""),
        ("${NOPE:-${A}}", "a"),
        ("${NOPE:-${ALSO_NOPE:-${A}x}y}z", "axyz"),
        ("${NOPE:-$A$$}", "a$"),
        ("${A:-${NOPE:?not asked}}", "a"),
        ("${NOPE:-{}}", "{}"),
    ],
)
def test_substitute(template: str, result: str) -> None:
    assert substitute(template, VALUES.get) == result


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("${A", "a ${ is not closed"),
        ("${A:-${B}", "a ${ is not closed"),
        ("${}", "${} names no variable"),
        ("${1A}", "${1A} names no variable"),
        ("${A B}", "${A B} is not understood"),
        ("${A:x}", "${A:x} is not understood"),
        ("${NOPE?}", "the variable NOPE is required but not set"),
        ("${NOPE:?say it}", "the variable NOPE is required but not set: say it"),
        ("${EMPTY:?say $A}", "the variable EMPTY is required but empty: say a"),
    ],
)
def test_refused(template: str, message: str) -> None:
    with pytest.raises(TemplateError) as caught:
        substitute(template, VALUES.get)
    assert caught.value.message == message


def test_unset_names_are_told_once_each_use_and_not_with_a_default() -> None:
    told: list[str] = []
    substitute("$X ${Y} ${Z:-} ${A} ${V-} ${W:+x} ${N:-$INNER}", VALUES.get, told.append)
    assert told == ["X", "Y", "INNER"]


def test_only_values_are_filled_in() -> None:
    problems = Problems("f.yml", {})
    data = {"$A": ["$A", 1, None, {"k": "${A}"}]}
    assert interpolate(data, Variables(VALUES), problems) == {"$A": ["a", 1, None, {"k": "a"}]}
    assert not problems.errors
    assert not problems.warnings


def test_the_file_lies_underneath() -> None:
    variables = Variables({"A": "1"}, {"A": "2", "B": "3"})
    assert [variables.get(name) for name in "ABC"] == ["1", "3", None]


@given(st.text().filter(lambda text: "$" not in text))
def test_text_without_a_dollar_stays(text: str) -> None:
    assert substitute(text, {}.get) == text


@given(st.text())
def test_doubled_dollars_give_the_text_back(text: str) -> None:
    assert substitute(text.replace("$", "$$"), {}.get) == text


@given(st.text("${}A:-?+ ", max_size=30))
def test_any_template_is_filled_in_or_refused(template: str) -> None:
    try:
        substitute(template, VALUES.get)
    except TemplateError as error:
        assert error.message
