from __future__ import annotations

import json

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._engine import podman_parse as parse
from ansible_collections.gpu_fleet.containers.plugins.module_utils._engine.base import (
    ObservedContainer,
    ObservedImage,
    ObservedNetwork,
    ObservedVolume,
)
from ansible_collections.gpu_fleet.containers.plugins.module_utils._errors import EngineError

RUNNING = {  # Podman 4.3.1, shortened
    "ExitCode": 0,
    "Id": "d4e5",
    "Image": "localhost/bb:1",
    "ImageID": "708d",
    "Labels": {"a": "b"},
    "Names": ["web"],
    "Networks": ["n2", "n1"],
    "Ports": [
        {"host_ip": "127.0.0.1", "container_port": 80, "host_port": 8080, "range": 2, "protocol": "tcp"},
        {"host_ip": "", "container_port": 53, "host_port": 53, "range": 1, "protocol": "tcp,udp"},
    ],
    "State": "running",
    "Status": "Up 1 second ago (starting)",
}


def test_running_container():
    assert parse.container(RUNNING) == ObservedContainer(
        name="web",
        id="d4e5",
        image="localhost/bb:1",
        image_id="sha256:708d",
        state="running",
        health="starting",
        labels={"a": "b"},
        networks=("n1", "n2"),
        ports=(("", 53, "tcp"), ("", 53, "udp"), ("127.0.0.1", 8080, "tcp"), ("127.0.0.1", 8081, "tcp")),
    )


STATES = [
    ("exited", "Exited (3) 1 second ago", 3, ("exited", 3, "none")),
    ("exited", "Exited (0) 2 hours ago (unhealthy)", 0, ("exited", 0, "none")),
    ("stopped", "Exited (137)", 137, ("exited", 137, "none")),
    ("configured", "Created", 0, ("created", None, "none")),
    ("initialized", "Initialized", 0, ("created", None, "none")),
    ("running", "Up 3 hours (healthy)", 0, ("running", None, "healthy")),
    ("running", "Up 3 hours (unhealthy)", 0, ("running", None, "unhealthy")),
    ("running", "Up 3 hours", 0, ("running", None, "none")),
    ("paused", "Paused", 0, ("paused", None, "none")),
]


@pytest.mark.parametrize(("state", "status", "code", "expected"), STATES)
def test_states(state, status, code, expected):
    seen = parse.container({**RUNNING, "State": state, "Status": status, "ExitCode": code})
    assert (seen.state, seen.exit_code, seen.health) == expected
    assert bool(seen.ports) is (state == "running")


def test_every_life_differs_even_within_a_second():
    """StartedAt alone would not do: Podman 4.3 gives whole seconds."""
    first, second = ({**RUNNING, "StartedAt": 1795314131, "Pid": pid} for pid in (267, 404))
    assert parse.container(first).started_at and parse.container(first) == parse.container(dict(first))
    assert parse.container(first).started_at != parse.container(second).started_at
    assert parse.container({**first, "State": "exited", "Pid": 0}).started_at == ""


def test_empty_lists_are_null():
    seen = parse.container(
        {"Id": "1", "Names": ["x"], "Labels": None, "Networks": None, "Ports": None, "State": "created"}
    )
    assert (seen.labels, seen.networks, seen.ports) == ({}, (), ())


def test_network_and_volume():
    assert parse.network({"name": "n", "id": "i", "labels": {"a": "b"}}) == ObservedNetwork("n", "i", {"a": "b"})
    assert parse.network({"name": "podman", "id": "i"}) == ObservedNetwork("podman", "i")
    assert parse.volume({"Name": "v", "Labels": None}) == ObservedVolume("v")


def test_images_are_listed_once():
    entry = {
        "Id": "70",
        "RepoTags": None,
        "Names": ["localhost/a:1", "localhost/a:2"],
        "RepoDigests": ["localhost/a@sha256:d"],
    }
    dangling = {"Id": "71", "Names": None, "RepoTags": ["<none>:<none>"], "Labels": {"a": "b"}}
    assert parse.images([entry, entry, dangling]) == (
        ObservedImage("sha256:70", ("localhost/a:1", "localhost/a:2"), ("localhost/a@sha256:d",)),
        ObservedImage("sha256:71", labels={"a": "b"}),
    )


def test_the_digest_that_a_tag_named_comes_before_its_platforms_own():
    """Podman 4.3 after pulling an index of two platforms."""
    entry = {"Id": "70", "Digest": "sha256:e5", "RepoDigests": ["r/a@sha256:3a", "r/a@sha256:e5", "r/a@sha256:16"]}
    assert parse.image(entry).digests == ("r/a@sha256:e5", "r/a@sha256:16", "r/a@sha256:3a")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("podman version 4.3.1\n", ("4.3.1", (4, 3))),
        ("podman version 5.4.0-rc2", ("5.4.0-rc2", (5, 4))),
        ("podman version 5.10.0", ("5.10.0", (5, 10))),
    ],
)
def test_version(text, expected):
    assert parse.version(text) == expected


def test_answers_that_are_none():
    assert parse.documents("", "ps") == parse.documents("null\n", "ps") == []
    assert parse.documents(json.dumps([{"a": 1}]), "ps") == [{"a": 1}]
    with pytest.raises(EngineError, match="podman ps printed no JSON: 'oops'"):
        parse.documents("oops", "ps")
    with pytest.raises(EngineError):
        parse.version("no numbers")


def test_complaints_are_the_engines_own_words():
    noise = 'failed to connect to syslog: Initialization\ntime="2026" level=error msg="no systemd"\n'
    assert parse.complaint(noise + "Error: no such container\n") == "no such container"
    assert "no systemd" in parse.complaint(noise), "noise is better than nothing"
    assert parse.complaint("") == ""
