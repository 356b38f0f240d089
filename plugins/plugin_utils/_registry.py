# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role `registry` does on a host: whom it trusts, and for the host that serves it the files of its service. Pure."""

from __future__ import annotations

import json
import re
import typing as t
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from ..module_utils._errors import InputError
from ._fleet.registry import Registry, read_registry

DIRECTORY = "/etc/gpu-fleet/registry"
USER = "gpu-fleet-registry"
UNIT = "gpu-fleet-registry"

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.:-]*[A-Za-z0-9])?")
"""Of a host or its address; other inventory names (web_1) are no names that anybody could look up."""
_WITHIN = re.compile(r"/[^\s%\"'\\]+")
"""A path that needs no quoting in a unit (systemd.unit(5))."""


@dataclass(frozen=True)
class Settings:
    """What the role's tasks read."""

    address: str
    name: str
    port: int
    username: str
    ca: str
    """Path of the CA on the controller; empty where it is the role's own, or one that everybody knows."""
    host: str
    here: bool
    """This host serves it."""
    moves: bool
    """There is none, and this host builds for others: it serves one of its own for the time of a transfer."""
    own: bool
    """Its certificate is signed by the role's own CA, which lies on `host`."""
    names: tuple[str, ...]
    """What the certificate is for, the address first."""
    files: Mapping[str, str]
    """Path → text, of what the service is made of; empty elsewhere."""
    timetable: str
    """When what nobody refers to is removed; empty for never."""
    directory: str = DIRECTORY
    user: str = USER
    unit: str = UNIT


def settings(host: str, options: Mapping[str, t.Any], hosts: Collection[str] = ()) -> Settings:
    """For one inventory host.

    options: the role's variables without their prefix, and `inventory_dir`, `link_address`, `builders`. Without a registry
    the address is empty. Raises InputError.
    """
    values = {
        "container_registry": options.get("of"),
        "container_registry_password": options.get("password"),
        "inventory_dir": options.get("inventory_dir"),
    }
    registry = read_registry(host, values, hosts)
    if registry is None:
        return _without(host, options.get("builders"))
    here = registry.host == host
    given = bool(options.get("certificate"))
    if given != bool(options.get("key")):
        raise InputError("one is set without the other", f"{host}: registry_certificate, registry_key")
    if registry.ca and registry.host and here and not given:
        raise InputError(
            "the CA is given, but not what it signed",
            f"{host}: container_registry.ca",
            "Set registry_certificate and registry_key, too, or leave ca out.",
        )
    own = bool(registry.host) and not registry.ca and not given
    return Settings(
        **{name: getattr(registry, name) for name in ("address", "name", "port", "username", "ca", "host")},
        here=here,
        moves=False,
        own=own,
        names=_names(registry, host, options),
        files=_files(registry, options) if here else {},
        timetable=str(options.get("collect") or ""),
    )


def moves_images(host: str, builders: t.Any) -> bool:
    """Whether a host builds for others. builders: `container_image_builders`, architecture → host."""
    return isinstance(builders, Mapping) and host in builders.values()


def _without(host: str, builders: t.Any) -> Settings:
    if not moves_images(host, builders):
        raise InputError("it is not set", f"{host}: container_registry", "Set its address, at least.")
    return Settings("", "", 0, "", "", "", False, True, False, (), {}, "")


def _names(registry: Registry, host: str, options: Mapping[str, t.Any]) -> tuple[str, ...]:
    """Without doubles, the address first: a host that is called otherwise by some can be reached by all its names."""
    known = [registry.name, host, options.get("link_address") or "", *(options.get("names") or ())]
    return tuple(dict.fromkeys(name.lower() for name in known if _NAME.fullmatch(name)))


def _files(registry: Registry, options: Mapping[str, t.Any]) -> dict[str, str]:
    program, storage = str(options.get("program") or ""), str(options["storage"]).rstrip("/")
    if not _WITHIN.fullmatch(storage):
        raise InputError(f"{storage!r} is not an absolute path without blanks", "registry_storage")
    config = f"{DIRECTORY}/config.yml"
    values = {
        "config": config,
        "program": program,
        "storage": storage,
        "unit": UNIT,
        "user": USER,
        "port": "AmbientCapabilities=CAP_NET_BIND_SERVICE\n" if registry.port < 1024 else "",
    }
    return {
        config: json.dumps(_config(registry, storage, options), indent=2) + "\n",
        f"/etc/systemd/system/{UNIT}.service": _SERVICE.format_map(values),
        f"/etc/systemd/system/{UNIT}-collect.service": _COLLECT.format_map(values),
        f"/etc/systemd/system/{UNIT}-collect.timer": _TIMER.format(when=options.get("collect") or _EXAMPLE),
    }


def _config(registry: Registry, storage: str, options: Mapping[str, t.Any]) -> dict[str, t.Any]:
    """Of CNCF's registry 2.8 (distribution, docs/configuration.md). JSON is YAML, too."""
    listen = str(options.get("listen") or "")
    return {
        "version": 0.1,
        "log": {"level": "info", "accesslog": {"disabled": True}},
        "storage": {
            "filesystem": {"rootdirectory": storage},
            "delete": {"enabled": bool(options.get("delete", True))},
            "cache": {"blobdescriptor": "inmemory"},
            # What a push that was cut off left behind goes after a week; until then it can be resumed.
            "maintenance": {"uploadpurging": {"enabled": True, "age": "168h", "interval": "24h", "dryrun": False}},
        },
        "http": {
            "addr": f"{f'[{listen}]' if ':' in listen else listen}:{registry.port}",
            "tls": {
                "certificate": f"{DIRECTORY}/server.crt",
                "key": f"{DIRECTORY}/server.key",
                "minimumtls": "tls1.2",
            },
            "headers": {"X-Content-Type-Options": ["nosniff"]},
        },
        "auth": {"htpasswd": {"realm": "fleet", "path": f"{DIRECTORY}/htpasswd"}},
    }


_HEAD = "# Written by gpu_fleet.containers (role registry).\n"

_SERVICE = (
    _HEAD
    + """\
[Unit]
Description=Image registry of the fleet
Wants=network-online.target
After=network-online.target
RequiresMountsFor={storage}

[Service]
User={user}
ExecStart={program} serve {config}
Restart=on-failure
RestartSec=2
{port}NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=read-only
PrivateTmp=yes
PrivateDevices=yes
ReadWritePaths={storage}

[Install]
WantedBy=multi-user.target
"""
)

# The registry must not run meanwhile: what is being pushed has no manifest yet and would be taken for garbage
# (distribution, docs/garbage-collection.md). It is started again whatever happened.
_COLLECT = (
    _HEAD
    + """\
[Unit]
Description=Remove what no image of the fleet's registry refers to

[Service]
Type=oneshot
User={user}
ExecStartPre=+/usr/bin/systemctl stop {unit}.service
ExecStart={program} garbage-collect {config}
ExecStopPost=+/usr/bin/systemctl start {unit}.service
"""
)

_EXAMPLE = "Sun 04:30"
"""In a timer that is not enabled: systemd refuses one without a time."""

_TIMER = (
    _HEAD
    + """\
[Unit]
Description=Remove what no image of the fleet's registry refers to

[Timer]
OnCalendar={when}
Persistent=true

[Install]
WantedBy=timers.target
"""
)
