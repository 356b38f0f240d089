# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the parser of CDI demands of a spec: one breach and engines drop the whole file.

Rules: schema/defs.json, pkg/parser/parser.go and the Validate functions of pkg/cdi in
cncf-tags/container-device-interface. Files are read strictly there: an unknown field is an error.
"""

from __future__ import annotations

import re
import typing as t

from . import names
from .versions import FORMER, VERSIONS, Spec, minimum, number

HOOKS = ("prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop")
UINT32 = 2**32 - 1


def problems(spec: t.Any) -> list[str]:
    """Everything the parser would object to, each with the path of the field at fault; empty for a good spec.

    That a version does not carry what is used, which libraries before 0.6 do not mind, begins with ``cdiVersion:``,
    as does a version that is none.
    """
    if not isinstance(spec, dict):
        return ["it holds no mapping"]
    found = list(_fields(spec, "", _SPEC))
    found += _version(spec) + _kind(spec)
    devices = spec.get("devices")
    if isinstance(devices, list):
        found += [] if devices else ["devices: there is none"]
        for index, device in enumerate(devices):
            found += _device(device, f"devices[{index}]")
        found += [f"devices: {name!r} stands there twice" for name in _twice(devices)]
    return found + list(_edits(spec.get("containerEdits"), "containerEdits"))


def _version(spec: Spec) -> list[str]:
    version = spec.get("cdiVersion")
    if not isinstance(version, str) or not version:
        return []
    if version[version.startswith("v") :] not in (*FORMER, *VERSIONS):
        return [f"cdiVersion: {version!r} is no released version"]
    needed = minimum(spec)
    if number(version) < number(needed):
        return [f"cdiVersion: {version} does not carry what is used; it must be at least {needed}"]
    return []


def _kind(spec: Spec) -> list[str]:
    kind = spec.get("kind")
    if not isinstance(kind, str) or not kind or names.KIND.fullmatch(kind):
        return []
    return [f"kind: {kind!r} is not of the form vendor/class, each beginning with a letter"]


def _device(device: t.Any, path: str) -> list[str]:
    if not isinstance(device, dict):
        return [f"{path}: it is no mapping"]
    found = list(_fields(device, path, _DEVICE))
    name = device.get("name")
    if isinstance(name, str) and name and not names.DEVICE.fullmatch(name):
        found.append(f"{path}.name: {name!r} is no name for a device")
    edits = device.get("containerEdits")
    if isinstance(edits, dict) and not any(value for value in edits.values()):
        found.append(f"{path}.containerEdits: it is empty")
    return found + list(_edits(edits, f"{path}.containerEdits"))


def _edits(edits: t.Any, path: str) -> t.Iterator[str]:
    if not isinstance(edits, dict):
        return
    yield from _fields(edits, path, _EDITS)
    yield from _env(edits.get("env"), f"{path}.env")
    for key, (fields, check) in _ENTRIES.items():
        for index, entry in enumerate(_list(edits.get(key))):
            where = f"{path}.{key}[{index}]"
            if not isinstance(entry, dict):
                yield f"{where}: it is no mapping"
                continue
            yield from _fields(entry, where, fields)
            yield from check(entry, where)
    for gid in _list(edits.get("additionalGids")):
        if not _is_number(gid, UINT32):
            yield f"{path}.additionalGids: {gid!r} is no group id"
    if isinstance(edits.get("intelRdt"), dict):
        yield from _rdt(edits["intelRdt"], f"{path}.intelRdt")


def _env(entries: t.Any, path: str) -> t.Iterator[str]:
    for index, entry in enumerate(_list(entries)):
        if not isinstance(entry, str) or entry.find("=") <= 0:
            yield f"{path}[{index}]: {entry!r} is not of the form NAME=value"


def _node(node: Spec, path: str) -> t.Iterator[str]:
    if node.get("type") not in (None, "", "b", "c", "u", "p"):
        yield f"{path}.type: {node['type']!r} is none of b, c, u, p"
    permissions = node.get("permissions")
    if isinstance(permissions, str) and permissions != "none" and permissions.strip("rwm"):
        yield f"{path}.permissions: {permissions!r} has others than r, w, m"


def _hook(hook: Spec, path: str) -> t.Iterator[str]:
    if isinstance(hook.get("hookName"), str) and hook["hookName"] not in HOOKS:
        yield f"{path}.hookName: {hook['hookName']!r} is none of {', '.join(HOOKS)}"
    yield from _env(hook.get("env"), f"{path}.env")


def _rdt(rdt: Spec, path: str) -> t.Iterator[str]:
    yield from _fields(rdt, path, _RDT)
    name = rdt.get("closID")
    if isinstance(name, str) and name != "/" and (name in (".", "..") or re.search(r"[/\n]", name)):
        yield f"{path}.closID: {name!r} is no file name"


def _nothing(_entry: Spec, _path: str) -> t.Iterator[str]:
    return iter(())


class _Field(t.NamedTuple):
    kind: str
    required: bool = False


def _fields(value: Spec, path: str, fields: dict[str, _Field]) -> t.Iterator[str]:
    where = f"{path}." if path else ""
    for name, content in value.items():
        field = fields.get(name)
        if field is None:
            yield f"{where}{name}: the parser knows no such field"
        elif content is not None and not _KINDS[field.kind](content):
            yield f"{where}{name}: {content!r} is no {field.kind}"
    for name, field in fields.items():
        if field.required and value.get(name) in (None, ""):
            yield f"{where}{name}: it is missing"


def _list(value: t.Any) -> list[t.Any]:
    return value if isinstance(value, list) else []


def _is_number(value: t.Any, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= most


def _twice(devices: list[t.Any]) -> list[str]:
    texts = [device.get("name") for device in devices if isinstance(device, dict)]
    texts = [name for name in texts if isinstance(name, str)]
    return sorted({name for name in texts if texts.count(name) > 1})


_KINDS: dict[str, t.Callable[[t.Any], bool]] = {
    "text": lambda value: isinstance(value, str),
    "list": lambda value: isinstance(value, list),
    "list of texts": lambda value: isinstance(value, list) and all(isinstance(entry, str) for entry in value),
    "mapping": lambda value: isinstance(value, dict),
    "mapping of texts": lambda value: (
        isinstance(value, dict) and all(isinstance(entry, str) for pair in value.items() for entry in pair)
    ),
    "number": lambda value: _is_number(value, 2**63 - 1),
    "32-bit number": lambda value: _is_number(value, UINT32),
    "true or false": lambda value: isinstance(value, bool),
}

_SPEC = {
    "cdiVersion": _Field("text", True),
    "kind": _Field("text", True),
    "devices": _Field("list", True),
    "containerEdits": _Field("mapping"),
    "annotations": _Field("mapping of texts"),
}
_DEVICE = {
    "name": _Field("text", True),
    "containerEdits": _Field("mapping", True),
    "annotations": _Field("mapping of texts"),
}
_EDITS = {
    "env": _Field("list of texts"),
    "deviceNodes": _Field("list"),
    "netDevices": _Field("list"),
    "hooks": _Field("list"),
    "mounts": _Field("list"),
    "intelRdt": _Field("mapping"),
    "additionalGids": _Field("list"),
}
_NODE = {
    "path": _Field("text", True),
    "hostPath": _Field("text"),
    "type": _Field("text"),
    "major": _Field("number"),
    "minor": _Field("number"),
    "fileMode": _Field("32-bit number"),
    "permissions": _Field("text"),
    "uid": _Field("32-bit number"),
    "gid": _Field("32-bit number"),
}
_MOUNT = {
    "hostPath": _Field("text", True),
    "containerPath": _Field("text", True),
    "options": _Field("list of texts"),
    "type": _Field("text"),
}
_HOOK = {
    "hookName": _Field("text", True),
    "path": _Field("text", True),
    "args": _Field("list of texts"),
    "env": _Field("list of texts"),
    "timeout": _Field("number"),
}
_NET_DEVICE = {"hostInterfaceName": _Field("text", True), "name": _Field("text", True)}
_RDT = {
    "closID": _Field("text"),
    "l3CacheSchema": _Field("text"),
    "memBwSchema": _Field("text"),
    "enableCMT": _Field("true or false"),
    "enableMBM": _Field("true or false"),
    "schemata": _Field("list of texts"),
    "enableMonitoring": _Field("true or false"),
}
_ENTRIES: dict[str, tuple[dict[str, _Field], t.Callable[[Spec, str], t.Iterator[str]]]] = {
    "deviceNodes": (_NODE, _node),
    "mounts": (_MOUNT, _nothing),
    "hooks": (_HOOK, _hook),
    "netDevices": (_NET_DEVICE, _nothing),
}
