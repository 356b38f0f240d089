"""What is refused before anything is changed, and what is not."""

from __future__ import annotations

import contextlib
import socket
from dataclasses import replace

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._engine.base import (
    Observed,
    ObservedNetwork,
    ObservedVolume,
)
from ansible_collections.gpu_fleet.containers.plugins.module_utils._group import labels as names
from ansible_collections.gpu_fleet.containers.plugins.module_utils._group import preflight
from ansible_collections.gpu_fleet.containers.plugins.module_utils._group.actions import plan_groups
from ansible_collections.gpu_fleet.containers.plugins.module_utils._group.config import (
    Link,
    Mount,
    NetworkConfig,
    Port,
    VolumeConfig,
)
from ansible_collections.gpu_fleet.containers.plugins.module_utils._group.owned import Owned, owned_by

from .examples import HOST, compose_labels, deployed, group, running, service, stranger, wanted

CORE = group("core", service("a"), service("b", "a"))


# --- names that somebody else has -----------------------------------------------------------------------------------


def take_over(observed: Observed, adopt: bool = False):
    return preflight.take_over(owned_by(HOST, observed), observed, wanted(CORE), adopt)


@pytest.mark.parametrize("name", ["core-a-1", "core-a-1.previous"])
def test_a_stranger_under_a_name_we_need_is_refused(name):
    owned, errors = take_over(Observed((stranger(name),)))
    assert [str(error) for error in errors] == [
        f"core: services.a: a container named {name} exists and belongs to somebody else. "
        "Remove or rename it, or take it over with container_adopt=true."
    ]
    assert owned.current == owned.previous == {}


def test_a_stranger_under_another_name_does_not_matter():
    assert take_over(Observed((stranger("redis"), stranger("core-a-2")))) == (Owned(), [])


def test_adopted_containers_count_as_current():
    mine = stranger("core-a-1")
    owned, errors = take_over(Observed((mine,)), adopt=True)
    assert errors == [] and owned.current == {("core", "a"): mine}


def test_a_name_is_not_adopted_where_ours_is_there_already():
    seen = deployed(CORE)
    ours = replace(seen.containers[0], name="core-a-1-renamed")
    seen = replace(seen, containers=(ours, seen.containers[1], stranger("core-a-1")))
    _owned, errors = take_over(seen, adopt=True)
    assert [error.path for error in errors] == ["core: services.a"]


@pytest.mark.parametrize(
    ("labels", "marked", "ours"),
    [
        (compose_labels("core", "a"), True, True),
        (compose_labels("core", "a"), False, False),
        (compose_labels("other", "a"), True, False),
        (compose_labels("core", "b"), True, False),
        ({**compose_labels("core", "a"), names.SCHEMA: "1", names.HOST: "pc2"}, True, False),
    ],
    ids=["drift", "never deployed by us", "another project", "another service", "another host's"],
)
def test_what_compose_made_of_our_project_is_drift(labels, marked, ours):
    seen = Observed((stranger("core-a-1", **labels),), volumes=deployed(CORE).volumes if marked else ())
    owned, errors = take_over(seen)
    assert (("core", "a") in owned.current, bool(errors)) == (ours, not ours)


# --- networks and volumes -------------------------------------------------------------------------------------------


def objects(wish, observed, adopt=False):
    return [str(error) for error in preflight.objects([wish], owned_by(HOST, observed), observed, adopt)]


def test_external_objects_must_exist():
    wish = replace(
        CORE,
        networks=(NetworkConfig("shared", "web", external=True),),
        volumes=(VolumeConfig("models", "models", external=True),),
    )
    assert objects(wish, Observed()) == [
        "core: networks.web: the external network shared does not exist. Create it by hand.",
        "core: volumes.models: the external volume models does not exist. Create it by hand.",
    ]
    there = Observed(networks=(ObservedNetwork("shared", "1"),), volumes=(ObservedVolume("models"),))
    assert objects(wish, there) == []


