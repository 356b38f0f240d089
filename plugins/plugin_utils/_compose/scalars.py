# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an unquoted YAML scalar means to Compose, which reads with Go's yaml.v3 (resolve.go).

Booleans are true and false only, numbers are what Go's ParseInt and ParseFloat take,
``22:22`` and ``no`` are text.
"""

from __future__ import annotations

import datetime
import re
import typing as t

_INTEGER = re.compile(r"[-+]?(?:0[bB][01]+|0[oO]?[0-7]+|0[xX][0-9a-fA-F]+|0|[1-9][0-9]*)")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_INFINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)")
_TIME = re.compile(
    # The four forms that yaml.v3 tries (resolve.go, allowedTimestampFormats); a zone only after a T.
    r"([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})"
    r"(?:(?:[Tt](?=.*(?:Z|[-+][0-9]{2}:[0-9]{2})$)| (?=[^Z+]*$))"
    r"([0-9]{1,2}):([0-9]{1,2}):([0-9]{1,2})(?:\.([0-9]+))?(Z|[-+][0-9]{2}:[0-9]{2})?)?"
)
_WORDS: dict[str, t.Any] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
}


class Timestamp(str):
    """An unquoted time, as written. Go's yaml.v3 makes a time of it, which Compose takes as a value but not as a text."""

    printed: str
    """As Compose prints it."""


def _timestamp(text: str) -> Timestamp | None:
    match = _TIME.fullmatch(text)
    if not match:
        return None
    year, month, day, hour, minute, second, fraction, zone = match.groups()
    try:
        datetime.datetime(int(year), int(month), int(day), int(hour or 0), int(minute or 0), int(second or 0))
    except ValueError:
        return None
    printed = (
        f"{year}-{int(month):02d}-{int(day):02d} {int(hour or 0):02d}:{int(minute or 0):02d}:{int(second or 0):02d}"
    )
    if fraction and fraction.rstrip("0"):
        printed += "." + fraction.rstrip("0")[:9]
    offset = zone.replace(":", "") if zone and zone != "Z" else ""
    time = Timestamp(text)
    time.printed = f"{printed} {offset} {offset}" if offset else f"{printed} +0000 UTC"
    return time


def plain_scalar(text: str) -> t.Any:
    """What an unquoted scalar means to Compose."""
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in "-+.0123456789":
        return text
    plain = text.replace("_", "")
    if _INTEGER.fullmatch(plain):
        return _integer(plain)
    if _FLOAT.fullmatch(plain):
        return float(plain)
    if _INFINITE.fullmatch(text):
        return float("-inf" if text[0] == "-" else "inf")
    return _timestamp(text) or text


def _integer(text: str) -> int | float | str:
    sign = -1 if text[0] == "-" else 1
    digits = text.lstrip("+-").lower()
    prefixed = digits[:2] in ("0b", "0o", "0x")
    if len(digits) > 66:
        number = 2**64
    elif prefixed:
        number = int(digits, 0)
    else:
        number = int(digits, 8 if digits[0] == "0" else 10)
    if -(2**63) <= sign * number < 2**64:
        return sign * number
    # Beyond 64 bits Go falls back to a float, which knows no 0x.
    return text if prefixed else float(text)
