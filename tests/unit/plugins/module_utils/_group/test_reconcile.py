from __future__ import annotations

import itertools
import json
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.gpu_fleet.containers.plugins.module_utils._errors import EngineError, FleetError, InputError
from ansible_collections.gpu_fleet.containers.plugins.module_utils._group import labels as names
from ansible_collections.gpu_fleet.containers.plugins.module_utils._group import xauthority
from ansible_collections.gpu_fleet.containers.plugins.module_utils._group.config import (
    Attachment,
    ContainerConfig,
    Dependency,
    Group,
    Healthcheck,
    NetworkConfig,
    Port,
    SecretFile,
    Service,
    VolumeConfig,
)
from ansible_collections.gpu_fleet.containers.plugins.module_utils._group.reconcile import Request, reconcile

from .memory_engine import Killed, MemoryEngine

CHECK = Healthcheck(("CMD", "agent-health"), interval=0.02, timeout=0.02, retries=1)


def service(name: str, *after: str, group: str = "core", image: str = "agent:1", **config: object) -> Service:
    config.setdefault("healthcheck", CHECK)
    return Service(
        name,
        ContainerConfig(f"{group}-{name}-1", image, networks=(Attachment(f"{group}_default", (name,)),), **config),
        tuple(Dependency(each, "service_healthy") for each in after),
        settle=0.01,
    )


def group(name: str, *services: Service, needs: tuple[str, ...] = (), timeout: float = 2.0) -> Group:
    return Group(name, name, services, (NetworkConfig(f"{name}_default"),), (), needs, timeout)


CORE = group("core", service("twin"), service("router", "twin"), service("unified", "router"))
MEMORY = group("memory", service("store", group="memory"), needs=("core",))


@pytest.fixture
def host(tmp_path):
    return Host(tmp_path)


class Host:
    """One inventory host: an engine in memory and a state directory."""

    def __init__(self, path, name="mainpc", engine=None):
        self.engine = engine or MemoryEngine()
        self.path = path
        self.name = name
        self.events = []
        self.others = []

    def run(self, *groups: Group, check: bool = False, **request: object) -> dict:
        self.engine.calls.clear()
        wanted = Request(self.name, groups, state_dir=str(self.path), check=check, local=False, **request)
        return reconcile(wanted, self.engine, self.others, lambda *args, **kw: self.events.append((args, kw)))

    def running(self) -> dict[str, str]:
        return {entry.name: entry.image for entry in self.engine.containers.values() if entry.state == "running"}


def actions(result: dict) -> list[tuple[str, str]]:
    return [(entry["action"], f"{entry['group']}/{entry['service']}") for entry in result["actions"]]


def with_volume(name: str) -> Group:
    return replace(CORE, volumes=(VolumeConfig(name, "data"),))


def test_a_group_whose_volume_was_renamed_is_left_as_it_runs(host):
    """As when a second local host joins the inventory: the database must not come up on an empty volume."""
    host.run(with_volume("core_data"))
    for check in (True, False):
        with pytest.raises(FleetError, match="volume core_data of this group has the data"):
            host.run(with_volume("mainpc-core_data"), check=check)
        assert host.engine.changes() == []
    assert not host.run(with_volume("core_data"))["changed"]


# --- the ordinary life of a group -------------------------------------------------------------------------------


def test_first_run_starts_in_order_and_second_changes_nothing(host):
    first = host.run(CORE, MEMORY)
    assert first["changed"] and first["groups"]["memory"]["status"] == "changed"
    started = [call[1] for call in host.engine.changes() if call[0] == "start"]
    assert started == ["core-twin-1", "core-router-1", "core-unified-1", "memory-store-1"]

    second = host.run(CORE, MEMORY)
    assert not second["changed"] and second["due"] == [] and host.engine.changes() == []


def test_check_mode_says_what_a_run_does_and_does_nothing(host):
    said = host.run(CORE, check=True)
    assert host.engine.changes() == [] and not list(host.path.iterdir())
    done = host.run(CORE)
    assert said["actions"] == done["actions"] and said["networks"] == done["networks"] == ["core_default"]


def test_services_without_order_start_together(host):
    free = group("core", *(service(f"s{number}") for number in range(8)))
    waiting = set()
    together = []
    original = host.engine.check_health

    def check_health(name, healthcheck=None):
        waiting.add(name)
        together.append(len(waiting))
        answer = original(name, healthcheck)
        return answer if len(waiting) >= 5 else replace(answer, healthy=False)

    host.engine.check_health = check_health
    assert host.run(free)["changed"]
    assert max(together) >= 5