def test_objects_of_others_under_our_names():
    wish = replace(CORE, volumes=(VolumeConfig("core_data", "data"),))
    theirs = Observed(
        networks=(ObservedNetwork("core_default", "1", compose_labels("shop", "")),),
        volumes=(ObservedVolume("core_data", {names.HOST: "pc2", names.GROUP: "core"}),),
    )
    assert objects(wish, theirs) == [
        "core: networks.default: a network named core_default exists and belongs to the Compose project 'shop'. "
        "Declare it external, remove it, or take it over with container_adopt=true.",
        "core: volumes.data: a volume named core_data exists and belongs to inventory host 'pc2', group 'core'. "
        "Declare it external, remove it, or take it over with container_adopt=true.",
    ]
    assert objects(wish, theirs, adopt=True) == []
    assert objects(CORE, deployed(CORE)) == [], "our own are fine"


def volume(name: str, key: str = "data", group: str = "core", host: str = HOST) -> ObservedVolume:
    return ObservedVolume(
        name,
        {names.SCHEMA: "1", names.HOST: host, names.GROUP: group, names.CONFIG: "x", names.COMPOSE_VOLUME: key},
    )


def renamed(*there: ObservedVolume, wish: VolumeConfig | None = None, other: VolumeConfig | None = None):
    wishes = [replace(CORE, volumes=(wish or VolumeConfig("pc-core_data", "data"),))]
    wishes += [group("other", volumes=(other,))] if other else []
    observed = Observed(volumes=there)
    plans = plan_groups(wishes[:1], wanted(*wishes), owned_by(HOST, observed), observed)
    return [str(error) for error in preflight.renamed_volumes(plans, wishes, owned_by(HOST, observed))]


def test_no_empty_volume_is_made_where_the_data_has_another_name():
    assert renamed(volume("core_data")) == [
        "core: volumes.data: volume core_data of this group has the data; "
        "the plan now calls it pc-core_data, which does not exist. "
        "Name it in the group file: volumes: {data: {name: core_data}}. "
        "Or create pc-core_data by hand, with a copy of the data if it is needed, and declare it: "
        "volumes: {data: {name: pc-core_data, external: true}}."
    ]


@pytest.mark.parametrize(
    "there",
    [
        (),
        (volume("core_data", key="cache"),),
        (volume("core_data", group="shop"),),
        (volume("core_data", host="pc2"),),
        (volume("core_data"), volume("pc-core_data")),
        (ObservedVolume("core_data", {names.COMPOSE_VOLUME: "data"}),),
    ],
    ids=["nothing", "another key", "another group", "another host's", "both are there", "somebody else's"],
)
def test_a_volume_that_is_new_is_made(there):
    assert renamed(*there) == []


def test_a_volume_that_is_named_or_external_is_no_loss():
    assert renamed(volume("core_data"), wish=VolumeConfig("pc-core_data", "data", external=True)) == []
    assert renamed(volume("core_data"), other=VolumeConfig("core_data", "shared")) == []


# --- ports, on real sockets -----------------------------------------------------------------------------------------


@contextlib.contextmanager
def taken(kind=socket.SOCK_STREAM, address="127.0.0.1"):
    with socket.socket(socket.AF_INET, kind) as holder:
        holder.bind((address, 0))
        if kind == socket.SOCK_STREAM:
            holder.listen()
        yield holder.getsockname()[1]


def ports(*wishes: Port, ours=(), observed: Observed | None = None):
    wish = group("core", service("a", ports=wishes))
    observed = observed or Observed()
    entries = wanted(wish)
    plans = plan_groups([wish], entries, owned_by(HOST, observed), observed)
    return preflight.ports(plans, entries, ours)


@pytest.mark.parametrize(("protocol", "kind"), [("tcp", socket.SOCK_STREAM), ("udp", socket.SOCK_DGRAM)])
def test_a_port_that_another_program_holds(protocol, kind):
    with taken(kind) as number:
        (error,) = ports(Port(80), Port(80, number, "127.0.0.1", protocol))
    assert str(error) == (
        f"core: services.a.ports[1]: 127.0.0.1 port {number}/{protocol} is taken by another program. "
        "Stop that program (ss -ltnp shows it) or publish another port."
    )
    assert ports(Port(80, number, "127.0.0.1", protocol)) == [], "free again"


