"""A non-default value for every field, so that tests can prove that no adapter drops one silently."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.gpu_fleet.containers.plugins.module_utils._group.config import (
    Attachment,
    ContainerConfig,
    GpuRequest,
    Healthcheck,
    Mount,
    NetworkConfig,
    Port,
    SecretFile,
    Ulimit,
    VolumeConfig,
)

SOURCES = {"staged:abc": "/state/abc", "env:token": "/state/token"}
BASE = ContainerConfig("web", "localhost/agent:1")

CONTAINER: dict[str, t.Any] = {
    "name": "other",
    "image": "localhost/other:1",
    "command": ("serve", "a b"),
    "entrypoint": ("sh", "-c"),
    "environment": {"WORDS": "a b,c=d"},
    "annotations": {"run.oci.keep": "a,b"},
    "user": "1000:1000",
    "working_dir": "/srv",
    "hostname": "web",
    "domainname": "example.org",
    "ports": (Port(80, 8080, "127.0.0.1"),),
    "expose": ("9000",),
    "mounts": (Mount("volume", "/data", "data"),),
    "secrets": (SecretFile("env:token", "/run/secrets/token"),),
    "networks": (Attachment("front", ("web",)),),
    "network_mode": "host",
    "restart": "always",
    "healthcheck": Healthcheck(("CMD", "check", "it")),
    "stop_signal": "SIGINT",
    "stop_grace_period": 20.5,
    "init": True,
    "tty": True,
    "stdin_open": True,
    "read_only": True,
    "privileged": True,
    "cap_add": ("NET_ADMIN",),
    "cap_drop": ("ALL",),
    "security_opt": ("no-new-privileges:true",),
    "devices": ("/dev/fuse:/dev/fuse:rw",),
    "device_cgroup_rules": ("c 1:3 rwm",),
    "group_add": ("44",),
    "sysctls": {"net.core.somaxconn": "512"},
    "ulimits": (Ulimit("nofile", 100, 200),),
    "extra_hosts": ("db:192.0.2.1",),
    "dns": ("192.0.2.53",),
    "dns_search": ("example.org",),
    "dns_opt": ("ndots:1",),
    "ipc": "shareable",
    "pid": "host",
    "uts": "host",
    "userns_mode": "host",
    "cgroup": "private",
    "cgroup_parent": "/fleet",
    "runtime": "runc",
    "platform": "linux/amd64",
    "cpus": 1.5,
    "cpu_shares": 512,
    "cpuset": "0-1",
    "memory": 1 << 30,
    "memory_reservation": 1 << 29,
    "memory_swap": -1,
    "memory_swappiness": 0,
    "pids_limit": 100,
    "shm_size": 1 << 20,
    "oom_kill_disable": True,
    "oom_score_adj": -500,
    "log_driver": "json-file",
    "log_options": {"max-size": "1m"},
    "gpu": GpuRequest("nvidia", "cdi", cdi_devices=("nvidia.com/gpu=all",)),
}
NOT_THE_ENGINES = {
    # The labels argument is complete and holds them; units have tests of their own.
    ContainerConfig: {"labels", "supervisor", "one_shot"},
    SecretFile: {"uid", "gid", "mode"},  # set on the file by who writes it
    GpuRequest: {"stack", "reason", "memory", "uuids"},  # said in labels and summaries
    NetworkConfig: {"key", "external", "group", "project"},  # labels; external ones are never made
    VolumeConfig: {"key", "external", "group", "project"},
}
"""Fields that no adapter carries out, and why."""

NESTED: dict[type, tuple[t.Any, dict[str, t.Any]]] = {
    Port: (Port(80), {"container": 81, "host": 8080, "address": "::1", "protocol": "udp"}),
    Attachment: (
        Attachment("front"),
        {"network": "back", "aliases": ("a", "b"), "ipv4": "10.0.0.2", "ipv6": "fd00::2", "mac": "02:42:ac:11:00:02"},
    ),
    Healthcheck: (
        Healthcheck(("CMD", "check", "it")),
        {
            "test": ("CMD-SHELL", "check it"),
            "interval": 5.0,
            "timeout": 2.5,
            "retries": 7,
            "start_period": 9.0,
            "start_interval": 1.0,
        },
    ),
    Ulimit: (Ulimit("nofile", 1, 2), {"name": "nproc", "soft": 2, "hard": 3}),
    SecretFile: (SecretFile("env:token", "/run/secrets/a"), {"source": "staged:abc", "target": "/run/secrets/b"}),
}
FIELD_OF = {
    Port: "ports",
    Attachment: "networks",
    Healthcheck: "healthcheck",
    Ulimit: "ulimits",
    SecretFile: "secrets",
    Mount: "mounts",
    GpuRequest: "gpu",
}

BIND = Mount("bind", "/x", "/srv/x")
VOLUME = Mount("volume", "/x", "data")
TMPFS = Mount("tmpfs", "/x")
MOUNTS: list[tuple[Mount, str, t.Any]] = [
    (BIND, "type", "tmpfs"),
    (BIND, "target", "/y"),
    (BIND, "source", "staged:abc"),
    (BIND, "read_only", True),
    (BIND, "propagation", "rslave"),
    (BIND, "selinux", "z"),
    (VOLUME, "source", ""),
    (VOLUME, "read_only", True),
    (VOLUME, "nocopy", True),
    (VOLUME, "subpath", "a/b"),
    (TMPFS, "read_only", True),
    (TMPFS, "size", 4096),
    (TMPFS, "mode", 0o700),
]
"""A mount, a field and another value: each must change what the engine is asked for. create_host_path has own tests."""

NETWORK: dict[str, t.Any] = {
    "name": "other",
    "driver": "macvlan",
    "options": {"mtu": "1400"},
    "internal": True,
    "ipv6": True,
    "attachable": True,
    "subnets": ("10.1.0.0/24",),
    "gateways": ("10.1.0.1",),
    "ip_ranges": ("10.1.0.128/25",),
}
VOLUME_FIELDS: dict[str, t.Any] = {"name": "other", "driver": "nfs", "options": {"o": "a,b"}}


def with_field(config: ContainerConfig, key: str, value: t.Any) -> ContainerConfig:
    return dataclasses.replace(config, **{key: value})


def containing(item: t.Any) -> ContainerConfig:
    """A container that has just this port, mount, …"""
    key = FIELD_OF[type(item)]
    return with_field(BASE, key, item if key in ("healthcheck", "gpu") else (item,))


def unsampled(kind: type, samples: t.Iterable[str]) -> set[str]:
    """Fields without a sample: a new field has to be added here, and with it to the adapters."""
    return {field.name for field in dataclasses.fields(kind)} - set(samples) - NOT_THE_ENGINES.get(kind, set())
