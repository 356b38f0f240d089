"""Where Docker is asked by default: facts and a deploy must mean the same daemon."""

from __future__ import annotations

import os
import types

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._engine import docker, docker_url
from ansible_collections.gpu_fleet.containers.plugins.module_utils._engine import open as opening
from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu import docker_api


@pytest.fixture
def sockets(monkeypatch, tmp_path):
    """A host without sockets; make files below it to have some."""
    monkeypatch.setattr(docker_url, "ROOTFUL", str(tmp_path / "rootful.sock"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "run").mkdir()
    (tmp_path / "home/.docker/desktop").mkdir(parents=True)
    return tmp_path


@pytest.mark.parametrize(
    ("there", "writable", "expected"),
    [
        ([], True, "rootful.sock"),
        (["rootful.sock"], True, "rootful.sock"),
        (["rootful.sock", "run/docker.sock"], True, "rootful.sock"),
        (["rootful.sock", "run/docker.sock"], False, "run/docker.sock"),
        (["rootful.sock"], False, "rootful.sock"),
        (["home/.docker/desktop/docker.sock"], False, "home/.docker/desktop/docker.sock"),
    ],
)
def test_the_default_socket(sockets, monkeypatch, there, writable, expected):
    for name in there:
        (sockets / name).touch()
    monkeypatch.setattr(os, "access", lambda path, _mode: writable and os.path.exists(path))
    assert docker_url.default_url() == f"unix://{sockets}/{expected}"


@pytest.mark.parametrize("docker_host", ["", "tcp://10.0.0.9:2375"])
@pytest.mark.parametrize("there", ["rootful.sock", "run/docker.sock"])
def test_facts_deploy_and_presence_look_at_the_same_docker(sockets, monkeypatch, there, docker_host):
    monkeypatch.setenv("DOCKER_HOST", docker_host)
    (sockets / there).touch()
    asked = []
    monkeypatch.setattr(docker_api, "_get", lambda url, _path: asked.append(url))
    docker_api.info("")

    def client(base_url, **_rest):
        asked.append(base_url)
        return types.SimpleNamespace(api_version="1.41", version=lambda: {"Version": "1"})

    monkeypatch.setattr(docker, "docker", types.SimpleNamespace(APIClient=client, errors=docker.docker.errors))
    docker.DockerEngine()
    assert asked == [f"unix://{sockets}/{there}"] * 2
    assert opening.is_installed("docker")
