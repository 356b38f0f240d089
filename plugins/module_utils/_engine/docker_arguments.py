# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Configurations to bodies of Docker API requests: pure, so that tests can compare them whole.

A field that this Docker cannot carry out raises EngineError naming the field; no field
is dropped silently (a unit test walks over all fields). `api` is the daemon's API
version as a pair, e.g. (1, 41) for Docker 20.10; «since» figures are those of Docker's
API version history.
"""

from __future__ import annotations

import math
import typing as t

from .._cdi.names import is_cdi_name
from .._errors import EngineError
from .._group.config import (
    STAGED,
    Attachment,
    ContainerConfig,
    GpuRequest,
    Healthcheck,
    Mount,
    NetworkConfig,
    Port,
    VolumeConfig,
)

Body = dict[str, t.Any]
Api = tuple[int, int]

PODMAN_CDI = (5, 4)
"""First Podman whose Docker-compatible API honours a request with the driver cdi (pkg/api/handlers/compat)."""


def create_container(
    config: ContainerConfig,
    labels: dict[str, str],
    bind_sources: dict[str, str],
    api: Api,
    podman: Api | None = None,
) -> Body:
    """The body of POST /containers/create. Networks beyond the first may need `later_networks`.

    podman: version of the Podman that answers at Docker's socket, None for Docker itself.
    """
    where = f"container {config.name}"
    if config.image.startswith("build:"):
        raise EngineError(f"image {config.image!r} was not resolved to a reference", path=where)
    body: Body = {
        "Image": config.image,
        "Labels": dict(labels),
        "Env": [f"{key}={value}" for key, value in sorted(config.environment.items())],
        "Tty": config.tty,
        "OpenStdin": config.stdin_open,
        "StopTimeout": math.ceil(config.stop_grace_period),
        "HostConfig": _host_config(config, bind_sources, api, podman, where),
    }
    body["Cmd"] = None if config.command is None else list(config.command)
    body["Entrypoint"] = None if config.entrypoint is None else list(config.entrypoint)
    body["User"] = config.user
    body["WorkingDir"] = config.working_dir
    body["Hostname"] = config.hostname
    body["Domainname"] = config.domainname
    body["StopSignal"] = config.stop_signal
    body["Healthcheck"] = _health(config.healthcheck, api)
    body["ExposedPorts"] = {key: {} for key in _exposed(config)}
    first = config.networks if api >= (1, 44) else config.networks[:1]
    body["NetworkingConfig"] = (
        {"EndpointsConfig": {entry.network: endpoint(entry) for entry in first}} if first else None
    )
    if api < (1, 44) and first:
        body["MacAddress"] = first[0].mac
    return _filled(body)


def later_networks(config: ContainerConfig, api: Api) -> tuple[Attachment, ...]:
    """The attachments to make after create and before start: before API 1.44 create takes one network only."""
    return () if api >= (1, 44) else config.networks[1:]


def endpoint(attachment: Attachment) -> Body:
    """An EndpointSettings object."""
    addresses = _filled({"IPv4Address": attachment.ipv4, "IPv6Address": attachment.ipv6})
    return _filled({"Aliases": list(attachment.aliases), "IPAMConfig": addresses, "MacAddress": attachment.mac})


def create_network(network: NetworkConfig, labels: dict[str, str]) -> Body:
    """The body of POST /networks/create."""
    pools = []
    for index, subnet in enumerate(network.subnets):
        pool = {"Subnet": subnet, "Gateway": _at(network.gateways, index), "IPRange": _at(network.ip_ranges, index)}
        pools.append(_filled(pool))
    body = {
        "Driver": network.driver,
        "Options": dict(network.options),
        "Internal": network.internal,
        "EnableIPv6": network.ipv6,
        "Attachable": network.attachable,
        "IPAM": {"Driver": "default", "Config": pools} if pools else None,
    }
    return {"Name": network.name, "CheckDuplicate": True, "Labels": dict(labels), **_filled(body)}


def create_volume(volume: VolumeConfig, labels: dict[str, str]) -> Body:
    """The body of POST /volumes/create."""
    return {
        "Name": volume.name,
        "Labels": dict(labels),
        **_filled({"Driver": volume.driver, "DriverOpts": dict(volume.options)}),
    }


def import_changes(labels: dict[str, str]) -> list[str]:
    """Labels as Dockerfile instructions; the builder expands ``$`` in them, so it is escaped."""
    quoted = {ord("\\"): "\\\\", ord('"'): '\\"', ord("$"): "\\$"}
    return [f'LABEL "{key}"="{value.translate(quoted)}"' for key, value in sorted(labels.items())]


def _host_config(
    config: ContainerConfig, bind_sources: dict[str, str], api: Api, podman: Api | None, where: str
) -> Body:
    if config.annotations and api < (1, 43):
        raise EngineError("annotations need Docker 24 (API 1.43)", path=f"{where}: annotations")
    body: Body = {
        "NetworkMode": config.network_mode or (config.networks[0].network if config.networks else ""),
        "PortBindings": _port_bindings(config.ports),
        "RestartPolicy": _restart(config.restart),
        "Init": config.init,
        "ReadonlyRootfs": config.read_only,
        "LogConfig": {"Type": config.log_driver, "Config": dict(config.log_options)}
        if config.log_driver or config.log_options
        else None,
        "Annotations": dict(config.annotations),
        "Runtime": config.runtime or (config.gpu.runtime if config.gpu else ""),
        **_storage(config, bind_sources, api, where),
        **_security(config),
        **_limits(config),
        **_devices(config, api, podman, where),
    }
    return _filled(body)


def _storage(config: ContainerConfig, bind_sources: dict[str, str], api: Api, where: str) -> Body:
    binds: list[str] = []
    mounts: list[Body] = []
    for index, mount in enumerate(config.mounts):
        path = f"{where}: mounts[{index}]"
        source = _source(mount.source, bind_sources, path) if mount.source.startswith(STAGED) else mount.source
        if mount.type == "bind" and (mount.create_host_path or mount.selinux) and ":" not in source + mount.target:
            # Only Binds make a missing source and relabel for SELinux; Mounts refuse or cannot.
            options = ["ro"] if mount.read_only else []
            options += [option for option in (mount.propagation, mount.selinux) if option]
            binds.append(":".join([source, mount.target, ",".join(options)] if options else [source, mount.target]))
        else:
            mounts.append(_mount(mount, source, api, path))
    for index, secret in enumerate(config.secrets):
        source = _source(secret.source, bind_sources, f"{where}: secrets[{index}]")
        mounts.append({"Type": "bind", "Source": source, "Target": secret.target, "ReadOnly": True})
    return {"Binds": binds, "Mounts": mounts, "ShmSize": config.shm_size}


def _source(source: str, bind_sources: dict[str, str], path: str) -> str:
    if source in bind_sources:
        return bind_sources[source]
    raise EngineError(f"{source!r} is not on this host", path=path)


def _mount(mount: Mount, source: str, api: Api, path: str) -> Body:
    if mount.type not in ("bind", "volume", "tmpfs"):
        raise EngineError(f"mounts of type {mount.type!r} are not supported on Docker", path=path)
    if mount.selinux:
        raise EngineError("SELinux relabelling of a path with a colon", path=f"{path}: selinux")
    if mount.subpath and api < (1, 45):
        raise EngineError("a volume's subpath needs Docker 26 (API 1.45)", path=f"{path}: subpath")
    body: Body = {"Type": mount.type, "Target": mount.target, "ReadOnly": mount.read_only, "Source": source}
    if mount.type == "bind":
        # Since API 1.42; an older daemon ignores it and says itself that the source is missing.
        body["BindOptions"] = _filled({"Propagation": mount.propagation, "CreateMountpoint": mount.create_host_path})
    elif mount.type == "volume":
        body["VolumeOptions"] = _filled({"NoCopy": mount.nocopy, "Subpath": mount.subpath})
    else:
        body["TmpfsOptions"] = _filled({"SizeBytes": mount.size, "Mode": mount.mode})
    return _filled(body)


def _security(config: ContainerConfig) -> Body:
    return {
        "Privileged": config.privileged,
        "CapAdd": list(config.cap_add),
        "CapDrop": list(config.cap_drop),
        "SecurityOpt": [option for option in config.security_opt if not _unmasks(option)],
        # What `docker run` makes of systempaths=unconfined (cli/command/container/opts.go).
        **({"MaskedPaths": [], "ReadonlyPaths": []} if any(map(_unmasks, config.security_opt)) else {}),
        "GroupAdd": list(config.group_add),
        "IpcMode": config.ipc,
        "PidMode": config.pid,
        "UTSMode": config.uts,
        "UsernsMode": config.userns_mode,
        "CgroupnsMode": config.cgroup,
        "CgroupParent": config.cgroup_parent,
        "Sysctls": dict(config.sysctls),
        "ExtraHosts": [entry.replace("=", ":", 1) for entry in config.extra_hosts],
        "Dns": list(config.dns),
        "DnsSearch": list(config.dns_search),
        "DnsOptions": list(config.dns_opt),
    }


def _unmasks(option: str) -> bool:
    return option in ("systempaths=unconfined", "systempaths:unconfined")


def _limits(config: ContainerConfig) -> Body:
    return {
        "NanoCpus": round(config.cpus * 1e9),
        "CpuShares": config.cpu_shares,
        "CpusetCpus": config.cpuset,
        "Memory": config.memory,
        "MemoryReservation": config.memory_reservation,
        "MemorySwap": config.memory_swap,
        "MemorySwappiness": config.memory_swappiness,
        "PidsLimit": config.pids_limit,
        "OomKillDisable": config.oom_kill_disable,
        "OomScoreAdj": config.oom_score_adj,
        "Ulimits": [{"Name": limit.name, "Soft": limit.soft, "Hard": limit.hard} for limit in config.ulimits],
    }


def _devices(config: ContainerConfig, api: Api, podman: Api | None, where: str) -> Body:
    named = [device for device in config.devices if is_cdi_name(device)]
    if named:
        _need_cdi(api, podman, f"{where}: devices")
    requests = [{"Driver": "cdi", "DeviceIDs": named}] if named else []
    return {
        "Devices": [_device(device) for device in config.devices if device not in named],
        "DeviceCgroupRules": list(config.device_cgroup_rules),
        "DeviceRequests": requests + gpu_requests(config.gpu, api, f"{where}: gpu", podman),
    }


def _device(text: str) -> Body:
    host, _colon, rest = text.partition(":")
    target, _colon, permissions = rest.partition(":")
    return {"PathOnHost": host, "PathInContainer": target or host, "CgroupPermissions": permissions or "rwm"}


def gpu_requests(gpu: GpuRequest | None, api: Api, path: str, podman: Api | None = None) -> list[Body]:
    """DeviceRequests for a GPU. With mode explicit the devices and mounts stand in the configuration itself."""
    if gpu is None or gpu.mode in ("none", "explicit", "network"):
        return []
    if gpu.mode == "cdi" and gpu.cdi_devices:
        _need_cdi(api, podman, path)
        return [{"Driver": "cdi", "DeviceIDs": list(gpu.cdi_devices)}]
    if gpu.mode == "nvidia-runtime" and podman is not None:
        raise _dropped(podman, path)
    if gpu.mode == "nvidia-runtime" and gpu.runtime:
        return []
    if gpu.mode == "nvidia-runtime":
        capabilities = ["gpu", *(name for name in gpu.capabilities if name != "gpu")]
        request: Body = {"Driver": "", "Capabilities": [capabilities]}
        # A count together with ids is an error of the API.
        request.update({"DeviceIDs": list(gpu.device_ids)} if gpu.device_ids else {"Count": gpu.count or -1})
        return [request]
    raise EngineError(f"GPU access {gpu.mode!r} without what Docker needs for it", path=path)


def _need_cdi(api: Api, podman: Api | None, path: str) -> None:
    if podman is not None:
        if podman < PODMAN_CDI:
            raise _dropped(podman, path)
    elif api < (1, 44):
        raise EngineError("CDI devices need Docker 25 (API 1.44)", path=path, mend="Update Docker, or use Podman.")


def _dropped(podman: Api, path: str) -> EngineError:
    return EngineError(
        f"Docker's socket is answered by Podman {podman[0]}.{podman[1]}, which ignores this request for a GPU in silence",
        path=path,
        mend="Set container_engine: podman for this host, so that Podman is talked to itself.",
    )


def _health(healthcheck: Healthcheck | None, api: Api) -> Body | None:
    """Durations in ns; 0 and an empty test keep the image's own. `start_interval` is how often we ask while it starts."""
    if healthcheck is None:
        return None
    body: Body = {
        "Test": list(healthcheck.test),
        "Interval": _nanoseconds(healthcheck.interval),
        "Timeout": _nanoseconds(healthcheck.timeout),
        "Retries": healthcheck.retries,
        "StartPeriod": _nanoseconds(healthcheck.start_period),
    }
    if api >= (1, 44):
        body["StartInterval"] = _nanoseconds(healthcheck.start_interval)
    return {"Test": ["NONE"]} if body["Test"][:1] == ["NONE"] else _filled(body)


