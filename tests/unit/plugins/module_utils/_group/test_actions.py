"""Up to date, start, restart, make anew, remove: one table for `decide`, and the rest of a group's plan."""

from __future__ import annotations

import typing as t
from dataclasses import replace

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._engine.base import (
    UNIT_EDITED,
    UNIT_GONE,
    Observed,
    ObservedVolume,
)
from ansible_collections.gpu_fleet.containers.plugins.module_utils._group import labels as names
from ansible_collections.gpu_fleet.containers.plugins.module_utils._group.actions import (
    CHECK,
    CREATE,
    KEEP,
    RECREATE,
    REMOVE,
    RESTART,
    START,
    Action,
    GroupActions,
    action_as_data,
    decide,
    plan_groups,
)
from ansible_collections.gpu_fleet.containers.plugins.module_utils._group.config import (
    Attachment,
    Dependency,
    Group,
    NetworkConfig,
    VolumeConfig,
)
from ansible_collections.gpu_fleet.containers.plugins.module_utils._group.diff import Change
from ansible_collections.gpu_fleet.containers.plugins.module_utils._group.owned import owned_by
from ansible_collections.gpu_fleet.containers.plugins.module_utils._group.resolve import volume_labels

from .examples import HOST, compose_labels, deployed, group, running, service, stranger, wanted

CORE = group("core", service("a"), service("b", "a"))
A = wanted(CORE)["core", "a"]
ONE_SHOT = replace(A, service=replace(A.service, one_shot=True))


class Case(t.NamedTuple):
    name: str
    change: dict[str, t.Any]
    kind: str
    reason: str
    one_shot: bool = False


