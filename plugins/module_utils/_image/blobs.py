# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Layers on their way: fetched into a folder by digest, on from where an earlier run was interrupted.

A file named by a digest is complete and verified; what is not yet has `.part` behind its name.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import http.client
import os
import shutil
import time
import typing as t

from .._errors import EngineError, make_room
from .._lock import locked
from .._units import human
from .layers import Blob
from .registry_client import RegistryClient, connection_words

_CHUNK = 1 << 20
_ATTEMPTS = 4
"""How often a transfer may break without a byte gained, before it is given up."""
_PAUSE = 1.0
_FORGOTTEN = 14 * 86400
"""Seconds after which what an interrupted run left is of no use to anybody."""

OnBytes = t.Callable[[int], None]


class BlobFolder:
    """The folder ``blobs`` of a cache directory; several processes may use it at once."""

    def __init__(self, path: str) -> None:
        self.path = path
        with writing(path):
            os.makedirs(path, mode=0o700, exist_ok=True)

    def file(self, digest: str) -> str:
        return os.path.join(self.path, digest.partition(":")[2])

    def room_for(self, blobs: t.Iterable[Blob]) -> None:
        """Raises EngineError where they cannot all lie here, before any of them is fetched."""
        missing = sum(max(0, blob.size - self._arrived(blob.digest)) for blob in blobs)
        room = os.statvfs(self.path)
        free = room.f_bavail * room.f_frsize
        if missing > free:
            raise EngineError(
                f"the layers take {human(missing)}, and {human(free)} are free",
                self.path,
                "Make room there, or choose another directory (container_cache_dir).",
            )

    def fetch(self, client: RegistryClient, repository: str, blob: Blob, on_bytes: OnBytes = lambda count: None) -> int:
        """Get one blob, if it is not here. Returns how many bytes came; on_bytes is told of them as they come.

        Raises EngineError when the registry fails, the disk is full, or what came is not what its digest says.
        """
        with self._held(blob.digest), writing(self.path):
            if os.path.exists(self.file(blob.digest)):
                return 0
            download = _Download(client, repository, blob, f"{self.file(blob.digest)}.part", on_bytes)
            resumed = self._arrived(blob.digest) > 0
            try:
                download.run()
            except Corrupted:
                # What an earlier run left may be to blame: once more, from the first byte.
                if not resumed:
                    raise
                download.run()
            os.replace(download.part, self.file(blob.digest))
            return download.received

    def link(self, digest: str, target: str) -> None:
        """Give a blob that is here a second name, which stays when another process has no more use for the first."""
        with self._held(digest), writing(target), contextlib.suppress(FileExistsError):
            os.link(self.file(digest), target)

    def drop(self, digests: t.Iterable[str]) -> None:
        for digest in digests:
            with self._held(digest), contextlib.suppress(FileNotFoundError):
                os.unlink(self.file(digest))

    def drop_forgotten(self, now: float | None = None) -> None:
        """Remove what no run has touched for long."""
        drop_forgotten(self.path, now)

    def _held(self, digest: str) -> t.ContextManager[None]:
        # A lock's file must not go while somebody waits for it, so there are few of them and they stay.
        return locked(os.path.join(self.path, "locks", digest.partition(":")[2][:2]))

    def _arrived(self, digest: str) -> int:
        for path in (self.file(digest), f"{self.file(digest)}.part"):
            with contextlib.suppress(FileNotFoundError):
                return os.stat(path).st_size
        return 0


class Corrupted(EngineError):
    """What came is not what the digest says."""


class _Download:
    """One blob on its way into its `.part` file."""

    def __init__(self, client: RegistryClient, repository: str, blob: Blob, part: str, on_bytes: OnBytes) -> None:
        self.part, self.received = part, 0
        self._client, self._repository, self._blob, self._on_bytes = client, repository, blob, on_bytes

    def run(self) -> None:
        """Until it is complete and verified; a connection that breaks is made anew, and it goes on."""
        with open(self.part, "ab") as stream:
            broken = 0
            while (before := stream.tell()) < self._blob.size:
                try:
                    self._read_on(stream)
                except (OSError, http.client.HTTPException) as error:
                    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EIO):
                        raise
                    broken = 0 if stream.tell() > before else broken + 1
                    if broken >= _ATTEMPTS:
                        raise EngineError(*connection_words(self._client.login, error)) from error
                    time.sleep(_PAUSE)
            stream.flush()
            os.fsync(stream.fileno())
        self._verify()

    def _read_on(self, stream: t.IO[bytes]) -> None:
        with self._client.blob(self._repository, self._blob.digest, stream.tell()) as (start, source):
            stream.truncate(start)
            stream.seek(start)
            while True:
                chunk = source.read(_CHUNK)
                if not chunk:
                    break
                stream.write(chunk)
                # What arrived must be on the disk when this process is killed, not in its memory.
                stream.flush()
                self.received += len(chunk)
                self._on_bytes(len(chunk))
                if stream.tell() > self._blob.size:
                    break
        if stream.tell() < self._blob.size:
            raise http.client.IncompleteRead(b"", self._blob.size - stream.tell())

    def _verify(self) -> None:
        found = hashlib.sha256()
        with open(self.part, "rb") as stream:
            for chunk in iter(lambda: stream.read(_CHUNK), b""):
                found.update(chunk)
        if f"sha256:{found.hexdigest()}" != self._blob.digest:
            os.unlink(self.part)
            raise Corrupted(
                f"layer {self._blob.digest} arrived as sha256:{found.hexdigest()}",
                f"registry {self._client.login.address}",
                "It is damaged there: remove its storage (the folder registry in container_cache_dir of the build host, or "
                "the fleet registry's) and offer the image again.",
            )


def drop_forgotten(folder: str, now: float | None = None) -> None:
    """Remove the files and folders in it that no run has touched for long; `locks` stays."""
    limit = (time.time() if now is None else now) - _FORGOTTEN
    with contextlib.suppress(FileNotFoundError):
        for entry in os.scandir(folder):
            with contextlib.suppress(FileNotFoundError):
                if entry.name == "locks" or entry.stat(follow_symlinks=False).st_mtime >= limit:
                    continue
                if entry.is_dir(follow_symlinks=False):
                    shutil.rmtree(entry.path, ignore_errors=True)
                else:
                    os.unlink(entry.path)


@contextlib.contextmanager
def writing(path: str) -> t.Iterator[None]:
    """Turns an OSError into an EngineError that names the path."""
    try:
        yield
    except OSError as error:
        raise EngineError(
            f"cannot be written: {error.strerror}",
            path,
            f"{make_room(error)}, or choose another directory (container_cache_dir).",
        ) from error
