"""The group files of the example: what every service must have, and that the pieces fit together."""

from __future__ import annotations

import re
import typing as t
from pathlib import Path

import pytest
import yaml
from agent.roles import ROLES

INVENTORIES = Path(__file__).parents[4] / "inventories"
FILES = sorted((INVENTORIES / "ai_system/groups").glob("*.yml"))
GROUPS: dict[str, dict[str, t.Any]] = {path.stem: yaml.safe_load(path.read_text()) for path in FILES}
SERVICES = [(group, name) for group, content in GROUPS.items() for name in content["services"]]

AGENTS = {
    "core-services": {"SystemDigitalTwin", "RequestCoordinator", "UnifiedSystemAgent"},
    "memory-system": {"MemoryClient", "SessionMemoryAgent", "KnowledgeBase"},
    "utility-services": {"CodeGenerator", "LLMService", "SelfTrainingOrchestrator", "PC2Services"},
    "ai-models-gpu-services": {"GGUFModelManager", "ModelManagerAgent", "VRAMOptimizerAgent"},
    "learning-knowledge": {"ActiveLearningMonitor", "KnowledgeBase"},
    "language-processing": {"TextProcessor", "SentimentAnalyzer"},
    "audio-processing": {"StreamingTTSAgent"},
    "emotion-system": {"EmotionDetector"},
    "utilities-support": {"LogManager", "ConfigManager"},
    "security-auth": {"AuthenticationAgent"},
    "pc2-memory": {"MemoryOrchestratorService", "UnifiedMemoryReasoningAgent"},
}


def test_every_agent_is_there() -> None:
    found = {name: {service["command"][0] for service in group["services"].values()} for name, group in GROUPS.items()}
    assert found == AGENTS
    assert set().union(*AGENTS.values()) == set(ROLES)


@pytest.mark.parametrize("inventory", ["local", "ai_system"])
def test_every_group_runs_somewhere(inventory: str) -> None:
    hosts = [yaml.safe_load(path.read_text()) for path in (INVENTORIES / inventory / "host_vars").glob("*.yml")]
    named = [group for host in hosts for group in host["container_groups"]]
    assert sorted(named) == sorted(GROUPS)


@pytest.mark.parametrize(("group", "name"), SERVICES)
def test_every_service_is_confined(group: str, name: str) -> None:
    service = GROUPS[group]["services"][name]
    assert service["user"] == "10001:10001"
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert set(service["deploy"]["resources"]["limits"]) == {"cpus", "memory", "pids"}
    assert service["healthcheck"]["test"] == ["CMD", "agent-health"]
    assert "privileged" not in service


@pytest.mark.parametrize(("group", "name"), SERVICES)
def test_links_lead_to_a_service(group: str, name: str) -> None:
    for variable, link in GROUPS[group]["services"][name].get("x-links", {}).items():
        match = re.fullmatch(r"tcp://([\w-]+)/([\w-]+):(\d+)", link["url"])
        assert match, link
        target = GROUPS[match[1]]["services"][match[2]]
        assert target.get("environment", {}).get("AGENT_PORT", "7000") == match[3]
        assert link["check"] == ["agent-ping", variable, "--count", "100"]


@pytest.mark.parametrize("group", GROUPS)
def test_start_order_has_no_cycle(group: str) -> None:
    def walk(name: str, seen: tuple[str, ...]) -> None:
        assert name not in seen
        for need in GROUPS[name]["x-fleet"].get("needs", []):
            walk(need, (*seen, name))

    walk(group, ())


def test_two_services_or_more_use_secrets() -> None:
    assert sum("secrets" in GROUPS[group]["services"][name] for group, name in SERVICES) >= 2


def test_only_public_certificates() -> None:
    for path in (INVENTORIES / "ai_system").rglob("*"):
        if path.is_file():
            assert b"PRIVATE KEY" not in path.read_bytes(), path
