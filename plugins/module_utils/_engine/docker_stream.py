# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Answers of Docker's that come in pieces: what a command says, the events of a build or pull, an archive."""

from __future__ import annotations

import contextlib
import io
import threading
import typing as t

from .._errors import EngineError

try:
    from docker.errors import DockerException
except ImportError:
    DockerException = OSError


def read(stream: t.Iterable[bytes], timeout: float) -> tuple[str, bool]:
    """What a stream says within `timeout` seconds, and whether it ended by then."""
    chunks: list[bytes] = []

    def collect() -> None:
        # Closing the stream from outside ends the read with one of these.
        with contextlib.suppress(OSError, ValueError, DockerException):
            for chunk in stream:
                chunks.append(chunk)

    reader = threading.Thread(target=collect, daemon=True)
    reader.start()
    reader.join(timeout)
    return b"".join(list(chunks)).decode(errors="replace"), not reader.is_alive()


def follow(events: t.Iterable[dict[str, t.Any]], path: str, on_line: t.Callable[[str], None] | None) -> str:
    """Read the events of a build or pull to the end; returns the image id if one was named. An error event raises."""
    last: list[str] = []
    image_id = ""
    for event in events:
        image_id = (event.get("aux") or {}).get("ID") or image_id
        for line in (event.get("stream") or "").splitlines():
            if line.strip():
                last = [*last[-19:], line.rstrip()]
                if on_line:
                    on_line(line.rstrip())
        if event.get("error"):
            raise EngineError("docker: " + "\n".join([*last, event["error"].strip()]), path=path)
    return image_id


class Chunks(io.RawIOBase):
    """An answer in pieces as a stream. asking: turns what goes wrong while one is fetched into an EngineError."""

    def __init__(self, chunks: t.Iterator[bytes], asking: t.Callable[[], t.ContextManager[None]]) -> None:
        self._chunks, self._asking, self._rest = chunks, asking, b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: t.Any) -> int:
        while not self._rest:
            with self._asking():
                chunk = next(self._chunks, None)
            if chunk is None:
                return 0
            self._rest = chunk
        size = min(len(buffer), len(self._rest))
        buffer[:size], self._rest = self._rest[:size], self._rest[size:]
        return size
