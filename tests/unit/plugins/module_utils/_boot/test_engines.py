from __future__ import annotations

import http.server
import json
import socketserver
import threading

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._boot import engines
from ansible_collections.gpu_fleet.containers.plugins.module_utils._boot.engines import (
    Docker,
    EngineFailure,
    Look,
    Units,
    docker_look,
    unit_look,
)


def inspected(status="running", policy="unless-stopped", test=None, health=None, **state):
    running = status in ("running", "paused", "restarting")
    entry = {"State": {"Status": status, "Running": running, "StartedAt": "2026-01-01T00:00:00.1Z", **state}}
    entry["State"] |= {"Paused": status == "paused", "Restarting": status == "restarting"}
    if health:
        entry["State"]["Health"] = {"Status": health}
    entry["Config"] = {"Healthcheck": {"Test": test, "Timeout": 2_000_000_000}} if test else {}
    entry["HostConfig"] = {"RestartPolicy": {"Name": policy}}
    return entry


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (inspected(), {"running": True, "healthy": None, "life": "2026-01-01T00:00:00.1Z"}),
        (inspected(test=["CMD", "x"], health="starting"), {"healthy": False, "test": ("CMD", "x"), "timeout": 2.0}),
        (inspected(test=["CMD", "x"], health="healthy"), {"healthy": True}),
        (inspected(test=["NONE"], health="none"), {"healthy": None, "test": ()}),
        (inspected("exited", ExitCode=0), {"running": False, "ended": True, "completed": True, "life": ""}),
        (inspected("exited", ExitCode=3), {"ended": True, "completed": False, "exit_code": 3, "comes_back": True}),
        (inspected("exited", "no", ExitCode=3), {"comes_back": False}),
        (inspected("exited", "on-failure", ExitCode=0), {"comes_back": False}),
        (inspected("exited", "on-failure", ExitCode=1), {"comes_back": True}),
        (inspected("restarting", ExitCode=1), {"running": False, "ended": False}),
        (inspected("paused"), {"running": False}),
        (inspected("created"), {"running": False, "ended": False}),
    ],
)
def test_a_container_as_docker_shows_it(data, expected):
    look = docker_look(data)
    assert {key: getattr(look, key) for key in expected} == expected


@pytest.mark.parametrize(
    ("shown", "one_shot", "expected"),
    [
        ("active running", False, {"running": True, "healthy": True, "life": "x1"}),
        ("activating start", False, {"running": True, "healthy": False}),
        ("activating auto-restart", False, {"running": False, "ended": False}),
        ("activating auto-restart-queued", False, {"running": False}),
        ("failed failed", False, {"running": False, "ended": True, "exit_code": 7, "completed": False}),
        ("inactive dead", False, {"running": False, "ended": False}),
        ("active exited", True, {"completed": True}),
        ("activating start", True, {"completed": False}),
        ("failed failed", True, {"ended": True, "completed": False}),
    ],
)
def test_a_unit_as_systemd_shows_it(shown, one_shot, expected):
    active, sub = shown.split()
    properties = {"LoadState": "loaded", "ActiveState": active, "SubState": sub, "Result": "success"}
    look = unit_look({**properties, "ExecMainStatus": "7", "InvocationID": "x1"}, one_shot)
    assert {key: getattr(look, key) for key in expected} == expected


def test_a_unit_that_is_gone_is_said():
    assert unit_look({"LoadState": "not-found", "ActiveState": "inactive"}, False) == Look(
        words="its unit is not-found; deploy it again"
    )


