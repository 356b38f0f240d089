# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which packages a host needs under their names there, and which of them are missing.

One query of the package database for all names, whether that is dpkg's or rpm's.
"""

from __future__ import annotations

import os
import typing as t
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from .._errors import InputError

FAMILIES = ("debian", "redhat", "suse")

# os-release(5): ID, then ID_LIKE from the nearest relative to the farthest. openSUSE's ID_LIKE is "suse opensuse".
FAMILY_OF_ID = {
    "debian": "debian",
    "ubuntu": "debian",
    "raspbian": "debian",
    "fedora": "redhat",
    "rhel": "redhat",
    "centos": "redhat",
    "amzn": "redhat",
    "suse": "suse",
    "opensuse": "suse",
    "sles": "suse",
}

# dpkg's names of architectures, for the lines of apt repositories, from the kernel's (uname -m).
DPKG_ARCHITECTURES = {
    "x86_64": "amd64",
    "aarch64": "arm64",
    "armv7l": "armhf",
    "armv6l": "armel",
    "i686": "i386",
    "ppc64le": "ppc64el",
}


@dataclass(frozen=True)
class System:
    """A host as its package manager sees it."""

    id: str
    """ID of os-release: debian, ubuntu, fedora, rhel, rocky, opensuse-leap, …"""
    family: str
    """debian, redhat or suse; empty for another one."""
    base: str
    """The distribution it is made from, as far as these roles know it (rhel for Rocky); often `id` itself."""
    version: str
    """VERSION_ID: 13, 24.04, 42; empty where the distribution has none (Debian unstable)."""
    codename: str
    """The suite of `base` in apt repositories: trixie, noble; empty elsewhere."""
    architecture: str
    """dpkg's name in the family debian (amd64), the kernel's elsewhere (x86_64)."""

    @property
    def manager(self) -> str:
        """The command that installs: apt-get, dnf or zypper."""
        return {"debian": "apt-get", "redhat": "dnf", "suse": "zypper"}.get(self.family, "")


def system_of(os_release: str, machine: str) -> System:
    """Read the text of /etc/os-release; machine: as `uname -m` says it."""
    values: dict[str, str] = {}
    for line in os_release.splitlines():
        key, equals, value = line.strip().partition("=")
        if equals and not key.startswith("#"):
            values[key] = value.strip("\"'")
    own = values.get("ID", "").lower()
    relatives = [name.split("-")[0] for name in (own, *values.get("ID_LIKE", "").lower().split())]
    base = next((name for name in relatives if name in FAMILY_OF_ID), "")
    family = FAMILY_OF_ID.get(base, "")
    return System(
        id=own,
        family=family,
        base=base,
        version=values.get("VERSION_ID", ""),
        # Ubuntu's derivatives have names of their own and say whose suite is theirs beside that.
        codename=values.get("UBUNTU_CODENAME" if base == "ubuntu" else "", "") or values.get("VERSION_CODENAME", ""),
        architecture=DPKG_ARCHITECTURES.get(machine, machine) if family == "debian" else machine,
    )


def read_system() -> System:
    """This host. Without an os-release file it is of no family."""
    for path in ("/etc/os-release", "/usr/lib/os-release"):
        try:
            with open(path, encoding="utf-8", errors="replace") as file:
                return system_of(file.read(), os.uname().machine)
        except FileNotFoundError:
            continue
    return system_of("", os.uname().machine)


def names_for(system: System, entries: Sequence[t.Any]) -> list[str]:
    """The names on this host, each once, in the order given.

    entries: a name is the same everywhere; a mapping has lists by distribution (its ID in os-release), by the one it is
    made from, or by family; the nearest wins. InputError for a mapping that says nothing of this host.
    """
    names: list[str] = []
    for number, entry in enumerate(entries):
        if isinstance(entry, str):
            chosen: t.Any = [entry]
        elif isinstance(entry, dict):
            chosen = next((entry[key] for key in (system.id, system.base, system.family) if key in entry), None)
        else:
            raise InputError(f"{entry!r} is neither a name nor a mapping", f"names[{number}]")
        if not isinstance(chosen, list):
            raise InputError(
                f"no packages are named for {system.id or 'this distribution'}",
                f"names[{number}]",
                f"Add a list under '{system.family or system.id}'.",
            )
        names += [str(name) for name in chosen if name not in names]
    return names


def query_argv(system: System, names: Sequence[str]) -> list[str]:
    """The one command; it fails when a name is unknown and still prints the others. A line: name, version, state."""
    plain = [name.partition("=")[0] for name in names]
    if system.family == "debian":
        return ["dpkg-query", "--show", "--showformat", "${Package} ${Version} ${db:Status-Status}\n", *plain]
    return ["rpm", "--query", "--queryformat", "%{NAME} %{EPOCH}:%{VERSION}-%{RELEASE} installed\n", *plain]


def missing(names: Sequence[str], output: str) -> list[str]:
    """Those of `names` that the query's output does not call installed, in the order given.

    A name may have a version, `docker-ce=5:29.1.*`: another installed version counts as missing. Patterns are a shell's;
    an epoch counts only where the pattern has one, and so does the release of an rpm.
    """
    versions = {words[0]: words[1] for words in map(str.split, output.splitlines()) if words[2:] == ["installed"]}
    lacking = []
    for name in names:
        plain, _equals, pattern = name.partition("=")
        found = versions.get(plain)
        if found is None or not (not pattern or _fits(found, pattern)):
            lacking.append(name)
    return lacking


def install_argument(system: System, name: str) -> str:
    """A name, with its version where it has one, as the package manager takes it: dnf wants `name-version`."""
    return name.replace("=", "-", 1) if system.family == "redhat" else name


def _fits(version: str, pattern: str) -> bool:
    """version: `[EPOCH:]UPSTREAM-RELEASE`; rpm prints «(none)» for no epoch."""
    if ":" not in pattern:
        version = version.rpartition(":")[2]
    return fnmatchcase(version, pattern) or fnmatchcase(version.rpartition("-")[0], pattern)
