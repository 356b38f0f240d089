"""Faults and odd groups that the ordinary life of a group (test_reconcile.py) does not show."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._group.config import Dependency, Group

from .memory_engine import MemoryEngine
from .test_reconcile import Host, actions, group, service


@pytest.fixture
def host(tmp_path):
    return Host(tmp_path)


# --- namespaces of other services ---------------------------------------------------------------------------------


def sharing(image: str = "agent:1") -> Group:
    """A service in the network of another, written before the other."""
    side = service("side", image=image)
    side = replace(
        side,
        config=replace(side.config, networks=(), network_mode="container:core-base-1"),
        depends_on=(Dependency("base"),),
    )
    return group("core", side, service("base", image=image))


def test_what_shares_a_namespace_goes_before_its_owner(host):
    host.run(sharing())
    assert host.run(sharing("agent:2"))["groups"]["core"]["status"] == "changed"
    assert host.running() == {"core-base-1": "agent:2", "core-side-1": "agent:2"}


def test_what_shares_a_namespace_goes_back_with_its_owner(host):
    host.run(sharing())
    host.engine.unhealthy = {"agent:2"}
    assert host.run(sharing("agent:2"))["failed"]
    assert host.running() == {"core-base-1": "agent:1", "core-side-1": "agent:1"}


def test_a_new_group_with_shared_namespaces_is_taken_away_when_it_fails(host):
    host.engine.unhealthy = {"agent:1"}
    assert "taken away" in host.run(sharing())["msg"]
    assert not host.engine.containers


def test_a_pruned_group_with_shared_namespaces_goes(host):
    host.run(sharing())
    host.run(prune=True)
    assert not host.engine.containers


def test_shared_namespaces_move_to_another_engine_and_back_when_that_fails(host, tmp_path):
    host.run(sharing())
    there = Host(tmp_path, engine=MemoryEngine("docker"))
    there.others = [host.engine]
    there.engine.unhealthy = {"agent:1"}
    assert "runs again on podman" in there.run(sharing())["msg"]
    assert set(host.running()) == {"core-base-1", "core-side-1"}
    there.engine.unhealthy = set()
    there.run(sharing())
    assert set(there.running()) == {"core-base-1", "core-side-1"} and not host.engine.containers


def test_what_an_owner_of_a_namespace_does_its_users_do_too(host):
    host.run(sharing())
    host.engine.stop_container("core-base-1", 0)
    assert actions(host.run(sharing())) == [("start", "core/base"), ("restart", "core/side")]
