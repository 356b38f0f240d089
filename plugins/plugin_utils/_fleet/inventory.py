# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The inventory's side of a plan: hosts, their engines, and which of them share a machine."""

from __future__ import annotations

import difflib
import ipaddress
import os
import re
import typing as t
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from ...module_utils._engine.docker_url import is_elsewhere
from ...module_utils._errors import InputError
from .._images.lock import NAME
from .._nearest import did_you_mean
from . import elsewhere
from .builders import read_builders
from .errors import Errors
from .registry import VARIABLES as OF_REGISTRY
from .registry import Registry, read_registry
from .units import seconds, size

ENGINES = ("docker", "podman")

SUPERVISORS = ("engine", "systemd")

BOOT_WAIT = 300.0
"""Seconds that a group waits at boot for the other hosts it needs."""
_LONGEST_WAIT = 86400.0

STATE_DIR = "/var/lib/gpu-fleet"
CACHE_DIR = "/var/cache/gpu-fleet"

VARIABLES = (
    "container_groups",
    "container_engine",
    "container_engine_url",
    "container_engine_tls",
    "container_gpu_stacks",
    "container_metal_service",
    "container_link_address",
    "container_environment",
    "container_secrets",
    "container_groups_dir",
    "container_profiles",
    "container_adopt",
    "container_state_dir",
    "container_cache_dir",
    "container_image_builders",
    "container_transfer_port",
    "container_images_lock",
    *OF_REGISTRY,
    "container_supervisor",
    "container_boot_wait",
    "gpu_reserve",
    "ansible_connection",
    "ansible_host",
    "ansible_port",
    "inventory_dir",
)
"""All that a plan reads of a host; nothing else is templated."""


PLAYBOOK_VARIABLES = (
    "container_bootstrap",
    "container_engine_install",
    "container_group",
    "container_remove_volumes",
    "container_sbom_dir",
    "container_verify_steps",
    "packages_needs",
    "prepare_skip",
)
"""Further variables of this collection, read by playbooks and roles, also what a role registers before a plan is made."""

_OTHERS = ("ansible_", "inventory_")
"""What begins so is Ansible's."""


def misspelt(names: Collection[str], of_roles: Collection[str] = ()) -> list[str]:
    """Warnings for variables that look like one of ours and are none, such as ``container_gruops``.

    of_roles: the variables of the collection's roles.
    """
    ours = {name for name in (*VARIABLES, *PLAYBOOK_VARIABLES, *of_roles) if not name.startswith(_OTHERS)}
    prefixes = tuple({f"{name.partition('_')[0]}_" for name in ours})
    found = []
    for name in sorted(set(names) - ours):
        if name.startswith(prefixes):
            near = difflib.get_close_matches(name, ours, n=1, cutoff=0.85)
            found += [f"the variable {name} means nothing here. Did you mean {each}?" for each in near]
    return found


@dataclass(frozen=True)
class Host:
    """One inventory host, as far as a plan is concerned."""

    name: str
    groups: tuple[str, ...] = ()
    engine: str = "podman"
    engine_url: str = ""
    engine_tls: Mapping[str, t.Any] = field(default_factory=dict)
    """How a tcp:// engine is trusted (`docker_url.Tls`); paths of the control node."""
    gpu_stacks: tuple[str, ...] = ()
    """Stacks that this host's containers can use and its engine does not tell of; only for an engine elsewhere."""
    metal_service: Mapping[str, str] = field(default_factory=dict)
    """Where containers reach a program of this Mac that uses Metal: ``url``, and the ``variable`` that tells them."""
    machine: str = ""
    """Equal on hosts that are the same machine: they share ports and, per engine, names."""
    link_address: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    groups_dir: str = ""
    profiles: tuple[str, ...] = ()
    gpu_reserve: int = 0
    adopt: bool = False
    state_dir: str = STATE_DIR
    cache_dir: str = CACHE_DIR
    builders: Mapping[str, str] = field(default_factory=dict)
    """Architecture → the inventory host that builds this one's images of it."""
    images_lock: str = NAME
    """Path on the controller of the file with the digests of its images."""
    transfer_port: int = 0
    """Where this host serves them; 0 is any port that is free."""
    registry: Registry | None = None
    """What images pass through that this host builds for others."""
    supervisor: str = "engine"
    """Who keeps containers up, and starts them at boot: the engine by its own restart policies, or systemd in plan order."""
    boot_wait: float = BOOT_WAIT
    inside: bool = True
    """Inside the limit: may be changed, and must have facts."""
    shared: bool = False
    """Another host is the same machine, so project names start with this host's name."""

    @property
    def is_elsewhere(self) -> bool:
        """Reached from the control node through its engine's API alone: no file and no program of ours is there."""
        return is_elsewhere(self.engine_url)

    def project(self, group: str) -> str:
        return f"{self.name}-{group}" if self.shared else group