CASES = [
    Case("runs", {}, KEEP, ""),
    Case("healthy", {"health": "healthy"}, KEEP, ""),
    Case("just started", {"health": "starting"}, CHECK, ""),
    Case("unhealthy", {"health": "unhealthy"}, RESTART, "it is unhealthy"),
    Case("stopped", {"state": "exited", "exit_code": 0}, START, "it is stopped (exit status 0)"),
    Case("crashed", {"state": "exited", "exit_code": 137}, START, "it is stopped (exit status 137)"),
    Case("stopped, status unknown", {"state": "exited"}, START, "it is exited"),
    Case("made, never started", {"state": "created"}, RECREATE, "it was never started"),
    Case("its unit is gone", {"state": UNIT_GONE}, RECREATE, "its unit's file is gone"),
    Case("its unit was edited", {"state": UNIT_EDITED}, RECREATE, "its unit's file was edited"),
    Case("dead", {"state": "dead"}, START, "it is dead"),
    Case("paused", {"state": "paused"}, RESTART, "it is paused"),
    Case("taken off its network", {"networks": ()}, RECREATE, "detached from core_default"),
    Case("on one more network", {"networks": ("core_default", "x")}, KEEP, ""),
    Case("one-shot is done", {"state": "exited", "exit_code": 0}, KEEP, "", True),
    Case("one-shot failed", {"state": "exited", "exit_code": 1}, START, "it is stopped (exit status 1)", True),
    Case("one-shot still at work", {}, CHECK, "", True),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_decide(case: Case):
    entry = ONE_SHOT if case.one_shot else A
    assert decide(entry, running(A, **case.change), True) == Action(case.kind, "core", "a", "core-a-1", case.reason)


@pytest.mark.parametrize(("deployed_before", "reason"), [(True, "it is missing"), (False, "new")])
def test_missing(deployed_before, reason):
    assert decide(A, None, deployed_before) == Action(CREATE, "core", "a", "core-a-1", reason)


def test_another_configuration_names_each_value():
    old = wanted(group("core", service("a", image="agent:0", environment={"X": "1"})))["core", "a"]
    action = decide(A, running(old), True)
    assert action.kind == RECREATE
    assert action.reason == "environment.X: '1' → (not set); image: 'agent:0' → 'agent:1'"
    assert action.changes == (Change("environment.X", "1", None), Change("image", "agent:0", "agent:1"))


def test_made_by_compose():
    container = replace(stranger("core-a-1"), labels=compose_labels("core", "a"))
    action = decide(A, container, True)
    assert (action.kind, action.reason) == (RECREATE, "it was made by the Compose project 'core'")


def test_a_network_made_anew_takes_its_containers_with_it():
    action = decide(A, running(A), True, {"core_default", "other"})
    assert (action.kind, action.reason) == (RECREATE, "its network is made anew: core_default")


@pytest.mark.parametrize("network", ["bridge", "podman"])
def test_the_engines_own_network_is_not_looked_for(network):
    entry = wanted(group("core", service("a", networks=(Attachment(network),))))["core", "a"]
    assert decide(entry, running(entry, networks=()), True).kind == KEEP


# --- a whole group --------------------------------------------------------------------------------------------------


def plan(wish: Group, observed: Observed) -> GroupActions:
    (result,) = plan_groups([wish], wanted(wish), owned_by(HOST, observed), observed)
    return result


def kinds(result: GroupActions) -> dict[str, str]:
    return {key[1]: action.kind for key, action in result.services.items()}


def with_container(observed: Observed, name: str, **changes: t.Any) -> Observed:
    containers = [replace(each, **changes) if each.name == name else each for each in observed.containers]
    return replace(observed, containers=tuple(containers))


def test_nothing_to_do():
    result = plan(CORE, deployed(CORE))
    assert kinds(result) == {"a": KEEP, "b": KEEP}
    assert not result.changed and not result.changing and not result.marker_due


def test_from_nothing():
    wish = replace(CORE, volumes=(VolumeConfig("core_data", "data"), VolumeConfig("far", "far", external=True)))
    wish = replace(wish, networks=(*CORE.networks, NetworkConfig("shared", external=True)))
    result = plan(wish, Observed())
    assert kinds(result) == {"a": CREATE, "b": CREATE}
    assert [each.name for each in result.networks] == ["core_default"]
    assert [each.name for each in result.volumes] == ["core_data"]
    assert result.marker_due and result.changed


def test_missing_is_only_what_was_there_before():
    seen = deployed(CORE)
    gone = replace(seen, containers=seen.containers[1:])
    assert plan(CORE, gone).services["core", "a"].reason == "it is missing"
    assert plan(CORE, replace(gone, volumes=())).services["core", "a"].reason == "new"


def test_services_stand_in_start_order():
    backwards = group("core", service("z", "y"), service("y", "x"), service("x"))
    assert list(kinds(plan(backwards, Observed()))) == ["x", "y", "z"]


def test_what_left_the_file_and_what_is_one_too_many_goes():
    seen = deployed(CORE)
    second = replace(seen.containers[0], name="by-hand", id="other")
    result = plan(replace(CORE, services=CORE.services[:1]), replace(seen, containers=(*seen.containers, second)))
    assert [(each.kind, each.name, each.reason) for each in result.removals] == [
        (REMOVE, "core-b-1", "not in the plan any more (left the group file, or its profile is not active)"),
        (REMOVE, "by-hand", "a second container of this service"),
    ]


def follower(**dependency: t.Any) -> Group:
    return group("core", service("a"), replace(service("b"), depends_on=(Dependency("a", **dependency),)))


@pytest.mark.parametrize(
    ("restart", "state", "expected"),
    [
        (True, {"state": "exited", "exit_code": 1}, {"a": START, "b": RESTART}),
        (True, {"health": "unhealthy"}, {"a": RESTART, "b": RESTART}),
        (True, {"health": "starting"}, {"a": CHECK, "b": KEEP}),
        (False, {"state": "exited", "exit_code": 1}, {"a": START, "b": KEEP}),
    ],
)
def test_who_asks_for_it_restarts_with_what_it_depends_on(restart, state, expected):
    wish = follower(restart=restart)
    assert kinds(plan(wish, with_container(deployed(wish), "core-a-1", **state))) == expected


def test_a_follower_with_reasons_of_its_own_keeps_them():
    wish = follower(restart=True)
    seen = with_container(deployed(wish), "core-a-1", health="unhealthy")
    stopped = with_container(seen, "core-b-1", state="exited", exit_code=1)
    assert kinds(plan(wish, stopped)) == {"a": RESTART, "b": START}
    assert kinds(plan(wish, replace(seen, containers=seen.containers[:1]))) == {"a": RESTART, "b": CREATE}


def test_a_dependency_that_is_not_part_of_the_group_now_changes_nothing():
    wish = group("core", replace(service("b"), depends_on=(Dependency("inactive", restart=True, required=False),)))
    assert kinds(plan(wish, deployed(wish))) == {"b": KEEP}


@pytest.mark.parametrize("field", ["network_mode", "ipc", "pid"])
def test_who_shares_a_namespace_follows(field):
    sharing = service("b", "a", networks=(), **{field: "container:core-a-1"})
    wish = group("core", service("a"), sharing)
    restarted = plan(wish, with_container(deployed(wish), "core-a-1", health="unhealthy"))
    assert kinds(restarted) == {"a": RESTART, "b": RESTART}
    changed = group("core", service("a", image="agent:2"), sharing)
    assert kinds(plan(changed, deployed(wish))) == {"a": RECREATE, "b": RECREATE}


def test_a_network_with_another_definition():
    wish = replace(CORE, networks=(NetworkConfig("core_default", internal=True),))
    result = plan(wish, deployed(CORE))
    assert [each.name for each in result.changed_networks] == ["core_default"] and result.networks == ()
    assert set(kinds(result).values()) == {RECREATE}


def test_only_its_owner_changes_a_link_network():
    link = NetworkConfig("link-core", key="link", group="core", project="core")
    owner, user = group("core", networks=(link,)), group("user", networks=(link,))
    other = NetworkConfig("link-core", key="link", group="core", project="core", internal=True)
    seen = deployed(owner)
    assert plan(replace(user, networks=(other,)), seen).changed_networks == ()
    assert plan(replace(owner, networks=(other,)), seen).changed_networks == (other,)


def test_a_volume_with_another_definition_is_kept_and_said():
    old = VolumeConfig("core_data", "data")
    seen = replace(deployed(CORE), volumes=(ObservedVolume("core_data", volume_labels(HOST, CORE, old)),))
    result = plan(replace(CORE, volumes=(replace(old, driver="nfs"),)), seen)
    assert result.volumes == ()
    assert result.warnings[0].startswith("core: volume core_data was made with another definition; it is kept")
    assert plan(replace(CORE, volumes=(old,)), seen).warnings == ()


def test_when_a_revision_has_to_be_marked():
    seen = deployed(CORE)
    assert plan(CORE, replace(seen, volumes=())).marker_due, "never marked"
    stale = replace(seen.volumes[0], name="old", labels={**seen.volumes[0].labels, names.CONFIG: "old"})
    assert plan(CORE, replace(seen, volumes=(stale,))).marker_due, "another revision"
    assert plan(CORE, replace(seen, volumes=(*seen.volumes, stale))).marker_due, "a killed run left the old one"
    aside = replace(seen.containers[0], name="core-a-1.previous", id="old", state="exited")
    assert plan(CORE, replace(seen, containers=(*seen.containers, aside))).marker_due, "and its container"


def test_as_data():
    action = Action(RECREATE, "core", "a", "core-a-1", "why", (Change("ports", ("x",), None),))
    assert str(action) == "recreate core/a: why" and str(replace(action, reason="")) == "recreate core/a"
    assert action_as_data(action) == {
        "action": "recreate",
        "group": "core",
        "service": "a",
        "container": "core-a-1",
        "reason": "why",
        "changes": [{"path": "ports", "before": ["x"], "after": None}],
    }
