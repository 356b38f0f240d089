# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One service, checked against the schema, to the form that ``docker compose config`` prints."""

from __future__ import annotations

import typing as t
from collections.abc import Callable

from ...module_utils._cdi.names import is_cdi_name
from . import command, mounts, ports
from .build import normalize_build
from .context import Context, Data, is_empty
from .deploy import move_gpus, normalize_deploy
from .environment import labels_of_files, normalize_environment
from .references import extra_hosts, file_reference, linked, mounted_from
from .spec import Path

Step = Callable[[t.Any, Path, Context], t.Any]

_KEPT_WHEN_EMPTY = frozenset(
    ("command", "entrypoint", "init", "attach", "build", "deploy", "healthcheck", "logging", "scale", "networks")
)
"""What Compose prints even when it is empty, zero or false (Go's omitempty leaves out the rest)."""


def normalize_service(service: Data, path: Path, context: Context) -> Data:
    """The canonical service. What is wrong goes to the context's problems."""
    given = {key: value for key, value in service.items() if value is not None and not key.startswith("x-")}
    move_gpus(given, path, context.problems)
    result: Data = {"command": None, "entrypoint": None}
    for key, value in given.items():
        step = _STEPS.get(key)
        result[key] = step(value, (*path, key), context) if step else value
    result["environment"] = normalize_environment(given, path, context)
    result.pop("env_file", None)
    if result.pop("label_file", None):
        result["labels"] = {**labels_of_files(given, path, context), **(given.get("labels") or {})}
    for key in ("networks", "depends_on"):
        if isinstance(result.get(key), list):
            context.problems.named((*path, key), result[key])
    _networks(result)
    _depends_on(result)
    if "scale" in result and "deploy" in result:
        result["deploy"]["replicas"] = result["scale"]
    return {key: value for key, value in result.items() if key in _KEPT_WHEN_EMPTY or not is_empty(value)}


def _each(make: Callable[[t.Any, Context], list[t.Any]], once: bool = False) -> Step:
    """A step that replaces every entry of a list by what `make` gives for it; `once`: without doubles."""

    def step(entries: list[t.Any], path: Path, context: Context) -> list[t.Any]:
        result: list[t.Any] = []
        origins: list[int] = []
        for index, entry in enumerate(entries):
            try:
                made = make(entry, context)
            except (ports.PortError, mounts.MountError) as error:
                context.problems.error((*path, index), error.message, error.mend)
                continue
            made = [item for item in made if not (once and item in result)]
            result += made
            origins += [index] * len(made)
        context.problems.moved(path, origins)
        return result

    return step


def _texts(value: str | list[str], path: Path, context: Context) -> list[str]:
    return [value] if isinstance(value, str) else list(dict.fromkeys(value))


def _command(value: str | list[str], path: Path, context: Context) -> list[str]:
    if not isinstance(value, str):
        return value
    try:
        words, dropped = command.split(value)
    except command.CommandError as error:
        context.problems.error(
            path, f"{value!r} is no command line: {error}", "Write it as a list: [program, argument]."
        )
        return []
    if dropped:
        context.problems.warn(
            path, f"Compose starts no shell and drops {dropped!r}; write [sh, -c, '…'] if a shell is meant"
        )
    return words


def _port(entry: str | Data, context: Context) -> list[Data]:
    return ports.parse_port(entry) if isinstance(entry, str) else [ports.long_port(entry)]


def _volume(entry: str | Data, context: Context) -> list[Data]:
    result = mounts.parse_volume(entry) if isinstance(entry, str) else mounts.long_volume(entry)
    if result["type"] == "bind":
        result["source"] = mounts.bind_source(result["source"], context.directory)
    return [result]


