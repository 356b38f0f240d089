"""Names of GPUs, and one GPU that two stacks show."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.gpu_fleet.containers.plugins.module_utils._access.choose import (
    declared_by,
    identities,
    is_own,
    select_devices,
)
from ansible_collections.gpu_fleet.containers.plugins.module_utils._access.plan import (
    GpuWish,
    declared_on,
    plan_access,
)
from ansible_collections.gpu_fleet.containers.plugins.module_utils._errors import InputError

from .examples import GIB, card, host, podman

OWN = "0123456789ab-0000:01:00.0"


@pytest.mark.parametrize(
    ("uuid", "bus", "own"),
    [
        ("GPU-0", "0000:01:00.0", False),
        (OWN, "0000:01:00.0", True),
        (OWN, "", True),
        ("short-0000:01:00.0", "0000:01:00.0", True),
        ("01234567-89ab-cdef-0123-456789abcdef", "0000:01:00.0", False),
        ("", "0000:01:00.0", False),
    ],
)
def test_uuids_of_our_own_making(uuid, bus, own):
    assert is_own(card(0, uuid=uuid, bus_id=bus)) is own


BOTH = host(
    card(0, uuid="GPU-0"), card(0, "vulkan", uuid=OWN), card(1), card(1, "vulkan", uuid="0123456789ab-0000:02:00.0")
)


def test_one_gpu_of_two_stacks_has_the_vendors_name():
    assert identities(BOTH) == {
        "GPU-0": "GPU-0",
        OWN: "GPU-0",
        "GPU-1": "GPU-1",
        "0123456789ab-0000:02:00.0": "GPU-1",
    }


def test_partitions_at_one_address_stay_apart():
    parts = host(card(0, uuid="GPU-a", bus_id="0000:01:00.0"), card(1, uuid="GPU-b", bus_id="0000:01:00.0"))
    assert identities(parts) == {"GPU-a": "GPU-a", "GPU-b": "GPU-b"}


def test_memory_is_declared_and_counted_under_one_name():
    engine = podman(declared={"GPU-0": GIB, OWN: 2 * GIB, "gone": 1})
    assert declared_by(engine, identities(BOTH)) == {"GPU-0": 3 * GIB, "gone": 1}
    facts = host(*BOTH.devices, engines={"podman": engine})
    assert declared_on(facts) == {"GPU-0": 3 * GIB, "gone": 1}


def test_what_one_stack_took_another_does_not_take_again():
    wish = GpuWish(stacks=("vulkan",), count=1, memory=10 * GIB)
    plan = plan_access(BOTH, podman(), wish, taken={"GPU-0": 10 * GIB})
    assert (plan.gpu.uuids, plan.devices) == (("GPU-1",), ("/dev/dri/renderD129",))
    # Inside the container Vulkan knows neither of these names.
    assert plan.promise.uuids == ()


@pytest.mark.parametrize(
    "name", ["0", "GPU-0", "0000:01:00.0", "01:00.0", "00000000:01:00.0", "0000-01-00-0", "renderD128", "amd.com/gpu=0"]
)
def test_names_of_a_gpu(name):
    chosen = select_devices(BOTH.stacks[0], GpuWish(ids=(name,)), "", {}, {})
    assert [device.index for device in chosen] == [0]


@pytest.mark.parametrize("name", ["3", "GPU-9", "0000:09:00.0", "renderD12", "card0", ""])
def test_a_name_that_no_gpu_has(name):
    with pytest.raises(InputError, match=r"Known here: card 0 \(0, GPU-0\), card 1 \(1, GPU-1\)"):
        select_devices(BOTH.stacks[0], GpuWish(ids=(name,)), "here", {}, {})


MIXED = host(card(0, "nvidia", "nvidia", uuid="GPU-n", nodes=()), card(1, uuid="GPU-a"))
ANY = podman(cdi_devices=("nvidia.com/gpu=all", "nvidia.com/gpu=GPU-n"))


@pytest.mark.parametrize(
    ("name", "stack"),
    [
        ("GPU-n", "nvidia"),
        # Names of the other stack's GPU: on with it.
        ("GPU-a", "rocm"),
        ("0000:02:00.0", "rocm"),
        ("amd.com/gpu=1", "rocm"),
        # «0» alone is the first stack's, a CDI name says whose it is.
        ("0", "nvidia"),
    ],
)
def test_a_name_finds_its_stack(name, stack):
    assert plan_access(MIXED, ANY, GpuWish(ids=(name,))).gpu.stack == stack


@pytest.mark.parametrize(("name", "words"), [("GPU-x", "no GPU GPU-x"), ("intel.com/gpu=card0", "no device of stack")])
def test_a_name_that_no_stack_has(name, words):
    with pytest.raises(InputError, match=words):
        plan_access(MIXED, ANY, GpuWish(ids=(name,)))


def test_a_typing_error_does_not_end_on_the_cpu():
    with pytest.raises(InputError, match="no GPU GPU-x"):
        plan_access(MIXED, ANY, GpuWish(stacks=("nvidia", "cpu"), ids=("GPU-x",)))


@given(
    order=st.permutations(range(4)),
    sizes=st.lists(st.sampled_from([8, 16, 24]), min_size=4, max_size=4),
    count=st.integers(1, 4),
)
def test_the_choice_is_the_same_whatever_is_free(order, sizes, count):
    """On every run the same GPUs: free memory without a declaration decides nothing."""
    devices = [card(number, memory_bytes=sizes[number] * GIB) for number in range(4)]
    busy = [card(n, memory_bytes=sizes[n] * GIB, memory_free_bytes=order[n] * GIB) for n in range(4)]
    wish = GpuWish(count=count)
    first = select_devices(host(*devices).stacks[0], wish, "", {}, {})
    again = select_devices(host(*busy).stacks[0], wish, "", {}, {})
    assert [device.index for device in first] == [device.index for device in again]
    assert len(first) == count


@pytest.mark.parametrize(("memory", "chosen"), [(0, "card"), (8 * GIB, "card"), (32 * GIB, "inside")])
def test_one_gpu_is_the_card_and_not_the_processors_own_however_much_memory_that_has(memory, chosen):
    inside = card(0, "rocm", uuid="inside", memory_bytes=64 * GIB, integrated=True)
    discrete = card(1, "rocm", uuid="card", memory_bytes=16 * GIB)
    (found,) = select_devices(host(inside, discrete).stack("rocm"), GpuWish(count=1, memory=memory), "", {}, {})
    assert found.uuid == chosen
