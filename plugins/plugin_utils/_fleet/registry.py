# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The registry that a host's images go through: `container_registry`, read once and checked.

The password is looked at and never kept: plans are printed.
"""

from __future__ import annotations

import ipaddress
import os
import re
import typing as t
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from ...module_utils._engine.reference import parse_reference
from ...module_utils._errors import InputError
from .._nearest import did_you_mean

VARIABLES = ("container_registry", "container_registry_password")
"""What is read of a host's variables, beside `inventory_dir`."""

KEYS = ("address", "username", "ca", "host")

USERNAME = "fleet"

_ADDRESS = re.compile(r"(?P<name>[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?)(?::(?P<port>\d{1,5}))?")
"""A domain as in distribution/reference (regexp.go), in lower case: names of hosts are the same in both."""
_USERNAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]*")
"""No colon: a line of an htpasswd file and HTTP's basic authentication end the name there."""

_SHORTEST = 8
"""Shorter secrets turn ordinary output into asterisks (DESIGN.md)."""
_LONGEST = 72
"""bcrypt reads no further (golang.org/x/crypto/bcrypt refuses longer ones)."""

_EXAMPLE = "Write «container_registry: {address: pc2:5000, username: fleet, host: pc2}»."


@dataclass(frozen=True)
class Registry:
    """Where images are pushed once and pulled by digest."""

    address: str
    """As in image references: ``pc2:5000``; the port is left out only for 443."""
    username: str = USERNAME
    """Empty: a registry of somebody else that asks nobody."""
    ca: str = ""
    """Absolute path of a CA certificate on the controller. Empty: the CA of the role `registry` where `host` is set, else
    one that the hosts know already."""
    host: str = ""
    """The inventory host that serves it; empty when it is somebody else's."""

    @property
    def name(self) -> str:
        """The host's part of the address: a name or an IPv4 address."""
        return self.address.partition(":")[0]

    @property
    def port(self) -> int:
        return int(self.address.partition(":")[2] or 443)

    def holds(self, reference: str) -> bool:
        """Whether an image reference means an image in this registry. Raises InputError for what is no reference."""
        return parse_reference(reference).domain in (self.address, f"{self.name}:{self.port}")


def read_registry(host: str, values: Mapping[str, t.Any], hosts: Collection[str] = ()) -> Registry | None:
    """The registry of an inventory host, None where it has none.

    values: the plain values of VARIABLES and `inventory_dir` that are set. hosts: all of the inventory; a registry's host
    must be one of them (not checked when empty). Raises InputError; no message shows the password.
    """
    where = f"{host}: container_registry"
    value = values.get("container_registry")
    if value in (None, "", {}):
        return None
    if not isinstance(value, Mapping):
        raise InputError("expected a mapping", where, _EXAMPLE)
    for key, content in value.items():
        if key == "password":
            raise InputError("a password is no part of it", where, "Set container_registry_password, in a vault.")
        if key not in KEYS:
            raise InputError(f"there is no {key} in it", where, did_you_mean(str(key), KEYS))
        if content is not None and not isinstance(content, str):
            raise InputError("expected text", f"{where}.{key}", _EXAMPLE if key == "address" else "")
    server = value.get("host") or ""
    if server and hosts and server not in hosts:
        mend = did_you_mean(server, hosts) or "Name a host of the inventory, or none for somebody else's registry."
        raise InputError(f"there is no host {server!r} in the inventory", f"{where}.host", mend)
    username = _username(value.get("username"), server, f"{where}.username")
    if username:
        _check_password(values.get("container_registry_password"), f"{host}: container_registry_password")
    ca = value.get("ca") or ""
    return Registry(
        address=_address(value.get("address") or "", server, f"{where}.address"),
        username=username,
        ca=os.path.join(values.get("inventory_dir") or "", os.path.expanduser(ca)) if ca else "",
        host=server,
    )


def _address(text: str, server: str, where: str) -> str:
    if not text:
        raise InputError("it is missing", where, _EXAMPLE)
    if "/" in text:
        raise InputError(
            f"{text!r} is more than an address", where, "Write name:port, without https:// and without a path."
        )
    found = _ADDRESS.fullmatch(text)
    if not found:
        raise InputError(
            f"{text!r} is not an address",
            where,
            "Write name:port, a name in lower case or an IPv4 address, as in pc2:5000.",
        )
    name, port = found["name"], found["port"]
    if port is not None and not 0 < int(port) < 65536:
        raise InputError(f"{port} is no port", where, "Write name:port, as in pc2:5000.")
    # Without a dot or a port the name would be a repository of docker.io.
    if port is None and (server or "." not in name):
        raise InputError(f"{text!r} has no port", where, f"Write {name}:5000, for example.")
    if _is_here(name):
        raise InputError(
            f"every host would mean itself by {name}", where, "Write the name or address by which the others reach it."
        )
    return text


def _is_here(name: str) -> bool:
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return name == "localhost" or name.endswith(".localhost")
    return address.is_loopback or address.is_unspecified


def _username(text: str | None, server: str, where: str) -> str:
    if text is None:
        return USERNAME
    if not text and server:
        raise InputError("a registry of the fleet is never open", where, "Leave it out, or write a name.")
    if text and not _USERNAME.fullmatch(text):
        raise InputError(f"{text!r} is not a username", where, "Use letters, digits and . _ @ + -")
    return text


def _check_password(value: t.Any, where: str) -> None:
    if value in (None, ""):
        raise InputError("it is missing", where, "Set it, in a vault: ansible-vault encrypt_string.")
    if not isinstance(value, str):
        raise InputError("expected text", where, "Put it in quotes.")
    if len(value) < _SHORTEST or len(value.encode()) > _LONGEST:
        raise InputError(f"it is not between {_SHORTEST} characters and {_LONGEST} bytes long", where)
    if not value.isprintable():
        raise InputError("it has characters that cannot be typed", where)
