# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which Debian packages are installed, from one `dpkg-query`."""

from __future__ import annotations

QUERY = ("dpkg-query", "--show", "--showformat", "${Package} ${db:Status-Status}\n")


def query_argv(names: list[str]) -> list[str]:
    """The command; it exits 1 when a name is unknown and still prints the others."""
    return [*QUERY, *names]


def missing(names: list[str], output: str) -> list[str]:
    """Those of `names` that the query's output does not call installed, in the order given."""
    installed = {words[0] for words in map(str.split, output.splitlines()) if words[1:] == ["installed"]}
    return [name for name in names if name not in installed]
