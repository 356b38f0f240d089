# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Carries a plan out: files appear whole or not at all, and never under a name that engines would read too early."""

from __future__ import annotations

import os
import tempfile

from .._errors import FleetError, make_room

MODE = 0o644
"""Rootless engines read the files, too."""


def write(path: str, text: str) -> None:
    """Write a file in one step, with its directory. Raises FleetError."""
    directory = os.path.dirname(path)
    temporary = ""
    try:
        if not os.path.isdir(directory):
            os.makedirs(directory)
            # Whatever the umask: engines of other users enter it.
            os.chmod(directory, 0o755)
        # Not *.json or *.yaml: an engine that looks meanwhile would read it as a spec of its own.
        handle, temporary = tempfile.mkstemp(prefix=".gpu-fleet-", suffix=".tmp", dir=directory)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fchmod(file.fileno(), MODE)
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        if temporary and os.path.exists(temporary):
            os.unlink(temporary)
        raise FleetError(f"it cannot be written: {error.strerror}", path, f"{make_room(error)}.") from error


def remove(path: str) -> None:
    """Raises FleetError."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        return
    except OSError as error:
        raise FleetError(f"it cannot be removed: {error.strerror}", path, f"{make_room(error)}.") from error


def mode_of(path: str) -> int:
    """Permission bits; of what cannot be looked at those that it should have."""
    try:
        return os.stat(path).st_mode & 0o7777
    except OSError:
        return MODE


def set_mode(path: str) -> None:
    try:
        os.chmod(path, MODE)
    except OSError as error:
        raise FleetError(f"its mode cannot be set: {error.strerror}", path, f"{make_room(error)}.") from error
