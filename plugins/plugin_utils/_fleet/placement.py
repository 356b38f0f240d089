# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which group runs on which host: group files are found, read once for each environment, and checked for names."""

from __future__ import annotations

import os
import typing as t
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ...module_utils._errors import InputError
from .._compose import enabled_services
from .._compose.spec import GroupSpec, Path, ServiceExtensions
from .._nearest import did_you_mean
from .errors import Errors
from .inventory import Host

Loader = Callable[[str, Mapping[str, str], frozenset[str]], GroupSpec]
"""(path, environment, names of secrets) → group"""
SUFFIXES = (".yml", ".yaml")


@dataclass(frozen=True)
class Placement:
    """One group on one host."""

    host: Host
    spec: GroupSpec
    services: Mapping[str, dict[str, t.Any]]
    """Those whose profiles are active here."""

    @property
    def name(self) -> str:
        return self.spec.name

    @property
    def node(self) -> tuple[str, str]:
        return (self.host.name, self.spec.name)

    @property
    def project(self) -> str:
        return self.host.project(self.spec.name)

    def extensions(self, service: str) -> ServiceExtensions:
        return self.spec.extensions.get(service, ServiceExtensions())

    def is_isolated(self, service: str) -> bool:
        """Whether it is in internal networks only (or in none), so that no other host reaches it, nor it another."""
        content, networks = self.services[service], self.spec.networks
        mode = content.get("network_mode")
        if mode:
            return mode == "none"
        return all((networks.get(key) or {}).get("internal") for key in content.get("networks") or ())

    def where(self, *path: str | int) -> str:
        """``mainpc: groups/core.yml:12:7: services.web`` with the file relative to the working directory."""
        return f"{self.host.name}: {self.spec.where(t.cast(Path, path))}"


def place(hosts: list[Host], load: Loader, errors: Errors) -> tuple[list[Placement], list[str]]:
    """Every group of every host, and warnings about files that no host uses."""
    cache: dict[tuple[t.Any, ...], GroupSpec | None] = {}
    placements = []
    for host in hosts:
        files = _files(host.groups_dir) if host.groups else {}
        for name in dict.fromkeys(host.groups):
            with errors.collect():
                if host.groups.count(name) > 1:
                    raise InputError(
                        f"group «{name}» is named twice", f"{host.name}: container_groups", "Name it once."
                    )
                path = _find(host, name, files)
                key = (path, tuple(sorted(host.environment.items())), frozenset(host.secrets))
                if key not in cache:
                    cache[key] = None  # a file that fails is reported once
                    cache[key] = load(_shown(path), host.environment, frozenset(host.secrets))
                spec = cache[key]
                if spec is not None:
                    placements.append(_placed(host, spec))
    return placements, _unused(hosts)


def _files(directory: str) -> dict[str, str]:
    """Group name → file. A folder that is missing has no groups."""
    if not os.path.isdir(directory):
        return {}
    found = {}
    for entry in sorted(os.listdir(directory), reverse=True):
        stem, suffix = os.path.splitext(entry)
        if suffix in SUFFIXES and not stem.startswith("."):
            found[stem] = os.path.join(directory, entry)
    return found


def _find(host: Host, name: str, files: Mapping[str, str]) -> str:
    path = files.get(name)
    if path is None:
        hint = did_you_mean(name, files) if files else "The folder has no group files."
        raise InputError(
            f"no file for group «{name}» in {_shown(host.groups_dir)}", f"{host.name}: container_groups", hint
        )
    return path


def _placed(host: Host, spec: GroupSpec) -> Placement:
    services = {key: spec.services[key] for key in enabled_services(spec, host.profiles)}
    if not services:
        raise InputError(
            "no service is left with the profiles that are active here",
            f"{host.name}: {spec.where(('services',))}",
            f"Add a profile to container_profiles of {host.name}, or take the group from its container_groups.",
        )
    return Placement(host, spec, services)


def _unused(hosts: list[Host]) -> list[str]:
    warnings = []
    for directory in sorted({host.groups_dir for host in hosts if host.groups}):
        used = {name for host in hosts if host.groups_dir == directory for name in host.groups}
        warnings += [
            f"{_shown(path)}: no host has this group in its container_groups"
            for name, path in sorted(_files(directory).items())
            if name not in used
        ]
    return warnings


def _shown(path: str) -> str:
    """Relative to where the user is, when that is shorter."""
    relative = os.path.relpath(path)
    return os.path.normpath(path) if relative.startswith("..") else relative
