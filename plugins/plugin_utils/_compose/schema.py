# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which keys a group file may have, and what each of them takes.

One table, read top down at the end of the file. The keys and their types are those of
the Compose specification's JSON schema as of Compose 2.26, with `gpus` from later
versions. A key that Compose knows and we do not carry out is listed with the reason.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from dataclasses import dataclass

from . import units
from .kinds import Duration, Flag, ListOf, MapOf, Null, Number, Object, OneOf, Pairs, Size, Text, Unsupported
from .problems import Problems
from .spec import STACKS, Path

NAME = r"[a-zA-Z0-9._-]+"

TEXT = Text()
SCALAR = Text(words="a text or a number", numbers=True)
FLAG = Flag()
WHOLE = Number()
COUNT = Number(least=0)
DECIMAL = Number(words="a number", whole=False)
CORES = Number(words="a number of cores, e.g. 1.5", whole=False, least=0)
TEXTS = ListOf(TEXT, words="a list of texts")
TEXT_OR_LIST = OneOf((TEXT, TEXTS))
PAIRS = Pairs()
ENVIRONMENT = Pairs(bare=None)
OPTIONS = MapOf(OneOf((SCALAR, Null())))
COMMAND = OneOf((Null(), TEXT, TEXTS))


class _Mode:
    """A file mode: an octal number such as 0440."""

    words = "a file mode such as 0440, without quotes"

    def accepts(self, value: object) -> bool:
        return True

    def check(self, value: object, path: Path, problems: Problems) -> int:
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 0o7777:
            return value
        # Compose 2.26 reads the text "0440" as the decimal number 440, later versions as octal.
        shown = units.go_text(value) if isinstance(value, (str, int, float)) else "this"
        problems.error(path, f"{shown!r} is not {self.words}")
        return 0


class _DeviceCount:
    """How many devices: a number or ``all``, which is -1."""

    words = "a number or all"

    def accepts(self, value: object) -> bool:
        return True

    def check(self, value: object, path: Path, problems: Problems) -> int:
        if value == "all":
            return -1
        number = WHOLE.read(value)
        if number is None or (number < 1 and number != -1):
            shown = repr(value) if isinstance(value, (str, int, float)) else "this"
            problems.error(path, f"{shown} is not {self.words}")
            return -1
        return number


@dataclass(frozen=True)
class _Internet:
    """An IP address or an IP network."""

    words: str
    parse: Callable[[str], object]

    def accepts(self, value: object) -> bool:
        return isinstance(value, str)

    def check(self, value: object, path: Path, problems: Problems) -> str:
        text = TEXT.check(value, path, problems)
        try:
            if text:
                self.parse(text)
        except ValueError:
            problems.error(path, f"{text!r} is not {self.words}")
        return text


ADDRESS = _Internet("an IP address", ipaddress.ip_address)
SUBNET = _Internet("a network such as 10.1.0.0/24", lambda text: ipaddress.ip_network(text, strict=False))
MODE = _Mode()
DEVICE_COUNT = _DeviceCount()

_HOSTS = OneOf((MapOf(OneOf((TEXT, TEXTS))), TEXTS))
_ULIMITS = MapOf(
    OneOf((Object({"soft": WHOLE, "hard": WHOLE}, required=("soft", "hard")), WHOLE)),
    key=r"[a-z]+",
)
_FILES = ListOf(
    OneOf(
        (
            TEXT,
            Object({"source": TEXT, "target": TEXT, "uid": TEXT, "gid": TEXT, "mode": MODE}, required=("source",)),
        )
    )
)

_VARIANT = Object({"args": ENVIRONMENT, "target": TEXT, "context": TEXT, "dockerfile": TEXT})
_BOOTSTRAP = Object(
    {
        "argument": Text(words="a build argument's name", pattern=r"[A-Za-z_][A-Za-z0-9_]*"),
        "suite": Text(words="a release name such as bookworm", pattern=r"[a-z][a-z0-9-]*"),
        "packages": ListOf(Text(words="a package name", pattern=r"[a-z0-9][a-z0-9.+:-]*"), words="a list of packages"),
        "mirror": TEXT,
        "variant": TEXT,
        "pull": FLAG,
    },
    required=("argument", "suite"),
)

