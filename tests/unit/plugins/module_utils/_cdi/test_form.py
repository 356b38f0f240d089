"""The normal form, and writing and reading specs."""

from __future__ import annotations

import copy
import json
import random

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.gpu_fleet.containers.plugins.module_utils._cdi.form import (
    documents,
    normal,
    parse,
    render,
    without_numbers,
)
from ansible_collections.gpu_fleet.containers.plugins.module_utils._cdi.schema import problems
from ansible_collections.gpu_fleet.containers.plugins.module_utils._cdi.versions import minimum, number

from . import stand_ins
from .specs import specs


@given(specs)
def test_normal_is_idempotent_valid_and_needs_no_newer_version(spec):
    once = normal(spec)
    assert normal(once) == once
    assert problems(once) == []
    assert number(minimum(once)) <= number(minimum(spec))


@given(specs, st.sampled_from([".json", ".yaml"]))
def test_what_is_written_is_read_back(spec, ending):
    text = render(spec, f"/etc/cdi/x{ending}")
    assert parse(text, f"/etc/cdi/x{ending}") == spec
    assert yaml.safe_load(text) == spec


@pytest.mark.parametrize(
    "spec", [stand_ins.nvidia(), stand_ins.amd(), stand_ins.intel()], ids=["nvidia", "amd", "intel"]
)
def test_the_order_in_which_a_tool_lists_does_not_matter(spec):
    shuffled = copy.deepcopy(spec)
    for seed in range(5):
        rng = random.Random(seed)
        rng.shuffle(shuffled["devices"])
        for device in shuffled["devices"]:
            for entries in device["containerEdits"].values():
                rng.shuffle(entries)
        assert normal(shuffled) == normal(spec)


def of(**edits):
    return normal({"kind": "a/b", "devices": [{"name": "x", "containerEdits": edits}]})["devices"][0]["containerEdits"]


def test_order_is_kept_where_it_has_a_meaning():
    hooks = [{"hookName": "createContainer", "path": "/b"}, {"hookName": "createContainer", "path": "/a"}]
    mounts = [{"hostPath": "/b", "containerPath": "/x"}, {"hostPath": "/a", "containerPath": "/x"}]
    assert of(hooks=hooks)["hooks"] == hooks
    assert of(mounts=mounts)["mounts"] == mounts
    assert of(env=["B=2", "B=1"])["env"] == ["B=2", "B=1"]


def test_what_says_nothing_is_left_out():
    node = {"path": "/dev/a", "hostPath": "/dev/a", "type": "", "permissions": None}
    assert of(deviceNodes=[node, node], env=[], hooks=None, additionalGids=[3, 1, 3]) == {
        "deviceNodes": [{"path": "/dev/a"}],
        "additionalGids": [1, 3],
    }


def test_devices_are_sorted_by_number_then_by_name():
    names = ["all", "10", "GPU-1", "9"]
    spec = normal({"devices": [{"name": name, "containerEdits": {"env": ["A=b"]}} for name in names]})
    assert [device["name"] for device in spec["devices"]] == ["9", "10", "GPU-1", "all"]


def test_numbers_go_where_the_node_of_the_host_has_them():
    numbers = {"/dev/a": (511, 0), "/dev/b": (510, 1)}
    nodes = [
        {"path": "/dev/a", "major": 511},
        {"path": "/dev/b", "major": 511, "minor": 1},
        {"path": "/dev/c", "major": 1, "minor": 3},
        {"path": "/in", "hostPath": "/dev/b", "major": 510, "minor": 1, "gid": 44},
    ]
    spec = {"devices": [{"name": "x", "containerEdits": {"deviceNodes": nodes}}]}
    assert without_numbers(spec, numbers.get)["devices"][0]["containerEdits"]["deviceNodes"] == [
        {"path": "/dev/a"},
        nodes[1],
        nodes[2],
        {"path": "/in", "hostPath": "/dev/b", "gid": 44},
    ]


def test_documents_one_after_the_other():
    assert documents('{"a": 1}\n {"b": 2}\n') == [{"a": 1}, {"b": 2}]


@pytest.mark.parametrize("text", ["", "\n", "<html>", '{"a": 1} x', "[1]", "[" * 100_000, '{"a"'])
def test_what_is_no_document(text):
    with pytest.raises(ValueError):
        documents(text)


@pytest.mark.parametrize(
    ("text", "path"),
    [("[]", "a.json"), ("{", "a.json"), ("- a\n", "a.yaml"), ('{"a": 1, "a": 2}', "a.json"), ("a: &x 1\n", "a.yaml")],
)
def test_what_is_no_spec(text, path):
    with pytest.raises(ValueError):
        parse(text, path)


def test_json_in_a_yaml_file_is_read():
    assert parse(json.dumps({"a": [1]}), "a.yaml") == {"a": [1]}