def _device(entry: str | Data, context: Context) -> list[Data]:
    if isinstance(entry, dict):
        return [{"target": entry["source"], "permissions": "rwm", **entry}]
    if is_cdi_name(entry):
        # A name may hold colons: nvidia.com/gpu=0:1 is a MIG slice.
        return [{"source": entry, "target": entry, "permissions": "rwm"}]
    parts = entry.split(":")
    if len(parts) > 3 or not all(parts):
        raise mounts.MountError(f"{entry!r} is not a device", "Write source[:target[:permissions]].")
    target = parts[1] if len(parts) > 1 else parts[0]
    if len(parts) > 1 and not target.startswith("/"):
        raise mounts.MountError(
            f"{entry!r}: Compose takes {target!r} for the path in the container", "Write source:target:permissions."
        )
    return [{"source": parts[0], "target": target, "permissions": parts[2] if len(parts) == 3 else "rwm"}]


def _healthcheck(check: Data, path: Path, context: Context) -> Data:
    result = dict(check)
    test = result.pop("test", None)
    if isinstance(test, str):
        result["test"] = ["CMD-SHELL", test]
    elif test:
        result["test"] = test
        if test[0] not in ("CMD", "CMD-SHELL", "NONE"):
            mend = f"Write [CMD, {', '.join(test)}]."
            context.problems.error(
                (*path, "test"), f"the test must start with CMD, CMD-SHELL or NONE, not {test[0]!r}", mend
            )
        elif len(test) == 1 and test[0] != "NONE":
            context.problems.error((*path, "test"), f"after {test[0]} there is no command")
    if not result.get("disable"):
        result.pop("disable", None)
    return result


def _logging(logging: Data, path: Path, context: Context) -> Data:
    result = {key: value for key, value in logging.items() if not is_empty(value)}
    if "options" in result:
        result["options"] = {name: "" if value is None else value for name, value in result["options"].items()}
    return result


def _networks(service: Data) -> None:
    networks = service.get("networks")
    if isinstance(networks, list):
        networks = dict.fromkeys(networks)
    if networks:
        service["networks"] = {
            name: value if value is None else {key: item for key, item in value.items() if not is_empty(item)}
            for name, value in networks.items()
        }
    elif service.get("network_mode"):
        service.pop("networks", None)
    else:
        service["networks"] = {"default": None}


def _depends_on(service: Data) -> None:
    """The long form, with what `network_mode: service:x`, `links` and their like imply."""
    wanted = service.get("depends_on") or {}
    if isinstance(wanted, list):
        wanted = {name: {"condition": "service_started", "required": True} for name in wanted}
    result = {}
    for name, value in wanted.items():
        entry = {"condition": value["condition"]}
        if value.get("restart"):
            entry["restart"] = True
        entry["required"] = value.get("required", True)
        result[name] = entry
    for key in ("network_mode", "ipc", "pid"):
        kind, _colon, name = (service.get(key) or "").partition(":")
        if kind == "service" and name:
            result.setdefault(name, {"condition": "service_started", "restart": True, "required": True})
    for name in linked(service):
        result.setdefault(name, {"condition": "service_started", "restart": True, "required": True})
    for name in mounted_from(service):
        result.setdefault(name, {"condition": "service_started", "required": True})
    service["depends_on"] = result


_STEPS: dict[str, Step] = {
    "command": _command,
    "entrypoint": _command,
    "build": normalize_build,
    "ports": _each(_port, once=True),
    "volumes": _each(_volume),
    "devices": _each(_device),
    "secrets": lambda entries, path, context: [file_reference(entry, "secrets") for entry in entries],
    "configs": lambda entries, path, context: [file_reference(entry, "configs") for entry in entries],
    "extra_hosts": lambda value, path, context: extra_hosts(value, path, context.problems),
    "healthcheck": _healthcheck,
    "deploy": lambda value, path, context: normalize_deploy(value, path, context.problems),
    "logging": _logging,
    "mem_swappiness": lambda value, path, context: str(value or ""),
    "pull_policy": lambda value, path, context: "missing" if value == "if_not_present" else value,
    **dict.fromkeys(("cap_add", "cap_drop", "dns", "dns_opt", "dns_search", "expose"), _texts),
    **dict.fromkeys(("group_add", "links", "profiles", "security_opt", "tmpfs", "volumes_from"), _texts),
}
"""How a key that has a value gets its canonical form; keys that are not here keep theirs."""
