# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The only thing that reads a host.

Everything else asks a `Reader`; `HostReader` is this host, `snapshot.py` has the
reader that replays a recorded one. No method raises: what is not there, or may not be
read, is None.
"""

from __future__ import annotations

import os
import stat
import typing as t

FILE_LIMIT = 1 << 20
"""No file that detection reads is longer; a longer one is cut."""


class Node(t.NamedTuple):
    kind: str
    """char or block; from `entry` also socket or file."""
    major: int | None
    minor: int | None
    mode: str
    """Octal permission bits, e.g. ``0660``; empty when only the node's name was recorded."""
    uid: int
    gid: int


class CommandResult(t.NamedTuple):
    rc: int
    """Negative: killed by that signal; 124: it took too long."""
    stdout: str = ""
    stderr: str = ""


class Reader(t.Protocol):
    """A host as detection sees it."""

    def system(self) -> str:
        """Linux or Darwin."""

    def machine(self) -> str:
        """x86_64, aarch64, …"""

    def file(self, path: str) -> str | None: ...

    def directory(self, path: str) -> tuple[str, ...] | None:
        """Sorted names of the entries."""

    def node(self, path: str) -> Node | None:
        """A device node; None for anything else."""

    def entry(self, path: str) -> Node | None:
        """Who owns a socket or a file (major and minor None), without its content; None for anything else."""

    def link(self, path: str) -> str | None: ...

    def exists(self, path: str) -> bool: ...

    def command(self, argv: t.Sequence[str], timeout: float = 10.0) -> CommandResult | None:
        """Run a program; None when it is not installed."""

    def known(self, argv: t.Sequence[str]) -> CommandResult | None:
        """A second opinion: a command's answer where it costs nothing (a snapshot) or was asked for (`thorough`)."""

    def nvml(self) -> dict[str, t.Any] | None:
        """NVML's answers (see `nvml.py`); None when its library is missing."""

    def cuda(self) -> dict[str, t.Any] | None:
        """libcuda's answers (see `libcuda.py`), which take a while; None when it is missing."""

    def program(self, name: str) -> str | None:
        """Where an installed program is; None when it is not. Costs no process."""

    def docker_info(self, url: str) -> CommandResult | None:
        """stdout: the JSON of ``docker info --format {{json .}}``. None: Docker is not installed."""

    def docker_declared(self, url: str) -> CommandResult | None:
        """stdout: a line of ``uuid=bytes,…`` for each running container that declared GPU memory."""


DOCKER_INFO = ("docker", "info", "--format", "{{json .}}")
DOCKER_DECLARED = (
    "docker",
    "ps",
    "--filter",
    "label=org.gpu-fleet.vram",
    "--format",
    '{{.Label "org.gpu-fleet.vram"}}',
)

SEARCH = (
    "/usr/local/sbin",
    "/usr/local/bin",
    "/usr/sbin",
    "/usr/bin",
    "/sbin",
    "/bin",
    "/opt/homebrew/bin",
    "/opt/podman/bin",
    "/snap/bin",
)
"""Searched after PATH: Ansible's, sudo's and root's PATH are often shorter than a person's."""


class HostReader:
    """This host. `pynvml` is injected by tests; by default `nvml.py` finds one.

    thorough: tools are asked for a second opinion, too (each is a process); by default files have to do.
    """

    def __init__(self, pynvml: t.Any = None, thorough: bool = False) -> None:
        self._pynvml = pynvml
        self._thorough = thorough
        self._told: dict[tuple[str, ...], CommandResult | None] = {}

    def system(self) -> str:
        return os.uname().sysname

    def machine(self) -> str:
        return os.uname().machine

    def file(self, path: str) -> str | None:
        try:
            with open(path, "rb") as handle:
                return handle.read(FILE_LIMIT).decode("utf-8", "replace")
        except OSError:
            return None

    def directory(self, path: str) -> tuple[str, ...] | None:
        try:
            return tuple(sorted(os.listdir(path)))
        except OSError:
            return None

    def node(self, path: str) -> Node | None:
        return _looked_up(path, {stat.S_IFCHR: "char", stat.S_IFBLK: "block"})

    def entry(self, path: str) -> Node | None:
        return _looked_up(path, {stat.S_IFSOCK: "socket", stat.S_IFREG: "file"})

    def link(self, path: str) -> str | None:
        try:
            return os.readlink(path)
        except OSError:
            return None

    def exists(self, path: str) -> bool:
        return os.path.exists(path)

    def command(self, argv: t.Sequence[str], timeout: float = 10.0) -> CommandResult | None:
        program = find_program(argv[0])
        if program is None:
            return None
        import subprocess

        # Tools translate messages and numbers; detection reads the C locale's.
        environment = {**os.environ, "LC_ALL": "C"}
        try:
            done = subprocess.run(
                [program, *argv[1:]],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=timeout,
                env=environment,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return CommandResult(124, "", f"no answer within {timeout:g} s")
        except OSError as error:
            return CommandResult(126, "", str(error))
        return CommandResult(
            done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace")
        )

    def known(self, argv: t.Sequence[str]) -> CommandResult | None:
        if not self._thorough:
            return None
        key = tuple(argv)
        if key not in self._told:  # several stacks ask the same tool
            self._told[key] = self.command(argv, timeout=30.0)
        return self._told[key]

    def nvml(self) -> dict[str, t.Any] | None:
        from .nvml import ask_host

        return ask_host(self._pynvml)

    def cuda(self) -> dict[str, t.Any] | None:
        from .guarded import in_child
        from .libcuda import ask

        return in_child(ask, 30.0)

    def program(self, name: str) -> str | None:
        return find_program(name)

    def docker_info(self, url: str) -> CommandResult | None:
        from .docker_api import info

        return info(url)

    def docker_declared(self, url: str) -> CommandResult | None:
        from .docker_api import declared

        return declared(url)


def _looked_up(path: str, kinds: dict[int, str]) -> Node | None:
    """What lies there, links followed; None for what is none of `kinds` (file type → its name). Only devices have numbers."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    kind = kinds.get(stat.S_IFMT(found.st_mode))
    if kind is None:
        return None
    device = kind in ("char", "block")
    numbers = (os.major(found.st_rdev), os.minor(found.st_rdev)) if device else (None, None)
    return Node(kind, *numbers, f"{stat.S_IMODE(found.st_mode):04o}", found.st_uid, found.st_gid)


def find_program(name: str) -> str | None:
    """Absolute path of a program, searched in PATH and then where systems keep theirs."""
    if "/" in name:
        return name if os.access(name, os.X_OK) and os.path.isfile(name) else None
    directories = [entry for entry in os.environ.get("PATH", "").split(":") if entry.startswith("/")]
    for directory in (*directories, *SEARCH):
        candidate = f"{directory}/{name}"
        if os.path.isfile(candidate) and os.access(candidate, os.X_OK):
            return candidate
    return None
