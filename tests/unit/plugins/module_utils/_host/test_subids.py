"""Ranges of subordinate ids: who has enough, and which gap is the next user's."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.gpu_fleet.containers.plugins.module_utils._errors import InputError
from ansible_collections.gpu_fleet.containers.plugins.module_utils._host.subids import (
    ENOUGH,
    Limits,
    Range,
    free_range,
    has_enough,
    limits,
    parse,
)

DEFAULT = Limits(100000, 600100000, 65536)


def test_parse_leaves_out_what_is_no_range() -> None:
    text = "fleet:100000:65536\n\n# a comment\nother:1\n1001:165536:65536\nbad:a:b\n"
    assert parse(text) == [Range("fleet", 100000, 65536), Range("1001", 165536, 65536)]


@pytest.mark.parametrize(
    ("text", "enough"),
    [
        ("fleet:100000:65536\n", True),
        ("1000:100000:65536\n", True),
        ("fleet:100000:1000\n", False),
        ("fleet:100000:32768\nfleet:200000:32768\n", True),
        ("other:100000:65536\n", False),
        ("", False),
    ],
)
def test_has_enough(text: str, enough: bool) -> None:
    assert has_enough(parse(text), "fleet", 1000) is enough


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", DEFAULT),
        ("SUB_UID_MIN  200000\n# SUB_UID_MAX 1\nSUB_UID_COUNT 131072\n", Limits(200000, 600100000, 131072)),
        pytest.param("SUB_UID_COUNT 1000\n", DEFAULT, id="fewer than images expect"),
        ("SUB_GID_MIN 200000\n", DEFAULT),
    ],
)
def test_limits(text: str, expected: Limits) -> None:
    assert limits(text, "UID") == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", 100000),
        ("a:100000:65536\n", 165536),
        ("a:165536:65536\n", 100000),
        ("a:100001:1\n", 100002),
        ("b:165536:65536\na:100000:65536\n", 231072),
        ("a:100000:65536\nb:300000:65536\n", 165536),
        ("a:1:50\n", 100000),
    ],
)
def test_free_range(text: str, expected: int) -> None:
    assert free_range(parse(text), DEFAULT) == (expected, expected + 65535)


def test_no_room_is_said() -> None:
    with pytest.raises(InputError, match="Raise SUB_UID_MAX"):
        free_range([Range("a", 100000, 65536)], Limits(100000, 200000, 65536))


@given(st.lists(st.builds(Range, st.just("a"), st.integers(0, 900000), st.integers(0, 200000)), max_size=12))
def test_a_free_range_overlaps_nobody(ranges: list[Range]) -> None:
    first, last = free_range(ranges, DEFAULT)
    assert first >= DEFAULT.first and last - first + 1 == ENOUGH
    assert all(each.first > last or each.first + each.count <= first for each in ranges)
