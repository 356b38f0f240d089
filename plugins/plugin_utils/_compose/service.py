# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One service, checked against the schema, to the form that ``docker compose config`` prints."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from . import command, mounts, ports
from .envfile import parse_env
from .interpolate import TemplateError, Variables
from .loader import read
from .problems import Problems
from .spec import Path
from ...module_utils._errors import FleetError

Data = dict[str, t.Any]

_KEPT_WHEN_EMPTY = frozenset(
    ("command", "entrypoint", "init", "attach", "build", "deploy", "healthcheck", "logging", "scale", "networks")
)
"""What Compose prints even when it is empty, zero or false (Go's omitempty leaves out the rest)."""

_WORDS_OR_LIST = ("dns", "dns_search", "tmpfs")
_NO_DOUBLES = (
    "cap_add",
    "cap_drop",
    "dns",
    "dns_opt",
    "dns_search",
    "expose",
    "group_add",
    "profiles",
    "security_opt",
    "tmpfs",
)


@dataclass(frozen=True)
class Context:
    """What turning a service into its canonical form needs besides the service."""

    directory: str
    variables: Variables
    problems: Problems


def normalize_service(service: Data, path: Path, context: Context) -> Data:
    """The canonical service. What is wrong goes to the context's problems."""
    result = {key: value for key, value in service.items() if not key.startswith("x-")}
    problems = context.problems
    for key in ("command", "entrypoint"):
        result[key] = _command(result.get(key), (*path, key), problems)
    result["environment"] = _environment(result, path, context)
    result.pop("env_file", None)
    for key in _WORDS_OR_LIST:
        if isinstance(result.get(key), str):
            result[key] = [result[key]]
    for key in _NO_DOUBLES:
        if key in result:
            result[key] = list(dict.fromkeys(result[key]))
    if "build" in result:
        result["build"] = normalize_build(result["build"], (*path, "build"), context)
    if "gpus" in result:
        _gpus(result, problems, path)
    _each(result, "ports", path, problems, lambda entry: _ports(entry), unique=True)
    _each(result, "volumes", path, problems, lambda entry: [_volume(entry, context.directory)])
    _each(result, "devices", path, problems, lambda entry: [_device(entry)])
    for key in ("secrets", "configs"):
        if key in result:
            result[key] = [_file_reference(entry, key) for entry in result[key]]
    if "extra_hosts" in result:
        result["extra_hosts"] = extra_hosts(result["extra_hosts"], (*path, "extra_hosts"), problems)
    if "healthcheck" in result:
        result["healthcheck"] = _healthcheck(result["healthcheck"], (*path, "healthcheck"), problems)
    if result.get("deploy") is None:
        result.pop("deploy", None)
    else:
        result["deploy"] = _deploy(result["deploy"], (*path, "deploy"), problems)
    if result.get("pull_policy") == "if_not_present":
        result["pull_policy"] = "missing"
    if "logging" in result:
        result["logging"] = _logging(result["logging"])
    if "mem_swappiness" in result:
        result["mem_swappiness"] = str(result["mem_swappiness"] or "")
    _networks(result)
    _depends_on(result)
    return {key: value for key, value in result.items() if key in _KEPT_WHEN_EMPTY or not _is_empty(value)}


def _is_empty(value: t.Any) -> bool:
    return value is None or value is False or value in ("", 0) or value == [] or value == {}


def _each(result: Data, key: str, path: Path, problems: Problems, make: t.Callable, unique: bool = False) -> None:
    """Replace each entry of a list by what `make` gives for it."""
    if key not in result:
        return
    entries: list[t.Any] = []
    for index, entry in enumerate(result[key]):
        try:
            made = make(entry)
        except (ports.PortError, mounts.MountError) as error:
            problems.error((*path, key, index), error.message, error.mend)
            continue
        entries += [item for item in made if not unique or item not in entries]
    result[key] = entries


def _command(value: t.Any, path: Path, problems: Problems) -> list[str] | None:
    if not isinstance(value, str):
        return value
    try:
        words, dropped = command.split(value)
    except command.CommandError as error:
        problems.error(path, f"{value!r} is no command line: {error}", "Write it as a list: [program, argument].")
        return []
    if dropped:
        problems.warn(
            path, f"Compose starts no shell and drops {dropped!r}; write [sh, -c, '…'] if a shell is meant"
        )
    return words


