# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Single values: what each kind takes, what it makes of it, and what it says otherwise."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._compose.kinds import (
    DeviceCount,
    Duration,
    Flag,
    Kind,
    Mode,
    Number,
    Size,
    Text,
    Unsupported,
)
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._compose.problems import Problems


def check(kind: Kind, value: t.Any) -> tuple[t.Any, list[str]]:
    """The canonical value and the messages, with their mends."""
    problems = Problems("f.yml", {})
    result = kind.check(value, ("key",), problems)
    return result, [f"{error.message}|{error.mend}" for error in problems.errors]


@pytest.mark.parametrize(
    ("kind", "value", "result"),
    [
        (Text(), "a", "a"),
        (Text(numbers=True), 15, "15"),
        (Text(numbers=True, fractions=True), 1.50, "1.5"),
        (Text(choices=("a", "b")), "b", "b"),
        (Flag(), True, True),
        (Flag(), "True", True),
        (Flag(), "yes", True),
        (Flag(), "off", False),
        (Number(), 5, 5),
        (Number(), "5", 5),
        (Number(), 5.0, 5),
        (Number(whole=False), "0.5", 0.5),
        (Number(whole=False), "2", 2),
        (Size(), "1k", "1024"),
        (Size(), 1024, "1024"),
        (Size(), 0, ""),
        (Size(), "0m", ""),
        (Size(unlimited=True), -1, "-1"),
        (Duration(), "90s", "1m30s"),
        (Mode(), 0o440, 0o440),
        (DeviceCount(), "all", -1),
        (DeviceCount(), "2", 2),
        (DeviceCount(), -1, -1),
    ],
)
def test_taken(kind: Kind, value: t.Any, result: t.Any) -> None:
    found, messages = check(kind, value)
    assert (found, messages) == (result, [])
    assert type(found) is type(result)


@pytest.mark.parametrize(
    ("kind", "value", "message"),
    [
        (Text(), 1, "this must be a text, but is a number|Put it in quotes."),
        (Text(numbers=True), 1.5, "this must be a text, but is a number|Put it in quotes."),
        (Text(), True, "this must be a text, but is a boolean|Put it in quotes."),
        (Text(), None, "this must be a text, but is empty|"),
        (Text(), [], "this must be a text, but is a list|"),
        (Text(choices=("tcp", "udp")), "upd", "'upd' is not one of tcp, udp|Did you mean «udp»?"),
        (Text(words="a name", pattern="[a-z]+"), "A", "'A' is not a name|"),
        (Flag(), "maybe", "this must be true or false, but is 'maybe'|"),
        (Flag(), 1, "this must be true or false, but is a number|"),
        (Number(), "x", "this must be a whole number, but is 'x'|"),
        (Number(), 1.5, "this must be a whole number, but is 1.5|"),
        (Number(), True, "this must be a whole number, but is a boolean|"),
        (Number(least=1), 0, "0 is too small; the least is 1|"),
        (Number(most=10), 11, "11 is too large; the most is 10|"),
        (Number(whole=False), float("inf"), "this must be a whole number, but is inf|"),
        (Size(), -1, "a size cannot be negative: -1|"),
        (Size(), "-1", "'-1' is not a size; write a number and b, k, m, g or t, e.g. 512m|"),
        (Size(text_only=True), 5, 'this must be a size, e.g. 512m, but is a number|Write "5b".'),
        (Duration(), 5, "this must be a duration, e.g. 1m30s, but is a number|Write 5s for seconds."),
        (Mode(), "0440", "'0440' is not a file mode such as 0440, without quotes|"),
        (DeviceCount(), 0, "0 is not a number or all|"),
        (Unsupported("it is too old", "Use another."), 1, "key is not supported: it is too old|Use another."),
    ],
)
def test_refused(kind: Kind, value: t.Any, message: str) -> None:
    assert check(kind, value)[1] == [message]
