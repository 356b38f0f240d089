# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The keys of a service. Those that Compose knows and we do not carry out stand at the end, with the reason."""

from __future__ import annotations

from .kinds import Duration, Null, Number, Size, Text, Unsupported
from .schema_parts import (
    ADDRESS,
    BUILD,
    COMMAND,
    CORES,
    COUNT,
    DECIMAL,
    DEPLOY,
    DEVICE_COUNT,
    ENVIRONMENT,
    FILES,
    FLAG,
    HOSTS,
    MODE,
    NAME,
    OPTIONS,
    PAIRS,
    REQUEST_KEYS,
    TEXT,
    TEXT_OR_LIST,
    TEXTS,
    ULIMITS,
    WHOLE,
    WHOLE_OR_TEXT,
)
from .shapes import ListOf, MapOf, Object, OneOf
from .spec import DISPLAYS, STACKS

_CONDITIONS = ("service_started", "service_healthy", "service_completed_successfully")
_ATTACHMENT = OneOf(
    (
        Null(),
        Object(
            {
                "aliases": TEXTS,
                "ipv4_address": ADDRESS,
                "ipv6_address": ADDRESS,
                "mac_address": TEXT,
                "priority": DECIMAL,
                "link_local_ips": Unsupported("link-local addresses exist in Docker only"),
                "driver_opts": Unsupported("endpoint options exist in Docker only"),
                "gw_priority": Unsupported("it exists in Docker 28 and later only"),
            }
        ),
    )
)
_PORT = OneOf(
    (
        Text(words="a port: HOST:CONTAINER, a number, or a mapping with target", numbers=True),
        Object(
            {
                "target": Number(words="a port number", least=1, most=65535),
                "published": WHOLE_OR_TEXT,
                "host_ip": TEXT,
                "protocol": Text(choices=("tcp", "udp", "sctp", "")),
                "mode": Text(choices=("host", "ingress", "")),
                "name": TEXT,
                "app_protocol": TEXT,
            },
            required=("target",),
        ),
    )
)
_VOLUME = OneOf(
    (
        TEXT,
        Object(
            {
                "type": Text(choices=("bind", "volume", "tmpfs", "npipe", "cluster")),
                "source": TEXT,
                "target": TEXT,
                "read_only": FLAG,
                "consistency": TEXT,
                "bind": Object(
                    {
                        "propagation": Text(
                            choices=("private", "rprivate", "shared", "rshared", "slave", "rslave", "")
                        ),
                        "create_host_path": FLAG,
                        "selinux": Text(choices=("z", "Z")),
                        "recursive": Unsupported("Podman knows no recursive read-only setting"),
                    }
                ),
                "volume": Object({"nocopy": FLAG, "subpath": TEXT}),
                "tmpfs": Object({"size": Size(), "mode": MODE}),
            },
            required=("type", "target"),
        ),
    )
)

_LINK = OneOf((TEXT, Object({"url": TEXT, "check": TEXTS}, required=("url",))))
_GPU = Object(
    {
        "stacks": ListOf(Text(words="a GPU stack", choices=STACKS), words="a list of GPU stacks"),
        "memory": Size(),
        "count": DEVICE_COUNT,
        "ids": ListOf(WHOLE_OR_TEXT, words="a list of indexes or uuids"),
    }
)
_KINDS = ListOf(Text(words="a kind of display", choices=DISPLAYS), words="a list of kinds of display")
_DISPLAY = OneOf(
    (
        Text(words="a kind of display", choices=("auto", *DISPLAYS)),
        _KINDS,
        Object(
            {
                "kinds": _KINDS,
                "display": Text(words="a display, e.g. ':1' or wayland-0", pattern=r":[0-9]{1,9}|wayland-[0-9]{1,9}"),
                "optional": FLAG,
            }
        ),
    )
)

