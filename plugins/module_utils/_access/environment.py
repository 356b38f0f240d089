# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Variables that a container gets from several sides: its GPU, its display, devices of its own."""

from __future__ import annotations

import typing as t

_LISTS = {"NVIDIA_DRIVER_CAPABILITIES": ",", "LD_LIBRARY_PATH": ":"}
"""Variables that several sides add to, with what separates their entries."""


def joined_environment(first: t.Mapping[str, str], second: t.Mapping[str, str]) -> dict[str, str]:
    """Both; of a variable that is a list the entries of both, the first's before the second's, else the second's value."""
    result = {**first, **second}
    for key, separator in _LISTS.items():
        if key in first and key in second:
            entries = dict.fromkeys((*first[key].split(separator), *second[key].split(separator)))
            result[key] = "all" if "all" in entries else separator.join(entries)
    return result
