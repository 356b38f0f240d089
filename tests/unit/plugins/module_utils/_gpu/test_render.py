"""Render nodes: there, openable, in a container; an Intel card's own memory."""

from __future__ import annotations

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu import render
from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu.snapshot import ReplayReader
from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu.view import Card, look

NODE = "/dev/dri/renderD128"
CARD = Card("0x8086", "0000:03:00.0", "xe", device="0x56a0", name="card0", render=NODE)


def view(platform="linux", **parts):
    return look(ReplayReader({"snapshot": 1, **parts}), platform)


def node(mode="0660", gid=992):
    return {NODE: {"kind": "char", "major": 226, "minor": 128, "mode": mode, "uid": 0, "gid": gid}}


USER = {"/proc/self/status": "Uid:\t1000\t1000\t1000\t1000\nGid:\t1000\t1000\t1000\t1000\nGroups:\t44\n"}


@pytest.mark.parametrize(
    ("parts", "card", "code", "evidence"),
    [
        ({"nodes": node()}, CARD, None, ""),
        (
            {"nodes": node(), "files": USER},
            CARD,
            "no-permission",
            "mode 0660, owner 0, group 992; groups of user 1000: 1000, 44",
        ),
        ({"nodes": node(gid=44), "files": USER}, CARD, None, ""),
        ({"nodes": node("0666"), "files": USER}, CARD, None, ""),
        ({"directories": {"/dev/dri": ["renderD128"]}, "files": USER}, CARD, None, ""),
        ({"directories": {"/dev/dri": ["card0"]}}, CARD, "render-node-missing", "/dev/dri holds card0"),
        ({"directories": {"/dev": ["null"]}}, CARD, "render-node-missing", "/dev/dri holds nothing"),
        ({}, CARD, None, ""),  # nobody recorded /dev
        ({}, Card("0x8086", "0000:03:00.0", "xe"), "render-node-missing", "/sys/class/drm holds nothing"),
    ],
)
def test_check(parts, card, code, evidence):
    found, problem = render.check(view(**parts), card, "card")
    assert (problem.code if problem else None) == code
    assert (problem.evidence if problem else "") == evidence
    assert code is not None or found.path == NODE


def test_a_container_has_only_what_it_was_given():
    other = Card("0x8086", "0000:00:02.0", "i915", render="/dev/dri/renderD129")
    assert render.given(view("container", nodes=node()), (CARD, other)) == (CARD,)
    assert render.given(view("container"), (CARD, other)) == ()
    assert render.given(view("linux"), (CARD, other)) == (CARD, other)


@pytest.mark.parametrize(
    ("files", "size"),
    [
        ({"device/tile0/physical_vram_size_bytes": "0x0000000400000000\n"}, 16 << 30),
        ({"device/tile0/physical_vram_size_bytes": "17179869184\n"}, 16 << 30),
        (
            {
                "device/tile0/physical_vram_size_bytes": "0x1000000000\n",
                "device/tile1/physical_vram_size_bytes": "0x1000000000\n",
            },
            128 << 30,
        ),
        ({"lmem_total_bytes": "16106127360\n"}, 15 << 30),
        ({"lmem_total_bytes": "0\n"}, None),
        ({"device/tile0/physical_vram_size_bytes": "much\n"}, None),
        ({"device/tile0/id": "0\n"}, None),
        ({}, None),
    ],
)
def test_memory_of_an_intel_card(files, size):
    reader = ReplayReader(
        {"snapshot": 1, "files": {f"/sys/class/drm/card0/{path}": text for path, text in files.items()}}
    )
    assert render.memory(reader, CARD) == size


def test_memory_below_the_pci_device():
    path = "/sys/bus/pci/devices/0000:03:00.0/tile0/physical_vram_size_bytes"
    assert render.memory(ReplayReader({"snapshot": 1, "files": {path: "0x0000000300000000\n"}}), CARD) == 12 << 30


@pytest.mark.parametrize(
    ("card", "text"),
    [(CARD, "Intel GPU 0x56a0 at 0000:03:00.0"), (Card("", "card1", "v3d"), "Intel GPU at card1")],
)
def test_label(card, text):
    assert render.label(card, "Intel") == text
