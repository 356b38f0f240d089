"""KFD's topology: which nodes are GPUs, and what their properties mean."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu.kfd import (
    TOPOLOGIES,
    architecture,
    bus_address,
    gpu_nodes,
    properties,
    same_card,
)
from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu.snapshot import ReplayReader


@pytest.mark.parametrize(
    ("version", "name"),
    [
        (110000, "gfx1100"),
        (90010, "gfx90a"),
        (90012, "gfx90c"),
        (90402, "gfx942"),
        (90500, "gfx950"),
        (100306, "gfx1036"),
        (110501, "gfx1151"),
        (120001, "gfx1201"),
        (80003, "gfx803"),
        (0, ""),
        (1, ""),
        (110099, ""),
        (4294967296, ""),
    ],
)
def test_architecture(version, name):
    assert architecture(version) == name


@given(st.integers(1, 99), st.integers(0, 15), st.integers(0, 15))
def test_an_architecture_says_all_of_the_version(major, minor, step):
    name = architecture(major * 10000 + minor * 100 + step)
    assert name == f"gfx{major}" + "0123456789abcdef"[minor] + "0123456789abcdef"[step]


@pytest.mark.parametrize(
    ("location", "domain", "address"),
    [
        (768, 0, "0000:03:00.0"),
        (0xC500, 0, "0000:c5:00.0"),
        (0x050B, 1, "0001:05:01.3"),
        (0x10000500, 0, "0000:05:00.0"),
        (0x70000500, 2, "0002:05:00.0"),
    ],
)
def test_bus_address(location, domain, address):
    assert bus_address(location, domain) == address


def test_properties_leave_out_what_is_no_number():
    text = (
        "simd_count 192\nunique_id 18446744073709551615\ntoo_long 18446744073709551616\nname x\n -1\nminus -1\nb  7 \n"
    )
    assert properties(text) == {"simd_count": 192, "unique_id": 18446744073709551615, "b": 7}
    assert properties(None) == {}


@given(st.text(max_size=60))
def test_properties_of_anything_are_numbers(text):
    assert all(isinstance(value, int) for value in properties(text).values())


def topology(nodes, base=TOPOLOGIES[0], **further):
    texts = {f"{base}/{number}/properties": text for number, text in nodes.items()}
    return ReplayReader({"snapshot": 1, "files": {**texts, **further}})


CPU = "cpu_cores_count 16\nsimd_count 0\ngfx_target_version 0\nvendor_id 0\n"
GPU = "cpu_cores_count 0\nsimd_count 192\ngfx_target_version 110000\nvendor_id 4098\ndevice_id 29772\nlocation_id 768\n"


@pytest.mark.parametrize("base", TOPOLOGIES)
def test_gpus_are_counted_in_the_order_of_their_numbers(base):
    reader = topology({10: GPU + "drm_render_minor 130\n", 0: CPU, 2: GPU + "unique_id 255\n"}, base)
    first, second = gpu_nodes(reader)
    assert (first.number, first.uuid, first.render) == (2, "GPU-00000000000000ff", "")
    assert (second.number, second.uuid, second.render) == (10, "", "/dev/dri/renderD130")
    assert (first.architecture, first.device, first.bus_id) == ("gfx1100", "0x744c", "0000:03:00.0")


@pytest.mark.parametrize(
    ("text", "is_gpu"),
    [
        (GPU, True),
        ("simd_count 80\n", True),  # before Linux 5.14 there is no version
        ("gfx_target_version 90010\n", True),
        ("cpu_cores_count 8\nsimd_count 40\ngfx_target_version 90002\n", True),
        (CPU, False),
        ("", False),
        ("simd_count 132\nvendor_id 4318\n", False),
    ],
)
def test_which_nodes_are_gpus(text, is_gpu):
    assert bool(gpu_nodes(topology({1: text}))) is is_gpu


def test_its_own_memory_is_the_sum_of_the_banks_of_its_frame_buffer():
    bank = f"{TOPOLOGIES[0]}/1/mem_banks"
    reader = topology(
        {1: GPU + "local_mem_size 0\n"},
        **{
            f"{bank}/0/properties": "heap_type 1\nsize_in_bytes 1000\n",
            f"{bank}/1/properties": "heap_type 2\nsize_in_bytes 24\n",
            f"{bank}/2/properties": "heap_type 0\nsize_in_bytes 999999\n",
        },
    )
    assert gpu_nodes(reader)[0].memory_bytes == 1024
    assert gpu_nodes(topology({1: GPU}))[0].memory_bytes is None


def test_an_older_kernel_says_it_in_one_number():
    assert gpu_nodes(topology({1: GPU + "local_mem_size 17163091968\n"}))[0].memory_bytes == 17163091968


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("location_id 2560\nunique_id 7\n", "location_id 2561\nunique_id 7\n", True),  # a capture of MI308X
        ("location_id 2560\nunique_id 7\n", "location_id 268437984\nunique_id 8\n", False),
        ("location_id 2560\n", "location_id 268438016\n", True),
        ("location_id 2560\n", "location_id 2816\n", False),
        ("", "", False),
    ],
)
def test_partitions_of_one_card(first, second, same):
    one, other = gpu_nodes(topology({1: "simd_count 80\n" + first, 2: "simd_count 80\n" + second}))
    assert same_card(one, other) is same


def test_a_code_name_is_kept_and_the_newer_kernels_word_for_all_is_not():
    names = {f"{TOPOLOGIES[0]}/1/name": "ip discovery\n", f"{TOPOLOGIES[0]}/2/name": "navi31\n"}
    assert [node.name for node in gpu_nodes(topology({1: GPU, 2: GPU}, **names))] == ["", "navi31"]