BUILD = OneOf(
    (
        TEXT,
        Object(
            {
                "context": TEXT,
                "dockerfile": TEXT,
                "dockerfile_inline": TEXT,
                "args": ENVIRONMENT,
                "labels": PAIRS,
                "target": TEXT,
                "tags": TEXTS,
                "platforms": TEXTS,
                "network": TEXT,
                "no_cache": FLAG,
                "pull": FLAG,
                "cache_from": TEXTS,
                "cache_to": TEXTS,
                "additional_contexts": PAIRS,
                "extra_hosts": _HOSTS,
                "shm_size": Size(),
                "secrets": _FILES,
                "ssh": OneOf((MapOf(OneOf((TEXT, Null()))), TEXTS)),
                "ulimits": _ULIMITS,
                "privileged": FLAG,
                "entitlements": Unsupported("BuildKit's entitlements exist in Docker only"),
                "isolation": Unsupported("it exists for Windows containers only"),
            },
            extensions={
                "x-stacks": MapOf(_VARIANT, words="a mapping of GPU stacks"),
                "x-bootstrap": _BOOTSTRAP,
            },
        ),
    )
)

_REQUEST_KEYS = {
    "capabilities": TEXTS,
    "count": DEVICE_COUNT,
    "device_ids": TEXTS,
    "driver": TEXT,
    "options": PAIRS,
}
_GENERIC = Object({"discrete_resource_spec": Object({"kind": TEXT, "value": WHOLE})})
_UPDATE = Object(
    {
        "parallelism": WHOLE,
        "delay": Duration(),
        "failure_action": TEXT,
        "monitor": Duration(),
        "max_failure_ratio": DECIMAL,
        "order": Text(choices=("start-first", "stop-first")),
    }
)

DEPLOY = Object(
    {
        "mode": TEXT,
        "endpoint_mode": TEXT,
        "replicas": COUNT,
        "labels": PAIRS,
        "resources": Object(
            {
                "limits": Object({"cpus": CORES, "memory": Size(text_only=True), "pids": WHOLE}, nullable=True),
                "reservations": Object(
                    {
                        "cpus": CORES,
                        "memory": Size(text_only=True),
                        "devices": ListOf(Object(_REQUEST_KEYS, required=("capabilities",))),
                        "generic_resources": ListOf(_GENERIC),
                    },
                    nullable=True,
                ),
            },
            nullable=True,
        ),
        "restart_policy": Object(
            {
                "condition": Text(choices=("none", "on-failure", "any", "unless-stopped", "")),
                "delay": Duration(),
                "max_attempts": COUNT,
                "window": Duration(),
            }
        ),
        "placement": Object(
            {
                "constraints": TEXTS,
                "preferences": ListOf(Object({"spread": TEXT})),
                "max_replicas_per_node": COUNT,
            }
        ),
        "update_config": _UPDATE,
        "rollback_config": _UPDATE,
    },
)

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
                "published": SCALAR,
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
                        "selinux": Text(choices=("z", "Z", "")),
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
        "ids": ListOf(SCALAR, words="a list of indexes or uuids"),
    }
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
        "configs": _FILES,
        "container_name": Text(words="a container name", pattern=r"[a-zA-Z0-9][a-zA-Z0-9_.-]+"),
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
        "expose": ListOf(Text(words="a port, a range of ports or either with /protocol", pattern=r"[0-9]+(-[0-9]+)?(/(tcp|udp|sctp))?", numbers=True)),
        "extra_hosts": _HOSTS,
        "gpus": OneOf((Text(choices=("all",)), ListOf(Object(_REQUEST_KEYS)))),
        "group_add": ListOf(SCALAR),
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
        "labels": PAIRS,
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
        "restart": Text(words="no, always, unless-stopped, on-failure or on-failure:N", pattern=r"(no|always|unless-stopped|on-failure(:[0-9]+)?|)"),
        "runtime": TEXT,
        "scale": COUNT,
        "secrets": _FILES,
        "security_opt": TEXTS,
        "shm_size": Size(),
        "stdin_open": FLAG,
        "stop_grace_period": Duration(),
        "stop_signal": TEXT,
        "sysctls": PAIRS,
        "tmpfs": TEXT_OR_LIST,
        "tty": FLAG,
        "ulimits": _ULIMITS,
        "user": TEXT,
        "userns_mode": TEXT,
        "uts": TEXT,
        "volumes": ListOf(_VOLUME),
        "working_dir": TEXT,
        "blkio_config": Unsupported("block device limits are not carried out on every engine"),
        "cpu_count": Unsupported("it exists for Windows containers only", "Use cpus."),
        "cpu_percent": Unsupported("it exists for Windows containers only", "Use cpus."),
        "cpu_period": Unsupported("CPU time is given as a number of cores", "Use cpus: quota divided by period."),
        "cpu_quota": Unsupported("CPU time is given as a number of cores", "Use cpus: quota divided by period."),
        "cpu_rt_period": Unsupported("real-time scheduling needs a kernel option that common kernels lack"),
        "cpu_rt_runtime": Unsupported("real-time scheduling needs a kernel option that common kernels lack"),
        "credential_spec": Unsupported("it exists for Windows containers only"),
        "develop": Unsupported("it serves `docker compose watch`, not deployment", "Move it to a compose.override.yml."),
        "extends": Unsupported("a group is one file", "Use a YAML anchor and a merge key (<<: *common)."),
        "external_links": Unsupported("it names containers of others", "Use x-links, or an external network."),
        "isolation": Unsupported("it exists for Windows containers only"),
        "label_file": Unsupported("it is newer than Compose 2.26", "Write the labels below labels."),
        "links": Unsupported("it is a legacy of Docker", "Services of a group reach each other by name; use networks.NETWORK.aliases for others."),
        "models": Unsupported("it is newer than Compose 2.26 and exists in Docker Desktop only"),
        "post_start": Unsupported("it is newer than Compose 2.26", "Use a service with x-oneshot and depends_on."),
        "pre_stop": Unsupported("it is newer than Compose 2.26"),
        "provider": Unsupported("it runs a program of Compose's, not a container"),
        "storage_opt": Unsupported("it depends on the engine's storage driver"),
        "use_api_socket": Unsupported("it hands the engine's socket to the container", "Mount the socket as a volume if you must."),
        "volumes_from": Unsupported("it is a legacy of Docker", "Name the volumes in both services."),
    },
    extensions={
        "x-gpu": _GPU,
        "x-links": MapOf(_LINK, words="a mapping of variables to addresses"),
        "x-oneshot": FLAG,
        "x-settle": Duration(),
    },
)

