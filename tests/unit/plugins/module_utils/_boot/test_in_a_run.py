"""Boot files within a whole call for one host: when they are written, and when they are left."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._boot.apply import boot_of
from ansible_collections.gpu_fleet.containers.plugins.module_utils._errors import FleetError
from ansible_collections.gpu_fleet.containers.plugins.module_utils._group.config import (
    Attachment,
    ContainerConfig,
    Dependency,
    Group,
    Healthcheck,
    NetworkConfig,
    Service,
)
from ansible_collections.gpu_fleet.containers.plugins.module_utils._group.reconcile import Request, reconcile
from ansible_collections.gpu_fleet.containers.plugins.module_utils._group.teardown import tear_down

from .._group.memory_engine import MemoryEngine
from .examples import FakeSystemd

CHECK = Healthcheck(("CMD", "agent-health"), interval=0.02, timeout=0.02, retries=1)


def service(name, *after, group="core", image="agent:1"):
    networks = (Attachment(f"{group}_default", (name,)),)
    config = ContainerConfig(f"{group}-{name}-1", image, networks=networks, healthcheck=CHECK)
    return Service(name, config, tuple(Dependency(each, "service_healthy") for each in after), settle=0.01)


def group(name, *services, **others):
    return Group(name, name, services, (NetworkConfig(f"{name}_default"),), timeout=2.0, **others)


CORE = group("core", service("twin"), service("router", "twin"))
MEMORY = group("memory", service("store", group="memory"), needs=("core",))


@pytest.fixture
def host(tmp_path):
    return Host(tmp_path)


class Host:
    def __init__(self, path):
        self.path, self.engine, self.fake = path, MemoryEngine("docker"), FakeSystemd(path)
        self.events = []

    def boot(self, groups, supervisor):
        state = str(self.path / "state")
        return boot_of("mainpc", groups, "docker", supervisor, state, 300.0, self.fake.systemd, "/run/docker.sock")

    def run(self, *groups, check=False, supervisor="systemd", **request):
        self.engine.calls.clear()
        self.fake.calls.clear()
        wanted = Request("mainpc", groups, state_dir=str(self.path / "state"), check=check, local=False, **request)
        boot = self.boot(groups, supervisor)
        return reconcile(wanted, self.engine, [], lambda *args, **kw: self.events.append((*args, kw)), boot)

    def units(self):
        return sorted(entry.name for entry in (self.path / "units").glob("gpu-fleet-*"))


def statuses(result):
    return {name: entry["status"] for name, entry in result["groups"].items()}


def test_check_mode_says_what_is_written_and_writes_nothing(host):
    asked = host.run(CORE, MEMORY, check=True)
    assert asked["due"] == ["core", "memory"] and not host.units()
    assert str(host.path / "units/gpu-fleet-mainpc-core.service") in asked["boot_units"]["written"]
    headers = [entry["after_header"] for entry in asked["diff"] if "after_header" in entry]
    assert str(host.path / "state/boot/mainpc-core.json") in headers
    assert not any(header.endswith(".py") for header in headers), "the script is no news"


def test_they_are_written_when_the_group_is_good_and_once(host):
    result = host.run(CORE, MEMORY)
    assert statuses(result) == {"core": "changed", "memory": "changed"}
    assert host.units() == ["gpu-fleet-mainpc-core.service", "gpu-fleet-mainpc-memory.service"]
    assert [event[0] for event in host.events if event[1] == "core"][-2:] == ["ready", "boot units"]
    again = host.run(CORE, MEMORY, check=True)
    assert not again["changed"] and again["due"] == [] and host.fake.calls == []


def test_files_alone_are_a_change_that_touches_no_container(host):
    host.run(CORE, MEMORY)
    longer = replace(CORE, timeout=3.0)
    assert host.run(longer, MEMORY, check=True)["due"] == ["core"]
    result = host.run(longer, MEMORY, only=frozenset({"core"}))
    assert result["changed"] and statuses(result) == {"core": "changed"}
    assert host.engine.changes() == []
    assert not host.run(longer, MEMORY, check=True)["changed"]


def test_a_group_that_fails_keeps_the_files_of_what_it_went_back_to(host):
    host.run(CORE, MEMORY)
    before = {entry: entry.read_text() for entry in (host.path / "state/boot").glob("*.json")}
    bad = group("core", service("twin"), service("router", "twin", image="agent:2"), service("third"))
    host.engine.unhealthy.add("agent:2")
    result = host.run(bad, MEMORY)
    assert result["failed"] and statuses(result) == {"core": "failed", "memory": "blocked"}
    assert {entry: entry.read_text() for entry in before} == before
    assert host.fake.told() == []


def test_a_new_group_that_fails_has_none(host):
    host.engine.unhealthy.add("agent:1")
    assert host.run(CORE)["failed"]
    assert host.units() == []


def test_files_that_cannot_be_written_fail_the_group_that_needs_them(host):
    host.fake.refuses = "daemon-reload"
    result = host.run(CORE)
    assert result["failed"] and statuses(result) == {"core": "failed"}
    assert "it is healthy, but does not start by itself at boot: " in result["msg"]


def test_a_host_without_systemd_is_refused_before_anything_is_changed(host):
    (host.path / "systemd").rmdir()
    for check in (True, False):
        with pytest.raises(FleetError, match="systemd does not run here"):
            host.run(CORE, check=check)
        assert host.engine.changes() == []


def test_where_systemd_runs_no_more_the_engine_can_take_over(host):
    """It is what the refusal above says to do."""
    host.run(CORE, MEMORY)
    (host.path / "systemd").rmdir()
    host.fake.refuses = "show"
    result = host.run(CORE, MEMORY, supervisor="engine")
    assert set(statuses(result).values()) == {"changed"} and host.units() == [] and host.fake.calls == []
    assert not host.run(CORE, MEMORY, supervisor="engine")["changed"]


def test_a_group_that_leaves_takes_its_files_along(host):
    host.run(CORE, MEMORY)
    assert not host.run(CORE, check=True)["changed"], "only where that was asked for"
    assert host.run(CORE, check=True, prune=True)["leaving"] == ["memory"]
    assert host.run(CORE, prune=True)["changed"]
    assert host.units() == ["gpu-fleet-mainpc-core.service"]


def test_a_group_that_takes_the_place_of_all_others_has_its_script(host):
    """As when the only group of a host is renamed: the script is not taken away with the last unit that names it."""
    host.run(CORE)
    renamed = group("kern", service("twin", group="kern"))
    host.run(renamed, prune=True)
    assert host.units() == ["gpu-fleet-mainpc-kern.service"]
    assert list((host.path / "state/boot").glob("*/boot.py"))
    assert not host.run(renamed, prune=True)["changed"]


def test_files_without_containers_leave_too(host):
    host.run(CORE, MEMORY)
    host.engine.remove_container("memory-store-1")
    for name in [name for name, volume in host.engine.volumes.items() if "memory" in str(volume.labels)]:
        host.engine.remove_volume(name)
    assert host.run(CORE, check=True, prune=True)["leaving"] == ["memory"]
    host.run(CORE, prune=True)
    assert not host.run(CORE, check=True, prune=True)["changed"]


def test_the_engine_as_supervisor_removes_them_and_touches_no_container(host):
    host.run(CORE, MEMORY)
    result = host.run(CORE, MEMORY, supervisor="engine")
    assert result["changed"] and host.engine.changes() == [] and host.units() == []
    assert not host.run(CORE, MEMORY, supervisor="engine")["changed"]
    assert host.fake.calls == []


def test_a_group_that_waits_since_boot_is_taken_over_before_its_containers_are_touched(host):
    host.run(CORE)
    host.fake.active["gpu-fleet-mainpc-core.service"] = "activating"
    host.engine.stop_container("core-router-1", 1.0)
    host.run(CORE)
    assert host.fake.told()[0] == ("stop", "gpu-fleet-mainpc-core.service")
    assert host.fake.told()[-1] == ("start", "--no-block", "gpu-fleet-mainpc-core.service")


def test_a_start_that_was_ended_goes_on_where_the_group_was_held_up_by_another(host):
    host.run(CORE, MEMORY)
    host.fake.active["gpu-fleet-mainpc-memory.service"] = "activating"
    host.engine.stop_container("memory-store-1", 1.0)
    host.engine.unhealthy.add("agent:2")
    bad = group("core", service("twin"), service("router", "twin", image="agent:2"))
    result = host.run(bad, MEMORY)
    assert statuses(result) == {"core": "failed", "memory": "blocked"}
    assert host.fake.told() == [
        ("stop", "gpu-fleet-mainpc-memory.service"),
        ("start", "--no-block", "gpu-fleet-mainpc-memory.service"),
    ]


def test_what_a_start_since_boot_does_until_it_is_ended_is_seen(host):
    """The unit's script stops what came too early: a run that had looked before would take it for running."""
    host.run(CORE)
    host.fake.active["gpu-fleet-mainpc-core.service"] = "activating"
    answer = host.fake.run

    def stops_first(argv):
        if argv[1] == "stop":
            host.engine.stop_container("core-router-1", 1.0)
        return answer(argv)

    host.fake.systemd = replace(host.fake.systemd, run=stops_first)
    assert statuses(host.run(CORE)) == {"core": "changed"}
    assert host.engine.containers["core-router-1"].state == "running"
    assert not host.run(CORE, check=True)["changed"]


