# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Snapshots: everything the probe read on a host, as one JSON value that can be replayed.

Format 1 (see DESIGN «Snapshots»). Absent means not on that host. Replaying is lenient:
an entry of a wrong shape counts as absent and is remembered in `damage`.
"""

from __future__ import annotations

import json
import re
import typing as t

from .._errors import InputError
from .findings import Finding, finding
from .probe import DOCKER_DECLARED, DOCKER_INFO, SEARCH, CommandResult, Node, Reader
from .snapshot_entries import garbled, lines, names, node, one_name, result

ENVIRONMENT = (
    "container",
    "WSL_DISTRO_NAME",
    "WSL_INTEROP",
    "HOME",
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
    "XDG_RUNTIME_DIR",
    "DISPLAY",
    "XAUTHORITY",
    "WAYLAND_DISPLAY",
    "NVIDIA_VISIBLE_DEVICES",
    "CUDA_VISIBLE_DEVICES",
    "LD_LIBRARY_PATH",
    "PATH",
    "LANG",
)
"""Variables that a snapshot keeps; everything else may be a secret."""

NOT_FOUND = 127
"""A shell's exit status for a program that is not there."""

TOGETHER = re.compile(r"(/dev(?=/nvidia\d|/dxg|/kfd)|/usr/lib/wsl/drivers)/([^/]+)(?:/.*)?")
"""Of these, a snapshot with one names all: a GPU's node, the directories of Windows' drivers."""

CREDENTIALS = re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]*://)[^/\s\"']*@")


def strip_credentials(text: str) -> str:
    """URLs without user and password: ``http://me:pw@proxy:1`` → ``http://proxy:1``."""
    return CREDENTIALS.sub(r"\1", text)


def key_of(argv: t.Sequence[str]) -> str:
    """A command's key: its words, the program by its bare name."""
    return " ".join([argv[0].rpartition("/")[2], *argv[1:]])