def read_hosts(variables: Mapping[str, Mapping[str, t.Any]], inside: t.Collection[str], errors: Errors) -> list[Host]:
    """Hosts in the inventory's order. `variables`: host → the plain values of VARIABLES that are set."""
    hosts = []
    for name, values in variables.items():
        with errors.collect():
            hosts.append(_read_host(name, values, name in inside, variables))
    return _mark_shared(hosts)


def _read_host(name: str, values: Mapping[str, t.Any], inside: bool, everybody: Collection[str]) -> Host:
    engine = _text(name, values, "container_engine") or "podman"
    if engine not in ENGINES:
        raise InputError(f"unknown engine {engine!r}", f"{name}: container_engine", did_you_mean(engine, ENGINES))
    supervisor = _text(name, values, "container_supervisor") or "engine"
    if supervisor not in SUPERVISORS:
        raise InputError(
            f"unknown supervisor {supervisor!r}", f"{name}: container_supervisor", did_you_mean(supervisor, SUPERVISORS)
        )
    url = _text(name, values, "container_engine_url")
    reach = elsewhere.read(name, values, engine, url, supervisor)
    groups_dir = _text(name, values, "container_groups_dir")
    if not groups_dir:
        groups_dir = f"{_text(name, values, 'inventory_dir') or '.'}/groups"
    return Host(
        name=name,
        groups=_names(name, values, "container_groups"),
        engine=engine,
        engine_url=url,
        engine_tls=reach.tls,
        gpu_stacks=reach.stacks,
        metal_service=reach.metal_service,
        machine=_machine(name, values, url),
        link_address=_link_address(name, values),
        environment=_strings(name, values, "container_environment"),
        secrets=_strings(name, values, "container_secrets"),
        groups_dir=groups_dir,
        profiles=_names(name, values, "container_profiles"),
        gpu_reserve=size(values.get("gpu_reserve") or 0, f"{name}: gpu_reserve"),
        adopt=_flag(name, values, "container_adopt"),
        state_dir=_text(name, values, "container_state_dir") or STATE_DIR,
        cache_dir=_text(name, values, "container_cache_dir") or CACHE_DIR,
        builders=read_builders(name, values.get("container_image_builders"), everybody),
        images_lock=os.path.join(
            _text(name, values, "inventory_dir"), _text(name, values, "container_images_lock") or NAME
        ),
        transfer_port=_port(name, values.get("container_transfer_port")),
        registry=read_registry(name, values, everybody),
        supervisor=supervisor,
        boot_wait=_boot_wait(name, values.get("container_boot_wait")),
        inside=inside,
    )


_ALMOST_AN_ADDRESS = re.compile(r"\d+(\.[^.]*){3}|[0-9A-Fa-f]*:.*")
"""No name of a host begins like an IPv4 address with its four parts, or has a colon."""


def _link_address(name: str, values: Mapping[str, t.Any]) -> str:
    """An IP address, or a name under which others reach the host (ports are then published on all addresses)."""
    address = _text(name, values, "container_link_address")
    try:
        ipaddress.ip_address(address)
    except ValueError:
        if _ALMOST_AN_ADDRESS.fullmatch(address):
            raise InputError(
                f"{address!r} is not an IP address", f"{name}: container_link_address", "Write it like 192.168.1.10."
            ) from None
    return address


