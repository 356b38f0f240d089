# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One spelling for specs that mean the same, and how a spec is written to a file and read back.

Tools print devices, nodes and mounts in varying order; comparing the normal form tells whether anything changed.
"""

from __future__ import annotations

import json
import re
import typing as t

from . import yaml_subset
from .versions import Spec

NodeNumbers = t.Callable[[str], t.Optional[tuple[int, int]]]
"""Major and minor of a device node of the host; None where no such node is."""


def parse(text: str, path: str) -> Spec:
    """What a spec's file holds. YAML where the name ends so, as engines have it. Raises ValueError with the reason."""
    try:
        # JSON is YAML, too, and beyond the subset of YAML that is understood here.
        is_json = path.endswith(".json") or text.lstrip()[:1] == "{"
        data = json.loads(text, object_pairs_hook=_once) if is_json else yaml_subset.parse(text)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    if not isinstance(data, dict):
        raise ValueError("it holds no mapping")
    return data


def _once(pairs: list[tuple[str, t.Any]]) -> Spec:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice")
    return found


def documents(text: str) -> list[Spec]:
    """The JSON documents of a tool's output, one after the other. Raises ValueError for anything else.

    `nvidia-ctk cdi generate` prints a further spec for coherent and one for non-coherent GPUs where both exist
    (cmd/nvidia-ctk/cdi/generate/generate.go, generateSpecs).
    """
    found, at, decoder = [], 0, json.JSONDecoder()
    try:
        while text[at:].strip():
            at += len(text[at:]) - len(text[at:].lstrip())
            value, at = decoder.raw_decode(text, at)
            found.append(value)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    if not found or not all(isinstance(each, dict) for each in found):
        raise ValueError("it is no JSON object")
    return found


def normal(spec: Spec) -> Spec:
    """The normal form: sorted where order has no meaning, without what is empty or says what is so anyway.

    Kept in order: hooks and their arguments, and variables and mounts of which one replaces another.
    A spec that `schema.problems` objects to may come back as it is.
    """
    result = {key: value for key, value in spec.items() if key not in ("devices", "containerEdits")}
    result = {key: value for key, value in result.items() if value not in (None, {}, [])}
    edits = _edits(spec.get("containerEdits"))
    if edits:
        result["containerEdits"] = edits
    devices = spec.get("devices")
    if isinstance(devices, list) and all(isinstance(each, dict) for each in devices):
        result["devices"] = sorted((_device(each) for each in devices), key=lambda each: _natural(each.get("name")))
    else:
        result["devices"] = devices
    return result


def _device(device: Spec) -> Spec:
    result = {key: value for key, value in device.items() if value not in (None, {}, [])}
    result["containerEdits"] = _edits(device.get("containerEdits"))
    return result


def _natural(name: t.Any) -> tuple[bool, int, str]:
    """Numbers by their value, then the other names."""
    text = str(name)
    return (not text.isdecimal(), int(text) if text.isdecimal() else 0, text)


def _edits(edits: t.Any) -> t.Any:
    if not isinstance(edits, dict):
        return {} if edits is None else edits
    result = {key: value for key, value in edits.items() if value not in (None, {}, [])}
    if _all_are(result.get("env"), str):
        result["env"] = _by_key(result["env"], lambda entry: entry.partition("=")[0])
    if _all_are(result.get("deviceNodes"), dict):
        result["deviceNodes"] = _by_key(_unique(map(_node, result["deviceNodes"])), lambda node: str(node.get("path")))
    if _all_are(result.get("mounts"), dict):
        mounts = _unique(_without_empty(mount) for mount in result["mounts"])
        result["mounts"] = _by_key(mounts, lambda mount: str(mount.get("containerPath")))
    if _all_are(result.get("hooks"), dict):
        result["hooks"] = [_without_empty(hook) for hook in result["hooks"]]
    if _all_are(result.get("additionalGids"), int):
        result["additionalGids"] = sorted(set(result["additionalGids"]))
    return result


