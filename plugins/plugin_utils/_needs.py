# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host needs before groups can run on it: which roles `prepare.yml` runs there, and why.

Pure: what `gpu_facts` found and the host's inventory variables in, roles with reasons out. A role is needed when
something is missing that it brings, or when the inventory sets one of its variables, so that it can follow them.
"""

from __future__ import annotations

import typing as t
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass

from ..module_utils._engine.docker_url import is_elsewhere
from ..module_utils._errors import InputError
from ..module_utils._gpu.engines import NOT_INTEGRATED
from ._nearest import did_you_mean
from ._registry import moves_images

Facts = Mapping[str, t.Any]
Variables = Mapping[str, t.Any]

ROLES = (
    "wsl",
    "docker_desktop",
    "podman",
    "docker",
    "nvidia_toolkit",
    "rocm",
    "intel",
    "mesa",
    "link_address",
    "registry",
)
"""In the order in which they run: what is below an engine before it, and what is told to an engine after it."""

MENDED = {
    "nvidia_toolkit": (
        "toolkit-missing",
        "toolkit-too-old",
        "oci-hook-conflict",
        "cdi-missing",
        "cdi-stale",
        "cdi-too-new",
        "cdi-unreadable",
        "cdi-shadowed",
        "cdi-refresh-missing",
    ),
    "rocm": ("amdgpu-not-bound", "no-permission", "cdi-stale", "cdi-too-new", "cdi-unreadable"),
    "intel": ("gpu-driver-missing", "no-permission", "cdi-stale", "cdi-too-new", "cdi-unreadable"),
    "mesa": ("vulkan-driver-missing",),
}
"""Findings that a role can do something about."""

MENDED_IN_DOCKER = ("nvidia-runtime-missing", "cdi-off")
"""The same for `nvidia_toolkit` where Docker is this host's engine; another engine's Docker is left alone."""

READ = (
    "container_engine",
    "container_engine_url",
    "container_engine_install",
    "container_bootstrap",
    "container_link_address",
    "container_image_builders",
    "container_registry",
    "inventory_hostname",
    "link_address_manage",
    "prepare_skip",
)
"""Variables whose values count. Of the others the name does."""

ROOTLESS = "podman_rootless_users"
"""Who shall run rootless engines, in the words of the role `podman`."""

_TRUE = {True: True, False: False, "true": True, "yes": True, "false": False, "no": False, "": False, None: False}


@dataclass(frozen=True)
class Need:
    """A role that a host needs."""

    role: str
    reason: str
    """Why, one sentence without a full stop."""
    skip: bool = False
    """The inventory does not want it: `prepare_skip`, or `container_engine_install: false`."""
    first: bool = False
    """Other hosts wait for it: it runs before any role of theirs."""


@dataclass(frozen=True)
class _Host:
    gpu: Facts
    variables: Variables
    engine: str

    @property
    def platform(self) -> str:
        return self.gpu["platform"]

    @property
    def facts(self) -> Facts:
        """Of the engine that this host uses; empty where it was not asked."""
        return self.gpu["engines"].get(self.engine, {})

    def stack(self, *names: str) -> Facts | None:
        return next((each for each in self.gpu["stacks"] if each["name"] in names), None)

    def found(self, *codes: str) -> Facts | None:
        """The first finding with one of the codes."""
        return next((each for each in self.gpu["findings"] if each["code"] in codes), None)

    def mode(self, stack: str) -> str:
        """How the engine gives the stack to containers; empty while nobody knows."""
        plan = self.gpu["access"].get(self.engine, {}).get(stack) if self.facts.get("ready") else None
        return plan["gpu"]["mode"] if plan else ""

    def set(self, role: str) -> str:
        """A variable of the role that the inventory sets; empty where there is none."""
        others = tuple(f"{each}_" for each in ROLES if each.startswith(f"{role}_"))
        names = (name for name in self.variables if name.startswith(f"{role}_") and not name.startswith(others))
        return min(names, default="")


def needs(gpu: Facts | None, variables: Variables) -> list[dict[str, t.Any]]:
    """``[{role, reason, skip}]`` in the order in which the roles run.

    gpu: what `gpu_facts` returned, None for a host that is not asked. variables: what the inventory says of the host; its
    names tell which roles are told something. A host whose engine is elsewhere needs nothing here. Raises InputError
    for a variable that makes no sense.
    """
    skipped = _skipped(variables)
    if gpu is None or engine_elsewhere(variables):
        return []
    host = _Host(gpu, variables, str(variables.get("container_engine") or "podman"))
    reasons = dict(_reasons(host))
    install = _flag(variables, "container_engine_install", True)
    refused = skipped | (set() if install else {"podman", "docker"})
    first = {"registry"} if _serves(host) else set()
    return [asdict(Need(role, reasons[role], role in refused, role in first)) for role in ROLES if role in reasons]


def engine_elsewhere(variables: Variables) -> bool:
    """Whether the host's engine runs on another machine than the one that Ansible talks to."""
    return is_elsewhere(str(variables.get("container_engine_url") or ""))


def _reasons(host: _Host) -> Iterator[tuple[str, str]]:
    """(role, why), in any order."""
    engine = _engine(host)
    if engine:
        yield host.engine, engine
    for role, rule in _RULES.items():
        reason = rule(host, bool(engine))
        if reason:
            yield role, reason
    if _flag(host.variables, "link_address_manage", False) and host.variables.get("container_link_address"):
        yield "link_address", "the inventory sets link_address_manage"