@pytest.mark.parametrize(
    ("break_it", "expected"),
    [
        (lambda engine: engine.remove_container("core-router-1"), ("create", "it is missing")),
        (lambda engine: engine.stop_container("core-router-1", 0), ("start", "it is stopped (exit status 0)")),
    ],
)
def test_one_container_broken_by_hand_is_repaired_and_no_other_touched(host, break_it, expected):
    host.run(CORE)
    break_it(host.engine)
    result = host.run(CORE)
    assert [(entry["action"], entry["reason"]) for entry in result["actions"]] == [expected]
    assert {call[1] for call in host.engine.changes()} == {"core-router-1"}


def test_what_the_engine_refuses_is_said_before_anything_is_stopped(host):
    host.run(CORE)
    host.engine.refused = [EngineError("core-router-1.service is masked", "unit")]
    changed = replace(CORE, services=(CORE.services[0], service("router", "twin", environment={"A": "1"})))
    for check in (True, False):
        with pytest.raises(FleetError, match="is masked"):
            host.run(changed, check=check)
        assert host.engine.changes() == []


def test_one_environment_value_changes_exactly_that(host):
    host.run(CORE)
    changed = replace(
        CORE,
        services=(
            CORE.services[0],
            service("router", "twin", environment={"LOG_LEVEL": "debug"}),
            CORE.services[2],
        ),
    )
    said = host.run(changed, check=True)
    (action,) = said["actions"]
    assert action["changes"] == [{"path": "environment.LOG_LEVEL", "before": None, "after": "debug"}]
    assert said["diff"] == [
        {
            "before_header": "core/router (recreate)",
            "after_header": "core/router (recreate)",
            "before": "",
            "after": "environment.LOG_LEVEL: debug\n",
        }
    ]
    done = host.run(changed)
    assert done["actions"] == said["actions"]
    touched = {name.removesuffix(".previous") for call in host.engine.changes() for name in call[1:]}
    assert {name for name in touched if "_fleet-revision-" not in name} == {"core-router-1"}
    assert host.run(changed)["changed"] is False


def test_dependents_that_ask_for_it_restart_with_what_they_depend_on(host):
    def with_image(image):
        follower = replace(service("router"), depends_on=(Dependency("twin", "service_healthy", restart=True),))
        return group("core", service("twin", image=image), follower, service("unified"))

    host.run(with_image("agent:1"))
    result = host.run(with_image("agent:2"))
    assert actions(result) == [("recreate", "core/twin"), ("restart", "core/router")]


def test_a_service_that_left_the_file_goes_after_the_others_are_healthy(host):
    host.run(CORE)
    result = host.run(replace(CORE, services=CORE.services[:2]))
    assert actions(result) == [("remove", "core/unified")]
    assert "core-unified-1" not in host.engine.containers


def test_a_group_that_left_the_host_goes_only_when_pruning(host):
    host.run(CORE, MEMORY)
    assert not host.run(CORE)["changed"]
    result = host.run(CORE, prune=True)
    assert result["leaving"] == ["memory"] and "memory-store-1" not in host.engine.containers
    assert set(host.engine.networks) == {"core_default"}


def test_one_shot_runs_once(host):
    job = replace(service("migrate", image="job:1"), one_shot=True)
    after = replace(service("web"), depends_on=(Dependency("migrate", "service_completed_successfully"),))
    host.engine.exit_codes["job:1"] = 0
    host.run(group("core", job, after))
    assert [call[1] for call in host.engine.changes() if call[0] == "start"] == ["core-migrate-1", "core-web-1"]
    assert not host.run(group("core", job, after))["changed"]


def test_two_hosts_on_one_engine_never_touch_each_other(host, tmp_path):
    host.run(CORE)
    before = dict(host.engine.containers)
    other = Host(tmp_path / "pc2", "pc2", host.engine)
    theirs = Group("core", "pc2-core", (service("twin", group="pc2-core"),), (NetworkConfig("pc2-core_default"),))
    other.run(theirs, prune=True)
    assert {name: host.engine.containers[name] for name in before} == before
    with pytest.raises(FleetError, match=r"core-twin-1 exists and belongs to inventory host 'mainpc', group 'core'"):
        other.run(CORE)


# --- all or nothing ---------------------------------------------------------------------------------------------