class RecordingReader:
    """Passes every question on and keeps the answer."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._files: dict[str, str] = {}
        self._directories: dict[str, list[str]] = {}
        self._nodes: dict[str, dict[str, t.Any]] = {}
        self._links: dict[str, str] = {}
        self._commands: dict[str, dict[str, t.Any]] = {}
        self._answers: dict[str, dict[str, t.Any]] = {}

    def snapshot(self) -> dict[str, t.Any]:
        """What was asked so far, in Format 1, without secrets."""
        return {
            "snapshot": 1,
            "system": self.system(),
            "machine": self.machine(),
            "files": self._files,
            "directories": self._directories,
            "nodes": self._nodes,
            "links": self._links,
            "commands": self._commands,
            **self._answers,
        }

    def system(self) -> str:
        return self._reader.system()

    def machine(self) -> str:
        return self._reader.machine()

    def file(self, path: str) -> str | None:
        text = self._reader.file(path)
        if text is not None:
            self._files[path] = _allowed(text) if path.endswith("/environ") else strip_credentials(text)
        return text

    def directory(self, path: str) -> tuple[str, ...] | None:
        names = self._reader.directory(path)
        if names is not None:
            self._directories[path] = sorted({*names, *self._directories.get(path, ())})
        return names

    def node(self, path: str) -> Node | None:
        node = self._reader.node(path)
        if node is not None:
            self._nodes[path] = node._asdict()
        return node

    def entry(self, path: str) -> Node | None:
        entry = self._reader.entry(path)
        if entry is not None:
            self._nodes[path] = entry._asdict()
        return entry

    def link(self, path: str) -> str | None:
        target = self._reader.link(path)
        if target is not None:
            self._links[path] = target
        return target

    def exists(self, path: str) -> bool:
        """Kept as an entry of its directory, or as the lack of one in the nearest directory there is."""
        there = self._reader.exists(path)
        parent, _slash, name = path.rpartition("/")
        while not there and parent and not self._reader.exists(parent):
            parent = parent.rpartition("/")[0]
        entries = self._directories.setdefault(parent or "/", [])
        if there and name not in entries:
            entries.append(name)
        return there

    def command(self, argv: t.Sequence[str], timeout: float = 10.0) -> CommandResult | None:
        return self._kept(key_of(argv), self._reader.command(argv, timeout))

    def known(self, argv: t.Sequence[str]) -> CommandResult | None:
        return self._kept(key_of(argv), self._reader.known(argv))

    def nvml(self) -> dict[str, t.Any] | None:
        return self._answered("nvml", self._reader.nvml())

    def cuda(self) -> dict[str, t.Any] | None:
        return self._answered("cuda", self._reader.cuda())

    def program(self, name: str) -> str | None:
        path = self._reader.program(name)
        if path is not None:
            self.exists(path)
        return path

    def docker_info(self, url: str) -> CommandResult | None:
        return self._kept(key_of(DOCKER_INFO), self._reader.docker_info(url))

    def docker_declared(self, url: str) -> CommandResult | None:
        return self._kept(key_of(DOCKER_DECLARED), self._reader.docker_declared(url))

    def _answered(self, key: str, answer: dict[str, t.Any] | None) -> dict[str, t.Any] | None:
        if answer is not None:
            self._answers[key] = answer
        return answer

    def _kept(self, key: str, result: CommandResult | None) -> CommandResult | None:
        if result is not None:
            self._commands[key] = {
                "rc": result.rc,
                "stdout": strip_credentials(result.stdout),
                "stderr": strip_credentials(result.stderr),
            }
        return result


class ReplayReader:
    """A recorded host. `damage` lists what could not be used."""

    def __init__(self, data: t.Any) -> None:
        self.damage: list[str] = []
        data = self._shaped(data, dict, "the snapshot") or {}
        if data.get("snapshot") != 1:
            self.damage.append(f"format {data.get('snapshot')!r} instead of 1")
        self._system = self._shaped(data.get("system", "Linux"), str, "system") or "Linux"
        self._machine = self._shaped(data.get("machine", ""), str, "machine") or ""
        parts = {
            name: self._shaped(data.get(name, {}), dict, name) or {}
            for name in ("files", "directories", "nodes", "links", "commands")
        }
        self._files = self._entries(
            "files", parts["files"], lambda entry: lines(entry) if isinstance(entry, str) else None
        )
        self._links = self._entries("links", parts["links"], lambda entry: entry if isinstance(entry, str) else None)
        self._nodes = self._entries("nodes", parts["nodes"], node)
        self._directories = self._entries("directories", parts["directories"], names)
        commands = self._entries("commands", parts["commands"], result)
        # Written by hand, a command may stand there as typed into a shell, which says 127 for a program it lacks.
        self._commands = {
            key_of(key.replace("'", "").split() or [key]): result
            for key, result in commands.items()
            if result.rc != NOT_FOUND or "not found" not in result.stderr
        }
        self._answers = {
            name: self._shaped(data[name], dict, name) for name in ("nvml", "cuda") if data.get(name) is not None
        }

    def findings(self) -> list[Finding]:
        if not self.damage:
            return []
        shown = "; ".join(self.damage[:5]) + ("; …" if len(self.damage) > 5 else "")
        return [finding("snapshot-damaged", f"Parts of the snapshot cannot be used: {shown}", "snapshot", shown)]

    def system(self) -> str:
        return self._system

    def machine(self) -> str:
        return self._machine

    def file(self, path: str) -> str | None:
        return self._files.get(one_name(path))

    def directory(self, path: str) -> tuple[str, ...] | None:
        """The recorded list, completed by every path below it that stands elsewhere in the snapshot."""
        path = one_name(path)
        base = path.rstrip("/") + "/"
        below = {
            key[len(base) :].partition("/")[0]
            for part in (self._files, self._links, self._nodes, self._directories)
            for key in part
            if key.startswith(base) and key != base
        }
        listed = self._directories.get(path)
        if listed is None and not below:
            return None
        return tuple(sorted({*(listed or ()), *below} - {""}))

    def node(self, path: str) -> Node | None:
        """A node, also one of which only the name in its directory was recorded."""
        path = one_name(path)
        parent, _slash, name = path.rpartition("/")
        if path not in self._nodes and path.startswith("/dev/") and name in self._directories.get(parent, ()):
            return None if path in self._directories else Node("char", None, None, "", 0, 0)
        found = self._nodes.get(path)
        return None if found is not None and found.kind in ("socket", "file") else found

    def entry(self, path: str) -> Node | None:
        """A socket or file, also one of which only the name in its directory, or only the content, was recorded."""
        path = one_name(path)
        if path in self._nodes:
            return self._nodes[path] if self._nodes[path].kind in ("socket", "file") else None
        parent, _slash, name = path.rpartition("/")
        there = path in self._files or name in self._directories.get(parent or "/", ())
        return Node("file", None, None, "", 0, 0) if there and path not in self._directories else None

    def link(self, path: str) -> str | None:
        return self._links.get(one_name(path))

    def exists(self, path: str) -> bool:
        """Whether it is recorded anywhere. Where nothing near it was recorded, nobody asked: it counts as there.

        GPUs' nodes and drivers' directories are always recorded together, so one that is not among others is gone.
        """
        path = one_name(path)
        known = (self._files, self._links, self._nodes, self._directories)
        if any(path in part for part in known):
            return True
        together = TOGETHER.fullmatch(path)
        if together:
            names = self.directory(together.group(1))
            if names is not None and together.group(2) not in names:
                return False
        whole = path
        while path not in ("", "/"):
            parent, _slash, name = path.rpartition("/")
            if (parent or "/") in self._directories:
                return name in (self.directory(parent or "/") or ())
            path = parent
        return not self._is_of_another_driver(whole)

    def _is_of_another_driver(self, path: str) -> bool:
        """Whether it is NVIDIA's library of a version that the loaded kernel module does not have."""
        from .nvidia_procfs import kernel_version

        version = re.search(r"/lib(?:cuda|nvidia-ml)\.so\.(\d{3,}\.\d+(?:\.\d+)?)$", path)
        return version is not None and (kernel_version(self) or version.group(1)) != version.group(1)

    def command(self, argv: t.Sequence[str], timeout: float = 10.0) -> CommandResult | None:
        return self._commands.get(key_of(argv))

    def known(self, argv: t.Sequence[str]) -> CommandResult | None:
        return self._commands.get(key_of(argv))

    def nvml(self) -> dict[str, t.Any] | None:
        return self._answers.get("nvml")

    def cuda(self) -> dict[str, t.Any] | None:
        return self._answers.get("cuda")

    def program(self, name: str) -> str | None:
        """By its entry in one of the usual directories, or by a recorded run of it."""
        for directory in SEARCH:
            if name in (self.directory(directory) or ()):
                return f"{directory}/{name}"
        return name if any(key.partition(" ")[0] == name for key in self._commands) else None

    def docker_info(self, url: str) -> CommandResult | None:
        return self.command(DOCKER_INFO)

    def docker_declared(self, url: str) -> CommandResult | None:
        return self.command(" ".join(DOCKER_DECLARED).split())

    def _shaped(self, value: t.Any, kind: type, name: str) -> t.Any:
        if isinstance(value, kind):
            return value
        self.damage.append(f"{name} is not a {'text' if kind is str else 'mapping'}")
        return None

    def _entries(self, part: str, content: dict[t.Any, t.Any], parse: t.Callable[[t.Any], t.Any]) -> dict[str, t.Any]:
        good: dict[str, t.Any] = {}
        for key, entry in content.items():
            value = parse(entry)
            if value is None or not isinstance(key, str):
                self.damage.append(f"{part}: {key}")
                continue
            if garbled(part, key, value):
                self.damage.append(f"{part}: {key} (cut off or overwritten)")
            name = key if part == "commands" else one_name(key)
            good[name] = (*good[name], *value) if part == "directories" and name in good else value
        return good


def load(path: str) -> t.Any:
    """The JSON of a snapshot file; text that is no JSON is returned as it is and counts as damaged. InputError: no file."""
    try:
        with open(path, encoding="utf-8-sig", errors="replace") as handle:
            text = handle.read()
    except OSError as error:
        raise InputError(f"the snapshot cannot be read: {error.strerror}", path) from error
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _allowed(text: str) -> str:
    kept = [entry for entry in text.split("\0") if entry.partition("=")[0] in ENVIRONMENT]
    return "\0".join(strip_credentials(entry) for entry in kept)
