# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which host builds the images of another one: `container_image_builders`, by architecture."""

from __future__ import annotations

import ipaddress
import typing as t
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass

from ...module_utils._engine.docker_url import is_elsewhere
from ...module_utils._errors import InputError
from ...module_utils._gpu.model import GpuHost, oci_architecture
from .._nearest import did_you_mean

if t.TYPE_CHECKING:
    from .inventory import Host

VARIABLE = "container_image_builders"

ARCHITECTURES = ("amd64", "arm64", "arm", "386", "ppc64le", "s390x", "riscv64", "mips64le", "loong64")
"""Those that images are published for (docker-library/official-images, «Architectures other than amd64»)."""

NO_ADDRESS = "Set container_link_address of {0} to an IP address, or give the fleet a registry (container_registry)."


def read_builders(host: str, value: t.Any, hosts: Collection[str]) -> dict[str, str]:
    """Architecture → inventory host, of one host's variable. Raises InputError."""
    where = f"{host}: {VARIABLE}"
    if value in (None, "", {}):
        return {}
    if not isinstance(value, Mapping) or not all(isinstance(name, str) for name in value.values()):
        raise InputError("expected a mapping", where, f"Write «{VARIABLE}: {{amd64: HOST, arm64: HOST}}».")
    for architecture, name in value.items():
        if architecture not in ARCHITECTURES:
            known = oci_architecture(str(architecture))
            near = f"Write {known}." if known in ARCHITECTURES else did_you_mean(str(architecture), ARCHITECTURES)
            raise InputError(f"unknown architecture {architecture!r}", where, near)
        if name not in hosts:
            mend = did_you_mean(name, hosts) or "Name a host of the inventory."
            raise InputError(f"there is no host {name!r} in the inventory", f"{where}.{architecture}", mend)
    return {str(architecture): str(name) for architecture, name in value.items()}


@dataclass(frozen=True)
class Builders:
    """All that decides where an image is built."""

    hosts: Mapping[str, Host]
    known: Mapping[str, GpuHost]
    """Facts of the hosts inside the limit."""

    def of(self, host: Host, platform: str = "") -> str:
        """The inventory host that builds an image of `platform` for `host`; empty: it builds it itself.

        Raises InputError for a builder that cannot.
        """
        facts = self.known.get(host.name)
        architecture = platform.split("/")[1] if "/" in platform else facts.architecture if facts else ""
        name = host.builders.get(architecture, "")
        if name in ("", host.name):
            return ""
        check_builder(self.hosts[name], architecture, self.known.get(name))
        self._check_way(self.hosts[name], host)
        return name

    def data(self, names: Collection[str]) -> dict[str, t.Any]:
        """The plan's `image_builders`: what is needed to build and offer there, also outside the limit."""
        result = {}
        for host in (self.hosts[name] for name in sorted(names)):
            result[host.name] = {
                "engine": host.engine,
                "engine_url": host.engine_url,
                "cache_dir": host.cache_dir,
                "address": host.link_address,
                "port": host.transfer_port,
                "registry": asdict(host.registry) if host.registry else None,
                "inside": host.inside,
            }
        return result

    def _check_way(self, builder: Host, host: Host) -> None:
        """Without a registry the builder serves its images itself. One engine of one machine needs no way."""
        if builder.registry is not None or (builder.machine, builder.engine) == (host.machine, host.engine):
            return
        try:
            ipaddress.ip_address(builder.link_address)
        except ValueError:
            said = f"the name {builder.link_address}" if builder.link_address else "none"
            raise InputError(
                f"images that {builder.name} builds are to go to {host.name}, which takes an address that it serves them "
                f"at, and it has {said}",
                f"{builder.name}: container_link_address",
                NO_ADDRESS.format(builder.name),
            ) from None


def check_builder(builder: Host, architecture: str, facts: GpuHost | None) -> None:
    """Raises InputError for a host that cannot build for `architecture`. facts: None where nobody looked at it yet."""
    where = f"{VARIABLE}.{architecture}"
    if is_elsewhere(builder.engine_url):
        raise InputError(
            f"{builder.name} cannot build for others: only its engine is reached, at {builder.engine_url}",
            where,
            "Name a host that Ansible connects to.",
        )
    check_architecture(builder.name, architecture, facts.architecture if facts else "")


def check_architecture(builder: str, architecture: str, found: str) -> None:
    """Raises InputError where a builder is of another architecture. found: the builder's; empty where it is not known."""
    if found and found != architecture:
        raise InputError(
            f"{builder} is of {found} and would have to build for {architecture}",
            f"{VARIABLE}.{architecture}",
            f"Name a host of {architecture}, or none: then each host builds for itself.",
        )


def engine_key(host: Host, facts: GpuHost) -> str:
    """Equal on hosts that use one engine: its own id, or what the inventory says of one that is not there yet."""
    engine = facts.engines.get(host.engine)
    return engine.id if engine and engine.id else f"{host.machine} {host.engine} {host.engine_url}".rstrip()