def test_first_deploy_that_fails_leaves_nothing_of_its_group(host):
    host.engine.unhealthy.add("broken:1")
    bad = group("core", service("twin"), service("router", "twin", image="broken:1"), timeout=0.5)
    result = host.run(bad, MEMORY)
    assert result["failed"] and result["groups"]["core"]["status"] == "failed"
    assert result["groups"]["memory"]["status"] == "blocked"
    assert host.engine.containers == {} and host.engine.networks == {} and host.engine.volumes == {}
    assert "no answer on port 7000" in result["msg"] and "last words of core-router-1" in result["msg"]


def test_update_that_fails_brings_every_member_back(host):
    host.run(CORE)
    before = host.running()
    host.engine.unhealthy.add("broken:2")
    update = group(
        "core",
        service("twin", image="agent:2"),
        service("router", "twin", image="agent:2"),
        service("unified", "router", image="broken:2"),
        timeout=0.5,
    )
    result = host.run(update)
    assert result["groups"]["core"]["rolled_back"] == "brought back as it was: router, twin, unified"
    assert host.running() == before
    assert not host.run(CORE)["changed"]


def test_other_groups_go_on_when_one_fails(host):
    host.engine.unhealthy.add("broken:1")
    result = host.run(group("bad", service("x", group="bad", image="broken:1"), timeout=0.5), CORE)
    assert result["groups"]["bad"]["status"] == "failed" and result["groups"]["core"]["status"] == "changed"


def test_a_container_that_keeps_ending_is_given_up_early(host):
    host.engine.exit_codes["crash:1"] = 3
    result = host.run(group("core", service("twin", image="crash:1", restart="always"), timeout=60.0))
    assert "it ended (exit status 3)" in result["msg"]


def test_failed_first_service_cancels_the_waiting_ones(host):
    host.engine.exit_codes["crash:1"] = 1
    result = host.run(group("core", service("twin", image="crash:1"), service("router", "twin")))
    assert result["failed"] and not any(call == ("create", "core-router-1") for call in host.engine.calls)


# --- killed at any moment -----------------------------------------------------------------------------------------


def _kill_at(engine, number):
    counter = itertools.count()

    def fail(call):
        if call[0] in ("observe", "container", "health", "logs"):
            return None
        return Killed() if next(counter) >= number else None

    engine.fail_on = fail


def _is_marked(host, container):
    """Whether the revision that has this container was called good."""
    service_name = container.removeprefix("core-").removesuffix("-1")
    return any(service_name in volume.labels.get(names.SERVICES, "") for volume in host.engine.volumes.values())


OLD = group("core", service("twin"), service("router", "twin"), service("gone"))
UPDATED = {"core-twin-1": "agent:2", "core-router-1": "agent:2", "core-extra-1": "agent:1"}
NEW = group("core", service("twin", image="agent:2"), service("router", "twin", image="agent:2"), service("extra"))


@pytest.mark.parametrize("good", [True, False])
@pytest.mark.parametrize("first", [True, False])
def test_killed_at_any_call_and_run_again_arrives_at_the_same_state(tmp_path, first, good):
    """Every prefix of an update (or first deploy) is cut off; the next run ends as an uninterrupted one."""
    for number in itertools.count():
        host = Host(tmp_path / str(number))
        host.path.mkdir()
        if not first:
            host.run(OLD)
        before = host.running()
        _kill_at(host.engine, number)
        killed = False
        try:
            host.run(NEW)
        except Killed:
            killed = True
        host.engine.fail_on = lambda call: None
        if not good:
            host.engine.unhealthy.add("agent:2")
        if killed:
            result = host.run(replace(NEW, timeout=0.4))
            if good:
                assert not result.get("failed"), (number, result)
            elif result.get("failed") and not _is_marked(host, "core-extra-1"):
                assert host.running() == ({} if first else before), number
            else:
                # Every container was healthy before the kill: the new revision is what stays.
                assert host.running() == UPDATED, number
        if good:
            assert host.running() == UPDATED, number
            assert set(host.engine.containers) == set(host.running()), number
            assert not host.run(NEW)["changed"], number
        if not killed:
            assert number > 5
            break


# --- ownership, drift, engines ------------------------------------------------------------------------------------


def _as_compose_made_it(host, name):
    container = host.engine.containers[name]
    kept = {key: value for key, value in container.labels.items() if not key.startswith("org.gpu-fleet")}
    host.engine.containers[name] = replace(container, labels=kept, id="compose")
    host.engine.configs["compose"] = host.engine.configs[container.id]