def _environment(service: Data, path: Path, context: Context) -> Data:
    """env_file in order, then environment; a name alone has the value it has outside, or None."""
    result: Data = {}
    files = service.get("env_file") or []
    for index, entry in enumerate([files] if isinstance(files, str) else files):
        place = (*path, "env_file") if isinstance(files, str) else (*path, "env_file", index)
        result.update(_env_file(entry, place, context, result))
    for name, value in (service.get("environment") or {}).items():
        if value is None:
            value = outside(name, (*path, "environment", name), context)
        result[name] = value
    return result


def outside(name: str, path: Path, context: Context) -> str | None:
    """The value of a variable that is handed on by its name alone."""
    try:
        return context.variables.get(name)
    except TemplateError as error:
        context.problems.error(path, error.message, error.mend)
        return None


def _env_file(entry: str | Data, path: Path, context: Context, earlier: Data) -> dict[str, str]:
    """The variables of one file; those of earlier files can be used in it."""

    def get(name: str) -> str | None:
        value = context.variables.get(name)
        return earlier.get(name) if value is None else value

    if isinstance(entry, str):
        entry = {"path": entry}
    file = mounts.absolute(entry["path"], context.directory)
    try:
        text = read(file)
    except FleetError as error:
        if entry.get("required", True) or not isinstance(error.__cause__, FileNotFoundError):
            context.problems.error(path, f"the environment file {file}: {error.message}")
        return {}
    try:
        return parse_env(text, file, get)
    except FleetError as error:
        context.problems.error(path, f"{error.path}: {error.message}", error.mend)
        return {}


def normalize_build(build: str | Data, path: Path, context: Context) -> Data:
    if isinstance(build, str):
        build = {"context": build}
    result = {key: value for key, value in build.items() if not key.startswith("x-") and not _is_empty(value)}
    where = result.get("context", ".")
    result["context"] = where if mounts.is_remote(where) else mounts.absolute(where, context.directory)
    if "dockerfile_inline" not in result:
        result.setdefault("dockerfile", "Dockerfile")
    elif "dockerfile" in result:
        context.problems.error((*path, "dockerfile_inline"), "dockerfile and dockerfile_inline exclude each other")
    if "args" in result:
        result["args"] = build_arguments(result["args"], (*path, "args"), context)
    if "additional_contexts" in result:
        result["additional_contexts"] = {
            name: value if "://" in value or value.startswith("service:") else mounts.absolute(value, context.directory)
            for name, value in result["additional_contexts"].items()
        }
    if "secrets" in result:
        result["secrets"] = [_file_reference(entry, "") for entry in result["secrets"]]
    if "extra_hosts" in result:
        result["extra_hosts"] = extra_hosts(result["extra_hosts"], (*path, "extra_hosts"), context.problems)
    if isinstance(result.get("ssh"), dict):
        result["ssh"] = [f"{name}={value}" if value else name for name, value in result["ssh"].items()]
    return result


def build_arguments(arguments: Data, path: Path, context: Context) -> dict[str, str]:
    """An argument without a value takes it from outside; it is left out where there is none."""
    result = {}
    for name, value in arguments.items():
        if value is None:
            value = outside(name, (*path, name), context)
        if value is not None:
            result[name] = value
    return result


def _gpus(service: Data, problems: Problems, path: Path) -> None:
    """`gpus` (Compose ≥ 2.30) is a device request with the capability gpu."""
    wanted = service.pop("gpus")
    requests = [{"count": -1}] if wanted == "all" else wanted
    if not isinstance(requests, list):
        return
    deploy = dict(service.get("deploy") or {})
    resources = dict(deploy.get("resources") or {})
    reservations = dict(resources.get("reservations") or {})
    if reservations.get("devices"):
        problems.error((*path, "gpus"), "gpus and deploy.resources.reservations.devices exclude each other")
    reservations["devices"] = [
        {**request, "capabilities": list(dict.fromkeys(["gpu", *request.get("capabilities", [])]))}
        for request in requests
    ]
    service["deploy"] = {**deploy, "resources": {**resources, "reservations": reservations}}


def _ports(entry: str | Data) -> list[Data]:
    return ports.parse_port(entry) if isinstance(entry, str) else [ports.long_port(entry)]


def _volume(entry: str | Data, directory: str) -> Data:
    result = mounts.parse_volume(entry) if isinstance(entry, str) else mounts.long_volume(entry)
    if result["type"] == "bind":
        result["source"] = mounts.absolute(result["source"], directory)
    return result


