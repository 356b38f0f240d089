# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Command lines as Compose splits them."""

from __future__ import annotations

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._compose.command import CommandError, split


@pytest.mark.parametrize(
    ("line", "words", "dropped"),
    [
        ("", [], ""),
        ("  ", [], ""),
        ("echo  a\tb\n c", ["echo", "a", "b", "c"], ""),
        ("sh -c 'a b'", ["sh", "-c", "a b"], ""),
        ('echo "a \'b\'" x"y"z', ["echo", "a 'b'", "xyz"], ""),
        ("echo '' \"\"", ["echo", "", ""], ""),
        (r"echo a\ b \"c\" \\", ["echo", "a b", '"c"', "\\"], ""),
        (r'echo "a\"b" "a\nb"', ["echo", 'a"b', "anb"], ""),
        (r"echo 'a\nb'", ["echo", r"a\nb"], ""),
        ("a && b", ["a"], "&& b"),
        ("a; b", ["a"], "; b"),
        ("a|b", ["a"], "|b"),
        ("a > f", ["a"], "> f"),
        ("a 2>f", ["a"], ">f"),
        ("a b>f", ["a", "b"], ">f"),
        ("a '&&' \";\" \\|", ["a", "&&", ";", "|"], ""),
        ("a $(b c) `d e` f", ["a", "$(b c)", "`d e`", "f"], ""),
        ("a # b", ["a", "#", "b"], ""),
        ("a *.txt $HOME", ["a", "*.txt", "$HOME"], ""),
    ],
)
def test_split(line: str, words: list[str], dropped: str) -> None:
    assert split(line) == (words, dropped)


@pytest.mark.parametrize("line", ["a 'b", 'a "b', "a \\", "a `b", "a $(b", "a (b)"])
def test_refused(line: str) -> None:
    with pytest.raises(CommandError):
        split(line)


@given(st.lists(st.text("ab \"'\\$&|;<>()`#*\t")))
def test_quoted_words_come_back(words: list[str]) -> None:
    assert split(shlex.join(words)) == (words, "")
