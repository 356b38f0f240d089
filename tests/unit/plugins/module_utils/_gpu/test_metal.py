"""Macs: what system_profiler of several releases says."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu.host import describe
from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu.snapshot import ReplayReader

from .test_fixtures import SNAPSHOTS

COMMAND = "system_profiler SPDisplaysDataType -json"


def metal(*entries, memory=None):
    commands = {COMMAND: {"rc": 0, "stdout": json.dumps({"SPDisplaysDataType": list(entries)}), "stderr": ""}}
    if memory:
        commands["sysctl -n hw.memsize"] = {"rc": 0, "stdout": memory, "stderr": ""}
    host = describe(ReplayReader({"snapshot": 1, "system": "Darwin", "machine": "arm64", "commands": commands}))
    return host.stack("metal"), [found.code for found in host.findings]


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (
            {"_name": "Apple M2 Pro", "sppci_model": "Apple M2 Pro", "spdisplays_vendor": "sppci_vendor_Apple"},
            ("Apple M2 Pro", "apple", 32 << 30, True),
        ),
        # The first releases on Apple silicon name a key of a text table (exelban/stats issue 394).
        ({"_name": "kHW_AppleM1Item", "spdisplays_vendor": "sppci_vendor_Apple"}, ("AppleM1", "apple", 32 << 30, True)),
        (
            {
                "_name": "x",
                "sppci_model": "Radeon Pro 5500M",
                "spdisplays_vendor": "sppci_vendor_amd",
                "spdisplays_vram": "4 GB",
            },
            ("Radeon Pro 5500M", "amd", 4 << 30, False),
        ),
        (
            {"sppci_model": "Radeon Pro Vega 64", "spdisplays_vendor": "AMD (0x1002)", "_spdisplays_vram": "16 GB"},
            ("Radeon Pro Vega 64", "amd", 16 << 30, False),
        ),
        (
            {
                "sppci_model": "Intel UHD Graphics 630",
                "spdisplays_vendor": "Intel",
                "spdisplays_vram_shared": "1536 MB",
            },
            ("Intel UHD Graphics 630", "intel", 1536 << 20, True),
        ),
        (
            {
                "sppci_model": "NVIDIA GeForce GT 750M",
                "spdisplays_vendor": "sppci_vendor_Nvidia",
                "spdisplays_vram": "2048 MB",
            },
            ("NVIDIA GeForce GT 750M", "nvidia", 2 << 30, False),
        ),
        ({"sppci_model": "AMD Radeon R9 M370X"}, ("AMD Radeon R9 M370X", "amd", None, False)),
        ({"sppci_model": "Radeon RX 580"}, ("Radeon RX 580", "amd", None, False)),
    ],
)
def test_a_gpu(entry, expected):
    stack, codes = metal(entry, memory="34359738368\n")
    (device,) = stack.devices
    assert (device.name, device.vendor, device.memory_bytes, device.integrated) == expected
    assert (stack.ready, codes) == (True, ["metal-not-in-containers"])
    assert device.nodes == ()


def test_a_gpu_that_is_too_old_for_metal():
    stack, _codes = metal({"sppci_model": "NVIDIA GeForce 9400M", "spdisplays_metal": "spdisplays_notsupported"})
    assert (stack.ready, stack.devices[0].ready) == (False, False)


def test_memory_of_apple_silicon_is_unknown_without_sysctl():
    stack, _codes = metal({"sppci_model": "Apple M2", "spdisplays_vendor": "sppci_vendor_Apple"})
    assert stack.devices[0].memory_bytes is None


def test_cores_are_in_the_reason():
    reason = describe(ReplayReader(SNAPSHOTS["mac-m2-podman-libkrun"])).stack("metal").reason
    assert "Apple M2 Max (38 cores)" in reason


@pytest.mark.parametrize(
    ("commands", "evidence"),
    [
        ({}, "no output"),
        ({COMMAND: {"rc": 1, "stdout": "", "stderr": "not permitted\nmore"}}, "not permitted"),
        ({COMMAND: {"rc": 0, "stdout": '{"SP]', "stderr": ""}}, '{"SP]'),
        ({COMMAND: {"rc": 0, "stdout": '{"SPDisplaysDataType": []}', "stderr": ""}}, '{"SPDisplaysDataType": []}'),
        # A virtual Mac's frame buffer (no model, no vendor).
        (
            {COMMAND: {"rc": 0, "stdout": '{"SPDisplaysDataType": [{"_name": "spdisplays_display"}]}', "stderr": ""}},
            '{"SPDisplaysDataType": [{"_name": "spdisplays_display"}]}',
        ),
    ],
)
def test_unknown_is_said_with_its_reason(commands, evidence):
    host = describe(ReplayReader({"snapshot": 1, "system": "Darwin", "commands": commands}))
    (found,) = host.findings
    assert (found.code, found.evidence, host.stack("metal").ready, host.best) == (
        "metal-unknown",
        evidence,
        False,
        "cpu",
    )


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner, max_size=3),
    max_leaves=8,
)
keys = st.sampled_from(
    ["_name", "sppci_model", "spdisplays_vendor", "spdisplays_vram", "sppci_cores", "spdisplays_metal"]
)


@given(st.lists(st.one_of(json_values, st.dictionaries(keys, json_values)), max_size=4))
def test_no_answer_raises(entries):
    stack, codes = metal(*entries)
    assert stack is not None and codes
