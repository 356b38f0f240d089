"""One AMD GPU out of several sources: which belong together, its name, number, memory and kind."""

from __future__ import annotations

import dataclasses

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu.amd import (
    IDS,
    Entry,
    device,
    entries,
    name,
    uuid,
)
from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu.kfd import KfdNode
from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu.rocminfo import Agent
from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu.snapshot import ReplayReader
from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu.view import Card, HostView, User

BUS, OTHER_BUS = "0000:03:00.0", "0000:83:00.0"
CARD = Card("0x1002", BUS, "amdgpu", "0x030000", "0x744c", "card0", "/dev/dri/renderD128")
OTHER = Card("0x1002", OTHER_BUS, "amdgpu", "0x030000", "0x7448", "card1", "/dev/dri/renderD129")
NODE = KfdNode(1, "/1", "gfx1100", BUS, "0x744c", "/dev/dri/renderD128")
OTHER_NODE = KfdNode(2, "/2", "gfx1100", OTHER_BUS, "0x7448", "/dev/dri/renderD129")
BASE = "/sys/class/drm/card0/device"
LISTED = "# comment\n\n1.0.0\n744C,\tC8,\tAMD Radeon RX 7900 XTX\n744C,\tCC,\tAMD Radeon RX 7900 XT\n7448,\t0,\tW7900\n"


def view(**files):
    return HostView(ReplayReader({"snapshot": 1, "files": files}), "linux", User(0, ()), (CARD,))


def at(attribute, text):
    return {f"{BASE}/{attribute}": text}


def bare(card, **values):
    """The card as a snapshot shows it that has neither addresses nor render nodes."""
    return dataclasses.replace(card, bus_id=card.name, render="", **values)


@pytest.mark.parametrize(
    ("cards", "nodes", "agents", "expected"),
    [
        # (card's name, node's number, agent's name, index)
        ((), (), (), []),
        ((CARD, OTHER), (), (), [("card0", None, None), ("card1", None, None)]),
        ((CARD, OTHER), (NODE, OTHER_NODE), (), [("card0", 1, 0), ("card1", 2, 1)]),
        ((CARD, OTHER), (OTHER_NODE,), (), [("card1", 2, 0), ("card0", None, None)]),
        ((), (NODE,), (), [(None, 1, 0)]),
        ((bare(CARD), bare(OTHER)), (OTHER_NODE, NODE), (), [("card1", 2, 0), ("card0", 1, 1)]),
        ((bare(CARD, device=""),), (NODE,), (), [("card0", 1, 0)]),
        (
            (bare(CARD, device=""), bare(OTHER, device="")),
            (NODE,),
            (),
            [(None, 1, 0), ("card0", None, None), ("card1", None, None)],
        ),
        ((CARD,), (dataclasses.replace(NODE, bus_id="", device=""),), (), [("card0", 1, 0)]),
        ((CARD,), (), (Agent("gfx1100", bus_id=BUS),), [("card0", None, 0)]),
        ((CARD,), (), (Agent("gfx1100"),), [("card0", None, 0)]),
        ((CARD,), (), (Agent("gfx1201", bus_id=OTHER_BUS),), [(None, None, 0), ("card0", None, None)]),
    ],
)
def test_every_gpu_is_there_once(cards, nodes, agents, expected):
    found = [
        (each.card.name if each.card else None, each.node.number if each.node else None, each.index)
        for each in entries(cards, nodes, agents)
    ]
    assert found == expected


def test_an_agent_belongs_to_its_node_by_number_or_uuid():
    second = dataclasses.replace(OTHER_NODE, uuid="GPU-00000000000000ff")
    by_number, by_uuid = Agent("a", node=1), Agent("b", uuid="GPU-00000000000000ff")
    assert [each.agent for each in entries((), (NODE, second), (by_uuid, by_number))] == [by_number, by_uuid]


def test_partitions_of_a_card_are_gpus_of_their_own():
    second = dataclasses.replace(NODE, number=2, render="/dev/dri/renderD129", memory_bytes=5)
    first = dataclasses.replace(NODE, memory_bytes=5)
    found = [
        device(view(**{**at("unique_id", "ff\n"), **at("mem_info_vram_total", "10\n")}), "rocm", each)
        for each in entries((CARD,), (first, second), ())
    ]
    assert [(each.uuid, each.memory_bytes, each.minor) for each in found] == [
        ("GPU-00000000000000ff:0", 5, 128),
        ("GPU-00000000000000ff:1", 5, 129),
    ]
    assert [each.name for each in found] == ["AMD GPU 0x744c (partition 0)", "AMD GPU 0x744c (partition 1)"]


