"""What the parser of CDI refuses."""

from __future__ import annotations

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.gpu_fleet.containers.plugins.module_utils._cdi.schema import problems

from . import stand_ins
from .specs import specs


def good():
    return {
        "cdiVersion": "0.7.0",
        "kind": "vendor.example/gpu",
        "devices": [{"name": "0", "containerEdits": {"deviceNodes": [{"path": "/dev/null"}]}}],
        "containerEdits": {
            "env": ["A=b", "C="],
            "mounts": [{"hostPath": "/a", "containerPath": "/b"}],
            "hooks": [{"hookName": "prestart", "path": "/bin/true"}],
            "additionalGids": [1],
        },
    }


def put(spec, path, value):
    *parents, last = path
    for key in parents:
        spec = spec[key]
    if value is ...:
        del spec[last]
    else:
        spec[last] = value


EDITS = ("devices", 0, "containerEdits")


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (("cdiVersion",), ..., "cdiVersion: it is missing"),
        (("cdiVersion",), 0.5, "cdiVersion: 0.5 is no text"),
        (("cdiVersion",), "0.9.0", "cdiVersion: '0.9.0' is no released version"),
        (("cdiVersion",), "0.5", "cdiVersion: '0.5' is no released version"),
        (("cdiVersion",), "0.6.0", "cdiVersion: 0.6.0 does not carry what is used; it must be at least 0.7.0"),
        (("kind",), "gpu", "kind: 'gpu' is not of the form vendor/class"),
        (("kind",), "1vendor/gpu", "kind: '1vendor/gpu' is not"),
        (("kind",), "vendor/gpu-", "kind: 'vendor/gpu-' is not"),
        (("kind",), "", "kind: it is missing"),
        (("more",), 1, "more: the parser knows no such field"),
        (("devices",), [], "devices: there is none"),
        (("devices",), {}, "devices: {} is no list"),
        (("devices", 0), 7, "devices[0]: it is no mapping"),
        (("devices", 0, "name"), 0, "devices[0].name: 0 is no text"),
        (("devices", 0, "name"), "a/b", "devices[0].name: 'a/b' is no name"),
        (("devices", 0, "name"), "-a", "devices[0].name: '-a' is no name"),
        (("devices", 0, "containerEdits"), {}, "devices[0].containerEdits: it is empty"),
        (("devices", 0, "containerEdits"), {"env": []}, "devices[0].containerEdits: it is empty"),
        (("devices", 0, "containerEdits"), ..., "devices[0].containerEdits: it is missing"),
        ((*EDITS, "deviceNodes", 0, "path"), ..., "deviceNodes[0].path: it is missing"),
        ((*EDITS, "deviceNodes", 0, "type"), "x", "deviceNodes[0].type: 'x' is none of"),
        ((*EDITS, "deviceNodes", 0, "permissions"), "rx", "permissions: 'rx' has others"),
        ((*EDITS, "deviceNodes", 0, "major"), -1, "major: -1 is no number"),
        ((*EDITS, "deviceNodes", 0, "gid"), 2**32, "gid: 4294967296 is no 32-bit number"),
        ((*EDITS, "deviceNodes", 0, "mode"), "0666", "mode: the parser knows no such field"),
        ((*EDITS, "deviceNodes", 0), "x", "deviceNodes[0]: it is no mapping"),
        (("containerEdits", "env", 0), "A", "env[0]: 'A' is not of the form NAME=value"),
        (("containerEdits", "env", 0), "=a", "env[0]: '=a' is not"),
        (("containerEdits", "mounts", 0, "containerPath"), "", "containerPath: it is missing"),
        (("containerEdits", "mounts", 0, "options"), "ro", "options: 'ro' is no list of texts"),
        (("containerEdits", "hooks", 0, "hookName"), "start", "hookName: 'start' is none of"),
        (("containerEdits", "hooks", 0, "env"), ["x"], "hooks[0].env[0]: 'x' is not"),
        (("containerEdits", "additionalGids"), [-1], "additionalGids: -1 is no group id"),
        (("containerEdits", "additionalGids"), [True], "additionalGids: True is no group id"),
        (("containerEdits", "intelRdt"), {"closID": ".."}, "closID: '..' is no file name"),
        (("containerEdits", "annotations"), {}, "annotations: the parser knows no such field"),
        (("annotations",), {"a": 1}, "annotations: {'a': 1} is no mapping of texts"),
    ],
)
def test_problems(path, value, said):
    spec = good()
    assert problems(spec) == []
    put(spec, path, value)
    assert any(said in problem for problem in problems(spec)), problems(spec)


def test_a_name_that_stands_twice():
    spec = good()
    spec["devices"] *= 2
    assert problems(spec) == ["devices: '0' stands there twice"]


@pytest.mark.parametrize(
    "spec", [stand_ins.nvidia(), stand_ins.amd(), stand_ins.intel()], ids=["nvidia", "amd", "intel"]
)
def test_what_tools_write_is_good(spec):
    assert problems(spec) == []


@given(specs)
def test_valid_specs_are_good(spec):
    assert problems(spec) == []


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


@given(specs, st.data(), anything)
def test_garbage_anywhere_never_raises(spec, data, garbage):
    spec = copy.deepcopy(spec)
    places = [(spec, key) for key in spec]
    for device in spec["devices"]:
        places += [(device, key) for key in device]
        places += [(device["containerEdits"], key) for key in device["containerEdits"]]
    holder, key = data.draw(st.sampled_from(places))
    holder[key] = garbage
    assert isinstance(problems(spec), list)
    assert isinstance(problems(garbage), list)