def _engine(host: _Host) -> str:
    """Why the host's engine has to be looked after; empty where it has not."""
    facts = host.facts
    if host.engine not in ("podman", "docker"):
        raise InputError(f"unknown engine {host.engine!r}", "container_engine", "Write podman or docker.")
    if host.platform in ("macos", "wsl1") or _is_desktop(facts):
        return ""
    if not facts.get("installed"):
        return f"{host.engine} is not installed"
    if not facts["ready"] and not host.found("engine-no-permission"):
        return f"{host.engine} does not answer ({facts['reason']})"
    if _flag(host.variables, "container_bootstrap", False):
        return "the inventory sets container_bootstrap"
    return _told(host, host.engine)


def _wsl(host: _Host, _engine_comes: bool) -> str:
    return "WSL2 stops with its last window, unless it is told otherwise" if host.platform == "wsl2" else ""


def _docker_desktop(host: _Host, _engine_comes: bool) -> str:
    if host.engine == "docker" and _is_desktop(host.facts):
        return host.facts["reason"] or "its Docker is Docker Desktop"
    return _told(host, "docker_desktop")


def _nvidia_toolkit(host: _Host, engine_comes: bool) -> str:
    """Jetsons have the toolkit from JetPack, and a container gets the driver from the machine outside."""
    stack = host.stack("nvidia", "nvidia-wsl")
    here = host.platform in ("linux", "wsl2") and not _is_desktop(host.facts)
    if stack is None or not stack["ready"] or not here:
        return ""
    codes = MENDED["nvidia_toolkit"] + (MENDED_IN_DOCKER if host.engine == "docker" else ())
    wrong = host.found(*codes)
    mode = host.mode(stack["name"])
    if wrong:
        return f"{wrong['code']}: {wrong['message']}"
    if mode in ("explicit", "none"):
        return f"{host.engine} cannot give {stack['name']} to containers by name"
    if engine_comes and not mode:
        return f"{host.engine} is to give {stack['name']} to containers"
    return _told(host, "nvidia_toolkit")


def _rocm(host: _Host, engine_comes: bool) -> str:
    return _nodes_only(host, "rocm", "rocm", engine_comes)


def _intel(host: _Host, engine_comes: bool) -> str:
    return _nodes_only(host, "intel", "intel", engine_comes)


def _nodes_only(host: _Host, role: str, name: str, engine_comes: bool) -> str:
    """Stacks whose containers get nodes, and libraries from their image: firmware, groups and a CDI spec are all."""
    stack = host.stack(name)
    if stack is None or host.platform != "linux":
        return ""
    wrong = host.found(*MENDED[role])
    if wrong:
        return f"{wrong['code']}: {wrong['message']}"
    if not stack["ready"]:
        return _told(host, role)
    if host.facts.get("cdi_dirs") and host.mode(name) == "explicit":
        return f"{host.engine} reads CDI specs, and none names the GPUs of {name}"
    if engine_comes and not host.mode(name):
        return f"{host.engine} is to give {name} to containers"
    if ROOTLESS in host.variables:
        return f"users of rootless Podman ({ROOTLESS}) are to open the nodes of {name}"
    return _told(host, role)


def _mesa(host: _Host, _engine_comes: bool) -> str:
    """The host's own Vulkan driver: it is what tells that a render node is a GPU that draws."""
    stack = host.stack("vulkan")
    wrong = host.found(*MENDED["mesa"])
    if wrong and stack is not None and host.platform not in ("wsl2", "wsl1", "macos"):
        return f"{wrong['code']}: {wrong['message']}"
    return _told(host, "mesa")


def _registry(host: _Host, _engine_comes: bool) -> str:
    """A Docker Desktop trusts what its own machine's system does; nothing can be put into its virtual machine."""
    said, name = host.variables.get("container_registry"), str(host.variables.get("inventory_hostname"))
    if _serves(host):
        return f"it serves the registry {said.get('address')}"
    if host.platform in ("macos", "wsl1") or _is_desktop(host.facts):
        return ""
    if said:
        return f"it trusts the registry {said.get('address') if isinstance(said, Mapping) else said}"
    moves = moves_images(name, host.variables.get("container_image_builders"))
    return "it builds images for other hosts and serves them for the time of a transfer" if moves else ""


def _serves(host: _Host) -> bool:
    said, name = host.variables.get("container_registry"), host.variables.get("inventory_hostname")
    return isinstance(said, Mapping) and bool(name) and said.get("host") == name


_RULES: dict[str, t.Callable[[_Host, bool], str]] = {
    "wsl": _wsl,
    "docker_desktop": _docker_desktop,
    "nvidia_toolkit": _nvidia_toolkit,
    "rocm": _rocm,
    "intel": _intel,
    "mesa": _mesa,
    "registry": _registry,
}


def _is_desktop(facts: Facts) -> bool:
    """Docker Desktop, also one that is not switched on for this distribution."""
    return facts.get("flavour") == "desktop" or facts.get("reason") == NOT_INTEGRATED


def _told(host: _Host, role: str) -> str:
    name = host.set(role)
    return f"the inventory sets {name}" if name else ""


def _skipped(variables: Variables) -> set[str]:
    names = variables.get("prepare_skip") or []
    if isinstance(names, str) or not all(isinstance(name, str) for name in names):
        raise InputError("expected a list of roles", "prepare_skip", "Write «prepare_skip: [nvidia_toolkit, …]».")
    for name in names:
        if name not in ROLES:
            raise InputError(f"unknown role {name!r}", "prepare_skip", did_you_mean(name, ROLES))
    return set(names)


def _flag(variables: Variables, name: str, default: bool) -> bool:
    value = variables.get(name, default)
    known = _TRUE.get(value.strip().lower() if isinstance(value, str) else value) if _is_plain(value) else None
    if known is None:
        raise InputError("expected true or false", name)
    return known


def _is_plain(value: t.Any) -> bool:
    return value is None or isinstance(value, (bool, str))
