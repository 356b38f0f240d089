"""Which objects of an engine are ours."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._engine.base import (
    Observed,
    ObservedNetwork,
    ObservedVolume,
)
from ansible_collections.gpu_fleet.containers.plugins.module_utils._group import labels as names
from ansible_collections.gpu_fleet.containers.plugins.module_utils._group.config import (
    GpuPromise,
    Healthcheck,
    NetworkConfig,
    Port,
)
from ansible_collections.gpu_fleet.containers.plugins.module_utils._group.owned import (
    Owned,
    deployed_config,
    deployed_network,
    deployed_promise,
    deployed_spec,
    is_ours,
    owned_by,
    owner,
)

from .examples import HOST, deployed, group, running, service, stranger, wanted

CORE = group("core", service("a"), service("b", "a"))


def test_what_another_host_or_nobody_owns_is_not_ours():
    seen = deployed(CORE)
    theirs = deployed(CORE, host="pc2")
    everything = Observed(
        (*seen.containers, *theirs.containers, stranger("redis")),
        (*seen.networks, *theirs.networks, ObservedNetwork("bridge", "1")),
        (*seen.volumes, *theirs.volumes, ObservedVolume("data")),
    )
    owned = owned_by(HOST, everything)
    assert list(owned.current.values()) == list(seen.containers)
    assert set(owned.current) == {("core", "a"), ("core", "b")}
    assert list(owned.networks) == ["core_default"]
    assert owned.volumes == {}, "a marker is no volume of the user's"
    assert owned.good == {"core": seen.volumes}
    assert owned.groups == {"core"}


@pytest.mark.parametrize(
    ("labels", "ours"),
    [
        ({}, False),
        ({names.HOST: HOST}, False),
        ({names.SCHEMA: "1"}, False),
        ({names.SCHEMA: "2", names.HOST: HOST}, False),
        ({names.SCHEMA: "1", names.HOST: "MAINPC"}, False),
        ({names.SCHEMA: "1", names.HOST: HOST}, True),
    ],
)
def test_ours_needs_our_schema_and_this_host(labels, ours):
    assert is_ours(labels, HOST) is ours


def test_what_stands_by_and_what_is_one_too_many():
    current = running(wanted(CORE)["core", "a"])
    previous = replace(current, name=current.name + ".previous", id="2", state="exited")
    second = replace(current, name="core-a-1-by-hand", id="3")
    owned = owned_by(HOST, Observed((current, previous, second)))
    assert owned.current == {("core", "a"): current}
    assert owned.previous == {("core", "a"): previous}
    assert owned.extra == (second,)


def _marker(revision: str, services: str) -> ObservedVolume:
    return ObservedVolume(revision, {names.CONFIG: revision, names.SERVICES: services})


def test_good_revisions():
    owned = Owned(good={"core": (_marker("r1", "a,b"), _marker("r2", "b,c")), "empty": (_marker("r3", ""),)})
    assert owned.is_good("core", "r2") and not owned.is_good("core", "r3") and not owned.is_good("none", "r1")
    assert owned.good_services("core") == {"a", "b", "c"}
    assert owned.good_services("empty") == owned.good_services("none") == set()


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ({names.HOST: "pc2", names.GROUP: "core", names.COMPOSE_PROJECT: "x"}, "inventory host 'pc2', group 'core'"),
        ({names.HOST: "pc2"}, "inventory host 'pc2', group '?'"),
        ({names.COMPOSE_PROJECT: "shop"}, "the Compose project 'shop'"),
        ({"maintainer": "me"}, "somebody else"),
    ],
)
def test_owner_in_words(labels, words):
    assert owner(labels) == words


def test_the_configuration_comes_back_from_the_label():
    check = Healthcheck(("CMD", "true"), interval=5.0)
    entry = wanted(group("core", service("a", ports=(Port(80, 8080),), healthcheck=check)))["core", "a"]
    container = running(entry)
    assert deployed_spec(container) == entry.spec
    assert deployed_config(container) == entry.config
    with_identity = {**entry.spec, "image_identity": "sha256:feed"}
    labelled = replace(container, labels={names.SPEC: json.dumps(with_identity)})
    assert deployed_config(labelled) == entry.config


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '"text"', '{"nmae": "x"}', '{"name": "x"}', '{"name": "x", "healthcheck": "no"}']
)
def test_a_label_that_cannot_be_read_is_none(text):
    container = replace(stranger("x"), labels={names.SPEC: text})
    assert deployed_config(container) is None


def test_networks_come_back_from_their_label():
    (network,) = deployed(group("core", networks=(NetworkConfig("core_default", internal=True),))).networks
    assert deployed_network(network) == NetworkConfig("core_default", internal=True)
    for text in ("", "[1]", '{"nmae": 1}'):
        assert deployed_network(ObservedNetwork("n", "1", {names.SPEC: text})) is None


def test_what_a_container_was_promised_is_found_again():
    promise = GpuPromise("nvidia", ("/dev/nvidia0",), ("GPU-1",), ("RTX",), 1, True)
    given = wanted(group("core", replace(service("a"), promise=promise)))["core", "a"]
    plain = wanted(group("core", service("a")))["core", "a"]
    assert deployed_promise(running(given)) == promise
    assert given.hash == plain.hash and given.labels[names.REVISION] == plain.labels[names.REVISION]
    assert names.PROMISE not in plain.labels and deployed_promise(running(plain)) is None


@pytest.mark.parametrize("text", ["", "{", "[1]", "1", '{"stack": "nvidia", "unknown": 1}', "{}"])
def test_a_promise_that_cannot_be_read_is_none(text):
    entry = wanted(group("core", service("a")))["core", "a"]
    assert deployed_promise(running(entry, labels={**entry.labels, names.PROMISE: text})) is None
