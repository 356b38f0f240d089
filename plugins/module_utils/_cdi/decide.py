# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a spec of a kind goes: into our file, nowhere because others provide the kind, or over a tool's unusable one.

Of a name that two directories define the later one counts, and a name that two files of one directory define is
lost to all (pkg/cdi/cache.go, refresh). So our file must never stand beside another with the same names, and is
useless before one.
"""

from __future__ import annotations

import typing as t

from .._errors import FleetError
from . import kinds
from .check import SpecFile, owners
from .resolve import rewrite


def provider(files: t.Sequence[SpecFile], kind: str, devices: int) -> tuple[str, ...]:
    """Paths of others' files that provide a kind: by name `all`, or by as many names as there are devices."""
    others = [file for file in files if file.kind == kind and not file.ours and (file.stale or not file.too_new)]
    given = {name: file for name, file in owners(others).items() if file.usable}
    enough = kinds.qualified(kind, kinds.ALL) in given or len(given) >= max(devices, 1)
    return tuple(sorted({file.path for file in given.values()})) if enough else ()


def refreshable(files: t.Sequence[SpecFile], kind: str, names: t.Collection[str]) -> list[str]:
    """Paths of unusable files of a kind that its tool may write anew, the one that counts most first. names: the tool's."""
    return [file.path for file in reversed(files) if file.kind == kind and not file.usable and file.name in names]


def refusal(planned: SpecFile, hindering: t.Sequence[SpecFile]) -> FleetError:
    """Why our file is not written among these of others."""
    file = next((file for file in hindering if not file.usable), hindering[0])
    why = f" and cannot be used ({file.problems[0].message})" if file.problems else ""
    effect = "the names of both would be lost" if file.directory == planned.directory else "ours would be hidden"
    mend = file.problems[0].mend if file.problems else rewrite(file.path, file.kind)
    return FleetError(f"it names devices of {planned.kind}{why}; with {planned.path}, {effect}", file.path, mend)


def in_the_way(files: t.Sequence[SpecFile], planned: SpecFile) -> list[SpecFile]:
    """Files of others because of which engines would not take the names from ours, in the engines' order.

    files: all specs of the directories; planned: our file as it would be, one of them.
    """
    others = [file for file in files if not file.ours and file.kind == planned.kind and file.path != planned.path]
    wanted = {kinds.qualified(planned.kind, name) for name in planned.names}
    later = files[[file.path for file in files].index(planned.path) :]
    found = [
        # Should an engine be able to read it, its names would cancel ours or hide them.
        file
        for file in files
        if file.unclear and planned.kind in file.text and (file.directory == planned.directory or file in later)
    ]
    for seen in (others, [file for file in others if not file.too_new]):
        own = [file for file in files if file is planned or file in seen]
        taken = owners(own)
        for name in sorted(wanted):
            owner = taken.get(name)
            if owner is planned or (owner is not None and owner.too_new and not owner.stale):
                # What is only too new serves the engines that read it, and ours the others.
                continue
            found += _cancelling(own, name, planned) if owner is None else [owner]
    paths = {file.path for file in found}
    return [file for file in files if file.path in paths]


def _cancelling(files: t.Sequence[SpecFile], name: str, planned: SpecFile) -> list[SpecFile]:
    named = [file for file in files if name.partition("=")[2] in file.names]
    directories = [file.directory for file in named]
    return [file for file in named if directories.count(file.directory) > 1 and file is not planned]
