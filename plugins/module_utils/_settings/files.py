# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads and writes settings files: whole or not at all, through links, and noticing who else writes."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
import tempfile
import time
import typing as t

from .._errors import FleetError, InputError, make_room
from .._module.regular import refuse_other_than_file

_PATIENCE = 60.0
_PAUSE = 0.2

Prepare = t.Callable[[str], None]


def resolve(path: str) -> str:
    """The file itself where `path` is a link to it. Raises InputError for what is no file."""
    real = os.path.realpath(path)
    if os.path.islink(real):
        raise InputError("it is a link that leads to itself", path, "Remove the link, or name the file.")
    refuse_other_than_file(real)
    return real


def read(path: str) -> bytes | None:
    """None where there is no file. Raises FleetError."""
    try:
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _failed("read", error, path) from error


@contextlib.contextmanager
def alone(directory: str) -> t.Iterator[None]:
    """Keep other runs of ours out of a directory: several inventory hosts may be one machine. Waits up to a minute.

    The lock is on the directory itself, so that no lock file is left in it. Where the file system has no locks, what
    another run writes is still noticed before ours replaces it.
    """
    try:
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        raise FleetError("the directory does not exist", directory, "Make it first, or correct the path.") from None
    except OSError as error:
        raise _failed("opened", error, directory) from error
    try:
        _take(descriptor, directory)
        yield
    finally:
        os.close(descriptor)


def write(path: str, data: bytes, expected: bytes | None, new: Prepare | None = None) -> None:
    """Replace a file in one step, with the mode, owner and labels of the old one. Raises FleetError.

    expected: what the file held when it was read, None for no file; anything else by now is an error.
    new: called with the temporary file's path where there was no file, to set its mode and owner.
    """
    directory = os.path.dirname(path)
    temporary = ""
    try:
        # The name ends so that no engine reads it: containers.conf.d takes *.conf.
        handle, temporary = tempfile.mkstemp(prefix=".gpu-fleet-", suffix=".tmp", dir=directory)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if expected is not None:
            _look_like(path, temporary)
        elif new is not None:
            new(temporary)
        if read(path) != expected:
            raise FleetError("another program changed it meanwhile", path, "Run again. Nothing was changed.")
        os.replace(temporary, path)
        temporary = ""
        _settle(directory)
    except OSError as error:
        raise _failed("written", error, path) from error
    finally:
        if temporary:
            with contextlib.suppress(OSError):
                os.unlink(temporary)


def keep(path: str, data: bytes, like: str) -> None:
    """Write a copy, readable for whom `like` is readable for. Raises FleetError."""
    found = read(path)
    if found != data:
        write(path, data, found, lambda temporary: _look_like(like, temporary))


def remove(path: str) -> None:
    """Raises FleetError; a file that is gone is fine."""
    try:
        os.unlink(path)
        _settle(os.path.dirname(path))
    except FileNotFoundError:
        return
    except OSError as error:
        raise _failed("removed", error, path) from error


def _take(descriptor: int, directory: str) -> None:
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise FleetError(
                    "another program has it locked", directory, f"Look with 'fuser {directory}', then run again."
                ) from None
        except OSError:  # Windows' drives under WSL, some network file systems
            return
        time.sleep(_PAUSE)


def _look_like(path: str, temporary: str) -> None:
    """Give a file the owner, mode and extended attributes of another, as far as the file system has them."""
    found = os.stat(path)
    with contextlib.suppress(OSError):  # an ordinary user, or a Windows drive
        os.chown(temporary, found.st_uid, found.st_gid)
    with contextlib.suppress(OSError):
        os.chmod(temporary, stat.S_IMODE(found.st_mode))
    if not hasattr(os, "listxattr"):  # macOS
        return
    # SELinux's label and access lists are extended attributes.
    with contextlib.suppress(OSError):
        for name in os.listxattr(path):
            with contextlib.suppress(OSError):
                os.setxattr(temporary, name, os.getxattr(path, name))


def _settle(directory: str) -> None:
    """Have a rename on the disk as well; some file systems cannot sync a directory."""
    with contextlib.suppress(OSError):
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _failed(verb: str, error: OSError, path: str) -> FleetError:
    if isinstance(error, FileNotFoundError):
        return FleetError("its directory does not exist", path, "Make the directory first. Nothing was changed.")
    if error.errno == errno.EBUSY:
        return FleetError(
            "it is a mount of its own, which cannot be replaced", path, "Edit the file that is mounted there."
        )
    return FleetError(f"it cannot be {verb}: {error.strerror}", path, f"{make_room(error)}. Nothing was changed.")
