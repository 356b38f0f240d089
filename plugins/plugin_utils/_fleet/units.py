# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compose's canonical durations and sizes as numbers."""

from __future__ import annotations

import typing as t

from ...module_utils._errors import InputError
from .._compose import units


def seconds(text: t.Any, where: str = "") -> float:
    """``1m30s`` → 90.0; a number counts as seconds. Raises InputError."""
    if isinstance(text, (int, float)):
        return float(text)
    try:
        return units.seconds(units.parse_duration(text))
    except ValueError:
        raise InputError(f"{text!r} is not a duration", where, "Write it like 90s or 1m30s.") from None


def size(text: t.Any, where: str = "") -> int:
    """Bytes of ``1073741824``, ``"1g"`` or ``-1`` (no limit); units are powers of 1024. Raises InputError."""
    if isinstance(text, int):
        return text
    if text == "-1":
        return -1
    try:
        return units.parse_size(str(text))
    except ValueError:
        raise InputError(f"{text!r} is not a size", where, "Write it like 512m or 1g.") from None
