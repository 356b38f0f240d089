"""Faults and odd groups that the ordinary life of a group (test_reconcile.py) does not show."""

from __future__ import annotations

import shutil
import tarfile
from dataclasses import replace

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._group.config import (
    Dependency,
    Group,
    Mount,
    SecretFile,
)

from .memory_engine import MemoryEngine
from .test_reconcile import CORE, Host, actions, group, service


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


# --- what somebody did by hand ------------------------------------------------------------------------------------

SECRET = group("core", service("twin", secrets=(SecretFile("core/token", "/run/secrets/token"),)))
STAGED = group("core", service("twin", mounts=(Mount("bind", "/etc/app", f"staged:{'a' * 64}", read_only=True),)))


def archive_of(tmp_path) -> str:
    content = tmp_path / "content"
    content.write_text("a: b")
    archive = tmp_path / "files.tar"
    with tarfile.open(archive, "w") as tar:
        tar.add(content, "a" * 64)
    return str(archive)


def test_staged_files_that_are_gone_come_back_and_their_containers_start_again(host, tmp_path):
    archive = archive_of(tmp_path)
    host.run(STAGED, files_archive=archive)
    (tmp_path / "files" / ("a" * 64)).unlink()

    asked = host.run(STAGED, check=True)
    assert asked["due"] == ["core"] and asked["missing_files"] == ["a" * 64]
    assert actions(asked) == [("restart", "core/twin")]
    host.run(STAGED, files_archive=archive)
    assert ("start", "core-twin-1") in host.engine.changes()
    assert not host.run(STAGED)["changed"]


def test_secrets_that_are_gone_come_back_and_their_containers_start_again(host, tmp_path):
    secrets = {"core/token": "a long value"}
    host.run(SECRET, secrets=secrets)
    shutil.rmtree(tmp_path / "secrets")
    assert actions(host.run(SECRET, secrets=secrets)) == [("restart", "core/twin")]
    assert len(list((tmp_path / "secrets/mainpc").iterdir())) == 1
    assert not host.run(SECRET, secrets=secrets)["changed"]


def test_a_container_that_was_renamed_is_made_anew(host):
    host.run(CORE)
    host.engine.rename_container("core-twin-1", "old-twin")
    assert ("recreate", "core/twin") in actions(host.run(CORE))
    assert set(host.running()) == {"core-twin-1", "core-router-1", "core-unified-1"}
    assert not host.run(CORE)["changed"]


@pytest.mark.parametrize("state", ["created", "exited", "running"])
def test_a_container_that_lost_a_network_is_made_anew_whatever_its_state(host, state):
    host.run(CORE)
    there = host.engine.containers["core-twin-1"]
    # A run that was killed between creating it and attaching it to its second network leaves one that is created.
    host.engine.containers["core-twin-1"] = replace(there, state=state, networks=(), ports=())
    assert ("recreate", "core/twin") in actions(host.run(CORE))
    assert host.engine.containers["core-twin-1"].networks == ("core_default",)