def test_a_start_that_was_ended_goes_on_where_the_run_was_refused(host):
    host.run(CORE, MEMORY)
    host.fake.active["gpu-fleet-mainpc-memory.service"] = "activating"
    missing = replace(MEMORY, needs=("core", "nobody"))
    host.engine.stop_container("core-twin-1", 1.0)
    with pytest.raises(FleetError):
        host.run(CORE, missing, only=frozenset({"memory"}))
    assert host.fake.told()[-1] == ("start", "--no-block", "gpu-fleet-mainpc-memory.service")


def test_the_engine_as_supervisor_asks_systemd_nothing(host):
    for groups in ((CORE,), (replace(CORE, services=CORE.services[:1]),)):
        assert host.run(*groups, supervisor="engine")["changed"] and host.fake.calls == []


def test_the_next_run_tells_systemd_what_it_refused(host):
    host.fake.refuses = "daemon-reload"
    assert host.run(CORE)["failed"]
    host.fake.refuses = ""
    assert host.run(CORE, check=True)["due"] == ["core"]
    assert statuses(host.run(CORE)) == {"core": "changed"} and host.engine.changes() == []
    assert not host.run(CORE, check=True)["changed"]


def test_units_of_a_group_that_is_gone_and_systemd_does_not_let_go_are_a_warning(host):
    host.run(CORE, MEMORY)
    host.fake.refuses = "daemon-reload"
    result = host.run(CORE, prune=True)
    assert statuses(result) == {"core": "unchanged"}
    assert "boot units of memory could not be removed" in result["warnings"][0]
    host.fake.refuses = ""
    assert host.run(CORE, prune=True)["changed"] and not host.run(CORE, prune=True)["changed"]


@pytest.mark.parametrize("only", [None, frozenset({"memory"})])
def test_teardown_removes_them_first(host, only):
    host.run(CORE, MEMORY)
    for check in (True, False):
        boot = host.boot((), "engine")
        state = str(host.path / "state")
        answer = tear_down("mainpc", [host.engine], only, False, state, check, lambda *a, **k: None, boot)
        assert str(host.path / "units/gpu-fleet-mainpc-memory.service") in answer["removed"]["boot files"]
        assert len(host.units()) == (2 if check else 0 if only is None else 1)
    answer = tear_down(
        "mainpc", [host.engine], only, False, str(host.path / "state"), False, lambda *a, **k: None, boot
    )
    assert "boot files" not in answer["removed"] and not answer["changed"]
