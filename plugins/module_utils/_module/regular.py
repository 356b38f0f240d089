# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a module may write when the user names the path."""

from __future__ import annotations

import os

from .._errors import InputError


def refuse_other_than_file(path: str) -> None:
    """InputError when `path` is there and is no regular file: replacing it would destroy a device or a pipe."""
    if os.path.exists(path) and not os.path.isfile(path):
        raise InputError(
            "cannot be written: it is there and is not a regular file", path, "Name a file, or a path that is free."
        )
