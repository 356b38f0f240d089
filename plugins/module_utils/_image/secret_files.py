# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secret values for a program: files that only this user can read, in memory where there is a tmpfs, there only while it runs."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
import typing as t

_PREFIX = "gpu-fleet-build-secrets-"


@contextlib.contextmanager
def secret_files(values: t.Mapping[str, str], folders: t.Sequence[str] | None = None) -> t.Iterator[dict[str, str]]:
    """Id → path of a file with the value. What a killed run left behind is removed first.

    folders: where they may lie, the best first; by default those that this user has on a tmpfs. Where none can be written,
    a temporary one.
    """
    if not values:
        yield {}
        return
    place = next((path for path in folders or _places() if os.access(path, os.W_OK | os.X_OK)), tempfile.gettempdir())
    _sweep(place)
    folder, descriptor = _held_folder(place)
    try:
        paths = {}
        for number, (name, value) in enumerate(sorted(values.items())):
            # A name of ours: an id of the user's might hold a slash or a comma, which the builders' option cannot.
            paths[name] = os.path.join(folder, str(number))
            handle = os.open(paths[name], os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
            with os.fdopen(handle, "w", encoding="utf-8", newline="") as stream:
                stream.write(value)
        yield paths
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(descriptor)


def _places() -> list[str]:
    runtime = os.environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.geteuid()}"
    return ["/run", "/dev/shm"] if os.geteuid() == 0 else [runtime, "/dev/shm"]


def _held_folder(place: str) -> tuple[str, int]:
    """A folder, held as long as this process lives: so the next run knows what is left of one that was killed."""
    while True:
        folder = tempfile.mkdtemp(prefix=_PREFIX, dir=place)
        with contextlib.suppress(FileNotFoundError):
            descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if os.fstat(descriptor).st_nlink:
                return folder, descriptor
            # Another run swept it away before it was held.
            os.close(descriptor)


def _sweep(place: str) -> None:
    for name in os.listdir(place):
        path = os.path.join(place, name)
        if not name.startswith(_PREFIX) or os.path.islink(path):
            continue
        with contextlib.suppress(OSError):  # another user's, or in use
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(path)
            finally:
                os.close(descriptor)
