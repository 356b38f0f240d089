# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a container, network, volume and group should be, in engine-neutral terms.

These values are made on the controller (`_group/desired.py`), travel to the host as
JSON and are compared and carried out there. They hold no secret: a secret is a
reference (`SecretFile.source`), a staged file is a content hash (``staged:<sha256>``).

Units: sizes are bytes, durations are seconds, CPUs are a number of cores.
A field at its default is left out of the JSON form, so a field added later does not
change the hash of what is deployed today.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import typing as t
from dataclasses import dataclass, field

STAGED = "staged:"
"""Prefix of a bind source that is controller content staged under its hash."""

COOKIE = "x11-cookie-"
"""Prefix of a secret's source that is the cookie of this host's X server, e.g. ``x11-cookie-0`` for ``:0``. It is read
on the host (`_group/xauthority.py`) and never travels. Other sources are ``group/name``."""


@dataclass(frozen=True)
class Port:
    container: int
    host: int | None = None
    """None: the engine chooses."""
    address: str = ""
    """Host address to publish on; empty means all addresses."""
    protocol: str = "tcp"


@dataclass(frozen=True)
class Mount:
    type: str
    """bind, volume or tmpfs."""
    target: str
    source: str = ""
    """Host path or ``staged:<sha256>`` (bind), full volume name (volume), empty (tmpfs, anonymous)."""
    read_only: bool = False
    create_host_path: bool = True
    propagation: str = ""
    selinux: str = ""
    nocopy: bool = False
    subpath: str = ""
    size: int = 0
    mode: int = 0


@dataclass(frozen=True)
class Attachment:
    """Membership in one network. `network` is the full engine name, or host/none/bridge."""

    network: str
    aliases: tuple[str, ...] = ()
    ipv4: str = ""
    ipv6: str = ""
    mac: str = ""


@dataclass(frozen=True)
class Healthcheck:
    test: tuple[str, ...]
    """``("CMD", …)``, ``("CMD-SHELL", line)`` or ``("NONE",)``; empty keeps the image's own test."""
    interval: float = 30.0
    timeout: float = 30.0
    retries: int = 3
    start_period: float = 0.0
    start_interval: float = 0.0


@dataclass(frozen=True)
class Ulimit:
    name: str
    soft: int
    hard: int


@dataclass(frozen=True)
class SecretFile:
    """A secret as the container sees it. The value never stands here."""

    source: str
    """Key into the `secrets` parameter of the module, or ``x11-cookie-N``."""
    target: str
    """Absolute path in the container."""
    uid: int = 0
    gid: int = 0
    mode: int = 0o400


@dataclass(frozen=True)
class GpuRequest:
    """How this container gets its GPU: one access plan, resolved (see `_access/plan.py`)."""

    stack: str = "cpu"
    mode: str = "none"
    """cdi, nvidia-runtime, explicit, none, or network: the GPU stays with a program outside, whose address it gets."""
    reason: str = ""
    cdi_devices: tuple[str, ...] = ()
    """For mode cdi: ``nvidia.com/gpu=all`` and the like."""
    count: int = 0
    """For mode nvidia-runtime: -1 means all; 0 with `device_ids`, or with `runtime`."""
    device_ids: tuple[str, ...] = ()
    capabilities: tuple[str, ...] = ()
    runtime: str = ""
    """For mode nvidia-runtime: the OCI runtime that gives the GPU in place of a device request (Jetson)."""
    memory: int = 0
    """Bytes of GPU memory this container declares (x-gpu.memory)."""
    uuids: tuple[str, ...] = ()
    """GPUs the memory is taken from."""


@dataclass(frozen=True)
class GpuPromise:
    """What a container with a GPU must see once it runs. Asked inside it, and no part of its configuration hash."""

    stack: str
    nodes: tuple[str, ...] = ()
    """Device nodes it must be able to open, as paths inside the container."""
    uuids: tuple[str, ...] = ()
    """The vendor's UUIDs of the GPUs it was given, where they are known."""
    names: tuple[str, ...] = ()
    """The GPUs' names, for messages."""
    count: int = 0
    """How many GPUs it was given; 0: not known."""
    allows_cpu: bool = False
    """Its group allows the CPU, so a GPU that is not seen is a warning."""


