# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compose's canonical durations and sizes as numbers."""

from __future__ import annotations

import re
import typing as t

from ...module_utils._errors import InputError

# Go's time.Duration.String(): hours to nanoseconds, concatenated (https://pkg.go.dev/time#ParseDuration).
_DURATION_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|us|µs|ns|h|m|s)")
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([bkmgt]?)(?:i?b)?", re.IGNORECASE)
_SIZE_UNITS = {"": 1, "b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}


def seconds(text: t.Any, where: str = "") -> float:
    """``1m30s`` → 90.0. Raises InputError."""
    if isinstance(text, (int, float)):
        return float(text)
    matches = _DURATION.findall(text)
    if not matches or "".join(number + unit for number, unit in matches) != text:
        if text == "0":
            return 0.0
        raise InputError(f"{text!r} is not a duration", where, "Write it like 90s or 1m30s.")
    return round(sum(float(number) * _DURATION_UNITS[unit] for number, unit in matches), 9)


def size(text: t.Any, where: str = "") -> int:
    """Bytes of ``1073741824``, ``"1g"`` or ``-1`` (no limit); units are powers of 1024. Raises InputError."""
    if isinstance(text, int):
        return text
    if text == "-1":
        return -1
    match = _SIZE.fullmatch(str(text).strip())
    if match is None:
        raise InputError(f"{text!r} is not a size", where, "Write it like 512m or 1g.")
    return int(float(match[1]) * _SIZE_UNITS[match[2].lower()])


def human(amount: int) -> str:
    """4294967296 → ``4.0 GiB``."""
    number = float(amount)
    for unit in ("B", "KiB", "MiB"):
        if abs(number) < 1024:
            return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1024
    return f"{number:.1f} GiB"
