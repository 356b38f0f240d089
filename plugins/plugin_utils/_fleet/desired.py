# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a Compose service, its GPU access and its links to the container it must become.

Every canonical key of a service stands in one of the tables here, or raises: nothing of a
group file is dropped in silence.
"""

from __future__ import annotations

import typing as t
from collections.abc import Mapping
from dataclasses import dataclass, replace

from ...module_utils._access.display import DisplayPlan
from ...module_utils._access.environment import joined_environment
from ...module_utils._access.named import named_devices
from ...module_utils._access.plan import AccessPlan
from ...module_utils._cdi.names import is_cdi_name
from ...module_utils._errors import InputError
from ...module_utils._group.config import ContainerConfig, Mount, Port, SecretFile, Service
from .._nearest import did_you_mean
from .aliases import check_links
from .links import Resolved
from .mounts import Files, mounts
from .networks import attachments, container_name, dependencies, shared_namespace
from .placement import Placement
from .resources import healthcheck, limits, restart, ulimits
from .units import seconds

RESERVED_LABELS = ("org.gpu-fleet.", "com.docker.compose.")

_TEXT = ("working_dir", "hostname", "domainname", "stop_signal", "userns_mode", "cgroup", "cgroup_parent",
         "runtime", "platform", "uts")  # fmt: skip
_FLAGS = ("tty", "stdin_open", "read_only", "privileged", "oom_kill_disable")
_LISTS = ("cap_add", "cap_drop", "device_cgroup_rules", "dns", "dns_search", "dns_opt", "expose")
_MAPPINGS = ("annotations", "sysctls")

_MAPPED = {
    *_TEXT, *_FLAGS, *_LISTS, *_MAPPINGS,
    "command", "entrypoint", "environment", "labels", "user", "image", "build", "container_name", "ports", "volumes",
    "tmpfs", "configs", "secrets", "networks", "network_mode", "ipc", "pid", "restart", "deploy", "healthcheck",
    "stop_grace_period", "init", "security_opt", "devices", "group_add", "ulimits", "extra_hosts", "oom_score_adj",
    "logging", "depends_on", "cpus", "cpu_period", "cpu_quota", "cpu_shares", "cpuset", "mem_limit",
    "links", "volumes_from",
    "mac_address", "mem_reservation", "memswap_limit", "mem_swappiness", "pids_limit", "shm_size",
}  # fmt: skip

_ELSEWHERE = {
    "profiles",  # chosen in placement.py
    "pull_policy",  # images.py
    "scale",  # checked below
    "env_file",  # its variables are in environment already
    "attach",  # only about what `docker compose up` prints
}


@dataclass(frozen=True)
class Context:
    """What the rest of the plan found out about one service."""

    image: str
    access: AccessPlan
    links: list[Resolved]
    """All links of the plan."""
    ports: tuple[Port, ...] = ()
    secrets: tuple[SecretFile, ...] = ()
    display: DisplayPlan = DisplayPlan()


def desired_service(placement: Placement, name: str, context: Context, files: Files) -> Service:
    """One service of a group as it should be on its host. Staged content is added to `files`. Raises InputError."""
    content = placement.services[name]
    where = placement.where("services", name)
    _check_keys(placement, name, content)
    check_links(placement, name)
    extensions = placement.extensions(name)
    mine = tuple(link.link for link in context.links if (link.consumer.node, link.service) == (placement.node, name))
    one_shot = extensions.one_shot or _is_waited_for(placement, name)
    config = ContainerConfig(
        name=container_name(placement, name),
        image=context.image,
        environment=_environment(content, context, mine),
        labels=_labels(placement, name, content),
        ports=() if content.get("network_mode") == "host" else context.ports,
        mounts=_mounts(placement, name, context, files),
        secrets=(*context.secrets, *context.display.secrets),
        networks=attachments(placement, name, context.links),
        network_mode=shared_namespace(placement, name, "network_mode"),
        ipc=shared_namespace(placement, name, "ipc"),
        pid=shared_namespace(placement, name, "pid"),
        restart=_restart(placement, content, where),
        healthcheck=healthcheck(content, where),
        ulimits=ulimits(content),
        # The reason is for people: in other words it would be another configuration, and the container made anew.
        gpu=replace(context.access.gpu, reason="") if extensions.gpu is not None else None,
        **_supervised(placement, one_shot),
        **_plain(content, where),
        **_with_access(content, context, where),
        **_process(content),
        **limits(content, where),
    )
    return Service(
        name=name,
        config=config,
        depends_on=dependencies(placement, name),
        links=mine,
        one_shot=one_shot,
        settle=1.0 if extensions.settle is None else float(extensions.settle),
        cpu_fallback=context.access.cpu_fallback,
        promise=context.access.promise if extensions.gpu is not None else None,
    )


def _supervised(placement: Placement, one_shot: bool) -> dict[str, t.Any]:
    """Podman's containers are units where systemd is the supervisor; Docker's stay its own, started by a unit of the group."""
    if (placement.host.engine, placement.host.supervisor) != ("podman", "systemd"):
        return {}
    return {"supervisor": "systemd", "one_shot": one_shot}


def _restart(placement: Placement, content: Mapping[str, t.Any], where: str) -> str:
    """Docker starts what says «always» by itself at boot, also when it was stopped in order: before its turn."""
    policy = restart(content, where)
    by_unit = (placement.host.engine, placement.host.supervisor) == ("docker", "systemd")
    return "unless-stopped" if by_unit and policy == "always" else policy


def _is_waited_for(placement: Placement, name: str) -> bool:
    """Whether another service waits until this one has completed: then it is a one-shot without saying so."""
    return any(
        entry["condition"] == "service_completed_successfully"
        for content in placement.services.values()
        for dependency, entry in (content.get("depends_on") or {}).items()
        if dependency == name
    )


def _check_keys(placement: Placement, name: str, content: Mapping[str, t.Any]) -> None:
    unknown = sorted(
        key for key in content if key not in _MAPPED | _ELSEWHERE and content[key] not in (None, "", [], {}, False)
    )
    if unknown:
        raise InputError(
            f"«{unknown[0]}» is not supported",
            placement.where("services", name, unknown[0]),
            did_you_mean(unknown[0], _MAPPED) if len(unknown[0]) < 40 else "",
        )
    if content.get("scale") not in (None, 1):
        raise InputError(
            "a service has exactly one container here",
            placement.where("services", name, "scale"),
            "Leave scale out, and write the service under several names.",
        )


def _process(content: Mapping[str, t.Any]) -> dict[str, t.Any]:
    command, entrypoint = content.get("command"), content.get("entrypoint")
    return {
        "command": None if command is None else tuple(command),
        "entrypoint": None if entrypoint is None else tuple(entrypoint),
        "user": str(content.get("user") or ""),
        "init": content.get("init"),
        "extra_hosts": tuple(_extra_hosts(content.get("extra_hosts") or ())),
        "oom_score_adj": int(content.get("oom_score_adj") or 0),
    }


def _plain(content: Mapping[str, t.Any], where: str) -> dict[str, t.Any]:
    """The keys that mean the same on both sides."""
    logging = content.get("logging") or {}
    result: dict[str, t.Any] = {key: content.get(key) or "" for key in _TEXT}
    result |= {key: bool(content.get(key)) for key in _FLAGS}
    result |= {key: tuple(str(entry) for entry in content.get(key) or ()) for key in _LISTS}
    result |= {key: _strings(content.get(key)) for key in _MAPPINGS}
    result["log_driver"] = logging.get("driver") or ""
    result["log_options"] = _strings(logging.get("options"))
    if content.get("stop_grace_period") is not None:
        result["stop_grace_period"] = seconds(content["stop_grace_period"], f"{where}.stop_grace_period")
    return result


def _mounts(placement: Placement, name: str, context: Context, files: Files) -> tuple[Mount, ...]:
    """The service's own, those of its GPU and those of its display; two of them may want the same one."""
    result = {mount.target.rstrip("/"): mount for mount in mounts(placement, name, files)}
    own = frozenset(result)
    for what, given in (("GPU", context.access.mounts), ("display", context.display.mounts)):
        for mount in given:
            there = result.setdefault(mount.target, mount)
            if mount.target in own and there.source.rstrip("/") != mount.source:
                raise InputError(
                    f"{mount.target} is where the {what}'s own mount goes",
                    placement.where("services", name, "volumes"),
                    f"Take this volume out, or x-{what.lower()}.",
                )
    return tuple(result.values())