def _device(entry: str | Data) -> Data:
    if isinstance(entry, dict):
        return {"target": entry["source"], "permissions": "rwm", **entry}
    parts = entry.split(":")
    if len(parts) > 3 or not all(parts):
        raise mounts.MountError(f"{entry!r} is not a device", "Write source[:target[:permissions]].")
    target = parts[1] if len(parts) > 1 else parts[0]
    if len(parts) > 1 and not target.startswith("/"):
        raise mounts.MountError(
            f"{entry!r}: Compose takes {target!r} for the path in the container", "Write source:target:permissions."
        )
    return {"source": parts[0], "target": target, "permissions": parts[2] if len(parts) == 3 else "rwm"}


def _file_reference(entry: str | Data, kind: str) -> Data:
    """A secret or config of a service. Compose fills in the target of a service's secret only."""
    result = {"source": entry} if isinstance(entry, str) else {k: v for k, v in entry.items() if v != ""}
    if kind == "secrets":
        result.setdefault("target", f"/run/secrets/{result['source']}")
    return result


def extra_hosts(value: Data | list[str], path: Path, problems: Problems) -> list[str]:
    """``name=address`` entries, sorted by name."""
    pairs: list[tuple[str, str]] = []
    if isinstance(value, dict):
        for name, addresses in value.items():
            pairs += [(name, address) for address in ([addresses] if isinstance(addresses, str) else addresses)]
    else:
        for index, entry in enumerate(value):
            name, separator, address = entry.partition("=" if "=" in entry else ":")
            if not separator or not name or not address:
                problems.error((*path, index), f"{entry!r} is not name=address")
            pairs.append((name, address))
    entries = [f"{name}={_no_brackets(address)}" for name, address in sorted(pairs, key=lambda pair: pair[0])]
    return list(dict.fromkeys(entries))


def _no_brackets(address: str) -> str:
    return address[1:-1] if address.startswith("[") and address.endswith("]") else address


def _healthcheck(check: Data, path: Path, problems: Problems) -> Data:
    result = dict(check)
    test = result.pop("test", None)
    if isinstance(test, str):
        result["test"] = ["CMD-SHELL", test]
    elif test:
        result["test"] = test
        if test[0] not in ("CMD", "CMD-SHELL", "NONE"):
            mend = f"Write [CMD, {', '.join(test)}]."
            problems.error((*path, "test"), f"the test must start with CMD, CMD-SHELL or NONE, not {test[0]!r}", mend)
        elif len(test) == 1 and test[0] != "NONE":
            problems.error((*path, "test"), f"after {test[0]} there is no command")
    if not result.get("disable"):
        result.pop("disable", None)
    return result


def _logging(logging: Data) -> Data:
    result = {key: value for key, value in logging.items() if not _is_empty(value)}
    if "options" in result:
        result["options"] = {name: "" if value is None else value for name, value in result["options"].items()}
    return result


def _deploy(deploy: Data, path: Path, problems: Problems) -> Data:
    result = {key: value for key, value in deploy.items() if key == "replicas" or not _is_empty(value)}
    mode = result.get("mode", "replicated")
    if mode != "replicated":
        problems.error(
            (*path, "mode"), f"the mode {mode} is not supported: a service is one container", "Remove mode."
        )
    resources = {}
    for part, values in deploy.get("resources", {}).items():
        resources[part] = {key: value for key, value in values.items() if not _is_empty(value)}
    devices = resources.get("reservations", {}).get("devices", [])
    for index, request in enumerate(devices):
        place = (*path, "resources", "reservations", "devices", index)
        devices[index] = _device_request(request, place, problems)
    result["resources"] = resources
    result.setdefault("placement", {})
    return result


def _device_request(request: Data, path: Path, problems: Problems) -> Data:
    result = {key: value for key, value in request.items() if not _is_empty(value)}
    if "count" in result and "device_ids" in result:
        problems.error(path, "count and device_ids exclude each other", "Remove count.")
    if "device_ids" not in result:
        result.setdefault("count", -1)
    return result


def _networks(service: Data) -> None:
    networks = service.get("networks")
    if isinstance(networks, list):
        networks = dict.fromkeys(networks)
    if networks:
        service["networks"] = {
            name: value if value is None else {key: item for key, item in value.items() if not _is_empty(item)}
            for name, value in networks.items()
        }
    elif service.get("network_mode"):
        service.pop("networks", None)
    else:
        service["networks"] = {"default": None}


def _depends_on(service: Data) -> None:
    """The long form, with what `network_mode: service:x` and its like imply."""
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
    service["depends_on"] = result
