# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a settings file is told to be when it cannot be read or edited safely; `plan.py` makes an InputError of it."""

from __future__ import annotations


class MisreadError(Exception):
    """message and mend as in FleetError; offset: where in the text, in characters, where that is known."""

    def __init__(self, message: str, mend: str, offset: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.mend = mend
        self.offset = offset


def line_and_column(text: str, offset: int) -> tuple[int, int]:
    """Both count from 1, as editors do."""
    before = text[:offset].replace("\r\n", "\n").replace("\r", "\n")
    return before.count("\n") + 1, len(before) - before.rfind("\n")


def dotted(path: tuple[str, ...]) -> str:
    """A key as messages and results name it: ``features.cdi``."""
    return ".".join(path)