def _with_access(content: Mapping[str, t.Any], context: Context, where: str) -> dict[str, t.Any]:
    """The lists that the plans of GPU and display add to."""
    access = context.access
    entries = content.get("devices") or ()
    # What is asked for by a CDI name stands in the access plan, as far as the engine resolves it.
    named = named_devices(entries)
    plain = [entry for entry in entries if (entry if isinstance(entry, str) else entry["source"]) not in named]
    devices = [entry if isinstance(entry, str) else _device(entry) for entry in plain]
    groups = [str(entry) for entry in content.get("group_add") or ()]
    if "keep-groups" in access.group_add and set(groups) - {"keep-groups"}:
        raise InputError(
            "rootless Podman passes on its user's groups for the GPU's nodes (keep-groups), and then takes no others",
            f"{where}.group_add",
            "Put the user who runs Podman into these groups, and take group_add out.",
        )
    return {
        "devices": _devices(devices, access.devices),
        "group_add": _once(groups, access.group_add),
        "security_opt": _once(content.get("security_opt") or (), access.security_opt, context.display.security_opt),
    }


def _devices(own: t.Sequence[str], given: t.Iterable[str]) -> tuple[str, ...]:
    """``host:container:permissions`` and CDI names; for one path in the container what the group file says counts."""
    taken = {_inside(entry) for entry in own}
    return _once(own, (entry for entry in given if is_cdi_name(entry) or _inside(entry) not in taken))