def test_what_docker_compose_up_did_is_drift(host):
    host.run(CORE)
    _as_compose_made_it(host, "core-router-1")
    result = host.run(CORE)
    assert [(entry["action"], entry["reason"]) for entry in result["actions"]] == [
        ("recreate", "it was made by the Compose project 'core'")
    ]
    assert host.engine.containers["core-router-1"].labels[names.HOST] == "mainpc"


def test_strangers_are_refused_or_adopted(host):
    host.run(CORE)
    stranger = replace(host.engine.containers["core-router-1"], labels={}, id="stranger")
    host.engine.containers["core-router-1"] = stranger
    host.engine.configs["stranger"] = host.engine.configs["id2"]
    with pytest.raises(FleetError, match="core-router-1 exists and belongs to somebody else"):
        host.run(CORE)
    assert host.engine.containers["core-router-1"] == stranger
    assert actions(host.run(CORE, adopt=True)) == [("recreate", "core/router")]


def test_switching_the_engine_moves_every_group_and_names_what_stays(host, tmp_path):
    with_volume = replace(CORE, volumes=(VolumeConfig("core_data", "data"),))
    host.run(with_volume)
    new = Host(tmp_path, engine=MemoryEngine("docker"))
    new.others = [host.engine]
    said = new.run(with_volume, check=True)
    assert said["moving"] == {"core": "podman"} and said["left_behind"] == {"podman": ["core_data"]}
    assert new.run(with_volume)["changed"]
    assert host.engine.containers == {} and host.engine.networks == {} and set(host.engine.volumes) == {"core_data"}
    again = new.run(with_volume)
    assert not again["changed"] and again["moving"] == {}


def test_a_move_that_fails_runs_again_where_it_was(host, tmp_path):
    host.run(CORE)
    before = host.running()
    new = Host(tmp_path, engine=MemoryEngine("docker"))
    new.others = [host.engine]
    new.engine.unhealthy.add("agent:1")
    result = new.run(replace(CORE, timeout=0.5))
    assert result["groups"]["core"]["rolled_back"] == "the group runs again on podman"
    assert host.running() == before and new.engine.containers == {}


# --- networks, ports, needs, secrets --------------------------------------------------------------------------------


def test_a_changed_network_is_made_anew_with_everything_on_it(host):
    host.run(CORE)
    changed = replace(CORE, networks=(NetworkConfig("core_default", internal=True),))
    result = host.run(changed)
    assert {entry["action"] for entry in result["actions"]} == {"recreate"} and len(result["actions"]) == 3
    assert not host.run(changed)["changed"]


def test_a_network_change_that_fails_brings_the_old_network_and_containers_back(host):
    host.run(CORE)
    before = host.running()
    host.engine.unhealthy.add("broken:1")
    changed = group("core", *CORE.services[:2], service("unified", "router", image="broken:1"), timeout=0.5)
    changed = replace(changed, networks=(NetworkConfig("core_default", internal=True),))
    assert host.run(changed)["failed"]
    assert host.running() == before
    assert not host.run(CORE)["changed"]


@pytest.mark.parametrize("made_anew", [True, False], ids=["with one in its place", "with nothing in its place"])
@pytest.mark.parametrize("good", [True, False])
def test_a_changed_network_after_a_killed_run(host, made_anew, good):
    """What the killed run put aside is on the old network too; the way back is to it, not to what never was good."""
    host.run(CORE)
    update = group("core", service("twin", image="agent:2"), *CORE.services[1:], timeout=0.5)
    host.engine.fail_on = lambda call: Killed() if call[0] == ("start" if made_anew else "create") else None
    with pytest.raises(Killed):
        host.run(update)
    host.engine.fail_on = lambda call: None
    if not good:
        host.engine.unhealthy.add("agent:2")
    changed = replace(update, networks=(NetworkConfig("core_default", internal=True),))
    result = host.run(changed)
    assert bool(result.get("failed")) is not good
    assert host.running()["core-twin-1"] == ("agent:2" if good else "agent:1")
    assert set(host.engine.containers) == {"core-twin-1", "core-router-1", "core-unified-1"}
    assert not host.run(changed if good else CORE)["changed"]


