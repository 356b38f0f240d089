from __future__ import annotations

import base64
import importlib
import io
import json
import struct
import time
import typing as t
import wave
from pathlib import Path

import pytest
from agent.client import Connection
from agent.message import Refused, Request
from agent.roles import ROLES, load
from agent.roles.models import fit, read_header
from agent.setting import Setting, SettingError

from .conftest import TOKEN

GROUPS = Path(__file__).parents[4] / "inventories/ai_system/groups"
NEEDS_XAPIAN = "UnifiedMemoryReasoningAgent"


def ask(agent: t.Any, op: str, **arguments: t.Any) -> t.Any:
    with Connection(agent.url) as connection:
        return connection.call(op, arguments, 4)


@pytest.mark.parametrize("name", sorted(set(ROLES) - {NEEDS_XAPIAN}))
def test_every_role_has_operations(name: str) -> None:
    assert any(entry.startswith("op_") for entry in dir(load(name)))


def role(name: str, **environment: str) -> t.Any:
    return load(name)(Setting(environment))


def run(name: str, op: str, request: Request, **environment: str) -> t.Any:
    return role(name, **environment).operations()[op](request)


CA = {"CA_FILE": str(GROUPS / "certs/ca.pem")}
CONFIG = {"CONFIG_FILE": str(GROUPS / "config/system.json")}

ANSWERS: list[tuple[str, str, Request, dict[str, str], t.Any]] = [
    ("TextProcessor", "analyse", {"text": "One two. Two!"}, {}, {
        "characters": 13, "words": 3, "sentences": 2,
        "frequent": [{"word": "two", "count": 2}, {"word": "one", "count": 1}]}),
    ("SentimentAnalyzer", "analyse", {"text": "Good and fast"}, {}, {
        "label": "positive", "score": 1.0, "matched": 2, "method": "word list"}),
    ("SentimentAnalyzer", "analyse", {"text": "not good"}, {}, {
        "label": "negative", "score": -1.0, "matched": 1, "method": "word list"}),
    ("SentimentAnalyzer", "analyse", {"text": ""}, {}, {
        "label": "neutral", "score": 0.0, "matched": 0, "method": "word list"}),
    ("LLMService", "models", {}, {}, {"models": [], "stand_in": True}),
    ("StreamingTTSAgent", "plan", {"text": "Hello there. Bye"}, {}, {
        "pieces": [{"text": "Hello there.", "seconds": 0.8}, {"text": "Bye", "seconds": 0.4}]}),
    ("ConfigManager", "get", {"key": "memory.limit"}, CONFIG, {"key": "memory.limit", "value": 5}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "op", "request_", "environment", "expected"), ANSWERS)
def test_answers(name: str, op: str, request_: Request, environment: dict[str, str], expected: t.Any) -> None:
    assert run(name, op, request_, **environment) == expected


HALF_A_CHARACTER = json.loads('"\\ud800"')

REFUSALS: list[tuple[str, str, Request, dict[str, str], str]] = [
    ("LLMService", "complete", {"prompt": "hello"}, {}, "stand_in"),
    ("StreamingTTSAgent", "speak", {"text": "hello"}, {}, "stand_in"),
    ("StreamingTTSAgent", "tone", {"seconds": 60}, {}, "bad_request"),
    ("TextProcessor", "analyse", {}, {}, "bad_request"),
    ("TextProcessor", "analyse", {"text": 3}, {}, "bad_request"),
    ("TextProcessor", "analyse", {"text": HALF_A_CHARACTER}, {}, "bad_request"),
    ("SelfTrainingOrchestrator", "finish", {"job": 10**30}, {}, "bad_request"),
    ("CodeGenerator", "generate", {"name": "1x", "fields": {}}, {}, "bad_request"),
    ("CodeGenerator", "generate", {"name": "class", "fields": {}}, {}, "bad_request"),
    ("CodeGenerator", "generate", {"name": "X", "fields": {"a": "import os"}}, {}, "bad_request"),
    ("CodeGenerator", "generate", {"name": "X", "fields": {"a\nb": "int"}}, {}, "bad_request"),
    ("ConfigManager", "get", {"key": "memory.none"}, CONFIG, "unknown"),
    ("SelfTrainingOrchestrator", "take", {}, {}, "empty"),
    ("ActiveLearningMonitor", "observe", {"text": "x", "confidence": 2}, {}, "bad_request"),
    ("ActiveLearningMonitor", "observe", {"text": "x", "confidence": True}, {}, "bad_request"),
    ("SystemDigitalTwin", "state", {"name": "none"}, {}, "unknown"),
    ("RequestCoordinator", "forward", {"to": "none", "request": {"op": "ping"}}, {}, "unknown"),
]