def _inside(device: str) -> str:
    source, _colon, rest = device.partition(":")
    return rest.partition(":")[0] or source


def _once(*lists: t.Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(entry for entries in lists for entry in entries))


def _device(entry: Mapping[str, str]) -> str:
    source, target = entry["source"], entry.get("target") or entry["source"]
    permissions = entry.get("permissions") or "rwm"
    return f"{source}:{target}:{permissions}"


def _environment(content: Mapping[str, t.Any], context: Context, links: tuple) -> dict[str, str]:
    """What the user wrote wins over the plans of GPU and display; a variable without a value is not set, as in Compose."""
    written = content.get("environment") or {}
    result = joined_environment(context.access.environment, context.display.environment)
    result |= {key: str(value) for key, value in written.items() if value is not None}
    result |= {link.variable: link.url for link in links}
    return result


def _labels(placement: Placement, name: str, content: Mapping[str, t.Any]) -> dict[str, str]:
    labels = _strings(content.get("labels"))
    for label in labels:
        if label.startswith(RESERVED_LABELS):
            raise InputError(
                f"the label {label} is set by the deployment",
                placement.where("services", name, "labels", label),
                "Take it out.",
            )
    return labels


def _extra_hosts(entries: t.Iterable[str]) -> t.Iterator[str]:
    """``name=address`` (Compose's canonical form since 2.24) as ``name:address``, which both engines take."""
    for entry in entries:
        name, equals, address = entry.partition("=")
        yield f"{name}:{address}" if equals else entry


def _strings(value: Mapping[str, t.Any] | None) -> dict[str, str]:
    return {key: str(content) for key, content in (value or {}).items() if content is not None}