_LABELS_AND_NAME = {"name": TEXT, "labels": PAIRS}
_EXTERNAL = OneOf((FLAG, Object({"name": TEXT})))
_DRIVER_OPTIONS = MapOf(SCALAR)

NETWORK = Object(
    {
        **_LABELS_AND_NAME,
        "driver": TEXT,
        "driver_opts": _DRIVER_OPTIONS,
        "external": _EXTERNAL,
        "internal": FLAG,
        "attachable": FLAG,
        "enable_ipv6": FLAG,
        "enable_ipv4": Unsupported("it is newer than Compose 2.26"),
        "ipam": Object(
            {
                "driver": TEXT,
                "options": MapOf(TEXT),
                "config": ListOf(
                    Object({"subnet": SUBNET, "ip_range": SUBNET, "gateway": ADDRESS, "aux_addresses": MapOf(ADDRESS)})
                ),
            }
        ),
    },
    nullable=True,
)
VOLUME = Object(
    {**_LABELS_AND_NAME, "driver": TEXT, "driver_opts": _DRIVER_OPTIONS, "external": _EXTERNAL},
    nullable=True,
)
SECRET = Object(
    {
        **_LABELS_AND_NAME,
        "file": TEXT,
        "environment": TEXT,
        "external": _EXTERNAL,
        "driver": Unsupported("secret drivers exist in Swarm only"),
        "driver_opts": Unsupported("secret drivers exist in Swarm only"),
        "template_driver": Unsupported("templates exist in Swarm only"),
    }
)
CONFIG = Object(
    {
        **_LABELS_AND_NAME,
        "file": TEXT,
        "environment": TEXT,
        "content": TEXT,
        "external": _EXTERNAL,
        "template_driver": Unsupported("templates exist in Swarm only"),
    }
)
_FLEET = Object(
    {
        "needs": ListOf(Text(words="a group's name"), words="a list of groups"),
        "timeout": Duration(),
        "description": TEXT,
    }
)

GROUP_FILE = Object(
    {
        "version": SCALAR,
        "name": TEXT,
        "services": MapOf(SERVICE, key=NAME),
        "networks": OneOf((Null(), MapOf(NETWORK, key=NAME))),
        "volumes": OneOf((Null(), MapOf(VOLUME, key=NAME))),
        "secrets": OneOf((Null(), MapOf(SECRET, key=NAME))),
        "configs": OneOf((Null(), MapOf(CONFIG, key=NAME))),
        "include": Unsupported("a group is one file", "List the other group below x-fleet.needs."),
        "models": Unsupported("it is newer than Compose 2.26 and exists in Docker Desktop only"),
    },
    extensions={"x-fleet": _FLEET},
)