@pytest.mark.parametrize(
    ("files", "entry", "expected"),
    [
        (at("product_name", "AMD Instinct MI300X OAM\n") | {IDS[0]: LISTED}, Entry(CARD), "AMD Instinct MI300X OAM"),
        (at("revision", "0xc8\n") | {IDS[0]: LISTED}, Entry(CARD), "AMD Radeon RX 7900 XTX"),
        (at("revision", "0xcc\n") | {IDS[1]: LISTED}, Entry(CARD), "AMD Radeon RX 7900 XT"),
        ({IDS[0]: LISTED}, Entry(CARD, agent=Agent("gfx1100", "Radeon RX 7900 XTX")), "Radeon RX 7900 XTX"),
        ({IDS[0]: LISTED}, Entry(OTHER), "W7900"),
        ({IDS[0]: LISTED}, Entry(CARD), "AMD GPU 0x744c"),
        (at("product_name", "unknown\n"), Entry(CARD, agent=Agent("gfx1100", "AMD Radeon Graphics")), "AMD GPU 0x744c"),
        ({}, Entry(CARD, dataclasses.replace(NODE, name="navi31")), "AMD GPU navi31"),
        ({}, Entry(None, NODE), "AMD GPU 0x744c"),
        ({}, Entry(agent=Agent("gfx1100", "AMD Radeon Graphics")), "AMD Radeon Graphics"),
        ({}, Entry(agent=Agent("gfx1100")), "AMD GPU"),
    ],
)
def test_name(files, entry, expected):
    assert name(view(**files).reader, entry) == expected


MACHINE = {"/etc/machine-id": "0123456789abcdef0123\n"}


@pytest.mark.parametrize(
    ("files", "entry", "expected"),
    [
        (at("unique_id", "7cf529dea4b33bad\n"), Entry(CARD), "GPU-7cf529dea4b33bad"),
        (at("unique_id", "ff\n"), Entry(CARD), "GPU-00000000000000ff"),
        (at("unique_id", "0\n") | MACHINE, Entry(CARD), f"0123456789ab-{BUS}"),
        (at("unique_id", "what\n") | MACHINE, Entry(CARD), f"0123456789ab-{BUS}"),
        (MACHINE, Entry(CARD, dataclasses.replace(NODE, uuid="GPU-1")), "GPU-1"),
        (MACHINE, Entry(CARD, agent=Agent("gfx1100", uuid="GPU-2")), "GPU-2"),
        (MACHINE, Entry(agent=Agent("gfx1100"), index=3), "0123456789ab-rocm-3"),
        ({}, Entry(CARD), ""),
    ],
)
def test_uuid(files, entry, expected):
    assert uuid(view(**files), entry) == expected


@pytest.mark.parametrize(
    ("files", "entry", "integrated"),
    [
        ({}, Entry(CARD, NODE), False),
        ({}, Entry(CARD, dataclasses.replace(NODE, architecture="gfx1036")), True),
        ({}, Entry(CARD, dataclasses.replace(NODE, architecture="gfx1151")), True),
        ({}, Entry(CARD, dataclasses.replace(NODE, architecture="gfx942")), False),
        ({}, Entry(dataclasses.replace(CARD, device="0x74a0"), dataclasses.replace(NODE, architecture="gfx942")), True),
        ({}, Entry(CARD, dataclasses.replace(NODE, architecture="", with_cpu=True)), True),
        ({}, Entry(agent=Agent("gfx9999", integrated=True)), True),
        # A guess by memory, where no architecture is known, and never against a known one.
        (at("mem_info_vram_total", "536870912\n") | at("mem_info_gtt_total", "16000000000\n"), Entry(CARD), True),
        (
            at("mem_info_vram_total", "536870912\n") | at("mem_info_gtt_total", "16000000000\n"),
            Entry(CARD, NODE),
            False,
        ),
        (at("mem_info_vram_total", "8589934592\n") | at("mem_info_gtt_total", "16000000000\n"), Entry(CARD), False),
    ],
)
def test_which_are_integrated(files, entry, integrated):
    assert device(view(**files), "rocm", entry).integrated is integrated


@pytest.mark.parametrize(
    ("files", "entry", "memory"),
    [
        (at("mem_info_vram_total", "100\n") | at("mem_info_vram_used", "30\n"), Entry(CARD), (100, 70)),
        (at("mem_info_vram_total", "100\n") | at("mem_info_vram_used", "130\n"), Entry(CARD), (100, 0)),
        (at("mem_info_vram_total", "100\n"), Entry(CARD), (100, None)),
        (at("mem_info_vram_total", "lots\n") | at("mem_info_vram_used", "30\n"), Entry(CARD), (None, None)),
        ({f"/sys/bus/pci/devices/{BUS}/mem_info_vram_total": "100\n"}, Entry(CARD), (100, None)),
        ({}, Entry(CARD, dataclasses.replace(NODE, memory_bytes=7)), (7, None)),
        ({}, Entry(CARD, NODE, Agent("gfx1100", memory_bytes=9)), (9, None)),
        ({}, Entry(CARD), (None, None)),
    ],
)
def test_memory(files, entry, memory):
    found = device(view(**files), "rocm", entry)
    assert (found.memory_bytes, found.memory_free_bytes) == memory


@pytest.mark.parametrize(
    ("entry", "files", "driver"),
    [
        (Entry(CARD), {}, "amdgpu"),
        (Entry(CARD), {"/sys/module/amdgpu/version": "6.12.12\n"}, "amdgpu 6.12.12"),
        (Entry(None, NODE), {}, "amdgpu"),
        (Entry(dataclasses.replace(CARD, driver="radeon")), {"/sys/module/amdgpu/version": "6.12.12\n"}, "radeon"),
        (Entry(dataclasses.replace(CARD, driver="")), {}, ""),
    ],
)
def test_driver(entry, files, driver):
    assert device(view(**files), "rocm", entry).driver == driver
