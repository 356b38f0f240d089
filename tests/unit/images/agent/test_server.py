from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import typing as t
from pathlib import Path

import pytest
import zmq
from agent import health
from agent import server as server_module
from agent.client import Connection
from agent.message import Refused, Request, Result
from agent.role import Role

from .conftest import IMAGE


class Slow(Role):
    """Answers when the test lets it."""

    gate = threading.Event()

    def op_wait(self, request: Request) -> Result:
        self.gate.wait(5)
        return {"waited": True}

    def op_break(self, request: Request) -> Result:
        raise ValueError("hidden detail")


def ask(url: str, op: str, timeout: float = 3.0, **arguments: t.Any) -> Result:
    with Connection(url) as connection:
        return connection.call(op, arguments, timeout)


def test_every_agent_answers_ping_health_and_ops(start) -> None:
    agent = start(Slow)
    assert ask(agent.url, "ping") == {"agent": "Slow"}
    assert ask(agent.url, "ops")["ops"] == ["break", "health", "ops", "ping", "wait"]
    report = ask(agent.url, "health")
    assert (report["healthy"], report["reason"]) == (True, "")


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        (b"not json", "bad_request"),
        (b"\xff\xfe", "bad_request"),
        (b"[]", "bad_request"),
        (b"{}", "bad_request"),
        (b'{"op": 3}', "bad_request"),
        (b"", "bad_request"),
        (b"[" * 200_000, "bad_request"),
        (b'{"op": "no_such"}', "unknown_op"),
        (b'{"op": "__init__"}', "unknown_op"),
    ],
)
@pytest.mark.parametrize("kind", [zmq.REQ, zmq.DEALER])
def test_bad_messages_are_answered(start, payload: bytes, code: str, kind: int) -> None:
    agent = start(Slow)
    with zmq.Context.instance().socket(kind) as client:
        client.setsockopt(zmq.LINGER, 0)
        client.connect(agent.url)
        client.send(payload)
        assert client.poll(3000)
        reply = json.loads(client.recv())
    assert (reply["ok"], reply["error"]["code"]) == (False, code)


def test_a_bug_is_told_and_the_agent_stays(start) -> None:
    agent = start(Slow)
    with pytest.raises(Refused) as caught:
        ask(agent.url, "break")
    assert caught.value.code == "internal"
    assert "hidden detail" not in caught.value.message
    assert ask(agent.url, "ping")
    assert "hidden detail" in agent.log.read_text()


def test_slow_work_does_not_hide_health(start) -> None:
    Slow.gate.clear()
    agent = start(Slow)
    waiting = [threading.Thread(target=ask, args=(agent.url, "wait")) for _count in range(4)]
    for thread in waiting:
        thread.start()
    begin = time.monotonic()
    assert ask(agent.url, "ping")
    assert health.check(agent.health_socket) == (True, "")
    assert time.monotonic() - begin < 4  # who waits gives up after 5
    Slow.gate.set()
    for thread in waiting:
        thread.join(3)


def test_stuck_work_is_unhealthy(start, monkeypatch) -> None:
    monkeypatch.setattr(server_module, "STUCK", 0.05)
    Slow.gate.clear()
    agent = start(Slow)
    thread = threading.Thread(target=ask, args=(agent.url, "wait"))
    thread.start()
    time.sleep(0.2)
    healthy, reason = health.check(agent.health_socket)
    assert not healthy
    assert "in hand" in reason
    Slow.gate.set()
    thread.join(3)
    assert health.check(agent.health_socket) == (True, "")


def test_health_check_without_an_agent(tmp_path: Path) -> None:
    healthy, reason = health.check(str(tmp_path / "nobody"))
    assert not healthy
    assert "does not answer" in reason


def test_health_check_of_something_else(tmp_path: Path) -> None:
    path = str(tmp_path / "other")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(1)

        def hang_up() -> None:
            listener.accept()[0].close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        assert health.check(path)[0] is False
        thread.join(3)


def test_a_full_backlog_is_refused(start, monkeypatch) -> None:
    monkeypatch.setattr(server_module, "BACKLOG", 1)
    Slow.gate.clear()
    agent = start(Slow)
    thread = threading.Thread(target=ask, args=(agent.url, "wait"))
    thread.start()
    time.sleep(0.1)
    with pytest.raises(Refused) as caught:
        ask(agent.url, "wait")
    assert caught.value.code == "busy"
    Slow.gate.set()
    thread.join(3)


def test_nothing_of_a_request_is_logged(start, token_file, tmp_path) -> None:
    agent = start("MemoryOrchestratorService", MEMORY_TOKEN_FILE=token_file, MEMORY_FILE=str(tmp_path / "db"))
    with pytest.raises(Refused):
        ask(agent.url, "store", token="planted-secret-value", text="planted-text")
    text = agent.log.read_text()
    assert '"refused"' in text
    assert "planted" not in text


PROGRAM = """
import sys, time
sys.path.insert(0, {image!r})
from agent.role import Role
from agent.log import Log
from agent.server import serve
from agent.setting import Setting
class Nap(Role):
    def op_nap(self, request):
        time.sleep(request["seconds"])
        return {{"done": True}}
serve(Nap(Setting({{}})), "tcp://127.0.0.1:*", sys.argv[1], Log("Nap"))
import os
os._exit(0)
"""


@pytest.fixture
def process(tmp_path: Path) -> t.Iterator[tuple[subprocess.Popen[str], str]]:
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM.format(image=str(IMAGE)), str(tmp_path / "health")],
        stdout=subprocess.PIPE,
        text=True,
    ) as child:
        assert child.stdout is not None
        ready = json.loads(child.stdout.readline())
        yield child, ready["url"]
        child.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_sigterm_finishes_the_request_in_hand(process, number: int) -> None:
    child, url = process
    with Connection(url) as connection:
        connection.call("ping", {}, 3)
        timer = threading.Timer(0.15, os.kill, (child.pid, number))
        timer.start()
        assert connection.call("nap", {"seconds": 0.4}, 3) == {"done": True}
    assert child.wait(10) == 0
    assert json.loads(child.stdout.read().splitlines()[-1])["event"] == "stopped"


def test_sigterm_does_not_wait_for_a_stuck_request(process) -> None:
    child, url = process
    with Connection(url) as connection:
        connection.call("ping", {}, 3)
        with pytest.raises(Refused):
            connection.call("nap", {"seconds": 20}, 0.2)
        child.send_signal(signal.SIGTERM)
        assert child.wait(10) == 0
