# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Looks through directories of CDI specs: what each file says, and what is wrong with it on this host.

`resolve.py` answers for one engine which names it resolves; here every file is judged for all engines
together, and as it will be after a change.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from .._gpu.findings import Finding, finding
from .._gpu.probe import Reader
from . import kinds
from .form import parse as read_text
from .resolve import merge, rewrite, stale
from .spec import CdiSpec, parse
from .versions import number


@dataclass(frozen=True)
class SpecFile:
    """One file of a directory of specs, as engines see it."""

    path: str
    text: str = ""
    spec: CdiSpec | None = None
    """None where every engine drops it; `problems` says why."""
    too_new: bool = False
    """Some engine does not know its version and drops it."""
    stale: bool = False
    """Something of this host that it names is gone: a container with it does not start."""
    unclear: bool = False
    """It may not be read, or is YAML beyond what is understood here: engines may well read it."""
    problems: tuple[Finding, ...] = ()

    @property
    def directory(self) -> str:
        return self.path.rpartition("/")[0]

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]

    @property
    def ours(self) -> bool:
        return kinds.is_ours(self.path)

    @property
    def kind(self) -> str:
        return self.spec.kind if self.spec else ""

    @property
    def names(self) -> tuple[str, ...]:
        return self.spec.names if self.spec else ()

    @property
    def usable(self) -> bool:
        return self.spec is not None and not self.too_new and not self.stale


def read_files(
    reader: Reader, directories: t.Sequence[str], limit: str | None, changes: t.Mapping[str, str | None] | None = None
) -> list[SpecFile]:
    """Every spec of the directories, in the order in which engines read them.

    limit: newest version that all engines read. changes: text by path of files as they will be, None where one
    will be gone, so that a change can be judged before it is made.
    """
    changes = changes or {}
    files = []
    for directory in directories:
        names = reader.directory(directory)
        parent, _slash, name = directory.rpartition("/")
        if names is None and name in (reader.directory(parent or "/") or ()):
            files.append(SpecFile(directory, problems=(_closed(directory),)))
        there = {f"{directory}/{name}" for name in names or ()}
        coming = {path for path in changes if path.rpartition("/")[0] == directory}
        for path in sorted(there | coming):
            if path.endswith(".yml"):
                files.append(SpecFile(path, problems=(_ignored(path),)))
            elif path.endswith((".json", ".yaml")) and changes.get(path, "") is not None:
                files.append(judge(reader, path, changes[path] if path in changes else reader.file(path), limit))
    return files


def judge(reader: Reader, path: str, text: str | None, limit: str | None) -> SpecFile:
    """One file. text None: it may not be read."""
    try:
        spec = parse(path, text)
    except ValueError as error:
        wrong = _problem("cdi-unreadable", f"{path}: {error}; engines drop the file", str(error), path, "", limit)
        return SpecFile(path, text or "", unclear=_is_unclear(path, text), problems=(wrong,))
    found = []
    shown = f"cdiVersion: {spec.version}"
    if limit is not None and spec.number > number(limit):
        message = f"{path} has version {spec.version}; {limit} is the newest that every engine here reads"
        found.append(_problem("cdi-too-new", message, shown, path, spec.kind, limit))
    if spec.below_its_features:
        message = f"{path} says version {spec.version} and uses what came with {spec.minimum}; most engines drop it"
        found.append(_problem("cdi-unreadable", message, shown, path, spec.kind, limit))
    too_new, gone = bool(found), stale(reader, spec)
    found += [gone] if gone else []
    return SpecFile(path, text or "", spec, too_new, gone is not None, problems=tuple(found))


def _is_unclear(path: str, text: str | None) -> bool:
    if text is None or not path.endswith(".yaml"):
        return text is None
    try:
        read_text(text, path)
    except ValueError:
        return True
    return False


def _closed(directory: str) -> Finding:
    text = f"{directory} cannot be listed; engines of this user do not see the specs in it"
    mend = f"Run `chmod 755 {directory}` as root; if it is no directory, make one of it."
    return finding("cdi-unreadable", text, directory, "it is there and cannot be listed", path=directory, rewrite=mend)


def _ignored(path: str) -> Finding:
    text = f"{path} is not read by any engine: CDI takes *.yaml and *.json"
    return finding("cdi-ignored", text, path, path.rpartition("/")[2], path=path, new=f"{path[:-3]}yaml")


def _problem(code: str, message: str, evidence: str, path: str, kind: str, limit: str | None) -> Finding:
    mend = rewrite(path, kind, number(limit)) if limit else rewrite(path, kind)
    if kinds.is_ours(path):
        mend = "Run cdi_spec for its stack: it is written again."
    return finding(code, message, path, evidence, path=path, rewrite=mend)


def problems(files: t.Sequence[SpecFile]) -> list[Finding]:
    """What is wrong with the specs: file by file, then names that several of them define."""
    found = [problem for file in files for problem in file.problems]
    return found + merge(file.spec for file in files if file.spec)[1]


def owners(files: t.Iterable[SpecFile]) -> dict[str, SpecFile]:
    """Qualified name → the file that gives it, after CDI's precedence; a name that files cancel is not there."""
    listed = [file for file in files if file.spec]
    by_path = {file.path: file for file in listed}
    return {name: by_path[spec.path] for name, (spec, _name) in merge(file.spec for file in listed)[0].items()}
