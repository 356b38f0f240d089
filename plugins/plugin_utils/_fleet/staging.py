# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read-only content of the controller, named by its hash: what bind mounts and configs need on a host.

This is the one module of the plan that reads files besides the group files themselves.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import typing as t

from ...module_utils._errors import InputError

Manifest = dict[str, t.Any]
"""``{"path": controller path, "type": file or directory}`` or ``{"content": text}``; a file has a `mode` (octal)."""


def stage_path(path: str, where: str, mode: int | None = None) -> tuple[str, Manifest]:
    """Hash and manifest of a file or directory. Raises InputError when it is missing or cannot be read.

    mode: for a file, instead of its own.
    """
    if os.path.isdir(path):
        digest = hashlib.sha256()
        for line in _lines(path, "", where):
            digest.update(line)
        return digest.hexdigest(), {"path": path, "type": "directory"}
    bits = normal_mode(_stat(path, where).st_mode) if mode is None else mode
    content = _read(path, where)
    return _file_hash(bits, content), {"path": path, "type": "file", "mode": f"{bits:04o}"}


def stage_content(text: str, mode: int | None = None) -> tuple[str, Manifest]:
    """The same for text that a group file carries itself."""
    bits = 0o644 if mode is None else mode
    return _file_hash(bits, text.encode()), {"content": text, "mode": f"{bits:04o}"}


def normal_mode(mode: int) -> int:
    """644, 755, 600 or 700: all of a mode that does not depend on the controller's umask."""
    bits = 0o644 if mode & stat.S_IROTH else 0o600
    if mode & stat.S_IXUSR:
        bits |= 0o111 if bits == 0o644 else 0o100
    return bits


def _file_hash(mode: int, content: bytes) -> str:
    return hashlib.sha256(b"file %o\n" % mode + content).hexdigest()


def _lines(root: str, below: str, where: str) -> t.Iterator[bytes]:
    """One line for each entry below a directory, sorted by name: path, kind, mode, content hash or link target."""
    directory = os.path.join(root, below)
    try:
        names = sorted(os.listdir(directory))
    except OSError as error:
        raise InputError(f"cannot read {directory}: {error.strerror}", where) from None
    for name in names:
        relative = os.path.join(below, name)
        path = os.path.join(root, relative)
        if os.path.islink(path):
            yield _line(relative, "link", os.readlink(path))
        elif os.path.isdir(path):
            yield _line(relative, "directory", "")
            yield from _lines(root, relative, where)
        else:
            mode = normal_mode(_stat(path, where).st_mode)
            yield _line(relative, f"{mode:o}", _file_hash(mode, _read(path, where)))


def _line(path: str, kind: str, content: str) -> bytes:
    return json.dumps([path, kind, content]).encode() + b"\n"


def _stat(path: str, where: str) -> os.stat_result:
    try:
        result = os.stat(path)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}", where, "Paths start from the group file's folder.") from None
    if not stat.S_ISREG(result.st_mode):
        raise InputError(f"{path} is neither a file nor a directory, so it cannot be copied to a host", where)
    return result


def _read(path: str, where: str) -> bytes:
    try:
        with open(path, "rb") as stream:
            return stream.read()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}", where) from None