class FakeDocker(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """Answers `answers[method path]` with (status, object); what it was asked is kept."""

    daemon_threads = True

    def __init__(self, path: str, answers: dict) -> None:
        asked = self.asked = []

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _answer(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                body = json.loads(self.rfile.read(length) or b"null")
                key = f"{self.command} {self.path}"
                asked.append((key, body))
                status, content = answers.get(key, (404, {"message": f"no {key}"}))
                data = b"" if content is None else json.dumps(content).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = _answer  # noqa: N815 (http.server's names)

            def log_message(self, *_words) -> None:
                pass

        super().__init__(path, Handler)


@pytest.fixture
def docker(tmp_path):
    servers = []

    def make(answers):
        server = FakeDocker(str(tmp_path / "docker.sock"), answers)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return Docker(str(tmp_path / "docker.sock")), server.asked

    yield make
    for server in servers:
        server.shutdown()
        server.server_close()


WEB = {"name": "web", "container": "core-web-1", "one_shot": False, "settle": 1.0, "grace": 4.6, "after": []}


def test_docker_is_told_by_its_api(docker):
    engine, asked = docker(
        {
            "GET /_ping": (200, None),
            "GET /containers/core-web-1/json": (200, inspected()),
            "POST /containers/core-web-1/start": (304, None),
            "POST /containers/core-web-1/stop?t=5": (204, None),
        }
    )
    assert engine.is_there() and engine.look(WEB).running
    engine.start(WEB)
    engine.stop(WEB)
    assert [key for key, _body in asked][-1] == "POST /containers/core-web-1/stop?t=5"


def test_docker_s_own_words_are_carried(docker):
    engine, _asked = docker({"POST /containers/core-web-1/start": (500, {"message": "port is already allocated"})})
    with pytest.raises(EngineFailure, match="port is already allocated"):
        engine.start(WEB)
    assert "deploy it again" in engine.look(WEB).words, "a container that does not exist"
    engine.stop(WEB)


def test_no_docker_at_the_socket(tmp_path):
    engine = Docker(str(tmp_path / "none.sock"))
    assert not engine.is_there()
    with pytest.raises(EngineFailure, match=r"none\.sock"):
        engine.look(WEB)


@pytest.mark.parametrize(
    ("test", "argv"), [(("CMD", "ask", "it"), ["ask", "it"]), (("CMD-SHELL", "ask it"), ["/bin/sh", "-c", "ask it"])]
)
@pytest.mark.parametrize(("code", "healthy"), [(0, True), (1, False)])
def test_a_health_check_is_run_here_and_now(docker, test, argv, code, healthy):
    engine, asked = docker(
        {
            "POST /containers/core-web-1/exec": (201, {"Id": "e1"}),
            "POST /exec/e1/start": (200, None),
            "GET /exec/e1/json": (200, {"ExitCode": code, "Running": False}),
        }
    )
    judge = engine.health(WEB, lambda: 0.0)
    assert judge(Look(running=True, healthy=False, test=test)) is healthy
    assert asked[0][1]["Cmd"] == argv
    assert judge(Look(running=True, healthy=True, test=test)), "what Docker knows is not asked again"
    assert len(asked) == 3


def test_without_a_check_it_is_healthy_when_it_has_settled_in_one_life():
    now = 0.0
    judge = Docker("/none").health(WEB, lambda: now)
    assert not judge(Look(running=True, life="a"))
    now = 0.9
    assert not judge(Look(running=True, life="a"))
    now = 1.5
    assert not judge(Look(running=True, life="b")), "it ended and came back meanwhile"
    now = 2.6
    assert judge(Look(running=True, life="b"))
    assert not judge(Look(ended=True))


def test_units_are_not_waited_for_and_asked_for_their_health(monkeypatch):
    asked = []
    monkeypatch.setattr(engines, "_run", lambda words, *_more, **_others: asked.append(tuple(words)) or (0, ""))
    engine = Units(user=True)
    engine.start(WEB)
    engine.stop(WEB)
    judge = engine.health({**WEB, "checked": True}, lambda: 0.0)
    assert not judge(Look(running=True, healthy=False))
    assert judge(Look(running=True, healthy=True, life="a"))
    assert asked == [
        ("systemctl", "--user", "reset-failed", "core-web-1.service"),
        ("systemctl", "--user", "start", "--no-block", "core-web-1.service"),
        ("systemctl", "--user", "stop", "--no-block", "core-web-1.service"),
        ("podman", "healthcheck", "run", "core-web-1"),
    ]


@pytest.mark.parametrize(
    ("live", "job", "system", "outlived"),
    [
        (True, "17", "running", True),
        (True, "17", "degraded", True),
        (False, "17", "running", False),
        (True, "0", "running", False),  # the group alone is stopped, by hand
        (True, "", "running", False),
        (True, "17", "stopping", False),  # the host goes down
    ],
)
def test_containers_that_outlive_docker_are_left(docker, monkeypatch, live, job, system, outlived):
    engine, _asked = docker({"GET /info": (200, {"LiveRestoreEnabled": live})})
    answers = {"show": job, "is-system-running": system}
    monkeypatch.setattr(engines, "_run", lambda words, *_more: (0, answers[words[1]]))
    assert engine.outlived() is outlived
    assert not Units(user=False).outlived()