def test_ports_move_between_services_of_a_group(host):
    port = (Port(80, 8080, "10.77.1.1"),)
    host.run(group("core", service("old", ports=port)))
    result = host.run(group("core", service("new", ports=port)))
    assert not result.get("failed") and list(host.engine.containers) == ["core-new-1"]


def test_a_needed_group_outside_the_call_must_be_up(host):
    with pytest.raises(FleetError, match=r"memory: it needs group core, which is not up \(twin, router, unified\)"):
        host.run(CORE, MEMORY, only=frozenset({"memory"}))
    host.run(CORE)
    assert host.run(CORE, MEMORY, only=frozenset({"memory"}))["changed"]


def test_secrets_stand_in_no_label_and_a_new_value_is_seen(host):
    config = replace(service("twin").config, secrets=(SecretFile("core/token", "/run/secrets/token", uid=0, gid=0),))
    wanted = group("core", replace(service("twin"), config=config))
    host.run(wanted, secrets={"core/token": "first-secret-value"})
    said = json.dumps([entry.labels for entry in host.engine.containers.values()])
    assert "first-secret-value" not in said and "core/token#" in said
    assert not host.run(wanted, secrets={"core/token": "first-secret-value"})["changed"]
    result = host.run(wanted, secrets={"core/token": "other-secret-value"})
    assert actions(result) == [("recreate", "core/twin")] and "secret-value" not in json.dumps(result)
    kept = list((host.path / "secrets" / "mainpc").iterdir())
    assert [path.read_text() for path in kept] == ["other-secret-value"]
    assert kept[0].stat().st_mode & 0o777 == 0o400


def test_a_cookie_is_read_here_seen_when_it_is_new_and_refused_before_a_change(host, monkeypatch):
    """As after a new login on the desktop, and after its end."""
    cookie = b"\xff\x00binary\xfe"

    def gather(_groups, selected, _reader):
        wanted = not cookie and any(each.name == "core" for each in selected)
        refused = [InputError("the X server :0 is gone", "core: services.twin.x-display")] if wanted else []
        return {"x11-cookie-0": cookie}, refused

    monkeypatch.setattr(xauthority, "gather", gather)
    drawing = group("core", service("twin", secrets=(SecretFile("x11-cookie-0", "/run/display/Xauthority"),)))
    host.run(drawing)
    assert not host.run(drawing)["changed"]
    cookie = b"\xff\x01another\xfe"
    result = host.run(drawing)
    assert actions(result) == [("recreate", "core/twin")]
    assert "secrets./run/display/Xauthority: value changed" in json.dumps(result) + json.dumps(host.events)
    assert [path.read_bytes() for path in (host.path / "secrets" / "mainpc").iterdir()] == [cookie]
    cookie = b""
    for check in (True, False):
        with pytest.raises(FleetError, match=r"core: services.twin.x-display: the X server :0 is gone"):
            host.run(drawing, check=check)
        assert host.engine.changes() == []
    # Another group is not held up by it.
    assert host.run(drawing, MEMORY, only=frozenset({"memory"}))["changed"]


# --- properties -----------------------------------------------------------------------------------------------------


@st.composite
def _groups(draw):
    count = draw(st.integers(1, 4))
    result = []
    for number in range(count):
        size = draw(st.integers(1, 4))
        services = []
        for index in range(size):
            after = draw(st.sets(st.integers(0, index - 1))) if index else set()
            image = draw(st.sampled_from(["agent:1", "agent:2", "broken:1"]))
            services.append(service(f"s{index}", *(f"s{each}" for each in after), group=f"g{number}", image=image))
        needs = draw(st.sets(st.integers(0, number - 1))) if number else set()
        result.append(group(f"g{number}", *services, needs=tuple(f"g{each}" for each in needs), timeout=0.3))
    return result


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(_groups(), _groups())
def test_every_group_is_all_new_or_all_old(tmp_path_factory, first, second):
    host = Host(tmp_path_factory.mktemp("state"))
    host.engine.unhealthy.add("broken:1")
    host.run(*first)
    before = host.running()
    result = host.run(*second)
    for wanted in second:
        prefix = f"{wanted.name}-"
        now = {name: image for name, image in host.running().items() if name.startswith(prefix)}
        status = result["groups"][wanted.name]["status"]
        if status in ("changed", "unchanged"):
            assert now == {each.config.name: each.config.image for each in wanted.services}
        else:
            assert now == {name: image for name, image in before.items() if name.startswith(prefix)}
    assert not any(name.endswith(".previous") for name in host.engine.containers)