def test_all_addresses_are_shown_as_such():
    with taken(address="0.0.0.0") as number:
        (error,) = ports(Port(80, number))
    assert error.message == f"all addresses port {number}/tcp is taken by another program"


def test_the_same_number_of_the_other_protocol_is_free():
    with taken(socket.SOCK_DGRAM) as number:
        assert ports(Port(80, number, "127.0.0.1", "tcp")) == []


def test_an_address_that_is_not_of_this_host():
    # TEST-NET-1 (RFC 5737) is no host's.
    (error,) = ports(Port(80, 8080, "192.0.2.1"))
    assert error.message == "192.0.2.1 is not an address of this host"
    assert error.mend.startswith("Correct container_link_address")


def test_ports_the_engine_chooses_and_unknown_protocols_are_left_to_it():
    assert ports(Port(80), Port(80, 9, "192.0.2.1", "sctp")) == []


def test_what_a_container_of_ours_was_made_to_publish_is_free_for_it():
    with taken() as number:
        wish = Port(80, number, "127.0.0.1")
        mine = running(wanted(group("core", service("a", ports=(wish,))))["core", "a"])
        assert ports(wish, ours=[replace(mine, state="created", ports=())]) == []


@pytest.mark.parametrize(
    ("held", "wish", "fine"),
    [
        ("127.0.0.1", "127.0.0.1", True),
        ("0.0.0.0", "127.0.0.1", True),
        ("", "127.0.0.1", True),
        ("::", "127.0.0.1", True),
        ("127.0.0.1", "", True),
        ("127.0.0.2", "127.0.0.1", False),
    ],
)
def test_what_our_own_container_holds_is_free_for_it(held, wish, fine):
    with taken() as number:
        mine = running(wanted(CORE)["core", "a"], ports=((held, number, "tcp"),))
        assert (ports(Port(80, number, wish), ours=[mine]) == []) is fine
        other = replace(mine, ports=((held, number, "udp"),))
        assert ports(Port(80, number, wish), ours=[other]) != []


def test_a_container_that_stays_as_it_is_is_not_asked():
    with taken() as number:
        wish = group("core", service("a", ports=(Port(80, number, "127.0.0.1"),)))
        assert ports(Port(80, number, "127.0.0.1"), observed=deployed(wish)) == []


# --- bind sources ---------------------------------------------------------------------------------------------------


def test_bind_sources_that_nobody_creates_must_exist(tmp_path):
    def bind(source, **options):
        return Mount("bind", "/x", source, create_host_path=False, **options)

    mounts = (
        bind(str(tmp_path / "missing")),
        bind(str(tmp_path)),
        bind("staged:" + "a" * 64),
        Mount("bind", "/y", str(tmp_path / "made-by-the-engine")),
        Mount("volume", "/z", "data", create_host_path=False),
    )
    entries = wanted(group("core", service("a", mounts=mounts)))
    (error,) = preflight.binds(entries.values())
    assert error.path == "core: services.a.volumes"
    assert error.message == f"the bind source {tmp_path / 'missing'} does not exist on this host"


# --- links and needs ------------------------------------------------------------------------------------------------


def linked(name, *links, timeout=0.2):
    return replace(group(name, replace(service("a", group=name), links=links)), timeout=timeout)


def test_one_error_for_all_links_to_a_group_that_is_silent():
    with taken() as number:
        pass
    with socket.create_server(("127.0.0.1", 0)) as server:
        up = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        down = f"tcp://127.0.0.1:{number}"
        first = linked(
            "core",
            Link("UP_URL", up, "web/x:80", "pc2", True, True),
            Link("MEMORY_URL", down, "pc2-memory/orchestrator:7140", "pc2", True, True),
            Link("INSIDE_URL", down, "core/b:80", HOST),
        )
        second = linked("audio", Link("MEMORY", down, "pc2-memory/orchestrator:7140", "pc2", True, True))
        (error,) = preflight.silent_links([first, second], changing=False)
    assert str(error) == (
        f"core: services.a.x-links.MEMORY_URL: the link to pc2-memory/orchestrator:7140 on pc2 does not answer; "
        f"tried {down} (Connection refused); needed by core/a, audio/a. "
        "Start it: ansible-playbook deploy.yml -l pc2 -e container_group=pc2-memory"
    )


