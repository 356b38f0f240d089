# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A registry's CA where engines look for it: `DIRECTORY/ADDRESS/gpu-fleet.crt`.

Docker reads /etc/docker/certs.d/HOST:PORT at every connection (docs.docker.com/engine/security/certificates); Podman and
Buildah, also those of ordinary users, read /etc/containers/certs.d (containers-certs.d(5)). All take every *.crt there as a
CA, so a file of our own name leaves those of others alone, and no engine has to be restarted.
"""

from __future__ import annotations

import os
import typing as t
from collections.abc import Iterable

from .own_file import read

DIRECTORIES = ("/etc/docker/certs.d", "/etc/containers/certs.d")

NAME = "gpu-fleet.crt"


def ca_path(address: str, directory: str = DIRECTORIES[-1]) -> str:
    """Where a host keeps the CA of a registry, e.g. ``/etc/containers/certs.d/pc2:5000/gpu-fleet.crt``."""
    return os.path.join(directory, address, NAME)


def known(address: str, directories: Iterable[str] = DIRECTORIES) -> list[str]:
    """Paths of the CAs that this host's engines trust for a registry, ours and those of others."""
    places = [os.path.join(directory, address) for directory in directories]
    return [os.path.join(place, name) for place in places for name in sorted(_entries(place)) if name.endswith(".crt")]


class Change(t.NamedTuple):
    """A file that has to change; without a text it goes."""

    path: str
    before: str
    after: str


def changes(address: str, ca: str, directories: Iterable[str]) -> list[Change]:
    """What is to be done so that ours is the one CA of ours there, and at the address only. ca: PEM; empty for none."""
    wanted = {ca_path(address, directory): ca for directory in directories} if ca else {}
    there = [ca_path(each, directory) for directory in directories for each in _entries(directory)]
    found = {path: read(path) for path in [*wanted, *there]}
    return [
        Change(path, before, wanted.get(path, ""))
        for path, before in sorted(found.items())
        if before != wanted.get(path, "")
    ]


def _entries(directory: str) -> list[str]:
    try:
        return os.listdir(directory)
    except (FileNotFoundError, NotADirectoryError):
        return []
