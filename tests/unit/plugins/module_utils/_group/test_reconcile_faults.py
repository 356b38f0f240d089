"""Faults and odd groups that the ordinary life of a group (test_reconcile.py) does not show."""

from __future__ import annotations

import errno
import itertools
import shutil
import tarfile
from dataclasses import replace

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._errors import FleetError
from ansible_collections.gpu_fleet.containers.plugins.module_utils._group import stage
from ansible_collections.gpu_fleet.containers.plugins.module_utils._group.config import (
    Dependency,
    Group,
    Mount,
    Port,
    SecretFile,
)

from .memory_engine import Killed, MemoryEngine
from .test_reconcile import CORE, Host, _kill_at, actions, group, service


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


@pytest.mark.parametrize(
    "after",
    [group("core", service("base", image="agent:2")), group("core", service("other"))],
    ids=["its owner is made anew", "its owner leaves too"],
)
def test_what_shares_a_namespace_can_leave(host, after):
    host.run(sharing())
    assert host.run(after)["groups"]["core"]["status"] == "changed"
    assert sorted(host.engine.containers) == [entry.config.name for entry in after.services]
    assert not host.run(after)["changed"]


def test_a_changed_network_takes_along_what_shares_a_namespace_on_it(host):
    host.run(sharing())
    changed = replace(sharing(), networks=(replace(sharing().networks[0], internal=True),))
    assert host.run(changed)["groups"]["core"]["status"] == "changed"
    assert not host.run(changed)["changed"]
    host.engine.unhealthy = {"agent:2"}
    assert "brought back" in host.run(sharing("agent:2"))["msg"]
    assert host.running() == {"core-base-1": "agent:1", "core-side-1": "agent:1"}
    assert not host.run(changed)["changed"]


def test_what_a_network_change_takes_away_is_stopped_first(host):
    one = group("core", service("base"))
    host.run(one)
    host.run(replace(one, networks=(replace(one.networks[0], internal=True),)))
    calls = [call for call in host.engine.calls if call[1:] == ("core-base-1",)]
    assert [name for name, *_rest in calls].index("stop") < [name for name, *_rest in calls].index("remove")


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


# --- what exists once and passes from one service to another ------------------------------------------------------


def published(number: int, address: str = "10.77.1.1") -> tuple[Port, ...]:
    return (Port(80, number, address),)


def pair(first: int, second: int, image: str = "agent:1") -> Group:
    """`router` starts when `twin` is healthy."""
    return group(
        "core",
        service("twin", image=image, ports=published(first)),
        service("router", "twin", image=image, ports=published(second)),
    )


def test_a_port_passes_to_a_service_that_starts_first(host):
    host.run(pair(1, 2))
    assert not host.run(pair(2, 3)).get("failed")
    assert host.engine.containers["core-twin-1"].ports == (("10.77.1.1", 2, "tcp"),)
    assert set(host.engine.containers) == {"core-twin-1", "core-router-1"}


def test_a_port_passes_back_when_the_change_fails(host):
    host.run(pair(1, 2))
    before = host.running()
    host.engine.unhealthy = {"agent:2"}
    assert host.run(pair(2, 1, "agent:2"))["failed"]
    assert host.running() == before
    assert not host.run(pair(1, 2))["changed"]


def test_a_port_passes_to_another_group(host):
    def groups(core: int, memory: int) -> tuple[Group, Group]:
        store = service("store", group="memory", ports=published(memory))
        return group("core", service("twin", ports=published(core))), group("memory", store, needs=("core",))

    host.run(*groups(1, 2))
    assert not host.run(*groups(2, 3)).get("failed")
    assert len(host.running()) == 2


def test_a_fixed_name_passes_to_a_renamed_service_and_back(host):
    def named(key: str, image: str = "agent:1") -> Group:
        made = service(key, image=image)
        return group("core", replace(made, config=replace(made.config, name="digital-twin")))

    host.run(named("twin"))
    assert not host.run(named("double")).get("failed")
    assert list(host.engine.containers) == ["digital-twin"]
    host.engine.unhealthy = {"agent:2"}
    assert host.run(named("twin", "agent:2"))["failed"]
    assert host.running() == {"digital-twin": "agent:1"}
    assert not host.run(named("double"))["changed"]


