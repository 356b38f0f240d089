"""What Docker says over its socket of its containers, and which come back after a restart."""

from __future__ import annotations

import http.server
import json
import pathlib
import socketserver
import threading
import typing as t
from collections.abc import Iterator

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._errors import EngineError
from ansible_collections.gpu_fleet.containers.plugins.module_utils._host import docker_running
from ansible_collections.gpu_fleet.containers.plugins.module_utils._host.docker_settings import Running

OURS = {"org.gpu-fleet.schema": "1", "org.gpu-fleet.group": "core-services"}
LISTED = [
    {"Id": "a" * 64, "Names": ["/core-services-registry-1"], "Labels": OURS},
    {"Id": "b" * 64, "Names": ["/portainer"], "Labels": {"org.gpu-fleet.group": "not by us"}},
    {"Id": "c" * 64, "Names": None, "Labels": None},
]


class Docker(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True

    def __init__(self, path: str) -> None:
        super().__init__(path, Handler)
        self.path = path
        self.answers: dict[str, tuple[int, t.Any]] = {}
        self.asked: list[str] = []


class Handler(http.server.BaseHTTPRequestHandler):
    server: Docker

    def do_GET(self) -> None:
        asked = f"{self.command} {self.path}"
        self.server.asked.append(asked)
        status, body = self.server.answers.get(asked, (404, {"message": "no such container"}))
        self.send_response(status)
        self.end_headers()
        self.wfile.write(b"" if body is None else json.dumps(body).encode())

    do_POST = do_GET

    def address_string(self) -> str:
        return "unix"

    def log_message(self, format: str, *args: t.Any) -> None:
        pass


@pytest.fixture
def docker(tmp_path: pathlib.Path) -> Iterator[Docker]:
    with Docker(str(tmp_path / "docker.sock")) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_running_names_the_groups_of_ours_only(docker: Docker) -> None:
    docker.answers["GET /containers/json"] = (200, LISTED)
    assert list(docker_running.running(docker.path).values()) == [
        Running("core-services-registry-1", "core-services"),
        Running("portainer", ""),
        Running("c" * 12, ""),
    ]


@pytest.mark.parametrize("status", [204, 304])
def test_ours_are_started_and_those_of_others_named(docker: Docker, status: int) -> None:
    docker.answers["GET /containers/json"] = (200, LISTED)
    before = docker_running.running(docker.path)
    docker.answers["GET /containers/json"] = (200, LISTED[2:])
    docker.answers[f"POST /containers/{'a' * 64}/start"] = (status, None)
    assert docker_running.bring_back(docker.path, before) == ["portainer"]
    assert docker.asked[-1] == f"POST /containers/{'a' * 64}/start"


def test_one_of_ours_that_cannot_start_is_an_error(docker: Docker) -> None:
    docker.answers["GET /containers/json"] = (200, [])
    with pytest.raises(EngineError, match="x: did not come back after .*answered 404: .*no such container"):
        docker_running.bring_back(docker.path, {"a": Running("x", "core-services")})


def test_live_restore_is_waited_for(docker: Docker) -> None:
    docker.answers["GET /info"] = (200, {"LiveRestoreEnabled": True})
    docker_running.await_live_restore(docker.path, 0.0)
    docker.answers["GET /info"] = (200, {"LiveRestoreEnabled": False})
    with pytest.raises(EngineError, match="so it was not restarted"):
        docker_running.await_live_restore(docker.path, 0.2)


def test_a_docker_that_is_gone_is_said(tmp_path: pathlib.Path) -> None:
    with pytest.raises(EngineError, match="Docker does not answer"):
        docker_running.running(str(tmp_path / "docker.sock"))
