# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What must hold between services."""

from __future__ import annotations

import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._compose.checks import check_services
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._compose.problems import Problems


def messages(services: dict[str, dict[str, t.Any]]) -> list[str]:
    problems = Problems("f.yml", {})
    check_services({name: {"image": "i", **service} for name, service in services.items()}, problems)
    return [str(error) for error in problems.errors]


def needs(*names: str) -> dict[str, t.Any]:
    return {"depends_on": {name: {"condition": "service_started", "required": True} for name in names}}


def port(published: str, address: str = "", protocol: str = "tcp") -> dict[str, t.Any]:
    return {"target": 80, "published": published, "host_ip": address, "protocol": protocol}


@pytest.mark.parametrize(
    "services",
    [
        {"a": needs("b", "c"), "b": needs("c"), "c": {}},
        {"a": {"network_mode": "service:b"}, "b": {}},
        {"a": {"network_mode": "container:else"}},
        {"a": {"ports": [port("80", "10.0.0.1"), port("80", "10.0.0.2")]}},
        {"a": {"ports": [port("80"), port("80", protocol="udp")]}},
        {"a": {"ports": [port("80-90")]}, "b": {"ports": [port("80-90")]}},
        {"a": {"container_name": "one"}, "b": {"container_name": "two"}},
        {"a": {"mem_limit": "5", "deploy": {"resources": {"limits": {"memory": "5"}}}}},
        {"a": {"scale": 1, "deploy": {"replicas": 1}}},
    ],
)
def test_holds(services: dict[str, dict[str, t.Any]]) -> None:
    assert messages(services) == []


@pytest.mark.parametrize(
    ("services", "message"),
    [
        ({"a": needs("a")}, "services.a.depends_on.a: the services depend on each other in a circle: a → a"),
        (
            {"x": needs("a"), "a": needs("b"), "b": needs("a")},
            "services.a.depends_on.b: the services depend on each other in a circle: a → b → a",
        ),
        ({"a": {"pid": "service:z"}}, "services.a.pid: there is no service z. Known here: a."),
        (
            {"a": {"ports": [port("80")]}, "b": {"ports": [port("80", "::1")]}},
            "services.b.ports[0]: port 80/tcp is published twice, also by services.a.ports[0]",
        ),
        (
            {"a": {"scale": 0}},
            "services.a.scale: a service is one container, but 0 are asked for. Write a service for each.",
        ),
        (
            {"a": {"cpus": 1, "deploy": {"resources": {"limits": {"cpus": 2}}}}},
            "services.a.cpus: cpus and deploy.resources.limits.cpus differ. Keep one of them.",
        ),
    ],
)
def test_does_not_hold(services: dict[str, dict[str, t.Any]], message: str) -> None:
    assert messages(services) == [f"f.yml: {message}"]


def test_a_long_chain_is_no_problem() -> None:
    assert messages({str(n): needs(str(n + 1)) if n < 3000 else {} for n in range(3001)}) == []


@given(st.dictionaries(st.sampled_from("abcdef"), st.sets(st.sampled_from("abcdef"))))
def test_a_circle_is_found_exactly_when_there_is_one(graph: dict[str, set[str]]) -> None:
    graph = {name: targets & set(graph) for name, targets in graph.items()}
    left = dict(graph)
    while free := [name for name, targets in left.items() if not targets & set(left)]:
        for name in free:
            del left[name]
    found = messages({name: needs(*sorted(targets)) for name, targets in graph.items()})
    assert bool(found) is bool(left)
