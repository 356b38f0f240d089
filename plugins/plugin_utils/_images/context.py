# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A build context: which files are in it, the digest of them, and the archive of them.

Both the digest and the archive see the same thing: path, type, executable bit, content
or link target. Times, owners and the rest of the mode are not sent, so they cannot
make one controller's image differ from another's. Files are read in pieces.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import stat
import tarfile
import typing as t
from dataclasses import dataclass

from ...module_utils._errors import InputError
from .ignore import IgnoreRules, parse_ignore

_PIECE = 1 << 20


@dataclass(frozen=True)
class Entry:
    path: str
    """Relative to the context, with slashes."""
    type: str
    """file, directory or link."""
    executable: bool = False
    target: str = ""
    """Of a link."""


@dataclass(frozen=True)
class Context:
    root: str
    entries: tuple[Entry, ...]
    """Sorted by path; the directories of what is sent are among them."""


def read_context(root: str, containerfile: str, where: str = "") -> Context:
    """List what is sent of the directory `root`. Raises InputError when it is not there or cannot be read.

    containerfile: path relative to `root`; empty when it lies elsewhere. It and the
    ignore file are sent whatever the ignore file says, as Docker does.
    """
    if not os.path.isdir(root):
        raise InputError(f"build context {root} is not a directory", path=where)
    ignore_file = _ignore_file(root, containerfile)
    rules = IgnoreRules()
    if ignore_file:
        with open(os.path.join(root, ignore_file), encoding="utf-8", errors="surrogateescape") as stream:
            rules = parse_ignore(stream.read(), path=os.path.join(root, ignore_file))
    always = {os.path.normpath(path) for path in (containerfile, ignore_file) if path}
    entries: dict[str, Entry] = {}
    for entry in _walk(root, "", rules, always, where):
        entries[entry.path] = entry
        parent = os.path.dirname(entry.path)
        while parent and parent not in entries:
            entries[parent] = Entry(parent, "directory")
            parent = os.path.dirname(parent)
    return Context(root, tuple(entries[path] for path in sorted(entries)))


def digest_context(context: Context, where: str = "") -> str:
    """sha256 (hex) of all entries."""
    result = hashlib.sha256()
    for entry in context.entries:
        content = _digest_file(os.path.join(context.root, entry.path), where) if entry.type == "file" else ""
        line = [entry.path, entry.type, entry.executable, entry.target, content]
        result.update(json.dumps(line).encode() + b"\n")
    return result.hexdigest()


def write_archive(context: Context, destination: str, extra: t.Mapping[str, str] | None = None) -> None:
    """Write a tar of the context, the same bytes for the same context. `extra`: files by path, as text, further ones or in place of the context's."""
    extra = extra or {}
    with tarfile.open(destination, "w", format=tarfile.PAX_FORMAT) as archive:
        for entry in context.entries:
            if entry.path in extra:
                continue
            member = _member(entry)
            if entry.type != "file":
                archive.addfile(member)
                continue
            with open(os.path.join(context.root, entry.path), "rb") as stream:
                member.size = os.fstat(stream.fileno()).st_size
                archive.addfile(member, stream)
        for path, text in sorted(extra.items()):
            member = _member(Entry(path, "file"))
            content = text.encode()
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


def _member(entry: Entry) -> tarfile.TarInfo:
    member = tarfile.TarInfo(entry.path)
    member.type = {"file": tarfile.REGTYPE, "directory": tarfile.DIRTYPE, "link": tarfile.SYMTYPE}[entry.type]
    member.linkname = entry.target
    member.mode = 0o755 if entry.type != "file" or entry.executable else 0o644
    return member


def _walk(root: str, below: str, rules: IgnoreRules, always: set[str], where: str) -> t.Iterator[Entry]:
    try:
        found = sorted(os.scandir(os.path.join(root, below)), key=lambda entry: entry.name)
    except OSError as error:
        raise InputError(f"cannot read {os.path.join(root, below)}: {error.strerror}", path=where) from None
    for item in found:
        path = f"{below}/{item.name}" if below else item.name
        ignored = rules.ignores(path)
        if item.is_dir(follow_symlinks=False):
            if not ignored:
                yield Entry(path, "directory")
            if not ignored or rules.has_exceptions or any(name.startswith(f"{path}/") for name in always):
                yield from _walk(root, path, rules, always, where)
        elif not ignored or path in always:
            yield from _entry(item, path)


def _entry(item: os.DirEntry[str], path: str) -> t.Iterator[Entry]:
    if item.is_symlink():
        yield Entry(path, "link", target=os.readlink(item.path))
    elif item.is_file(follow_symlinks=False):
        yield Entry(path, "file", executable=bool(item.stat(follow_symlinks=False).st_mode & stat.S_IXUSR))
    # Sockets, pipes and devices hold no content to send; Docker leaves sockets out as well.


def _ignore_file(root: str, containerfile: str) -> str:
    """The ignore file that counts: the Containerfile's own first (BuildKit), then Podman's name, then Docker's."""
    names = [".containerignore", ".dockerignore"]
    if containerfile:
        names = [f"{containerfile}.containerignore", f"{containerfile}.dockerignore", *names]
    return next((name for name in names if os.path.isfile(os.path.join(root, name))), "")


def _digest_file(path: str, where: str) -> str:
    result = hashlib.sha256()
    try:
        with open(path, "rb") as stream:
            while piece := stream.read(_PIECE):
                result.update(piece)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}", path=where) from None
    return result.hexdigest()
