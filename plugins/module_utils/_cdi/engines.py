# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The newest version of CDI that every engine of a host reads, found without asking a daemon."""

from __future__ import annotations

import re

from .._gpu.model import EngineFacts
from .._gpu.probe import Reader
from .resolve import newest_version
from .versions import text_of

QUESTIONS = {"docker": ("dockerd", "--version"), "podman": ("podman", "--version")}
"""Each a process of some 50 ms. dockerd, not docker: the client on PATH may be of another version."""


def engine_versions(reader: Reader) -> dict[str, str]:
    """Version by name of the engines that are installed, running or not."""
    found = {}
    for name, question in QUESTIONS.items():
        answer = reader.command(question)
        version = re.search(r"version ([0-9][^\s,]*)", answer.stdout) if answer is not None and answer.rc == 0 else None
        if version:
            found[name] = version.group(1)
    return found


def newest_for(versions: dict[str, str]) -> str | None:
    """The newest that all of them read; None where none is known. Engines that read no spec at all do not count."""
    limits = [newest_version(EngineFacts(name, version=version)) for name, version in versions.items()]
    known = [limit for limit in limits if limit is not None and limit > (0, 0)]
    return text_of(min(known)) if known else None
