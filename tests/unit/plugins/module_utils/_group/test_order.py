"""The start order: topological, stable, and cycles are named whole."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.gpu_fleet.containers.plugins.module_utils._errors import InputError
from ansible_collections.gpu_fleet.containers.plugins.module_utils._group.config import (
    ContainerConfig,
    Dependency,
    Group,
    Service,
)
from ansible_collections.gpu_fleet.containers.plugins.module_utils._group.order import (
    COMPLETED,
    HEALTHY,
    STARTED,
    Wait,
    start_order,
    waits,
)


def service(name: str, *after: str, condition: str = "service_healthy", one_shot: bool = False) -> Service:
    dependencies = tuple(Dependency(each, condition) for each in after)
    return Service(name, ContainerConfig(name, "x:1"), dependencies, one_shot=one_shot)


def group(name: str, *services: Service, needs: tuple[str, ...] = ()) -> Group:
    return Group(name, name, services, needs=needs)


@pytest.mark.parametrize(
    ("condition", "state"),
    [
        ("service_started", STARTED),
        ("service_healthy", HEALTHY),
        ("service_completed_successfully", COMPLETED),
    ],
)
def test_conditions(condition, state):
    graph = waits([group("g", service("a"), service("b", "a", condition=condition))])
    assert graph == {("g", "a"): (), ("g", "b"): (Wait(("g", "a"), state),)}


def test_every_service_of_a_needed_group_is_waited_for():
    first = group("first", service("job", one_shot=True), service("web"))
    second = group("second", service("x"), service("y", "x"), needs=("first",))
    needed = (Wait(("first", "job"), COMPLETED), Wait(("first", "web"), HEALTHY))
    graph = waits([second, first])
    assert graph["second", "x"] == needed
    assert graph["second", "y"] == (Wait(("second", "x"), HEALTHY), *needed)


def test_what_is_not_in_this_call_is_not_waited_for():
    assert waits([group("g", service("a", "inactive"), needs=("elsewhere",))]) == {("g", "a"): ()}


def test_definition_order_where_nothing_else_is_said():
    groups = [group("b", service("2"), service("1")), group("a", service("3"))]
    assert start_order(groups) == [("b", "2"), ("b", "1"), ("a", "3")]


@pytest.mark.parametrize(
    ("groups", "cycle"),
    [
        ([group("g", service("a", "a"))], "g/a → g/a"),
        ([group("g", service("x", "a"), service("a", "b"), service("b", "a"))], "g/a → g/b → g/a"),
        ([group("p", service("a"), needs=("q",)), group("q", service("b"), needs=("p",))], "p/a → q/b → p/a"),
    ],
)
def test_a_cycle_is_named_whole_and_without_what_leads_to_it(groups, cycle):
    with pytest.raises(InputError) as raised:
        start_order(groups)
    assert raised.value.message == f"the start order has a cycle: {cycle}"


def test_a_wait_in_words():
    assert str(Wait(("core", "twin"), HEALTHY)) == "core/twin (healthy)"


@st.composite
def fleets(draw):
    """Groups whose services and needs point backwards in a hidden order; shuffled, so that the order must be found."""
    groups = []
    for number in range(draw(st.integers(1, 4))):
        services = []
        for index in range(draw(st.integers(1, 5))):
            after = draw(st.sets(st.integers(0, index - 1))) if index else set()
            services.append(service(f"s{index}", *(f"s{each}" for each in sorted(after))))
        needs = draw(st.sets(st.integers(0, number - 1))) if number else set()
        shuffled = draw(st.permutations(services))
        groups.append(group(f"g{number}", *shuffled, needs=tuple(f"g{each}" for each in sorted(needs))))
    return draw(st.permutations(groups))


@given(fleets())
def test_everything_once_and_behind_all_that_it_waits_for(groups):
    order = start_order(groups)
    graph = waits(groups)
    assert sorted(order) == sorted(graph)
    place = {key: index for index, key in enumerate(order)}
    for key, awaited in graph.items():
        assert all(place[wait.key] < place[key] for wait in awaited)


@given(st.integers(1, 6), st.integers(0, 5), st.data())
def test_a_ring_is_found_wherever_it_hangs(size, tail, data):
    """A chain of `tail` services leads into a ring of `size`; the message holds the ring and nothing of the chain."""
    ring = [service(f"r{index}", f"r{(index + 1) % size}") for index in range(size)]
    chain = [service(f"t{index}", f"t{index + 1}" if index + 1 < tail else "r0") for index in range(tail)]
    with pytest.raises(InputError) as raised:
        start_order([group("g", *data.draw(st.permutations(ring + chain)))])
    named = raised.value.message.partition(": ")[2].split(" → ")
    assert named[0] == named[-1]
    assert {step.partition("/")[2] for step in named} == {f"r{index}" for index in range(size)}
    assert len(named) == size + 1
