# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sizes, durations and numbers: read as Compose reads them, written as Compose prints them."""

from __future__ import annotations

import math
import re
from decimal import Decimal

_SIZE = re.compile(r"(\d+(?:\.\d+)?) ?(?:([kmgtp])i?)?b?", re.IGNORECASE | re.ASCII)
_POWERS = {None: 0, "k": 1, "m": 2, "g": 3, "t": 4, "p": 5}

_DURATION_PART = re.compile(r"([0-9]+\.?[0-9]*|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h)")
_NANOSECONDS = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,
    "μs": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
}
_LARGEST = 2**63 - 1
_EXPONENT_FROM = 6


def parse_size(text: str) -> int:
    """Bytes of ``512m``, ``1.5g``, ``1GiB``, ``10kb``; units are powers of 1024 (docker/go-units, RAMInBytes).

    Raises ValueError with a text for the user.
    """
    match = _SIZE.fullmatch(text.strip())
    if not match:
        raise ValueError(f"{text!r} is not a size; write a number and b, k, m, g or t, e.g. 512m")
    number, unit = match.groups()
    size = float(number) * 1024 ** _POWERS[unit.lower() if unit else None]
    if size > _LARGEST:
        raise ValueError(f"{text!r} is too large for a size")
    return int(size)


def parse_duration(text: str) -> int:
    """Nanoseconds of ``1m30s``, ``1.5h``, ``500ms`` (Go's time.ParseDuration, without a sign).

    Raises ValueError with a text for the user.
    """
    text = text.strip()
    if text == "0":
        return 0
    total = 0
    position = 0
    while position < len(text) <= 100:
        match = _DURATION_PART.match(text, position)
        if not match:
            break
        number, unit = match.groups()
        whole, _dot, fraction = number.partition(".")
        total += int(whole or 0) * _NANOSECONDS[unit]
        if fraction:
            total += int(fraction) * _NANOSECONDS[unit] // 10 ** len(fraction)
        position = match.end()
    if not text or position < len(text) or len(text) > 100:
        raise ValueError(f"{text!r} is not a duration; write numbers and ms, s, m or h, e.g. 1m30s")
    if total > _LARGEST:
        raise ValueError(f"{text!r} is too long for a duration")
    return total


def format_duration(nanoseconds: int) -> str:
    """``1m30s``, ``500ms``, ``1h0m0s``: as Go's Duration.String prints it."""
    if nanoseconds == 0:
        return "0s"
    if nanoseconds < 1_000_000_000:
        for unit in ("ms", "µs", "ns"):
            if nanoseconds >= _NANOSECONDS[unit]:
                return _fraction(nanoseconds, _NANOSECONDS[unit]) + unit
    minutes, rest = divmod(nanoseconds, _NANOSECONDS["m"])
    text = _fraction(rest, _NANOSECONDS["s"]) + "s"
    if not minutes:
        return text
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes}m{text}" if hours else f"{minutes}m{text}"


def _fraction(value: int, unit: int) -> str:
    whole, rest = divmod(value, unit)
    digits = len(str(unit)) - 1
    return f"{whole}.{rest:0{digits}d}".rstrip("0") if rest else str(whole)


def seconds(nanoseconds: int) -> float:
    return nanoseconds / 1_000_000_000


def go_text(value: str | int | float | bool | None) -> str:
    """A scalar where a text is wanted, as Go's ``fmt.Sprint`` writes it: ``1.50`` → 1.5, ``true``, ``1e+08``."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return _go_float(value)
    return str(value)


def _go_float(value: float) -> str:
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    if math.isnan(value):
        return "NaN"
    if value == 0:
        return "-0" if math.copysign(1, value) < 0 else "0"
    # The shortest digits that give the number back are the same in Python and Go; only the form differs:
    # Go's %v writes an exponent below 1e-4 and from 1e+06 on.
    digits = repr(abs(value)).split("e")[0].replace(".", "").strip("0")
    power = Decimal(repr(value)).adjusted()
    sign = "-" if value < 0 else ""
    if not -4 <= power < _EXPONENT_FROM:
        fraction = f".{digits[1:]}" if len(digits) > 1 else ""
        return f"{sign}{digits[0]}{fraction}e{power:+03d}"
    if power < 0:
        return f"{sign}0.{'0' * (-power - 1)}{digits}"
    whole, fraction = digits[: power + 1].ljust(power + 1, "0"), digits[power + 1 :]
    return f"{sign}{whole}.{fraction}" if fraction else sign + whole
