"""Hand-made group files, hosts and facts for the tests of the fleet plan."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping

from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._compose.spec import (
    GpuWish,
    GroupSpec,
    LinkWish,
    ServiceExtensions,
)
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._fleet.inventory import Host
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._fleet.placement import Placement

GIB = 1 << 30
UUID = "GPU-11111111-2222-3333-4444-555555555555"


def service(**keys: t.Any) -> dict[str, t.Any]:
    return {"image": "docker.io/library/redis:7", "networks": {"default": None}, **keys}


def port(target: int, published: str = "", host_ip: str = "", protocol: str = "tcp") -> dict[str, t.Any]:
    entry = {"mode": "ingress", "target": target, "protocol": protocol}
    if published:
        entry["published"] = published
    if host_ip:
        entry["host_ip"] = host_ip
    return entry


def link(variable: str, url: str) -> LinkWish:
    scheme, _sep, rest = url.partition("://")
    name, _sep, number = rest.rpartition(":")
    group, _sep, wanted = name.rpartition("/")
    return LinkWish(variable, url, scheme, group, wanted, int(number))


def group(
    name: str,
    services: Mapping[str, dict[str, t.Any]] | None = None,
    *,
    needs: tuple[str, ...] = (),
    links: Mapping[str, tuple[LinkWish, ...]] | None = None,
    gpus: Mapping[str, GpuWish] | None = None,
    **keys: t.Any,
) -> GroupSpec:
    services = {"web": service()} if services is None else services
    links, gpus = links or {}, gpus or {}
    extensions = {key: ServiceExtensions(gpu=gpus.get(key), links=links.get(key, ())) for key in services}
    keys = {"networks": {"default": {}}, "extensions": extensions, **keys}
    return GroupSpec(name=name, path=f"groups/{name}.yml", directory="groups", services=services, needs=needs, **keys)


def host(name: str = "mainpc", *groups: str, **keys: t.Any) -> Host:
    return Host(**{"name": name, "groups": groups, "machine": name, **keys})


def placed(where: Host, spec: GroupSpec) -> Placement:
    return Placement(where, spec, spec.services)


def loader(*specs: GroupSpec) -> t.Callable[..., GroupSpec]:
    by_name = {spec.name: spec for spec in specs}
    return lambda path, environment, secret_names: by_name[path.rpartition("/")[2].removesuffix(".yml")]


def cpu_facts() -> dict[str, t.Any]:
    return {
        "gpu": {
            "platform": "linux",
            "stacks": [{"name": "cpu", "ready": True, "reason": "every host has one", "devices": []}],
            "engines": {"podman": {"installed": True, "ready": True, "version": "4.3.1", "id": "abc"}},
        }
    }


def nvidia_facts(total: int = 24 * GIB, free: int = 24 * GIB, declared: int = 0, **engine: t.Any) -> dict[str, t.Any]:
    device = {
        "stack": "nvidia",
        "vendor": "nvidia",
        "name": "NVIDIA GeForce RTX 4090",
        "uuid": UUID,
        "index": 0,
        "minor": 0,
        "memory_bytes": total,
        "memory_free_bytes": free,
        "driver": "550.120",
    }
    podman = {
        "installed": True,
        "ready": True,
        "version": "5.4.2",
        "id": "one",
        "cdi_dirs": ["/etc/cdi"],
        "cdi_devices": ["nvidia.com/gpu=all", "nvidia.com/gpu=0", "nvidia.com/gpu=1"],
        "declared": {UUID: declared},
        **engine,
    }
    return {
        "gpu": {
            "platform": "linux",
            "stacks": [
                {"name": "nvidia", "ready": True, "reason": "the driver answers", "devices": [device]},
                {"name": "cpu", "ready": True, "reason": "every host has one", "devices": []},
            ],
            "engines": {"podman": podman},
        }
    }
