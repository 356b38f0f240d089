"""What is said of files in directories of specs."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.gpu_fleet.containers.plugins.module_utils._cdi.check import judge, problems, read_files
from ansible_collections.gpu_fleet.containers.plugins.module_utils._cdi.form import render
from ansible_collections.gpu_fleet.containers.plugins.module_utils._cdi.versions import VERSIONS, minimum
from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu.snapshot import ReplayReader

from .specs import specs

PATH = "/etc/cdi/x.json"
READER = ReplayReader(
    {
        "snapshot": 1,
        "files": {"/lib/a.so": ""},
        "nodes": {"/dev/gpu0": {"kind": "char", "major": 195, "minor": 0, "mode": "0666", "uid": 0, "gid": 0}},
        "directories": {"/dev": ["gpu0"], "/lib": ["a.so"], "/usr/bin": ["hook"]},
    }
)


def spec(version="0.5.0", **edits):
    edits = {"deviceNodes": [{"path": "/dev/gpu0"}], **edits}
    return {"cdiVersion": version, "kind": "a.example/b", "devices": [{"name": "0", "containerEdits": edits}]}


@pytest.mark.parametrize(
    ("content", "codes", "usable"),
    [
        (spec(), [], True),
        (spec(mounts=[{"hostPath": "/lib/a.so", "containerPath": "/a"}]), [], True),
        (spec(mounts=[{"hostPath": "/lib/b.so", "containerPath": "/a"}]), ["cdi-stale"], False),
        (spec(mounts=[{"hostPath": "tmpfs", "containerPath": "/a", "options": ["mode=755"]}]), [], True),
        (spec(hooks=[{"hookName": "prestart", "path": "/usr/bin/hook"}]), [], True),
        (spec(hooks=[{"hookName": "prestart", "path": "/usr/bin/gone"}]), ["cdi-stale"], False),
        (spec(deviceNodes=[{"path": "/dev/gpu1"}]), ["cdi-stale"], False),
        (spec(deviceNodes=[{"path": "/dev/in", "hostPath": "/dev/gpu0"}]), [], True),
        (spec(deviceNodes=[{"path": "/dev/gpu0", "major": 195}]), [], True),
        (spec(deviceNodes=[{"path": "/dev/gpu0", "major": 194}]), ["cdi-stale"], False),
        (spec(version="0.8.0"), ["cdi-too-new"], False),
        (spec(version="0.3.0"), ["cdi-unreadable"], False),
        (spec(version="9.0.0"), ["cdi-unreadable"], False),
        (spec(surprise=1), ["cdi-unreadable"], False),
        ([], ["cdi-unreadable"], False),
    ],
)
def test_judge(content, codes, usable):
    file = judge(READER, PATH, json.dumps(content), "0.7.0")
    assert ([found.code for found in file.problems], file.usable) == (codes, usable)
    assert all(found.mend and found.evidence and found.probe == PATH for found in file.problems)


@pytest.mark.parametrize(
    ("path", "text", "unclear"),
    [
        (PATH, "{", False),
        (PATH, None, True),
        ("/etc/cdi/x.yaml", "a: &anchor 1\n", True),
        ("/etc/cdi/x.yaml", "a: 1\n", False),
        ("/etc/cdi/x.yaml", None, True),
    ],
)
def test_what_engines_may_read_all_the_same(path, text, unclear):
    assert judge(READER, path, text, None).unclear is unclear


def test_a_change_is_judged_before_it_is_made():
    text = json.dumps(spec())
    there = ReplayReader({"snapshot": 1, "files": {"/etc/cdi/a.json": text, "/etc/cdi/b.json": text}})
    assert [found.code for found in problems(read_files(there, ["/etc/cdi"], None))] == ["cdi-conflict"]
    assert problems(read_files(there, ["/etc/cdi"], None, {"/etc/cdi/b.json": None})) == []
    files = read_files(there, ["/etc/cdi", "/run/cdi"], None, {"/etc/cdi/b.json": "{", "/run/cdi/c.json": text})
    assert [file.name for file in files] == ["a.json", "b.json", "c.json"]
    assert [found.code for found in problems(files)] == ["cdi-unreadable", "cdi-shadowed"]


@given(specs, st.sampled_from([None, *VERSIONS]))
def test_any_valid_spec_is_judged(content, limit):
    file = judge(READER, PATH, render({**content, "cdiVersion": minimum(content)}), limit)
    assert file.spec is not None
    assert file.too_new is any(found.code == "cdi-too-new" for found in file.problems)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["kind", "devices", "name", "x"]), inner)
    ),
    max_leaves=10,
)


@given(anything.map(json.dumps) | st.text(max_size=40), st.sampled_from(["/etc/cdi/x.json", "/etc/cdi/x.yaml"]))
def test_garbage_is_a_problem_and_no_exception(text, path):
    file = judge(READER, path, text, "0.5.0")
    assert file.usable or [found.code for found in problems([file])]
