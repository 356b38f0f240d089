"""What the Python program prints, read without trust."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.gpu_fleet.containers.plugins.module_utils._group.gpu_answer import (
    Answer,
    Device,
    Library,
    Node,
    Torch,
    bare_uuid,
    from_python,
    plain,
)

UUID = "11111111-2222-3333-4444-555555555551"
WHOLE = {
    "gpu_probe": 1,
    "self": ["1000", "44 1000"],
    "first": ["0", "0"],
    "nodes": [
        {
            "path": "/dev/dxg",
            "opened": False,
            "errno": 13,
            "error": "Permission denied",
            "mode": "0660",
            "uid": 0,
            "gid": 44,
        }
    ],
    "libraries": {
        "cuda": {
            "there": True,
            "probe": "libcuda.so.1",
            "call": "",
            "code": 0,
            "version": 12080,
            "devices": [{"name": "RTX\u001b[31m", "memory_bytes": 8, "uuid": UUID, "parent": UUID}],
        },
        "vulkan": {"devices": [{"name": "llvmpipe", "vendor": 65541, "kind": "cpu"}]},
        "hip": {"hung": True, "error": "no answer within 20 s"},
        "hsa": {"there": False, "probe": "libhsa-runtime64.so.1", "error": "not found", "lies_at": "/opt/rocm/lib/x"},
    },
    "torch": {"version": "2.4.0", "cuda": "12.4", "hip": None, "available": True},
    "environment": {"CUDA_VISIBLE_DEVICES": "0"},
    "musl": True,
}


def test_all_of_an_answer():
    text = "a driver's own words\n" + json.dumps(WHOLE) + "\nmore of them\n"
    assert from_python(text) == Answer(
        "python3",
        (Node("/dev/dxg", False, "Permission denied", 13, "0660", 0, 44),),
        (
            Library("cuda", "libcuda.so.1", devices=(Device("RTX [31m", UUID, UUID, 8),), version=12080),
            Library("vulkan", "libvulkan.so.1", devices=(Device("llvmpipe", vendor=0x10005, software=True),)),
            Library("hip", "libamdhip64.so", error="no answer within 20 s", hung=True),
            Library("hsa", "libhsa-runtime64.so.1", False, error="not found", lies_at="/opt/rocm/lib/x"),
        ),
        "1000",
        "44 1000",
        "0",
        "0",
        {"CUDA_VISIBLE_DEVICES": "0"},
        True,
        Torch("2.4.0", "CUDA 12.4", True),
    )


@pytest.mark.parametrize(
    ("torch", "expected"),
    [
        (None, None),
        ({"error": "SyntaxError"}, None),
        ({"version": "2.4.0+cpu", "cuda": None, "hip": None}, Torch("2.4.0+cpu")),
        ({"version": "2.4.0", "hip": "6.1", "available": False}, Torch("2.4.0", "ROCm 6.1", False)),
        ({"version": "2.4.0", "cuda": "12.4", "hung": True}, Torch("2.4.0", "CUDA 12.4")),
    ],
)
def test_torch(torch, expected):
    assert from_python(json.dumps({"gpu_probe": 1, "torch": torch})).torch == expected


@pytest.mark.parametrize(
    "text",
    [
        '{"gpu_probe": ' + "[" * 100_000,
        "",
        "Traceback …\nKeyError: 1",
        '{"other": 1}',
        '{"gpu_probe": 1',
        "executable file not found",
    ],
)
def test_no_answer(text):
    assert from_python(text) is None


def test_nodes_that_hang():
    assert from_python('{"gpu_probe": 1, "nodes": {"hung": true}}') == Answer("python3", nodes_hung=True)


@pytest.mark.parametrize(
    ("text", "uuid"),
    [
        (f"GPU-{UUID}", UUID),
        (f"MIG-{UUID.upper()}", UUID),
        (f"MIG-GPU-{UUID}/1/0", UUID),
        (UUID, UUID),
        ("GPU-4c2b0a1d8e7f6a5b", ""),
        ("", ""),
    ],
)
def test_bare_uuid(text, uuid):
    assert bare_uuid(text) == uuid


def test_sliced():
    assert Device("A", UUID, UUID).full_uuid == f"GPU-{UUID}" and Device("A", UUID).full_uuid == f"GPU-{UUID}"
    assert Device("A", UUID, "other").full_uuid == f"MIG-{UUID}" and Device("A").full_uuid == ""


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
)


@given(st.fixed_dictionaries({}, optional={key: anything for key in WHOLE if key != "gpu_probe"}))
def test_anything_in_its_form_is_an_answer(data):
    assert isinstance(from_python(json.dumps({"gpu_probe": 1, **data})), Answer)


@given(
    st.sampled_from(sorted(WHOLE["libraries"])),
    st.dictionaries(st.sampled_from(["devices", "code", "probe", "there"]), anything),
)
def test_anything_said_by_a_library_is_an_answer(api, said):
    (library,) = from_python(json.dumps({"gpu_probe": 1, "libraries": {api: said}})).libraries
    assert library.api == api and library.probe


@given(st.text())
def test_what_is_shown_is_one_line_without_commands_to_a_terminal(text):
    assert plain(text).isprintable() and len(plain(text)) <= 400
