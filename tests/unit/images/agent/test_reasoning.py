"""The reasoning role with a stand-in for the ranking, which needs Debian's python3-xapian (selftest.py tests it)."""

from __future__ import annotations

import sys
import types
import typing as t
from pathlib import Path

import agent
import pytest
from agent.client import Connection
from agent.message import Refused
from agent.roles import load

from .conftest import TOKEN


class Hit(t.NamedTuple):
    memory: int
    text: str
    score: float
    coverage: float


class Index:
    """Finds texts that hold every word of the question."""

    def __init__(self, path: Path | None) -> None:
        self.restart("")

    def restart(self, store: str) -> None:
        self.store = store
        self.texts: dict[int, str] = {}

    @property
    def last(self) -> int:
        return max(self.texts, default=0)

    @property
    def count(self) -> int:
        return len(self.texts)

    def add(self, number: int, text: str) -> None:
        self.texts[number] = text

    def rank(self, question: str, limit: int) -> list[Hit]:
        words = question.split()
        shares = {number: sum(word in text for word in words) / len(words) for number, text in self.texts.items()}
        hits = [Hit(number, self.texts[number], share, share) for number, share in shares.items() if share]
        return sorted(hits, key=lambda hit: -hit.score)[:limit]

    def commit(self) -> None: ...

    def close(self) -> None: ...


@pytest.fixture
def reasoning(monkeypatch) -> type:
    fake = types.ModuleType("agent.ranking")
    fake.Index, fake.Hit, fake.ENOUGH = Index, Hit, 0.5
    monkeypatch.setitem(sys.modules, "agent.ranking", fake)
    monkeypatch.setattr(agent, "ranking", fake, raising=False)
    monkeypatch.delitem(sys.modules, "agent.roles.reasoning", raising=False)
    return load("UnifiedMemoryReasoningAgent")


def ask(running: t.Any, op: str, **arguments: t.Any) -> t.Any:
    with Connection(running.url) as connection:
        return connection.call(op, {"token": TOKEN, **arguments}, 4)


def test_answers_rest_on_memories(start, reasoning, token_file: str, tmp_path: Path) -> None:
    store = start("MemoryOrchestratorService", MEMORY_TOKEN_FILE=token_file, MEMORY_FILE=str(tmp_path / "db"))
    agent_ = start(reasoning, MEMORY_TOKEN_FILE=token_file, MEMORY_ORCHESTRATOR_URL=store.url)
    assert ask(agent_, "ask", question="tea")["known"] is False

    number = ask(store, "store", text="Ana drinks tea")["memory"]
    answer = ask(agent_, "ask", question="tea")
    assert (answer["known"], answer["answer"]) == (True, "Ana drinks tea")
    assert answer["memories"] == [{"memory": number, "text": "Ana drinks tea", "score": 1.0, "coverage": 1.0}]

    unknown = ask(agent_, "ask", question="tea coffee milk")
    assert unknown == {
        "known": False,
        "answer": "I do not know: none of the 1 stored memories answers this.",
        "memories": [],
    }
    with pytest.raises(Refused) as caught:
        ask(agent_, "ask", question="tea", token="wrong-token")
    assert caught.value.code == "denied"


def test_reads_all_pages_and_notices_another_store(
    start, reasoning, token_file: str, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setattr(sys.modules[reasoning.__module__], "PAGE", 2)
    store = start("MemoryOrchestratorService", MEMORY_TOKEN_FILE=token_file, MEMORY_FILE=str(tmp_path / "one"))
    for number in range(5):
        ask(store, "store", text=f"text{number}")
    agent_ = start(reasoning, MEMORY_TOKEN_FILE=token_file, MEMORY_ORCHESTRATOR_URL=store.url)
    assert ask(agent_, "ask", question="text4")["answer"] == "text4"

    other = start("MemoryOrchestratorService", MEMORY_TOKEN_FILE=token_file, MEMORY_FILE=str(tmp_path / "two"))
    ask(other, "store", text="fresh")
    agent_.server.role.orchestrator.url = other.url
    assert ask(agent_, "ask", question="fresh")["answer"] == "fresh"
    assert ask(agent_, "ask", question="text4")["known"] is False


def test_a_dead_orchestrator_is_named(start, reasoning, token_file: str) -> None:
    dead = "tcp://127.0.0.1:9"
    agent_ = start(reasoning, MEMORY_TOKEN_FILE=token_file, MEMORY_ORCHESTRATOR_URL=dead, AGENT_LINK_TIMEOUT="0.2")
    with pytest.raises(Refused) as caught:
        ask(agent_, "ask", question="tea")
    assert caught.value.code == "unreachable"
    assert dead in caught.value.message