def _nanoseconds(seconds: float) -> int:
    return round(seconds * 1e9)


def _restart(text: str) -> Body:
    name, _colon, count = text.partition(":")
    return {"Name": name, "MaximumRetryCount": int(count)} if count else {"Name": name}


def _exposed(config: ContainerConfig) -> list[str]:
    keys = [f"{port.container}/{port.protocol}" for port in config.ports]
    for entry in config.expose:
        numbers, _slash, protocol = entry.partition("/")
        first, _dash, last = numbers.partition("-")
        keys += [f"{number}/{protocol or 'tcp'}" for number in range(int(first), int(last or first) + 1)]
    return sorted(set(keys))


def _port_bindings(ports: t.Iterable[Port]) -> Body:
    bindings: dict[str, list[Body]] = {}
    for port in ports:
        binding = {"HostIp": port.address, "HostPort": str(port.host or "")}
        bindings.setdefault(f"{port.container}/{port.protocol}", []).append(binding)
    return bindings


def _at(values: t.Sequence[str], index: int) -> str:
    return values[index] if index < len(values) else ""


def _filled(body: Body) -> Body:
    """Without the entries that say nothing: the daemon's own defaults stand for them."""
    keep = {"MaskedPaths", "ReadonlyPaths"}
    empty: tuple[t.Any, ...] = (None, "", [], {}, False)
    return {
        key: value
        for key, value in body.items()
        if key in keep or (key in ("Init", "MemorySwappiness") and value is not None) or not _is_one_of(value, empty)
    }


def _is_one_of(value: t.Any, empty: tuple[t.Any, ...]) -> bool:
    return value in empty  # 0 equals False, and 0 is the API's «not set» everywhere but in the two keys above