@pytest.mark.parametrize(("name", "op", "request_", "environment", "code"), REFUSALS)
def test_refusals(name: str, op: str, request_: Request, environment: dict[str, str], code: str) -> None:
    with pytest.raises(Refused) as caught:
        run(name, op, request_, **environment)
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("name", "environment", "message"),
    [
        ("MemoryClient", {}, "MEMORY_ORCHESTRATOR_URL is not set"),
        ("AuthenticationAgent", CA, "SIGNING_KEY_FILE does not name"),
        ("ConfigManager", {"CONFIG_FILE": "/none"}, "no readable JSON"),
        ("MemoryOrchestratorService", {"MEMORY_TOKEN_FILE": "/none"}, "cannot be read"),
    ],
)
def test_wrong_settings(name: str, environment: dict[str, str], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        role(name, **environment)


def test_a_short_secret_is_refused(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("short\n")
    with pytest.raises(SettingError, match="shorter than 8"):
        role("MemoryOrchestratorService", MEMORY_TOKEN_FILE=str(tmp_path / "token"))


def test_generated_code_runs(tmp_path: Path, monkeypatch) -> None:
    code = run("CodeGenerator", "generate", {"name": "Point", "fields": {"x": "float"}})["code"]
    (tmp_path / "generated_point.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    assert importlib.import_module("generated_point").Point(1.5).x == 1.5


def test_training_queue() -> None:
    operations = role("SelfTrainingOrchestrator").operations()
    operations["submit"]({"name": "a"})
    assert operations["take"]({})["name"] == "a"
    assert operations["finish"]({"job": 1})["state"] == "finished"
    assert [job["state"] for job in operations["jobs"]({})["jobs"]] == ["finished"]


def test_least_certain_first() -> None:
    operations = role("ActiveLearningMonitor").operations()
    for text, confidence in (("sure", 0.9), ("unsure", 0.1), ("half", 0.5)):
        operations["observe"]({"text": text, "confidence": confidence})
    assert [entry["text"] for entry in operations["uncertain"]({"limit": 2})["predictions"]] == ["unsure", "half"]


def test_tone_is_a_wave_file() -> None:
    data = base64.b64decode(run("StreamingTTSAgent", "tone", {"seconds": 0.1})["wav"])
    with wave.open(io.BytesIO(data)) as file:
        assert (file.getframerate(), file.getnframes()) == (16000, 1600)


def test_gguf_header(tmp_path: Path) -> None:
    (tmp_path / "a.gguf").write_bytes(struct.pack("<4sIQQ", b"GGUF", 3, 291, 24) + b"rest")
    (tmp_path / "b.gguf").write_bytes(b"junk")
    models = run("GGUFModelManager", "models", {}, MODELS_DIR=str(tmp_path))["models"]
    assert models[0] == {"name": "a.gguf", "bytes": 28, "version": 3, "tensors": 291, "metadata": 24}
    assert models[1]["error"] == "not a GGUF file"
    assert read_header(tmp_path / "b.gguf") == models[1]


def test_fit() -> None:
    assert fit({"big": 9, "small": 2, "middle": 4}, 7) == {
        "fits": ["small", "middle"],
        "left_out": ["big"],
        "left_bytes": 1,
    }


def test_tokens(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "key").write_text("signing-key-of-a-test")
    operations = role("AuthenticationAgent", SIGNING_KEY_FILE=str(tmp_path / "key"), **CA).operations()
    token = operations["issue"]({"subject": "ana", "seconds": 60})["token"]
    assert operations["verify"]({"token": token})["subject"] == "ana"
    body, signature = token.split(".")
    for wrong in ("", ".", body, f"{body}.", f"{body}.AAAA", f"{body}x.{signature}", f"{body}.é"):
        with pytest.raises(Refused) as caught:
            operations["verify"]({"token": wrong} if wrong else {"token": "x"})
        assert caught.value.code == "denied"
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 61)
    with pytest.raises(Refused) as caught:
        operations["verify"]({"token": token})
    assert caught.value.code == "expired"
    assert len(operations["ca"]({})["sha256"]) == 64


def test_memory_path(start, token_file: str, tmp_path: Path) -> None:
    """Coordinator → session memory → memory client → orchestrator, over ZeroMQ."""
    orchestrator = start(
        "MemoryOrchestratorService", MEMORY_TOKEN_FILE=token_file, MEMORY_FILE=str(tmp_path / "memory.sqlite")
    )
    links = {"MEMORY_ORCHESTRATOR_URL": orchestrator.url, "MEMORY_REASONING_URL": "tcp://127.0.0.1:9"}
    client = start("PC2Services", MEMORY_TOKEN_FILE=token_file, AGENT_LINK_TIMEOUT="0.3", **links)
    session = start("SessionMemoryAgent", MEMORY_CLIENT_URL=client.url)
    coordinator = start("RequestCoordinator", SESSION_MEMORY_AGENT_URL=session.url, MEMORY_CLIENT_URL=client.url)

    append = {"op": "append", "session": "s", "speaker": "Ana", "text": "The train leaves at nine"}
    assert ask(coordinator, "forward", to="session-memory-agent", request=append) == {"turns": 1}
    stored = ask(session, "remember", session="s")
    found = ask(client, "search", query="train")["memories"]
    assert [memory["memory"] for memory in found] == [stored["memory"]]
    assert ask(client, "get", memory=stored["memory"])["text"] == "Ana: The train leaves at nine"

    with pytest.raises(Refused) as caught:
        ask(orchestrator, "search", query="train")
    assert caught.value.code == "denied"
    assert ask(orchestrator, "search", query="train", token=TOKEN)["memories"] == found

    with pytest.raises(Refused) as caught:
        ask(client, "store", text="x" * 70_000)
    assert caught.value.code == "too_long"
    with pytest.raises(Refused) as caught:
        ask(client, "store", text="x" * 2_000_000)
    assert caught.value.code == "too_long"

    with pytest.raises(Refused) as caught:
        ask(client, "ask", question="when?")
    assert caught.value.code == "unreachable"
    services = ask(client, "status")["services"]
    assert [services[name]["healthy"] for name in sorted(services)] == [True, False]


def test_overview_names_a_dead_peer(start) -> None:
    alive = start("LogManager")
    agent = start("UnifiedSystemAgent", LOGS_URL=alive.url, GONE_URL="tcp://127.0.0.1:9", AGENT_LINK_TIMEOUT="0.2")
    overview = ask(agent, "overview")
    assert overview["healthy"] is False
    assert overview["peers"]["logs"]["healthy"] is True
    assert "did not answer" in overview["peers"]["gone"]["reason"]
    assert ask(agent, "system")["memory_available_bytes"] > 0


def test_configuration_file_is_json() -> None:
    assert json.loads((GROUPS / "config/system.json").read_text())