@dataclass(frozen=True)
class ContainerConfig:
    """One container. Every field that changes what runs is part of the configuration hash."""

    name: str
    image: str
    """A reference, or ``build:<key>`` for an image of the plan that is resolved on the host."""
    command: tuple[str, ...] | None = None
    entrypoint: tuple[str, ...] | None = None
    environment: dict[str, str] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    annotations: dict[str, str] = field(default_factory=dict)
    user: str = ""
    working_dir: str = ""
    hostname: str = ""
    domainname: str = ""
    ports: tuple[Port, ...] = ()
    expose: tuple[str, ...] = ()
    mounts: tuple[Mount, ...] = ()
    secrets: tuple[SecretFile, ...] = ()
    networks: tuple[Attachment, ...] = ()
    network_mode: str = ""
    """host, none, ``container:<name>``; empty when `networks` says it."""
    restart: str = "no"
    """no, always, unless-stopped, on-failure or on-failure:N."""
    healthcheck: Healthcheck | None = None
    stop_signal: str = ""
    stop_grace_period: float = 10.0
    init: bool | None = None
    tty: bool = False
    stdin_open: bool = False
    read_only: bool = False
    privileged: bool = False
    cap_add: tuple[str, ...] = ()
    cap_drop: tuple[str, ...] = ()
    security_opt: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()
    """``host[:container[:permissions]]``."""
    device_cgroup_rules: tuple[str, ...] = ()
    group_add: tuple[str, ...] = ()
    sysctls: dict[str, str] = field(default_factory=dict)
    ulimits: tuple[Ulimit, ...] = ()
    extra_hosts: tuple[str, ...] = ()
    """``name:address``, also ``name:host-gateway``."""
    dns: tuple[str, ...] = ()
    dns_search: tuple[str, ...] = ()
    dns_opt: tuple[str, ...] = ()
    ipc: str = ""
    pid: str = ""
    uts: str = ""
    userns_mode: str = ""
    cgroup: str = ""
    cgroup_parent: str = ""
    runtime: str = ""
    platform: str = ""
    cpus: float = 0.0
    cpu_shares: int = 0
    cpuset: str = ""
    memory: int = 0
    memory_reservation: int = 0
    memory_swap: int = 0
    memory_swappiness: int | None = None
    pids_limit: int = 0
    shm_size: int = 0
    oom_kill_disable: bool = False
    oom_score_adj: int = 0
    log_driver: str = ""
    log_options: dict[str, str] = field(default_factory=dict)
    gpu: GpuRequest | None = None
    supervisor: str = ""
    """``systemd``: a Quadlet unit keeps it up (Podman only); empty: the engine does."""
    one_shot: bool = False
    """`Service.one_shot`, for a unit: it is up once it has exited 0. Set only together with `supervisor`."""


@dataclass(frozen=True)
class NetworkConfig:
    name: str
    """Full engine name."""
    key: str = "default"
    """Its key in the group file (Compose's label), or ``link`` for the network of the group's links."""
    driver: str = ""
    options: dict[str, str] = field(default_factory=dict)
    internal: bool = False
    ipv6: bool = False
    attachable: bool = False
    subnets: tuple[str, ...] = ()
    gateways: tuple[str, ...] = ()
    ip_ranges: tuple[str, ...] = ()
    labels: dict[str, str] = field(default_factory=dict)
    external: bool = False
    """Must exist already and is never made, changed or removed."""
    group: str = ""
    """The group that owns it, where another group's list names it too (link networks); empty: the listing group."""
    project: str = ""
    """The owning group's project, likewise."""


@dataclass(frozen=True)
class VolumeConfig:
    name: str
    key: str = ""
    driver: str = ""
    options: dict[str, str] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    external: bool = False


@dataclass(frozen=True)
class Dependency:
    service: str
    condition: str = "service_started"
    """service_started, service_healthy or service_completed_successfully."""
    restart: bool = False
    required: bool = True


