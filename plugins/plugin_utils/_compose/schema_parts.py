# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the schema uses in several places: single values, `build` and `deploy`."""

from __future__ import annotations

import ipaddress

from .kinds import DeviceCount, Duration, Flag, Internet, Mode, Null, Number, Size, Text, Unsupported
from .shapes import ListOf, MapOf, Object, OneOf, Pairs

NAME = r"[a-zA-Z0-9._-]+"

TEXT = Text()
WHOLE_OR_TEXT = Text(words="a text or a whole number", numbers=True)
SCALAR = Text(words="a text or a number", numbers=True, fractions=True)
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
ADDRESS = Internet("an IP address", ipaddress.ip_address)
SUBNET = Internet("a network such as 10.1.0.0/24", lambda text: ipaddress.ip_network(text, strict=False))
MODE = Mode()
DEVICE_COUNT = DeviceCount()

HOSTS = OneOf((MapOf(OneOf((TEXT, TEXTS))), TEXTS))
ULIMITS = MapOf(
    OneOf((Object({"soft": WHOLE, "hard": WHOLE}, required=("soft", "hard")), WHOLE)),
    key=r"[a-z]+",
)
FILES = ListOf(
    OneOf(
        (
            TEXT,
            Object({"source": TEXT, "target": TEXT, "uid": TEXT, "gid": TEXT, "mode": MODE}, required=("source",)),
        )
    )
)

_VARIANT = Object({"args": ENVIRONMENT, "target": TEXT, "context": TEXT, "dockerfile": TEXT, "template": TEXT})
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
                "extra_hosts": HOSTS,
                "shm_size": Size(),
                "secrets": FILES,
                "ssh": OneOf((MapOf(OneOf((TEXT, Null()))), TEXTS)),
                "ulimits": ULIMITS,
                "privileged": FLAG,
                "entitlements": Unsupported("BuildKit's entitlements exist in Docker only"),
                "isolation": Unsupported("it exists for Windows containers only"),
            },
            extensions={
                "x-stacks": MapOf(_VARIANT, words="a mapping of GPU stacks"),
                "x-bootstrap": _BOOTSTRAP,
                "x-template": TEXT,
            },
        ),
    )
)

REQUEST_KEYS = {
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
                        "devices": ListOf(Object(REQUEST_KEYS, required=("capabilities",))),
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
