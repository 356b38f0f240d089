# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lists, mappings, alternatives and pairs."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._compose.kinds import Flag, Kind, Null, Number, Text
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._compose.problems import Problems
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._compose.shapes import (
    ListOf,
    MapOf,
    Object,
    OneOf,
    Pairs,
)

OBJECT = Object({"size": Number(), "name": Text()}, required=("name",), extensions={"x-flag": Flag()})


def check(kind: Kind, value: t.Any) -> tuple[t.Any, list[str], list[str]]:
    problems = Problems("f.yml", {})
    result = kind.check(value, (), problems)
    return result, [str(error) for error in problems.errors], problems.warnings


@pytest.mark.parametrize(
    ("kind", "value", "result"),
    [
        (ListOf(Number()), ["1", 2], [1, 2]),
        (MapOf(Number()), {"a": "1"}, {"a": 1}),
        (OBJECT, {"name": "a", "size": "5"}, {"name": "a", "size": 5}),
        (OBJECT, {"name": "a", "x-flag": "true"}, {"name": "a", "x-flag": True}),
        (OBJECT, {"name": "a", "x-other": [1]}, {"name": "a"}),
        (Object({}, nullable=True), None, {}),
        (OneOf((Null(), Text(), ListOf(Text()))), None, None),
        (OneOf((Null(), Text(), ListOf(Text()))), ["a"], ["a"]),
        (Pairs(), ["A=1", "B", "C=", "A=2=3"], {"A": "2=3", "B": "", "C": ""}),
        (Pairs(bare=None), ["A", "B="], {"A": None, "B": ""}),
        (Pairs(bare=None), {"A": None, "B": True, "C": 1.50}, {"A": None, "B": "true", "C": "1.5"}),
    ],
)
def test_taken(kind: Kind, value: t.Any, result: t.Any) -> None:
    assert check(kind, value) == (result, [], [])


@pytest.mark.parametrize(
    ("kind", "value", "messages"),
    [
        (ListOf(Number()), {}, ["this must be a list, but is a mapping"]),
        (
            ListOf(Number()),
            [1, "x", "y"],
            ["[1]: this must be a whole number, but is 'x'", "[2]: this must be a whole number, but is 'y'"],
        ),
        (
            MapOf(Text(), key="[a-z]+"),
            {"A": "a"},
            ["A: 'A' is not a name; letters, digits, '.', '_' and '-' are allowed"],
        ),
        (OBJECT, {"nam": "a"}, ["nam: the key nam is not known here. Did you mean «name»?", "the key name is missing"]),
        (
            OBJECT,
            {"name": "a", "completely": 1},
            ["completely: the key completely is not known here. Known here: name, size, x-flag."],
        ),
        (OneOf((Text(), ListOf(Text()))), 1, ["this must be a text or a list, but is a number"]),
        (Pairs(), "A=1", ["this must be a mapping or a list of NAME=value, but is a text"]),
        (Pairs(), [1], ["[0]: this must be a text NAME=value, but is a number"]),
        (Pairs(), {"A": []}, ["A: this must be a text, a number or a boolean, but is a list"]),
        (Pairs(), {"A": float("inf")}, ["A: this is not a number that can be handed on. Put it in quotes."]),
    ],
)
def test_refused(kind: Kind, value: t.Any, messages: list[str]) -> None:
    found = [message.removeprefix("f.yml: ") for message in check(kind, value)[1]]
    assert found == messages


def test_a_nearly_right_extension_is_warned_about() -> None:
    assert check(OBJECT, {"name": "a", "x-flags": 1})[2] == ["f.yml: x-flags: x-flags is ignored; was x-flag meant?"]