def _all_are(value: t.Any, kind: type) -> bool:
    return isinstance(value, list) and all(isinstance(entry, kind) for entry in value)


def _without_empty(entry: Spec) -> Spec:
    return {key: value for key, value in entry.items() if value not in (None, "", [])}


def _node(node: Spec) -> Spec:
    result = _without_empty(node)
    if result.get("hostPath") == result.get("path"):
        # The same path on the host is the default, and saying it costs version 0.5.0.
        result.pop("hostPath", None)
    return result


def _unique(entries: t.Iterable[Spec]) -> list[Spec]:
    found: list[Spec] = []
    for entry in entries:
        if entry not in found:
            found.append(entry)
    return found


def _by_key(entries: list[t.Any], key: t.Callable[[t.Any], str]) -> list[t.Any]:
    """Sorted, unless two entries have the same key: then the later one counts, and order has a meaning."""
    keys = [key(entry) for entry in entries]
    return sorted(entries, key=key) if len(set(keys)) == len(keys) else entries


def without_numbers(spec: Spec, numbers: NodeNumbers) -> Spec:
    """The spec without numbers of nodes that the host's own nodes have now: the engine then looks when it starts a container.

    The majors of nvidia-uvm, nvidia-caps and kfd are given out anew at each boot, and a file in /etc/cdi stays.
    The library fills in what is missing (pkg/cdi/container-edits_unix.go, fillMissingInfo).
    """
    result = normal(spec)
    for holder in (result, *(result["devices"] if isinstance(result["devices"], list) else ())):
        edits = holder.get("containerEdits") if isinstance(holder, dict) else None
        if isinstance(edits, dict) and _all_are(edits.get("deviceNodes"), dict):
            edits["deviceNodes"] = [_without_number(node, numbers) for node in edits["deviceNodes"]]
    return normal(result)


def _without_number(node: Spec, numbers: NodeNumbers) -> Spec:
    path = node.get("hostPath") or node.get("path")
    own = (node.get("major", 0), node.get("minor", 0))
    if not isinstance(path, str) or "major" not in node or numbers(path) != own:
        return node
    return {key: value for key, value in node.items() if key not in ("major", "minor")}


def render(spec: Spec, path: str = ".json") -> str:
    """The text of a file: YAML where the path ends so, else JSON."""
    ordered = {
        key: spec[key] for key in ("cdiVersion", "kind", "annotations", "devices", "containerEdits") if key in spec
    }
    ordered.update(spec)
    if path.endswith((".yaml", ".yml")):
        return "---\n" + "\n".join(_yaml(ordered)) + "\n"
    return _escaped(json.dumps(ordered, indent=2, ensure_ascii=False)) + "\n"


def _yaml(value: t.Any) -> t.Iterator[str]:
    """Lines of a mapping or a sequence. Texts are quoted as in JSON, which every YAML reader takes."""
    entries = value.items() if isinstance(value, dict) else (("-", entry) for entry in value)
    for key, content in entries:
        mark = "-" if isinstance(value, list) else f"{_scalar(key)}:"
        if not isinstance(content, (dict, list)) or not content:
            yield f"{mark} {_scalar(content)}"
            continue
        lines = list(_yaml(content))
        if isinstance(value, list):
            yield f"- {lines[0]}"
            lines = lines[1:]
        else:
            yield mark
        yield from (f"  {line}" for line in lines)


def _scalar(value: t.Any) -> str:
    if isinstance(value, str) and value.isidentifier() and value.isascii() and value.lower() not in _YAML_WORDS:
        return value
    return _escaped(json.dumps(value, ensure_ascii=False))


def _escaped(text: str) -> str:
    """Without characters that YAML forbids or takes for the end of a line; others stay, for JSON's pairs are no YAML."""
    return re.sub("[\x7f-\xa0\u2028\u2029\ufeff\ufffe\uffff]", lambda found: f"\\u{ord(found.group()):04x}", text)


_YAML_WORDS = ("true", "false", "yes", "no", "on", "off", "null", "y", "n")
