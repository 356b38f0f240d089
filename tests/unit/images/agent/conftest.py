"""The reference agents are no part of the collection: their folder is put on the path."""

from __future__ import annotations

import sys
import threading
import typing as t
from pathlib import Path

import pytest

IMAGE = Path(__file__).parents[4] / "inventories/ai_system/images/agent"
sys.path.insert(0, str(IMAGE))

pytest.importorskip("zmq", reason="the agents speak ZeroMQ: pip install -r requirements-test.txt")

from agent.log import Log  # noqa: E402
from agent.roles import load  # noqa: E402
from agent.server import Server  # noqa: E402
from agent.setting import Setting  # noqa: E402

TOKEN = "test-token-0123456789"


class Running(t.NamedTuple):
    url: str
    health_socket: str
    server: Server
    thread: threading.Thread
    log: Path


@pytest.fixture
def token_file(tmp_path: Path) -> str:
    path = tmp_path / "token"
    path.write_text(TOKEN + "\n")
    return str(path)


@pytest.fixture
def start(tmp_path: Path) -> t.Iterator[t.Callable[..., Running]]:
    """Starts an agent in a thread: ``start("MemoryClient", MEMORY_ORCHESTRATOR_URL=…)`` or with a role class."""
    running: list[Running] = []

    def begin(role: t.Any, **environment: str) -> Running:
        kind = load(role) if isinstance(role, str) else role
        log = tmp_path / f"log{len(running)}"
        health = str(tmp_path / f"health{len(running)}")
        server = Server(kind(Setting(environment)), "tcp://127.0.0.1:*", health, Log(kind.__name__, log.open("w")))
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        running.append(Running(server.url, health, server, thread, log))
        return running[-1]

    yield begin
    for entry in running:
        entry.server.stop()
        entry.thread.join(3)
        entry.server.log.stream.close()