SERVICE = Object(
    {
        "annotations": PAIRS,
        "attach": FLAG,
        "build": BUILD,
        "cap_add": TEXTS,
        "cap_drop": TEXTS,
        "cgroup": Text(choices=("host", "private")),
        "cgroup_parent": TEXT,
        "command": COMMAND,
        "configs": FILES,
        "container_name": Text(words="a container name", pattern=r"[a-zA-Z0-9][a-zA-Z0-9_.-]+"),
        "cpu_period": COUNT,
        "cpu_quota": WHOLE,
        "cpu_shares": COUNT,
        "cpus": CORES,
        "cpuset": TEXT,
        "depends_on": OneOf(
            (
                TEXTS,
                MapOf(
                    Object(
                        {"condition": Text(choices=_CONDITIONS), "restart": FLAG, "required": FLAG},
                        required=("condition",),
                    )
                ),
            )
        ),
        "deploy": OneOf((Null(), DEPLOY)),
        "device_cgroup_rules": TEXTS,
        "devices": ListOf(
            OneOf((TEXT, Object({"source": TEXT, "target": TEXT, "permissions": TEXT}, required=("source",))))
        ),
        "dns": TEXT_OR_LIST,
        "dns_opt": TEXTS,
        "dns_search": TEXT_OR_LIST,
        "domainname": TEXT,
        "entrypoint": COMMAND,
        "env_file": OneOf((TEXT, ListOf(OneOf((TEXT, Object({"path": TEXT, "required": FLAG}, required=("path",))))))),
        "environment": ENVIRONMENT,
        "expose": ListOf(
            Text(
                words="a port, a range of ports or either with /protocol",
                pattern=r"[0-9]+(-[0-9]+)?(/(tcp|udp|sctp))?",
                numbers=True,
            )
        ),
        "extends": OneOf((TEXT, Object({"service": TEXT, "file": TEXT}, required=("service",)))),
        "extra_hosts": HOSTS,
        "gpus": OneOf((Text(choices=("all",)), ListOf(Object(REQUEST_KEYS)))),
        "group_add": ListOf(Text(words="a group's name or number", pattern=r"[^.]*", numbers=True)),
        "healthcheck": Object(
            {
                "disable": FLAG,
                "test": TEXT_OR_LIST,
                "interval": Duration(),
                "timeout": Duration(),
                "retries": COUNT,
                "start_period": Duration(),
                "start_interval": Duration(),
            }
        ),
        "hostname": TEXT,
        "image": TEXT,
        "init": FLAG,
        "ipc": TEXT,
        "label_file": TEXT_OR_LIST,
        "labels": PAIRS,
        "links": TEXTS,
        "logging": Object({"driver": TEXT, "options": OPTIONS}),
        "mac_address": TEXT,
        "mem_limit": Size(),
        "mem_reservation": Size(),
        "mem_swappiness": Number(least=0, most=100),
        "memswap_limit": Size(unlimited=True),
        "network_mode": TEXT,
        "networks": OneOf((TEXTS, MapOf(_ATTACHMENT, key=NAME))),
        "oom_kill_disable": FLAG,
        "oom_score_adj": Number(least=-1000, most=1000),
        "pid": OneOf((TEXT, Null())),
        "pids_limit": WHOLE,
        "platform": TEXT,
        "ports": ListOf(_PORT),
        "privileged": FLAG,
        "profiles": TEXTS,
        "pull_policy": Text(choices=("always", "never", "missing", "if_not_present", "build")),
        "read_only": FLAG,
        "restart": Text(
            words="no, always, unless-stopped, on-failure or on-failure:N",
            pattern=r"(no|always|unless-stopped|on-failure(:[0-9]+)?|)",
        ),
        "runtime": TEXT,
        "scale": COUNT,
        "secrets": FILES,
        "security_opt": TEXTS,
        "shm_size": Size(),
        "stdin_open": FLAG,
        "stop_grace_period": Duration(),
        "stop_signal": TEXT,
        "sysctls": PAIRS,
        "tmpfs": TEXT_OR_LIST,
        "tty": FLAG,
        "ulimits": ULIMITS,
        "user": TEXT,
        "userns_mode": TEXT,
        "uts": TEXT,
        "volumes": ListOf(_VOLUME),
        "volumes_from": TEXTS,
        "working_dir": TEXT,
        "blkio_config": Unsupported("block device limits are not carried out on every engine"),
        "cpu_count": Unsupported("it exists for Windows containers only", "Use cpus."),
        "cpu_percent": Unsupported("it exists for Windows containers only", "Use cpus."),
        "cpu_rt_period": Unsupported("real-time scheduling needs a kernel option that common kernels lack"),
        "cpu_rt_runtime": Unsupported("real-time scheduling needs a kernel option that common kernels lack"),
        "credential_spec": Unsupported("it exists for Windows containers only"),
        "develop": Unsupported(
            "it serves `docker compose watch`, not deployment", "Move it to a compose.override.yml."
        ),
        "external_links": Unsupported("it names containers of others", "Use x-links, or an external network."),
        "isolation": Unsupported("it exists for Windows containers only"),
        "models": Unsupported("it is newer than Compose 2.26 and exists in Docker Desktop only"),
        "post_start": Unsupported("it is newer than Compose 2.26", "Use a service with x-oneshot and depends_on."),
        "pre_stop": Unsupported("it is newer than Compose 2.26"),
        "provider": Unsupported("it runs a program of Compose's, not a container"),
        "storage_opt": Unsupported("it depends on the engine's storage driver"),
        "use_api_socket": Unsupported(
            "it hands the engine's socket to the container", "Mount the socket as a volume if you must."
        ),
    },
    extensions={
        "x-display": _DISPLAY,
        "x-gpu": _GPU,
        "x-links": MapOf(_LINK, words="a mapping of variables to addresses"),
        "x-oneshot": FLAG,
        "x-settle": Duration(),
    },
)
