"""Where Docker is asked by default: facts and a deploy must mean the same daemon."""

from __future__ import annotations

import os
import types

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._engine import docker, docker_connect, docker_url
from ansible_collections.gpu_fleet.containers.plugins.module_utils._engine import open as opening
from ansible_collections.gpu_fleet.containers.plugins.module_utils._errors import InputError
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
        return types.SimpleNamespace(
            _version="", api_version="1.41", version=lambda api_version: {"Version": "1", "ApiVersion": "1.41"}
        )

    sdk = types.SimpleNamespace(APIClient=client, errors=docker.docker.errors, constants=docker.docker.constants)
    monkeypatch.setattr(docker_connect, "docker", sdk)
    docker.DockerEngine()
    assert asked == [f"unix://{sockets}/{there}"] * 2
    assert opening.is_installed("docker")


@pytest.mark.parametrize(
    ("url", "elsewhere", "loopback"),
    [
        ("", False, False),
        ("unix:///run/docker.sock", False, False),
        ("tcp://192.168.1.20:2376", True, False),
        ("tcp://localhost:2375", True, True),
        ("ssh://me@winbox", True, False),
    ],
)
def test_which_engines_are_elsewhere(url, elsewhere, loopback):
    assert (docker_url.is_elsewhere(url), docker_url.is_loopback(url)) == (elsewhere, loopback)


def test_tls_from_an_inventory(tmp_path):
    for name in ("ca", "cert", "key"):
        (tmp_path / f"{name}.pem").touch()
    paths = {name: str(tmp_path / f"{name}.pem") for name in ("ca", "cert", "key")}
    assert docker_url.Tls.from_dict(paths) == docker_url.Tls(**paths)
    assert docker_url.Tls.from_dict({"verify": False}) == docker_url.Tls(verify=False)
    assert docker_url.Tls.from_dict({}) is None and docker_url.Tls.from_dict(None) is None


@pytest.mark.parametrize(
    ("given", "path"),
    [({"cert": "here"}, "container_engine_tls"), ({"ca": "/nowhere/ca.pem"}, "container_engine_tls.ca")],
)
def test_tls_that_cannot_be_used(given, path):
    with pytest.raises(InputError) as caught:
        docker_url.Tls.from_dict(given)
    assert caught.value.path == path
