from __future__ import annotations

import itertools
import socket
import threading
import time

import pytest
import zmq
from agent import client
from agent.client import Connection, Peer
from agent.commands import address, call, measure, percentile, ping
from agent.message import Refused


@pytest.fixture
def silent() -> str:
    """A port that accepts and never speaks ZeroMQ: what docker-proxy looks like with nobody behind it."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(8)
        yield f"tcp://127.0.0.1:{listener.getsockname()[1]}"


@pytest.fixture
def dead() -> str:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    return f"tcp://127.0.0.1:{port}"


@pytest.mark.parametrize("kind", ["silent", "dead"])
def test_no_hang(kind: str, request) -> None:
    url = request.getfixturevalue(kind)
    begin = time.monotonic()
    with pytest.raises(Refused) as caught:
        Peer(url, timeout=0.3).call({}, "ping")
    assert caught.value.code == "unreachable"
    assert url in caught.value.message
    assert 0.25 < time.monotonic() - begin < 5


def test_the_name_of_a_host_that_is_not_there() -> None:
    with pytest.raises(Refused) as caught:
        Peer("tcp://no-such-host.invalid:7000", timeout=0.3).call({}, "ping")
    assert caught.value.code == "unreachable"


@pytest.mark.parametrize("url", ["", "tcp://", "nonsense", "tcp://host:port", "gopher://host:1"])
def test_no_address(url: str) -> None:
    with pytest.raises(Refused) as caught, Connection(url):
        pass
    assert caught.value.code == "bad_url"


def test_a_sender_in_a_hurry_gets_the_error_in_time(dead: str) -> None:
    begin = time.monotonic()
    with pytest.raises(Refused):
        Peer(dead, timeout=9).call({"within": 2}, "ping")
    assert time.monotonic() - begin < 2


def test_ping_measures(start, capsys) -> None:
    agent = start("LogManager")
    assert ping([agent.url, "--count", "20"]) == 0
    report = measure(agent.url, 20, 2)
    assert sorted(report) == ["count", "failures", "p50_ms", "p99_ms", "url"]
    assert report["failures"] == 0
    assert 0 < report["p50_ms"] <= report["p99_ms"]


def test_ping_fails_when_unanswered(dead: str, capsys) -> None:
    assert ping([dead, "--count", "3", "--timeout", "0.2"]) == 1
    report = measure(dead, 3, 0.2)
    assert (report["failures"], report["p50_ms"]) == (3, None)
    assert "did not answer" in report["error"]


def test_call_prints_result_or_error(start, capsys) -> None:
    agent = start("LogManager")
    assert call([agent.url, "log", '{"agent": "a", "message": "m"}']) == 0
    assert capsys.readouterr().out == '{"kept": 1}\n'
    assert call([agent.url, "log"]) == 1
    assert "is missing" in capsys.readouterr().out


def test_call_takes_the_token_from_a_secret(start, token_file, tmp_path, monkeypatch, capsys) -> None:
    agent = start("MemoryOrchestratorService", MEMORY_TOKEN_FILE=token_file, MEMORY_FILE=str(tmp_path / "db"))
    monkeypatch.setenv("MEMORY_TOKEN_FILE", token_file)
    assert call([agent.url, "search", '{"query": "x"}']) == 1
    assert call([agent.url, "search", '{"query": "x"}', "--token", "MEMORY_TOKEN_FILE"]) == 0
    assert capsys.readouterr().out.splitlines()[1] == '{"memories": []}'


@pytest.mark.parametrize("reply", [b"no json", b"[]", b'{"id": 1}', b'{"id": 1, "ok": true}'])
def test_what_answers_is_no_agent(reply: bytes, monkeypatch) -> None:
    monkeypatch.setattr(client, "_ids", itertools.count(1))
    with zmq.Context.instance().socket(zmq.ROUTER) as other:
        other.setsockopt(zmq.LINGER, 0)
        port = other.bind_to_random_port("tcp://127.0.0.1")
        thread = threading.Thread(target=lambda: other.send_multipart([other.recv_multipart()[0], reply]))
        thread.start()
        with pytest.raises(Refused) as caught:
            Peer(f"tcp://127.0.0.1:{port}", 2).call({}, "ping")
        thread.join(3)
    assert caught.value.code == "bad_reply"


def test_address(monkeypatch) -> None:
    monkeypatch.setenv("SOME_URL", "tcp://there:1")
    monkeypatch.setenv("AGENT_PORT", "7140")
    assert address("SOME_URL") == "tcp://there:1"
    assert address("self") == "tcp://127.0.0.1:7140"
    assert address("tcp://x:2") == "tcp://x:2"
    with pytest.raises(Exception, match="neither a URL"):
        address("NOT_SET_URL")


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [([], 50, None), ([3.0], 99, 3.0), ([4.0, 1.0, 3.0, 2.0], 50, 2.0), (list(range(1, 101)), 99, 99)],
)
def test_percentile(values, share, expected) -> None:
    assert percentile(values, share) == expected
