# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Locks between processes of one machine: files in our own directories, held by flock."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
import typing as t

from ._errors import EngineError, make_room

_PAUSE = 0.5


@contextlib.contextmanager
def locked(path: str, patience: float = float("inf"), on_wait: t.Callable[[], None] = lambda: None) -> t.Iterator[None]:
    """Hold the lock; it goes with the process, also when that is killed. Its directory is made.

    patience: seconds to wait at most for who holds it. on_wait: called once, when somebody does.
    Raises EngineError when the file cannot be opened (a link is not followed) or patience ends.
    """
    descriptor = _open(path)
    try:
        _take(descriptor, path, patience, on_wait)
        yield
    finally:
        os.close(descriptor)


def _open(path: str) -> int:
    try:
        os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise EngineError(
            f"the lock cannot be made: {error.strerror}",
            path,
            f"{make_room(error)}, or choose another directory (container_state_dir, container_cache_dir).",
        ) from error


def _take(descriptor: int, path: str, patience: float, on_wait: t.Callable[[], None]) -> None:
    deadline = time.monotonic() + patience
    told = False
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError as error:
            if time.monotonic() > deadline:
                raise EngineError(
                    "another run is at work on this host", path, "Wait for it to end, then run again."
                ) from error
        if not told:
            on_wait()
            told = True
        time.sleep(_PAUSE)
