# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One CDI spec file as the engines' library sees it: a whole that is good, or dropped."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from . import form, schema, versions

Edits = dict[str, t.Any]
Version = tuple[int, int]

CHECKS_FEATURES: Version = (0, 6)
"""First library that compares the version with what the file uses, and takes ``v0.6.0`` for ``0.6.0``.

Podman 4.3 (library 0.5) was tried: it refuses the ``v``, and takes `hostPath` at 0.3.0.
"""


@dataclass(frozen=True)
class CdiSpec:
    path: str
    version: str
    """As it stands in the file."""
    kind: str
    """``vendor/class``."""
    names: tuple[str, ...]
    host_paths: tuple[str, ...]
    """Files, nodes and hooks of the host that the spec refers to, sorted."""
    edits: Edits = field(default_factory=dict)
    """For every device of the file."""
    devices: dict[str, Edits] = field(default_factory=dict)
    minimum: str = versions.VERSIONS[0]
    """The version that what it uses needs."""

    @property
    def directory(self) -> str:
        return self.path.rpartition("/")[0]

    @property
    def number(self) -> Version:
        return versions.number(self.version)

    @property
    def below_its_features(self) -> bool:
        return versions.number(self.minimum) > self.number

    @property
    def all_edits(self) -> tuple[Edits, ...]:
        return (self.edits, *self.devices.values())


def parse(path: str, text: str | None) -> CdiSpec:
    """A spec file's content. Raises ValueError with what is wrong with it for every engine."""
    if text is None:
        raise ValueError("it may not be read")
    data = form.parse(text, path)
    wrong = schema.problems(data)
    if wrong and _is_of_low_version(data):
        wrong = [text for text in wrong if not text.startswith("cdiVersion:")]
    if wrong:
        raise ValueError(wrong[0])
    edits = data.get("containerEdits") or {}
    devices = {entry["name"]: entry["containerEdits"] for entry in data["devices"]}
    paths = sorted({path for each in (edits, *devices.values()) for path in host_paths(each)})
    return CdiSpec(
        path, data["cdiVersion"], data["kind"], tuple(devices), tuple(paths), edits, devices, versions.minimum(data)
    )


def _is_of_low_version(data: Edits) -> bool:
    """A version that exists and is below what the file uses: old libraries do not mind."""
    try:
        return versions.number(data["cdiVersion"]) < versions.number(versions.minimum(data))
    except (ValueError, KeyError, TypeError):
        return False


def host_paths(edits: Edits) -> t.Iterator[str]:
    """What edits take from the host: nodes, mounted files and hook programs. A FIFO node is made, not taken."""
    for node in edits.get("deviceNodes") or ():
        # A node without hostPath is the same path on the host.
        if node.get("type") != "p":
            yield node.get("hostPath") or node["path"]
    for mount in edits.get("mounts") or ():
        if mount["hostPath"].startswith("/"):
            yield mount["hostPath"]
    for hook in edits.get("hooks") or ():
        yield hook["path"]
