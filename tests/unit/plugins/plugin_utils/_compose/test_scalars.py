# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Unquoted scalars as Compose reads them."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._compose.scalars import Timestamp, plain_scalar

SCALARS: list[tuple[str, t.Any]] = [
    ("22:22", "22:22"),
    ("12:30:45", "12:30:45"),
    ("yes", "yes"),
    ("no", "no"),
    ("on", "on"),
    ("Off", "Off"),
    ("y", "y"),
    ("true", True),
    ("False", False),
    ("TRUE", True),
    ("tRue", "tRue"),
    ("~", None),
    ("null", None),
    ("Null", None),
    ("nUll", "nUll"),
    ("0", 0),
    ("-0", 0),
    ("+12", 12),
    ("1_000", 1000),
    ("0x1F", 31),
    ("0o17", 15),
    ("0b101", 5),
    ("0777", 511),
    ("08", 8.0),
    ("18446744073709551615", 18446744073709551615),
    ("18446744073709551616", 1.8446744073709552e19),
    ("-9223372036854775809", -9.223372036854775809e18),
    ("0xffffffffffffffff", 2**64 - 1),
    ("0x10000000000000000", "0x10000000000000000"),
    ("9" * 400, float("inf")),
    ("0" + "7" * 30, float("7" * 30)),
    ("1.50", 1.5),
    (".5", 0.5),
    ("1.", 1.0),
    ("1e3", 1000.0),
    ("-1.5E-3", -0.0015),
    ("1e", "1e"),
    (".", "."),
    ("-", "-"),
    ("1.2.3", "1.2.3"),
    ("-.inf", float("-inf")),
    ("0x", "0x"),
    ("2024-13-45", "2024-13-45"),
    ("<<", "<<"),
]


@pytest.mark.parametrize(("text", "value"), SCALARS)
def test_plain_scalar(text: str, value: t.Any) -> None:
    found = plain_scalar(text)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("2024-01-31", "2024-01-31 00:00:00 +0000 UTC"),
        ("2024-1-3", "2024-01-03 00:00:00 +0000 UTC"),
        ("2024-01-31T10:20:30Z", "2024-01-31 10:20:30 +0000 UTC"),
        ("2024-01-31t10:20:30.250Z", "2024-01-31 10:20:30.25 +0000 UTC"),
        ("2024-01-31 10:20:30", "2024-01-31 10:20:30 +0000 UTC"),
        ("2024-01-31T10:20:30+02:00", "2024-01-31 10:20:30 +0200 +0200"),
    ],
)
def test_times_keep_their_text_and_know_what_compose_prints(text: str, printed: str) -> None:
    time = plain_scalar(text)
    assert isinstance(time, Timestamp)
    assert (str(time), time.printed) == (text, printed)


@pytest.mark.parametrize("text", ["2024-01", "2024-01-31T10:20:30", "2024-01-31 10:20:30 +02:00", "2024-02-30"])
def test_what_is_nearly_a_time_is_a_text(text: str) -> None:
    assert not isinstance(plain_scalar(text), Timestamp)
