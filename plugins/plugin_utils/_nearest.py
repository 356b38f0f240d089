# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The word that was probably meant by one that is not known."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

_MOST = 12
"""More names than this are no help."""


def nearest(word: str, known: Iterable[str], likeness: float = 0.6) -> str:
    """The known word that was probably meant, or empty. `likeness` is difflib's ratio, 0 to 1."""
    words = sorted(set(known))
    found = difflib.get_close_matches(word, words, 1, likeness) or difflib.get_close_matches(
        word.lower(), words, 1, likeness
    )
    return found[0] if found else ""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A mend for a word that is not among the known ones: the one that was meant, or which there are."""
    words = sorted(set(known))
    found = nearest(word, words)
    if found:
        return f"Did you mean «{found}»?"
    return f"Known here: {', '.join(words)}." if 0 < len(words) <= _MOST else ""