def test_links_inside_this_run_are_not_asked():
    link = Link("X", "tcp://127.0.0.1:1", "core/b:80", "pc2", True)
    for changing in (False, True):
        assert preflight.silent_links([linked("core", link)], changing) == []


def test_what_is_needed_on_another_host_must_answer_when_groups_change():
    with taken() as number:
        pass
    url = f"tcp://127.0.0.1:{number}"
    core = linked("core", Link("MEMORY_URL", url, "pc2-memory/orchestrator:7140", "pc2", True, needed=True))
    assert preflight.silent_links([core], changing=False) == [], "in check mode it may not be up yet"
    (error,) = preflight.silent_links([core], changing=True)
    assert str(error) == (
        f"core: services.a.x-links.MEMORY_URL: the link to pc2-memory/orchestrator:7140 on pc2 does not answer; "
        f"tried {url} (Connection refused); needed by core/a. "
        "If playbooks/status.yml shows it healthy, look at the network and firewalls between this host and pc2; "
        "else start it: ansible-playbook deploy.yml -l pc2 -e container_group=pc2-memory"
    )


def test_an_address_of_udp_is_not_asked_since_nothing_can_be_concluded():
    links = (
        Link("A", "udp://127.0.0.1:1", "pc2-memory/orchestrator:7140", "pc2", True, needed=True),
        Link("B", "udp://127.0.0.1:1", "other/orchestrator:7140", "pc3", True, outside=True),
    )
    assert preflight.silent_links([linked("core", *links)], changing=True) == []


def test_the_patience_is_never_longer_than_the_groups_timeout(monkeypatch):
    asked = []

    def wait_for(url, patience):
        asked.append(patience)
        return preflight_answer

    preflight_answer = type("Answer", (), {"answered": True, "reason": ""})()
    monkeypatch.setattr(preflight, "wait_for", wait_for)
    link = Link("X", "tcp://127.0.0.1:1", "g/b:80", "pc2", True, True)
    for timeout in (2.0, 600.0):
        preflight.silent_links([linked("core", link, timeout=timeout)], changing=False)
    assert asked == [2.0, preflight.OUTSIDE_PATIENCE]


MEMORY = replace(group("memory", service("store", group="memory")), needs=("core",))
JOB = replace(CORE, services=(replace(CORE.services[0], one_shot=True), CORE.services[1]))


@pytest.mark.parametrize(
    ("core", "change", "down"),
    [
        (CORE, {}, ""),
        (CORE, {"state": "exited"}, "a"),
        (CORE, {"health": "unhealthy"}, "a"),
        (CORE, {"health": "starting"}, ""),
        (JOB, {"state": "exited", "exit_code": 0}, ""),
        (JOB, {"state": "exited", "exit_code": 1}, "a"),
        (JOB, {}, "a"),
    ],
)
def test_a_needed_group_outside_this_call_must_be_up(core, change, down):
    seen = deployed(core)
    seen = replace(seen, containers=(replace(seen.containers[0], **change), *seen.containers[1:]))
    errors = preflight.needed_groups([core, MEMORY], {"memory"}, owned_by(HOST, seen))
    assert [error.message for error in errors] == ([f"it needs group core, which is not up ({down})"] if down else [])


def test_needs_that_are_part_of_this_call_or_of_another_host_are_not_looked_at():
    far = replace(MEMORY, needs=("on-another-host",))
    assert preflight.needed_groups([CORE, MEMORY], {"core", "memory"}, Owned()) == []
    assert preflight.needed_groups([CORE, far], {"memory"}, Owned()) == []
    assert preflight.needed_groups([CORE, MEMORY], {"core"}, Owned()) == []