def test_a_service_goes_together_with_its_network(host):
    host.run(CORE)
    wider = replace(CORE.networks[0], subnets=("10.9.0.0/24",))
    host.engine.unhealthy = {"agent:2"}
    fewer = replace(group("core", service("twin", image="agent:2")), networks=(wider,))
    assert host.run(fewer)["failed"]
    assert set(host.running()) == {"core-twin-1", "core-router-1", "core-unified-1"}
    assert not host.run(CORE)["changed"]
    host.engine.unhealthy = set()
    assert not host.run(fewer).get("failed")
    assert set(host.running()) == {"core-twin-1"}


def renamed(key: str, number: int) -> Group:
    """One name and one port, for a service of any key, and a neighbour that takes its old port."""
    made = service(key, ports=published(number))
    return group(
        "core",
        replace(made, config=replace(made.config, name="digital-twin")),
        service("router", key, ports=published(3 - number)),
    )


def test_killed_at_any_call_while_names_and_ports_pass(tmp_path):
    for number in itertools.count():
        host = Host(tmp_path / str(number))
        host.path.mkdir()
        host.run(renamed("twin", 1))
        _kill_at(host.engine, number)
        try:
            host.run(renamed("double", 2))
        except Killed:
            host.engine.fail_on = lambda call: None
            result = host.run(renamed("double", 2))
            assert not result.get("failed"), (number, result)
        else:
            assert number > 5
            break
        assert set(host.running()) == set(host.engine.containers) == {"digital-twin", "core-router-1"}, number
        assert not host.run(renamed("double", 2))["changed"], number


# --- the state directory ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", ["lock", "key", "secret"])
def test_a_state_directory_that_takes_nothing_is_named_before_anything_changes(host, tmp_path, monkeypatch, place):
    if place == "lock":
        (tmp_path / "mainpc.lock").mkdir()
    else:
        full = OSError(errno.ENOSPC, "No space left on device")
        name = {"key": "fingerprint_key", "secret": "write_secrets"}[place]
        monkeypatch.setattr(stage, name, lambda *_args, **_keywords: (each for each in ()).throw(full))
    with pytest.raises(FleetError, match="the state directory cannot be written|the lock cannot be made") as caught:
        host.run(SECRET, secrets={"core/token": "a long value"})
    assert str(tmp_path) in str(caught.value) and "container_state_dir" in caught.value.mend
    assert not host.engine.containers


def test_a_failure_that_cannot_be_told_ends_the_run_all_the_same(host):
    class Full(list):
        def append(self, event):
            if event[0][0] == "failed":
                raise OSError(errno.ENOSPC, "No space left on device")

    host.events = Full()
    host.engine.unhealthy = {"agent:1"}
    assert host.run(CORE)["failed"]
    assert not host.engine.containers


# --- docker volume prune ------------------------------------------------------------------------------------------


def test_a_group_whose_marker_was_pruned_is_still_brought_back(host):
    host.run(CORE)
    before = host.running()
    host.engine.volumes.clear()
    host.engine.unhealthy = {"agent:2"}
    failed = host.run(group("core", service("twin"), service("router", "twin", image="agent:2"), service("more")))
    assert "brought back as it was: router" in failed["msg"]
    assert host.running() == before
    host.engine.unhealthy = set()
    assert not host.run(CORE)["changed"] and len(host.engine.volumes) == 1


def test_a_first_run_that_was_killed_is_not_taken_for_a_good_one(host):
    _kill_at(host.engine, 5)
    with pytest.raises(Killed):
        host.run(CORE)
    assert host.engine.containers
    host.engine.fail_on = lambda call: None
    host.engine.unhealthy = {"agent:1"}
    assert "taken away" in host.run(CORE)["msg"]
    assert not host.engine.containers


# --- size ---------------------------------------------------------------------------------------------------------


def test_a_long_configuration_fits_into_words_of_a_command_line_and_is_read_back(host):
    def long(value: str) -> Group:
        return group("core", service("twin", environment={"A": "x" * 90_000, "B": "y" * 90_000, "LAST": value}))

    host.run(long("1"))
    labels = host.engine.containers["core-twin-1"].labels
    assert max(map(len, labels.values())) < 100_000
    (action,) = host.run(long("2"), check=True)["actions"]
    assert action["reason"] == "environment.LAST: '1' → '2'"
    assert not host.run(long("1"))["changed"]
