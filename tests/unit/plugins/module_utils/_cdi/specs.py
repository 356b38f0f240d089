"""Specs for property tests: everything that a file may hold, with and without what needs a newer version."""

from __future__ import annotations

import typing as t

from hypothesis import strategies as st

words = st.text("abcXYZ019._-", min_size=1, max_size=8).map(lambda text: f"a{text}9")
texts = st.text(st.characters(codec="utf-8", exclude_categories=("Cs",)), min_size=1, max_size=12)
paths = st.lists(words, min_size=1, max_size=3).map(lambda parts: "/" + "/".join(parts))
numbers = st.integers(0, 2**32 - 1)
variables = st.builds(lambda name, value: f"{name}={value}", words, texts)


def mapping(required: dict[str, t.Any], optional: dict[str, t.Any]) -> st.SearchStrategy:
    return st.fixed_dictionaries(required, optional=optional)


nodes = mapping(
    {"path": paths},
    {
        "hostPath": paths,
        "type": st.sampled_from("bcup"),
        "major": st.integers(1, 400),
        "minor": numbers,
        "fileMode": numbers,
        "permissions": st.sampled_from(["r", "rw", "rwm", "none"]),
        "uid": numbers,
        "gid": numbers,
    },
)
mounts = mapping(
    {"hostPath": paths, "containerPath": paths},
    {"options": st.lists(words, max_size=3), "type": st.sampled_from(["none", "bind"])},
)
hooks = mapping(
    {"hookName": st.sampled_from(["prestart", "createContainer", "poststop"]), "path": paths},
    {"args": st.lists(texts, max_size=3), "env": st.lists(variables, max_size=2), "timeout": st.integers(0, 99)},
)
edits = mapping(
    {},
    {
        "env": st.lists(variables, max_size=3),
        "deviceNodes": st.lists(nodes, max_size=3),
        "mounts": st.lists(mounts, max_size=3),
        "hooks": st.lists(hooks, max_size=2),
        "additionalGids": st.lists(numbers, max_size=3),
        "intelRdt": mapping({"closID": words}, {"enableMonitoring": st.booleans()}),
        "netDevices": st.lists(mapping({"hostInterfaceName": words, "name": words}, {}), max_size=2),
    },
)
full_edits = edits.filter(lambda entry: any(entry.values()))
names = st.text("abc019", min_size=1, max_size=6)
annotations = st.dictionaries(words, texts, max_size=2)
devices = mapping({"name": names, "containerEdits": full_edits}, {"annotations": annotations})
kinds = st.sampled_from(["nvidia.com/gpu", "vendor.example/class", "vendor.example/dotted.class"])
specs = mapping(
    {
        "cdiVersion": st.just("1.1.0"),
        "kind": kinds,
        "devices": st.lists(devices, min_size=1, max_size=3, unique_by=lambda device: device["name"]),
    },
    {"containerEdits": edits, "annotations": annotations},
)
"""Valid specs, all at the newest version."""