def _machine(name: str, values: Mapping[str, t.Any], url: str) -> str:
    """What tells machines apart, from the inventory alone: a plan must not change with what answers today."""
    parts = urlsplit(url)
    if parts.scheme in ("tcp", "ssh", "http", "https") and parts.hostname:
        return f"{parts.hostname}:{parts.port or parts.scheme}"
    if _text(name, values, "ansible_connection").rpartition(".")[2] == "local":
        return "local"
    return f"{_text(name, values, 'ansible_host') or name}:{values.get('ansible_port') or 22}"


def _mark_shared(hosts: list[Host]) -> list[Host]:
    # The engine is left out on purpose: moving one of two hosts to another engine must not rename the
    # other's projects and volumes.
    machines = [host.machine for host in hosts if host.groups]
    return [
        Host(**{**vars(host), "shared": machines.count(host.machine) > 1}) if host.groups else host for host in hosts
    ]


def _text(host: str, values: Mapping[str, t.Any], key: str) -> str:
    value = values.get(key)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise InputError(f"expected text, found {_kind(value)}", f"{host}: {key}")
    return value


def _flag(host: str, values: Mapping[str, t.Any], key: str) -> bool:
    value = values.get(key)
    # Extra variables (-e container_adopt=true) arrive as text.
    known = {None: False, True: True, False: False, "true": True, "yes": True, "false": False, "no": False, "": False}
    if isinstance(value, (list, dict)) or value not in known:
        raise InputError(f"expected true or false, found {_kind(value)}", f"{host}: {key}")
    return known[value]


def _names(host: str, values: Mapping[str, t.Any], key: str) -> tuple[str, ...]:
    value = values.get(key)
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(entry, str) for entry in value):
        raise InputError(
            f"expected a list of names, found {_kind(value)}", f"{host}: {key}", f"Write «{key}: [name, …]»."
        )
    return tuple(value)


def _strings(host: str, values: Mapping[str, t.Any], key: str) -> dict[str, str]:
    """A mapping to scalars; the value of a wrong one is never part of the message, it may be a secret."""
    value = values.get(key)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise InputError(f"expected a mapping, found {_kind(value)}", f"{host}: {key}")
    result = {}
    for name, content in value.items():
        if isinstance(content, bool):
            content = "true" if content else "false"
        if not isinstance(content, (str, int, float)):
            raise InputError(f"expected text or a number, found {_kind(content)}", f"{host}: {key}.{name}")
        result[str(name)] = str(content)
    return result


def _kind(value: t.Any) -> str:
    kinds = {dict: "a mapping", list: "a list", str: "text", bool: "a truth value", int: "a number", float: "a number"}
    return kinds.get(type(value), "nothing" if value is None else type(value).__name__)


def _port(host: str, value: t.Any) -> int:
    """0 where there is none. Extra variables (-e container_transfer_port=5443) arrive as text."""
    found = int(value) if isinstance(value, str) and value.isdigit() else value or 0
    if isinstance(found, bool) or not isinstance(found, int) or not 0 <= found < 65536:
        raise InputError(f"{value!r} is no port", f"{host}: container_transfer_port", "Write a number like 5443.")
    return found


def _boot_wait(host: str, value: t.Any) -> float:
    """Seconds; 0 is «not at all». Extra variables (-e container_boot_wait=90) arrive as text."""
    where = f"{host}: container_boot_wait"
    if value is None or value == "":
        return BOOT_WAIT
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise InputError(f"expected a duration, found {_kind(value)}", where, "Write it like 90s or 1m30s.")
    found = float(value) if isinstance(value, str) and value.isdigit() else seconds(value, where)
    if not 0 <= found <= _LONGEST_WAIT:
        raise InputError(f"{value} is not between 0 and a day", where, "Write it like 90s or 1m30s.")
    return found
