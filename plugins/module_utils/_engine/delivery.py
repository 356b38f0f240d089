# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How content reaches a container whose engine sees no file of ours: put into it before it is started. Pure.

A file goes into the container's own layer, a directory into a nameless volume in its place, both by the engine's
API (PUT /containers/ID/archive), so both go with the container. Why so: docs/decisions/control-plane.md.
"""

from __future__ import annotations

import contextlib
import io
import posixpath
import tarfile
import typing as t
from dataclasses import dataclass, replace

from .._errors import EngineError
from .._group.config import STAGED, ContainerConfig, Mount

Parcels = dict[str, bytes]
"""Source of a staged mount or secret → a tar whose members all lie at or below one top-level name: the file, or the
directory."""


@dataclass(frozen=True)
class Put:
    """One upload."""

    source: str
    folder: str
    """Where in the container the archive is unpacked: ``/``, or the place of a volume."""
    name: str
    """What the content is called below that folder; empty: it is the folder's own content."""


@dataclass(frozen=True)
class Delivery:
    config: ContainerConfig
    """What the engine is asked for: without staged mounts and secrets, with the volumes that hold some of them."""
    puts: tuple[Put, ...]


def sources(config: ContainerConfig) -> dict[str, str]:
    """Source → place in the container, of everything that comes from elsewhere."""
    result = {mount.source: mount.target for mount in config.mounts if mount.source.startswith(STAGED)}
    return {**result, **{secret.source: secret.target for secret in config.secrets}}


def deliver(config: ContainerConfig, directories: t.Container[str]) -> Delivery:
    """directories: those sources that are directories.

    Raises EngineError for a file in a place where nothing can be put.
    """
    where = f"container {config.name}"
    own = [mount for mount in config.mounts if not mount.source.startswith(STAGED)]
    places = [(mount.source, _clean(mount.target)) for mount in config.mounts if mount.source.startswith(STAGED)]
    places += [(secret.source, _clean(secret.target)) for secret in config.secrets]
    volumes = {target: _volume(target, empty=True) for source, target in places if source in directories}
    puts = [Put(source, target, "") for source, target in places if source in directories]
    for source, target in places:
        if source in directories:
            continue
        folder = _covering(target, [*volumes, *(_clean(mount.target) for mount in own)])
        over = next((mount for mount in own if _clean(mount.target) == folder), None)
        if over is not None and over.type != "tmpfs":
            raise _impossible(where, target, f"it lies in the {over.type} on {over.target}")
        if folder not in volumes and (over is not None or config.read_only):
            folder = posixpath.dirname(target)
            if folder == "/" or (over is not None and folder == _clean(over.target)):
                raise _impossible(where, target, "the tmpfs there would hide it" if over else "the root is read-only")
            volumes[folder] = _volume(folder, empty=over is not None)
        root = folder if folder in volumes else "/"
        puts.append(Put(source, root, posixpath.relpath(target, root)))
    return Delivery(
        replace(config, mounts=(*own, *volumes.values()), secrets=()),
        # The layer first: what is put into a volume then lies over it in any case.
        tuple(sorted(puts, key=lambda put: (put.folder, put.name))),
    )


def _clean(path: str) -> str:
    return posixpath.normpath("/" + path.lstrip("/"))


def _covering(target: str, mounted: t.Iterable[str]) -> str:
    """The innermost of the mounted places that a path lies in; empty for none."""
    return max((place for place in mounted if target.startswith(place.rstrip("/") + "/")), key=len, default="")


def _volume(target: str, empty: bool) -> Mount:
    """A nameless volume; unless `empty`, Docker fills it with what the image has there."""
    return Mount("volume", target=target, nocopy=empty)


def _impossible(where: str, target: str, why: str) -> EngineError:
    return EngineError(
        f"nothing can be put at {target}: {why}",
        where,
        "The engine is reached over its API alone. Give it a folder of its own as target, such as /run/secrets or /etc/NAME.",
    )


def is_directory(parcel: bytes) -> bool:
    with tarfile.open(fileobj=io.BytesIO(parcel)) as tar:
        first = tar.next()
        return first is not None and first.isdir()


def uploads(delivery: Delivery, parcels: t.Mapping[str, bytes]) -> list[tuple[str, bytes]]:
    """(folder in the container, tar to unpack there), one for each folder."""
    by_folder: dict[str, list[Put]] = {}
    for put in delivery.puts:
        by_folder.setdefault(put.folder, []).append(put)
    return [(folder, _joined(puts, parcels)) for folder, puts in sorted(by_folder.items())]


def _joined(puts: t.Iterable[Put], parcels: t.Mapping[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as joined:
        for put in puts:
            with tarfile.open(fileobj=io.BytesIO(parcels[put.source])) as tar:
                for member in tar:
                    name = _renamed(member.name, put.name)
                    if name:
                        if member.islnk():
                            member.linkname = _renamed(member.linkname, put.name)
                        content = tar.extractfile(member) if member.isfile() else None
                        member.name, member.pax_headers = name, {}
                        joined.addfile(member, content)
    return stream.getvalue()


def _renamed(name: str, root: str) -> str:
    """A member's name with another top-level name; empty for a directory that is the folder itself."""
    below = posixpath.normpath(name).partition("/")[2]
    return "/".join(part for part in (root, below) if part)


def file_parcel(content: bytes, mode: int, uid: int = 0, gid: int = 0) -> bytes:
    """A parcel of one file."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        member = tarfile.TarInfo("content")
        member.size, member.mode, member.uid, member.gid = len(content), mode, uid, gid
        tar.addfile(member, io.BytesIO(content))
    return stream.getvalue()


def split_archive(stream: t.IO[bytes], names: t.Collection[str]) -> Parcels:
    """Of an archive whose top-level names are content hashes, those that are wanted, each as a parcel by its source."""
    parcels: dict[str, io.BytesIO] = {name: io.BytesIO() for name in names}
    with contextlib.ExitStack() as opened:
        archive = opened.enter_context(tarfile.open(fileobj=stream))
        tars = {name: opened.enter_context(tarfile.open(fileobj=parcel, mode="w")) for name, parcel in parcels.items()}
        found = set()
        for member in archive:
            name = posixpath.normpath(member.name).partition("/")[0]
            if name in tars:
                found.add(name)
                tars[name].addfile(member, archive.extractfile(member) if member.isfile() else None)
    return {STAGED + name: parcels[name].getvalue() for name in found}
