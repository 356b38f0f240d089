# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which keys a group file may have, and what each of them takes: the whole file, at the end.

`schema_service.py` holds a service's keys, `schema_parts.py` what several places use.
The keys and their types are those of the Compose specification's JSON schema as of
Compose 2.26, with `gpus` from later versions.
"""

from __future__ import annotations

from .kinds import Duration, Null, Text, Unsupported
from .schema_parts import ADDRESS, FLAG, NAME, PAIRS, SCALAR, SUBNET, TEXT, TEXT_OR_LIST
from .schema_service import SERVICE
from .shapes import ListOf, MapOf, Object, OneOf

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

_INCLUDE = OneOf(
    (
        TEXT,
        Object({"path": TEXT_OR_LIST, "project_directory": TEXT, "env_file": TEXT_OR_LIST}, required=("path",)),
    )
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
        "include": OneOf((Null(), ListOf(_INCLUDE))),
        "models": Unsupported("it is newer than Compose 2.26 and exists in Docker Desktop only"),
    },
    extensions={"x-fleet": _FLEET},
)
