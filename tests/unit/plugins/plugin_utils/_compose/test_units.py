# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sizes, durations and numbers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._compose.units import (
    format_duration,
    go_text,
    parse_duration,
    parse_size,
)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("1024", 1024),
        ("10b", 10),
        ("1k", 1024),
        ("1kb", 1024),
        ("1KiB", 1024),
        ("512m", 512 * 1024**2),
        ("1.5g", 1536 * 1024**2),
        ("1 GB", 1024**3),
        ("2T", 2 * 1024**4),
        ("1p", 1024**5),
        ("0.5k", 512),
    ],
)
def test_size(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "m", "1x", "1kk", "-1", "1,5g", "1  g", "g1", "1e3", "99999999999p", "٣k"])
def test_no_size(text: str) -> None:
    with pytest.raises(ValueError, match="size"):
        parse_size(text)


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("0", "0s"),
        ("0s", "0s"),
        ("90s", "1m30s"),
        ("1.5h", "1h30m0s"),
        ("3600s", "1h0m0s"),
        ("1h2m3.5s", "1h2m3.5s"),
        ("1500ms", "1.5s"),
        ("500ms", "500ms"),
        ("0.25ms", "250µs"),
        ("1us", "1µs"),
        ("1500ns", "1.5µs"),
        ("7ns", "7ns"),
        ("100h", "100h0m0s"),
        (".5s", "500ms"),
        ("1m1m", "2m0s"),
    ],
)
def test_duration(text: str, printed: str) -> None:
    assert format_duration(parse_duration(text)) == printed


@pytest.mark.parametrize("text", ["", "10", "s", "1d", "1 s", "-1s", "1s2", "1h m", "abc", "9999999999999h"])
def test_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="duration"):
        parse_duration(text)


@given(st.integers(0, 2**63 - 1))
def test_what_is_printed_is_read_back(nanoseconds: int) -> None:
    assert parse_duration(format_duration(nanoseconds)) == nanoseconds


@given(st.integers(0, 2**53 - 1))
def test_bytes_are_read_back(size: int) -> None:
    assert parse_size(str(size)) == size


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (True, "true"),
        (False, "false"),
        (12, "12"),
        (1.5, "1.5"),
        (1.0, "1"),
        (0.0, "0"),
        (-0.0, "-0"),
        (999999.5, "999999.5"),
        (1000000.5, "1.0000005e+06"),
        (100000000.0, "1e+08"),
        (0.0001, "0.0001"),
        (0.00001234, "1.234e-05"),
        (1e-7, "1e-07"),
        (-2.5, "-2.5"),
        (1.8446744073709552e19, "1.8446744073709552e+19"),
        ("as it is", "as it is"),
    ],
)
def test_text_of_a_scalar(value: object, text: str) -> None:
    assert go_text(value) == text


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_text_of_a_number_is_that_number(value: float) -> None:
    assert float(go_text(value)) == value
