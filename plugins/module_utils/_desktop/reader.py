# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host's files below a folder that stands for its «/», and when they were last changed."""

from __future__ import annotations

import os
import typing as t

from .._gpu.probe import CommandResult, HostReader, Node, Reader


class DesktopReader(Reader, t.Protocol):
    """What `Reader` has, and the two things more that settings of desktop programs need."""

    def modified(self, path: str) -> float | None:
        """When a file, socket or folder was last changed, in seconds since 1970; None when it is not there."""

    def real(self, path: str) -> str:
        """The path by which this process reaches it."""


class RootedReader(HostReader):
    """This host, or a tree below `root` that looks like one (an unpacked image, a test's made-up machine).

    In a tree nothing is run: every command is one that is not installed. A symbolic link in it that begins with «/»
    leads out of it.
    """

    def __init__(self, root: str = "/") -> None:
        super().__init__()
        self._root = root.rstrip("/")

    def real(self, path: str) -> str:
        return self._root + path

    def modified(self, path: str) -> float | None:
        try:
            return os.stat(self.real(path)).st_mtime
        except OSError:
            return None

    def file(self, path: str) -> str | None:
        return super().file(self.real(path))

    def directory(self, path: str) -> tuple[str, ...] | None:
        return super().directory(self.real(path))

    def node(self, path: str) -> Node | None:
        return super().node(self.real(path))

    def entry(self, path: str) -> Node | None:
        return super().entry(self.real(path))

    def link(self, path: str) -> str | None:
        return super().link(self.real(path))

    def exists(self, path: str) -> bool:
        return super().exists(self.real(path))

    def command(self, argv: t.Sequence[str], timeout: float = 10.0) -> CommandResult | None:
        return None if self._root else super().command(argv, timeout)

    def program(self, name: str) -> str | None:
        return None if self._root else super().program(name)
