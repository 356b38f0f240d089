# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Unpacks a build context that the controller sent, and nothing outside its folder."""

from __future__ import annotations

import contextlib
import os
import shutil
import tarfile
import tempfile
import typing as t

from .._errors import InputError


@contextlib.contextmanager
def unpacked(archive: str) -> t.Iterator[str]:
    """The context as a temporary directory, removed afterwards whatever happens."""
    folder = tempfile.mkdtemp(prefix="gpu-fleet-build-")
    try:
        unpack(archive, folder)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def unpack(archive: str, folder: str) -> None:
    """Unpack regular files, directories and symbolic links.

    Links are made last and may point anywhere (an image has links to its own /usr),
    so nothing is ever written through one. Raises InputError for a member that leaves
    the folder or is of another type.
    """
    links = []
    try:
        with tarfile.open(archive) as tar:
            for member in tar:
                path = _inside(folder, member)
                if member.issym():
                    links.append((path, member.linkname))
                elif member.isdir():
                    os.makedirs(path, exist_ok=True)
                    os.chmod(path, 0o755)  # whatever the umask is: it becomes the mode in the image
                else:
                    _write(tar, member, path)
        # The deepest first: a link below another one would otherwise be made through it.
        for path, target in sorted(links, key=lambda link: -link[0].count("/")):
            os.makedirs(os.path.dirname(path), exist_ok=True)
            os.symlink(target, path)
    except (OSError, tarfile.TarError) as error:
        raise InputError(f"cannot unpack the build context {archive}: {error}") from None


def _inside(folder: str, member: tarfile.TarInfo) -> str:
    name = os.path.normpath(member.name)
    if name.startswith(("/", "../")) or name in ("..", "") or not (member.isreg() or member.isdir() or member.issym()):
        raise InputError(f"the build context holds {member.name!r}, which does not belong into one")
    return os.path.join(folder, name)


def _write(tar: tarfile.TarFile, member: tarfile.TarInfo, path: str) -> None:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    source = t.cast(t.IO[bytes], tar.extractfile(member))
    # "x": a second member of the same name would be a trick, not a context.
    with source, open(path, "xb") as target:
        shutil.copyfileobj(source, target)
    os.chmod(path, 0o755 if member.mode & 0o100 else 0o644)
