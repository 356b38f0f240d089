# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Boot files on this machine: whose one is, and one read, written whole, removed."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
import typing as t

from .._errors import EngineError, make_room
from .units import DROP_IN, owner_of


def owner(path: str, text: str) -> tuple[str, str] | None:
    """(host, group) that a file was written for; None: it is not ours."""
    if not path.endswith(".json"):
        return owner_of(text)
    try:
        data = json.loads(text)
        return (str(data["host"]), str(data["group"]))
    except (ValueError, KeyError, TypeError):
        return None


def read(path: str) -> str | None:
    """A file's text, a link's target; None when there is neither."""
    try:
        if os.path.islink(path):
            return os.readlink(path)
        with open(path, encoding="utf-8") as file:
            return file.read()
    except (OSError, UnicodeDecodeError):
        return None


def write(path: str, text: str, link: bool = False) -> None:
    """Atomically: systemd sees the old file or the new one. link: `text` is the target of a symbolic link."""
    folder = os.path.dirname(path)
    os.makedirs(folder, mode=0o755, exist_ok=True)
    if link:
        temporary = f"{folder}/.new-{os.path.basename(path)}"
        remove(temporary)
        os.symlink(text, temporary)
        os.replace(temporary, path)
        return
    descriptor, temporary = tempfile.mkstemp(dir=folder, prefix=".new-")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fchmod(file.fileno(), 0o644)
            # After a power cut an empty file would stand in its place, and the boot after it is what the file is for.
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def remove(path: str) -> None:
    """Not there is fine."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
    if path.endswith(f"/{DROP_IN}"):
        with contextlib.suppress(OSError):  # others' drop-ins stay, and their directory
            os.rmdir(os.path.dirname(path))


@contextlib.contextmanager
def writing(place: str) -> t.Iterator[None]:
    """Turns what the file system refuses into an EngineError; `place` where that names no path."""
    try:
        yield
    except OSError as error:
        raise EngineError(
            f"boot units cannot be written: {error.strerror or error}",
            error.filename if isinstance(error.filename, str) else place,
            f"{make_room(error)}, or set container_supervisor: engine.",
        ) from error
