from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._fleet.errors import Errors
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._fleet.needs import (
    check_cycles,
    graph_of,
    needed_hosts,
    rounds,
    waves,
)

from .examples import group, host, placed


@st.composite
def acyclic(draw):
    hosts = st.sampled_from(["a", "b", "c"])
    nodes = [(draw(hosts), f"g{number}") for number in range(draw(st.integers(1, 7)))]
    graph = {}
    for number, node in enumerate(nodes):
        earlier = nodes[:number]
        graph[node] = tuple(draw(st.lists(st.sampled_from(earlier), unique=True, max_size=3))) if earlier else ()
    return graph


@given(acyclic())
def test_waves_hold_each_group_once_after_all_it_needs(graph):
    order = waves(graph, list(graph))
    level = {node: number for number, wave in enumerate(order) for node in wave}
    assert sorted(level) == sorted(graph)
    assert sum(len(wave) for wave in order) == len(graph)
    for node, needed in graph.items():
        assert all(level[other] < level[node] for other in needed)
        # As early as can be: something it needs is in the wave just before.
        assert level[node] == 0 or any(level[other] == level[node] - 1 for other in needed)


def _round_of(order):
    return {
        (host, name): number for number, calls in enumerate(order) for host, names in calls.items() for name in names
    }


@given(acyclic())
def test_rounds_order_hosts_and_are_the_fewest(graph):
    order = rounds(graph, list(graph))
    number = _round_of(order)
    assert sorted(number) == sorted(graph)
    for node, needed in graph.items():
        for other in needed:
            assert number[other] + (other[0] != node[0]) <= number[node]
    # The fewest there can be: the path that crosses hosts most often, found by brute force.
    assert len(order) == 1 + max(_crossings(graph, node) for node in graph)


def _crossings(graph, node):
    return max((_crossings(graph, other) + (other[0] != node[0]) for other in graph[node]), default=0)


@given(acyclic(), st.randoms())
def test_limited_rounds_are_those_of_the_whole_without_the_rest(graph, random):
    wanted = [node for node in graph if random.random() < 0.6]
    number = _round_of(rounds(graph, wanted))
    assert sorted(number) == sorted(wanted)
    for node in wanted:
        for other in graph[node]:
            if other in number:
                assert number[other] + (other[0] != node[0]) <= number[node]


def test_order_goes_through_a_group_that_is_not_wanted():
    graph = {("a", "w"): (), ("a", "x"): (("a", "w"),), ("a", "y"): (("a", "x"),), ("b", "z"): (("a", "y"),)}
    wanted = [("a", "w"), ("a", "x"), ("b", "z")]
    assert waves(graph, wanted) == [[("a", "w")], [("a", "x"), ("b", "z")]]
    assert needed_hosts(graph, ("b", "z")) == {"a"}
    assert needed_hosts(graph, ("a", "y")) == set()


def test_a_need_means_the_copy_on_the_same_host_else_every_copy():
    core, app, tool = group("core"), group("app", needs=("core",)), group("tool", needs=("core",))
    placements = [
        placed(host("a"), core),
        placed(host("b"), core),
        placed(host("a"), app),
        placed(host("c"), tool),
    ]
    graph = graph_of(placements, (), Errors())
    assert graph["a", "app"] == (("a", "core"),)
    assert graph["c", "tool"] == (("a", "core"), ("b", "core"))
    assert needed_hosts(graph, ("c", "tool")) == {"a", "b"}


def test_an_unknown_need_names_the_nearest_group():
    errors = Errors()
    graph_of(
        [placed(host("a"), group("core-services")), placed(host("a"), group("app", needs=("core-service",)))],
        (),
        errors,
    )
    assert [str(error) for error in errors] == [
        "a: groups/app.yml: x-fleet.needs[0]: no host runs the group «core-service». Did you mean «core-services»?"
    ]


@pytest.mark.parametrize("length", [1, 2, 3, 5])
def test_a_cycle_is_one_error_that_names_all_of_it(length):
    nodes = [("abc"[number % 3], f"g{number}") for number in range(length)]
    graph = {node: (follower,) for node, follower in zip(nodes, itertools.chain(nodes[1:], nodes[:1]), strict=True)}
    graph["a", "outside"] = (nodes[0],)
    errors = Errors()
    check_cycles(graph, dict.fromkeys(graph, "here"), errors)
    assert len(errors) == 1
    for node_host, name in nodes:
        assert f"{name} ({node_host})" in str(errors[0])


@given(acyclic())
def test_no_cycle_is_found_where_there_is_none(graph):
    errors = Errors()
    check_cycles(graph, dict.fromkeys(graph, "here"), errors)
    assert not errors
