# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ranges of subordinate user and group ids (subuid(5), subgid(5)), without which rootless Podman has one user only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from .._errors import InputError

ENOUGH = 65536
"""Ids that images expect: 0 to 65535 (nobody is 65534). It is also useradd's default, SUB_UID_COUNT."""


class Range(NamedTuple):
    owner: str
    """A user's name, or its number."""
    first: int
    count: int


class Limits(NamedTuple):
    """Where new ranges may lie, and how large they are made."""

    first: int
    last: int
    count: int


def parse(text: str) -> list[Range]:
    """The ranges of /etc/subuid or /etc/subgid; lines that are none are left out, as shadow does."""
    ranges = []
    for line in text.splitlines():
        parts = line.strip().split(":")
        if len(parts) == 3 and parts[1].isdigit() and parts[2].isdigit():
            ranges.append(Range(parts[0], int(parts[1]), int(parts[2])))
    return ranges


def limits(login_defs: str, kind: str) -> Limits:
    """SUB_UID_MIN, _MAX and _COUNT (kind: UID or GID) of the text of /etc/login.defs, with useradd(8)'s defaults."""
    found = {"MIN": 100000, "MAX": 600100000, "COUNT": ENOUGH}
    for line in login_defs.splitlines():
        words = line.split()
        if len(words) >= 2 and words[0].startswith(f"SUB_{kind}_") and words[1].isdigit():
            found[words[0].rpartition("_")[2]] = int(words[1])
    return Limits(found["MIN"], found["MAX"], max(found["COUNT"], ENOUGH))


def has_enough(ranges: Sequence[Range], name: str, number: int) -> bool:
    return sum(each.count for each in ranges if each.owner in (name, str(number))) >= ENOUGH


def free_range(ranges: Sequence[Range], within: Limits) -> tuple[int, int]:
    """First and last id of the lowest gap that is large enough, as useradd takes it; InputError when there is none."""
    start = within.first
    for each in sorted(ranges, key=lambda each: each.first):
        if each.first >= start + within.count:
            break
        start = max(start, each.first + each.count)
    end = start + within.count - 1
    if end > within.last:
        raise InputError(
            f"no {within.count} subordinate ids are free up to {within.last}",
            "/etc/login.defs",
            "Raise SUB_UID_MAX and SUB_GID_MAX.",
        )
    return start, end
