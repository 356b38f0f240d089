from __future__ import annotations

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._engine import docker_parse as parse
from ansible_collections.gpu_fleet.containers.plugins.module_utils._engine.base import (
    ObservedContainer,
    ObservedImage,
    ObservedNetwork,
    ObservedVolume,
)

RUNNING = {
    "Id": "70",
    "Names": ["/other/alias", "/web"],
    "Image": "localhost/a:1",
    "ImageID": "sha256:8a",
    "State": "running",
    "Status": "Up 2 seconds (health: starting)",
    "Labels": {"a": "b"},
    "NetworkSettings": {"Networks": {"n2": {}, "n1": {}}},
    "Ports": [
        {"IP": "0.0.0.0", "PrivatePort": 81, "PublicPort": 32768, "Type": "tcp"},
        {"IP": "::", "PrivatePort": 81, "PublicPort": 32768, "Type": "tcp"},
        {"IP": "127.0.0.1", "PrivatePort": 80, "PublicPort": 8080, "Type": "tcp"},
        {"PrivatePort": 90, "Type": "tcp"},
    ],
}


def test_running_container():
    assert parse.container(RUNNING) == ObservedContainer(
        name="web",
        id="70",
        image="localhost/a:1",
        image_id="sha256:8a",
        state="running",
        health="starting",
        labels={"a": "b"},
        networks=("n1", "n2"),
        ports=(("", 32768, "tcp"), ("127.0.0.1", 8080, "tcp")),
    )


STATES = [
    ("exited", "Exited (137) 2 hours ago", ("exited", 137, "none")),
    ("exited", "Exited (0) Less than a second ago", ("exited", 0, "none")),
    ("created", "Created", ("created", None, "none")),
    ("running", "Up 3 hours (healthy)", ("running", None, "healthy")),
    ("running", "Up 3 hours (unhealthy)", ("running", None, "unhealthy")),
    ("running", "Up 3 hours", ("running", None, "none")),
    ("paused", "Up 3 hours (Paused)", ("paused", None, "none")),
    ("restarting", "Restarting (1) 5 seconds ago", ("restarting", None, "none")),
]


@pytest.mark.parametrize(("state", "status", "expected"), STATES)
def test_states(state, status, expected):
    seen = parse.container({**RUNNING, "State": state, "Status": status})
    assert (seen.state, seen.exit_code, seen.health) == expected


def test_other_objects():
    assert parse.network({"Name": "n", "Id": "i", "Labels": None}) == ObservedNetwork("n", "i")
    assert parse.volume({"Name": "v", "Labels": {"a": "b"}}) == ObservedVolume("v", {"a": "b"})
    image = {
        "Id": "sha256:8a",
        "RepoTags": ["redis:7", "localhost/a/b:1"],
        "RepoDigests": ["redis@sha256:d"],
        "Labels": None,
    }
    assert parse.image(image) == ObservedImage(
        "sha256:8a",
        ("docker.io/library/redis:7", "localhost/a/b:1"),
        ("docker.io/library/redis@sha256:d",),
    )
    dangling = {"Id": "sha256:8b", "RepoTags": ["<none>:<none>"], "RepoDigests": ["<none>@<none>"]}
    assert parse.image(dangling) == ObservedImage("sha256:8b")


TESTS = [
    ({}, None),
    ({"Healthcheck": None}, None),
    ({"Healthcheck": {"Test": ["NONE"]}}, None),
    ({"Healthcheck": {"Test": []}}, None),
    ({"Healthcheck": {"Test": ["CMD", "a", "b c"]}}, (["a", "b c"], 30.0)),
    ({"Healthcheck": {"Test": ["CMD-SHELL", "a | b"], "Timeout": 1_500_000_000}}, (["/bin/sh", "-c", "a | b"], 1.5)),
    ({"Healthcheck": {"Test": ["CMD-SHELL", "a"]}, "Shell": ["/bin/bash", "-ec"]}, (["/bin/bash", "-ec", "a"], 30.0)),
]


@pytest.mark.parametrize(("config", "expected"), TESTS)
def test_health_test(config, expected):
    assert parse.health_test(config) == expected


@pytest.mark.parametrize(("text", "expected"), [("1.41", (1, 41)), ("1.5", (1, 5)), ("2", (2, 0))])
def test_api_version(text, expected):
    assert parse.api_version(text) == expected


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({"Components": [{"Name": "Engine", "Version": "26.1.5"}]}, None),
        ({"Version": "20.10"}, None),
        ({"Components": None}, None),
        ({"Components": [{"Name": "Podman Engine", "Version": "4.3.1"}, {"Name": "Conmon"}]}, (4, 3)),
        ({"Components": [{"Name": "Podman Engine", "Version": "6.0.0-dev"}]}, (6, 0)),
        ({"Components": [{"Name": "Podman Engine"}]}, (0, 0)),
    ],
)
def test_who_answers_in_dockers_place(answer, expected):
    assert parse.podman_version(answer) == expected
