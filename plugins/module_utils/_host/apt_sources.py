# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who else names a package repository in apt's sources.

Two files that name one repository with another `Signed-By` stop apt altogether: «Conflicting values set for option
Signed-By regarding source …». Vendors' instructions changed their keyring's place over the years, so old files are common.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Rival:
    """A file of apt's sources that names the repository, too."""

    path: str
    alone: bool
    """Whether it names nothing else, so that the whole file can be switched off."""


def rivals(files: Mapping[str, str], uris: Sequence[str], architecture: str) -> list[Rival]:
    """Those of `files` (path → text; `.list` or `.sources` by their name) that name one of `uris`, sorted by path.

    architecture: dpkg's name, which `$(ARCH)` in a URI stands for (sources.list(5)).
    """
    wanted = {_plain(uri, architecture) for uri in uris}
    found = []
    for path in sorted(files):
        named = list(_uris(files[path], path.endswith(".sources")))
        ours = [uri for uri in named if _plain(uri, architecture) in wanted]
        if ours:
            found.append(Rival(path, len(ours) == len(named)))
    return found


def _plain(uri: str, architecture: str) -> str:
    return uri.replace("$(ARCH)", architecture).rstrip("/")


def _uris(text: str, deb822: bool) -> Iterator[str]:
    return _deb822_uris(text) if deb822 else _line_uris(text)


def _line_uris(text: str) -> Iterator[str]:
    """Of the one-line form: `deb [arch=amd64 signed-by=/x] URI SUITE COMPONENT…`."""
    for line in text.splitlines():
        match = re.match(r"\s*deb(?:-src)?\s+(?:\[[^\]]*\]\s*)?(\S+)", line)
        if match:
            yield match.group(1)


def _deb822_uris(text: str) -> Iterator[str]:
    """Of stanzas with a field URIs, which may go on in indented lines; a stanza with `Enabled: no` names nothing."""
    for stanza in re.split(r"\n\s*\n", text):
        fields: dict[str, str] = {}
        name = ""
        for line in stanza.splitlines():
            if line.startswith("#"):
                continue
            if line[:1].isspace():
                fields[name] = fields.get(name, "") + " " + line.strip()
            else:
                name, _colon, value = line.partition(":")
                name = name.strip().lower()
                fields[name] = value.strip()
        if fields.get("enabled", "yes").lower() not in ("no", "false", "without", "off", "disable", "0"):
            yield from fields.get("uris", "").split()
