# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The bytes of a settings file as text and back: UTF-8 with or without a byte order mark, UTF-16 with one.

PowerShell's ``>`` and Windows' editors write UTF-16 LE with a mark; it is kept as found, because whose file it is decides.
"""

from __future__ import annotations

import codecs
import typing as t

from .misread import MisreadError

_MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))


class Encoding(t.NamedTuple):
    mark: bytes = b""
    codec: str = "utf-8"


def decode(data: bytes) -> tuple[str, Encoding]:
    """The text without its mark, newlines as they are. Raises MisreadError."""
    encoding = next((Encoding(mark, codec) for mark, codec in _MARKS if data.startswith(mark)), Encoding())
    content = data[len(encoding.mark) :]
    try:
        text = content.decode(encoding.codec)
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise MisreadError(
            f"it is not {encoding.codec.upper()} text: byte {error.start + len(encoding.mark)}, line {line}",
            "Save it as UTF-8.",
        ) from None
    if "\0" in text:
        raise MisreadError(
            "it holds zero bytes; UTF-16 is read only with a byte order mark", "Save it as UTF-8.", text.index("\0")
        )
    return text, encoding


def encode(text: str, encoding: Encoding) -> bytes:
    """Raises MisreadError when a character cannot be written (half of a surrogate pair)."""
    try:
        return encoding.mark + text.encode(encoding.codec)
    except UnicodeEncodeError as error:
        raise MisreadError(
            f"a value holds the character U+{ord(text[error.start]):04X}, which is no text",
            "Take it out of the settings.",
        ) from None
