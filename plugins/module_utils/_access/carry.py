# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of a host's CDI specs goes with its facts, for engines that cannot read them (`expand.py` uses it).

The plan is made elsewhere, without the host's files. So everything that only the host can tell is told here:
which links a library directory has, because no hook can run `ldconfig` for an expanded device.
"""

from __future__ import annotations

import posixpath
import re
import typing as t

from .._cdi.spec import CdiSpec, Edits
from .._gpu.probe import Reader

LINKS = "links"
"""Key beside CDI's own in carried edits: container path of a link → container path of the mounted file it leads to."""

_LIBRARY = re.compile(r"[^/]+\.so(\.[^/]+)?$")
_NODE_FIELDS = ("path", "hostPath", "permissions")
OTHERWISE = "otherwise"
"""Key beside CDI's own in a carried node: what an engine that passes the host's node on would do differently."""


def carried(reader: Reader, owners: t.Mapping[str, tuple[CdiSpec, str]]) -> dict[str, dict[str, t.Any]]:
    """Kind → ``{"edits": …, "devices": {name: edits}}`` of the given names (`cdi.merge`).

    Where files share a kind, the edits of each file stand in its devices: they count only for those.
    """
    kinds: dict[str, dict[str, t.Any]] = {}
    files: dict[str, set[str]] = {}
    for spec, _name in owners.values():
        files.setdefault(spec.kind, set()).add(spec.path)
    for spec, name in owners.values():
        entry = kinds.setdefault(spec.kind, {"edits": {}, "devices": {}})
        common, own = _prepared(reader, spec.edits), _prepared(reader, spec.devices[name])
        if len(files[spec.kind]) == 1:
            entry["edits"], entry["devices"][name] = common, own
        else:
            entry["devices"][name] = joined(common, own)
    return kinds


def joined(first: Edits, second: Edits) -> Edits:
    """Both edits, the second's after the first's."""
    result: Edits = {}
    for key in {**first, **second}:
        a, b = first.get(key), second.get(key)
        result[key] = {**(a or {}), **(b or {})} if key == LINKS else [*(a or ()), *(b or ())]
    return result


def _prepared(reader: Reader, edits: Edits) -> Edits:
    """Edits as small as the expansion needs them, with the links of the directories that a hook would index."""
    result: Edits = {
        "env": list(edits.get("env") or ()),
        "deviceNodes": [_node(reader, node) for node in edits.get("deviceNodes") or ()],
        "mounts": [_mount(mount) for mount in edits.get("mounts") or ()],
        "hooks": [{"path": hook["path"], "args": list(hook.get("args") or ())} for hook in edits.get("hooks") or ()],
        "additionalGids": list(edits.get("additionalGids") or ()),
        "netDevices": [{}] if edits.get("netDevices") else [],
        "intelRdt": [{}] if edits.get("intelRdt") else [],
        LINKS: _links(reader, edits),
    }
    return {key: value for key, value in result.items() if value}


def _node(reader: Reader, node: Edits) -> Edits:
    kept = {key: node[key] for key in _NODE_FIELDS if node.get(key)}
    if node.get("type") == "p":
        return {**kept, "type": "p"}
    there = reader.node(kept.get("hostPath") or node["path"])
    if there is None:
        return kept
    real = {"fileMode": int(there.mode, 8) if there.mode else None, "uid": there.uid, "gid": there.gid}
    # What the spec leaves open, CDI takes from the host's node as well.
    differs = [key for key in real if node.get(key) is not None and real[key] not in (None, node[key])]
    return {**kept, OTHERWISE: differs} if differs else kept


def _mount(mount: Edits) -> Edits:
    kept = {"hostPath": mount["hostPath"], "containerPath": mount["containerPath"]}
    if mount.get("type") not in (None, "", "bind", "none"):
        kept["type"] = mount["type"]
    return {**kept, "options": ["rw"]} if "ro" not in (mount.get("options") or ()) else kept


def _links(reader: Reader, edits: Edits) -> dict[str, str]:
    """Links beside mounted libraries that lead to them, e.g. libcuda.so.1: what ldconfig would make in the container."""
    found: dict[str, str] = {}
    entries: dict[str, tuple[str, ...]] = {}
    for mount in edits.get("mounts") or ():
        host, inside = mount["hostPath"], mount["containerPath"]
        if not _LIBRARY.search(host):
            continue
        folder, _slash, name = host.rpartition("/")
        stem = name.partition(".so")[0] + ".so"
        if folder not in entries:
            entries[folder] = reader.directory(folder) or ()
        for other in entries[folder]:
            if other == name or not (other == stem or other.startswith(f"{stem}.")):
                continue
            if _leads_to(reader, folder, other, name):
                found[posixpath.join(posixpath.dirname(inside), other)] = inside
    return found


def _leads_to(reader: Reader, folder: str, link: str, name: str) -> bool:
    """Whether a link, over at most a few others of its directory, is the file `name`."""
    for _step in range(4):
        target = reader.link(f"{folder}/{link}")
        if target is None:
            return False
        whole = posixpath.normpath(posixpath.join(folder, target))
        if posixpath.dirname(whole) != folder:
            return False
        link = posixpath.basename(whole)
        if link == name:
            return True
    return False