@dataclass(frozen=True)
class Link:
    """One x-links entry, resolved."""

    variable: str
    url: str
    """What the container is given, e.g. ``tcp://10.77.2.1:7140``."""
    to: str
    """group/service:port as the group file meant it."""
    host: str
    """Inventory host of the other end."""
    published: bool = False
    """True: through the other host's published port; False: over a network of the plan."""
    outside: bool = False
    """True: the other host is not part of this run, so the consumer checks it before any change."""
    needed: bool = False
    """True: the other end is a group on another host that this one needs: it is up, and must answer, when this one changes."""
    check: tuple[str, ...] = ()
    """A command inside the consuming container that answers whether the link works, if given."""


@dataclass(frozen=True)
class Await:
    """An address on another host that a group of this one links to or needs."""

    url: str
    """As in `Link.url`: ``tcp://10.77.2.1:7140``."""
    to: str
    """group/service:port, for messages."""
    host: str
    """Inventory host that publishes it."""


@dataclass(frozen=True)
class Service:
    name: str
    config: ContainerConfig
    depends_on: tuple[Dependency, ...] = ()
    links: tuple[Link, ...] = ()
    one_shot: bool = False
    """Done when it exited 0; not started again on the next run."""
    settle: float = 1.0
    """Without a health check: still running after this many seconds counts as healthy."""
    cpu_fallback: bool = False
    """It asked for a GPU, has none, and its group allows cpu: said in the summary."""
    promise: GpuPromise | None = None
    """What to ask inside the container when it runs; None: it was given no GPU."""


@dataclass(frozen=True)
class Group:
    """One container group as it should be on one host."""

    name: str
    project: str
    services: tuple[Service, ...] = ()
    networks: tuple[NetworkConfig, ...] = ()
    volumes: tuple[VolumeConfig, ...] = ()
    needs: tuple[str, ...] = ()
    """Groups on the same host that must be healthy first (other hosts' are ordered by the fleet plan)."""
    awaits: tuple[Await, ...] = ()
    """What other hosts must answer before this group starts at boot; only for the supervisor systemd."""
    timeout: float = 120.0
    """Seconds this group may take to become healthy."""
    working_dir: str = ""
    config_files: str = ""


def to_dict(value: t.Any) -> t.Any:
    """The JSON form of any value of this module; fields at their default are left out."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        result = {}
        for item in dataclasses.fields(value):
            content = getattr(value, item.name)
            if content != _default(item):
                result[item.name] = to_dict(content)
        return result
    if isinstance(value, dict):
        return {key: to_dict(content) for key, content in sorted(value.items())}
    if isinstance(value, (list, tuple)):
        return [to_dict(content) for content in value]
    return value


def _default(item: dataclasses.Field) -> t.Any:
    if item.default is not dataclasses.MISSING:
        return item.default
    if item.default_factory is not dataclasses.MISSING:
        return item.default_factory()
    return dataclasses.MISSING


_NESTED: dict[tuple[type, str], type] = {
    (ContainerConfig, "ports"): Port,
    (ContainerConfig, "mounts"): Mount,
    (ContainerConfig, "secrets"): SecretFile,
    (ContainerConfig, "networks"): Attachment,
    (ContainerConfig, "ulimits"): Ulimit,
    (ContainerConfig, "healthcheck"): Healthcheck,
    (ContainerConfig, "gpu"): GpuRequest,
    (Service, "config"): ContainerConfig,
    (Service, "depends_on"): Dependency,
    (Service, "links"): Link,
    (Service, "promise"): GpuPromise,
    (Group, "services"): Service,
    (Group, "networks"): NetworkConfig,
    (Group, "volumes"): VolumeConfig,
    (Group, "awaits"): Await,
}

T = t.TypeVar("T")


def from_dict(kind: type[T], data: dict[str, t.Any]) -> T:
    """The value that `to_dict` made `data` from. Raises TypeError on a field that does not exist."""
    values = {}
    for key, content in data.items():
        nested = _NESTED.get((kind, key))
        if nested is not None and isinstance(content, (list, tuple)):
            content = tuple(from_dict(nested, entry) for entry in content)
        elif nested is not None and content is not None:
            content = from_dict(nested, content)
        elif isinstance(content, list):
            content = tuple(content)
        values[key] = content
    return kind(**values)


def digest(value: t.Any) -> str:
    """sha256 (hex) of the canonical JSON of a value of this module, or of plain JSON data."""
    text = json.dumps(to_dict(value), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()
