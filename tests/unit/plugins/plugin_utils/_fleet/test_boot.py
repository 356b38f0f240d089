from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.gpu_fleet.containers.plugins.module_utils._group.config import Await
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._fleet.boot import awaits_in_words, boot_waits
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._fleet.errors import Errors
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._fleet.links import resolve_links
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._fleet.needs import check_cycles, graph_of
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._fleet.ports import published_ports

from .examples import group, host, link, placed, port, service

WEB = {"web": service(ports=[port(80, "8080")])}


def machine(name, number, supervisor="systemd", **keys):
    return host(name, **{"link_address": f"10.0.0.{number}", "supervisor": supervisor, **keys})


def waits(*placements):
    errors = Errors()
    graph = graph_of(list(placements), (), errors)
    check_cycles(graph, {each.node: "" for each in placements}, errors)
    ports = published_ports(list(placements), errors)
    links = resolve_links(list(placements), ports, (), errors)
    assert not errors
    return boot_waits(placements, graph, ports, links)


def test_a_link_to_another_host_is_waited_for_once():
    links = {"web": (link("A", "tcp://far/web:80"), link("B", "tcp://far/web:80"))}
    near = placed(machine("near", 1), group("near", WEB, links=links))
    far = placed(machine("far", 2), group("far", WEB))
    found = waits(near, far)
    assert found.awaits == {("near", "near"): (Await("tcp://10.0.0.2:8080", "far/web:80", "far"),)}
    assert not found.circles and not found.notes


def test_a_link_within_the_host_or_of_a_host_that_its_engine_starts_is_not():
    links = {"web": (link("A", "tcp://other/web:80"),)}
    here = machine("near", 1)
    assert not waits(
        placed(here, group("near", WEB, links=links)), placed(here, group("other", {"web": service()}))
    ).awaits
    engine = placed(machine("near", 1, "engine"), group("near", WEB, links=links))
    assert not waits(engine, placed(machine("far", 2), group("other", WEB))).awaits


def test_a_needed_group_of_another_host_is_asked_at_its_published_ports():
    near = placed(machine("near", 1), group("near", WEB, needs=("far",)))
    services = {
        "web": service(ports=[port(80, "8080"), port(81)]),
        "names": service(ports=[port(53, "53", protocol="udp"), port(9, "9", host_ip="127.0.0.1")]),
        "six": service(ports=[port(90, "90", host_ip="fd00::2")]),
    }
    found = waits(near, placed(machine("far", 2), group("far", services)))
    assert [each.url for each in found.awaits["near", "near"]] == ["tcp://10.0.0.2:8080", "tcp://[fd00::2]:90"]
    assert found.awaits["near", "near"][0].to == "far/web:80"


@pytest.mark.parametrize("far", [group("far", {"web": service()}), group("far", {"web": service(ports=[port(80)])})])
def test_a_need_that_cannot_be_asked_is_a_warning(far):
    found = waits(placed(machine("near", 1), group("near", WEB, needs=("far",))), placed(machine("far", 2), far))
    assert not found.awaits
    assert "near on near needs far on far, which publishes no port that can be asked" in found.notes[0]


def test_udp_is_not_waited_for():
    links = {"web": (link("A", "udp://far/web:53"),)}
    far = placed(machine("far", 2), group("far", {"web": service(ports=[port(53, "53", protocol="udp")])}))
    assert not waits(placed(machine("near", 1), group("near", WEB, links=links)), far).awaits


def test_two_hosts_that_lost_power_together_do_not_wait_for_each_other():
    one = placed(machine("a", 1), group("one", WEB, links={"web": (link("X", "tcp://two/web:80"),)}))
    two = placed(machine("b", 2), group("two", WEB, links={"web": (link("X", "tcp://one/web:80"),)}))
    found = waits(one, two)
    assert list(found.awaits) == [("a", "one")]
    assert found.circles == {("b", "two"): ("one/web:80 on a",)}


def test_a_need_comes_before_a_link_in_a_circle():
    one = placed(machine("a", 1), group("one", WEB, links={"web": (link("X", "tcp://two/web:80"),)}))
    two = placed(machine("b", 2), group("two", WEB, needs=("one",)))
    found = waits(one, two)
    assert list(found.awaits) == [("b", "two")] and found.circles == {("a", "one"): ("two/web:80 on b",)}


def test_a_host_that_waits_for_nobody_closes_no_circle():
    one = placed(machine("a", 1), group("one", WEB, links={"web": (link("X", "tcp://two/web:80"),)}))
    two = placed(machine("b", 2, "engine"), group("two", WEB, links={"web": (link("X", "tcp://one/web:80"),)}))
    assert list(waits(one, two).awaits) == [("a", "one")]


@given(
    st.sets(st.tuples(st.integers(0, 4), st.integers(0, 4))), st.sets(st.tuples(st.integers(0, 4), st.integers(0, 4)))
)
def test_who_waits_for_whom_never_goes_in_a_circle(linked, needed):
    names = [f"g{number}" for number in range(5)]
    placements = []
    for number, name in enumerate(names):
        targets = sorted(b for a, b in linked if a == number and b != number)
        urls = tuple(link(f"L{target}", f"tcp://{names[target]}/web:80") for target in targets)
        needs = tuple(names[b] for a, b in sorted(needed) if a == number and b < number)
        placements.append(placed(machine(f"h{number}", number + 1), group(name, WEB, links={"web": urls}, needs=needs)))
    found = waits(*placements)
    behind = {
        node: {(each.host, each.to.partition("/")[0]) for each in awaits} for node, awaits in found.awaits.items()
    }
    done: set = set()
    for _round in names:
        done |= {each.node for each in placements if behind.get(each.node, set()) <= done}
    assert done == {each.node for each in placements}
    for number, name in enumerate(names):
        missed = len({b for a, b in linked if a == number and b != number}) - len(
            {other for other in behind.get((f"h{number}", name), ()) if (number, int(other[1][1:])) in linked}
        )
        assert missed == len(found.circles.get((f"h{number}", name), ())), "every link is waited for, or said not to be"


def test_what_the_plan_says():
    assert awaits_in_words((), (), 300.0) == []
    assert awaits_in_words((Await("tcp://10.0.0.2:80", "far/web:80", "far"),), (), 0.0) == []
    assert awaits_in_words((Await("tcp://10.0.0.2:80", "far/web:80", "far"),), ("one/web:80 on a",), 90.0) == [
        "at boot it waits, at most 90 s, for far/web:80 on far",
        "at boot it does not wait for one/web:80 on a, which waits for it",
    ]
