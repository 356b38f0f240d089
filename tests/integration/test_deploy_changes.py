"""What a second deploy does to a running system: exactly what is due, and back again when that does not work."""

from __future__ import annotations

import json
import os
import pathlib
import re
import signal
import subprocess
import time

import pytest

from .conftest import IMAGE
from .deploy_system import System, cli, containers, inspected, touched

SERVICES = 8
KNOWLEDGE = "mainpc-memory-system-knowledge-base-1"
CLIENT = "mainpc-memory-system-memory-client-1"
SESSIONS = "mainpc-memory-system-session-memory-agent-1"


def worked_on(events: list[str]) -> list[str]:
    """Events that say that something is done to a container."""
    return [text for text in events if re.search(r": (creating|making anew|starting|restarting|removing)\b", text)]


def test_what_was_stopped_or_removed_by_hand_is_repaired(system: System) -> None:
    before = containers(system.engine)
    cli(system.engine, "stop", "-t", "3", KNOWLEDGE)
    stopped = system.deploy()
    assert stopped.changed == {"mainpc": 1, "pc2": 0}
    assert worked_on(stopped.events) == [
        "mainpc memory-system/knowledge-base: starting (it is stopped (exit status 0))"
    ]
    after = containers(system.engine)
    assert touched(before, after) == {KNOWLEDGE}
    assert after[KNOWLEDGE].running and after[KNOWLEDGE].id == before[KNOWLEDGE].id

    cli(system.engine, "rm", "-f", KNOWLEDGE)
    removed = system.deploy()
    assert removed.changed == {"mainpc": 1, "pc2": 0}
    assert worked_on(removed.events) == ["mainpc memory-system/knowledge-base: creating (it is missing)"]
    assert touched(after, containers(system.engine)) == {KNOWLEDGE}
    system.nothing_to_do()


def test_one_changed_value_touches_one_service_and_who_restarts_with_it(system: System) -> None:
    # The session agent restarts with the memory client from here on.
    system.edit(
        "memory-system",
        "depends_on: {memory-client: {condition: service_healthy}}",
        "depends_on: {memory-client: {condition: service_healthy, restart: true}}",
    )
    system.deploy()
    before = containers(system.engine)
    system.edit(
        "memory-system",
        "environment: {MEMORY_TOKEN_FILE: /run/secrets/memory_token}",
        "environment: {MEMORY_TOKEN_FILE: /run/secrets/memory_token, AGENT_LOG_LEVEL: debug}",
    )

    would = system.deploy("--check", "--diff")
    assert would.changed == {"mainpc": 1, "pc2": 0}
    lines = [line for line in would.output.splitlines() if re.match(r"[-+](?![-+]{2} )", line)]
    assert lines == ["+environment.AGENT_LOG_LEVEL: debug"]
    assert "--- before: memory-system/memory-client (recreate)" in would.output
    assert containers(system.engine) == before

    done = system.deploy()
    assert done.changed == {"mainpc": 1, "pc2": 0}
    assert worked_on(done.events) == [
        "mainpc memory-system/memory-client: making anew (environment.AGENT_LOG_LEVEL: (not set) → 'debug')",
        "mainpc memory-system/session-memory-agent: restarting (memory-client: recreate)",
    ]
    after = containers(system.engine)
    assert touched(before, after) == {CLIENT, SESSIONS}
    assert after[CLIENT].id != before[CLIENT].id and after[SESSIONS].id == before[SESSIONS].id
    system.nothing_to_do()


def test_an_unhealthy_update_brings_the_whole_group_back(system: System) -> None:
    before = containers(system.engine)
    specs = {entry["Name"]: entry["Config"]["Labels"]["org.gpu-fleet.spec"] for entry in inspected(system.engine)}
    # A new image for every service of the group, and one service that will never be healthy.
    system.edit("memory-system", 'bookworm-slim"}', 'bookworm-slim", NOTE: another}')
    system.edit(
        "memory-system",
        "    command: [KnowledgeBase]",
        "    command: [KnowledgeBase]\n"
        '    healthcheck: {test: [CMD, "false"], interval: 1s, timeout: 1s, retries: 1, start_period: 1s}',
    )
    failed = system.deploy(rc=2)
    assert "memory-system/knowledge-base: its health check fails" in failed.errors[0]
    assert f"last log lines of {KNOWLEDGE}:" in failed.errors[0]
    assert "brought back as it was: knowledge-base, memory-client" in failed.output
    after = containers(system.engine)
    assert {name: (entry.id, entry.image, entry.running) for name, entry in after.items()} == {
        name: (entry.id, entry.image, entry.running) for name, entry in before.items()
    }
    assert touched(before, after) <= {KNOWLEDGE, CLIENT, SESSIONS}
    assert specs == {
        entry["Name"]: entry["Config"]["Labels"]["org.gpu-fleet.spec"] for entry in inspected(system.engine)
    }
    system.restore()
    system.nothing_to_do()


def test_groups_are_compose_projects(system: System) -> None:
    services = {
        (labels["com.docker.compose.project"], labels["com.docker.compose.service"])
        for labels in (entry["Config"]["Labels"] for entry in inspected(system.engine))
        if labels["com.docker.compose.oneoff"] == "False" and labels["com.docker.compose.container-number"] == "1"
    }
    assert services == {
        ("mainpc-core-services", "request-coordinator"),
        ("mainpc-core-services", "system-digital-twin"),
        ("mainpc-core-services", "unified-system-agent"),
        ("mainpc-memory-system", "knowledge-base"),
        ("mainpc-memory-system", "memory-client"),
        ("mainpc-memory-system", "session-memory-agent"),
        ("pc2-pc2-memory", "memory-orchestrator"),
        ("pc2-pc2-memory", "memory-reasoning"),
    }
    for kind, label in (("network", "com.docker.compose.network"), ("volume", "com.docker.compose.volume")):
        entries = inspected(system.engine, kind)
        labels = [entry.get("Labels") or entry["labels"] for entry in entries]
        assert entries and all({label, "com.docker.compose.project"} <= set(each) for each in labels)
    # Where a machine has Compose, it is asked; Debian 12 has none, so on CI the labels have to do.
    compose = os.environ.get("GPU_FLEET_COMPOSE")
    if compose and system.engine == "docker":
        projects = json.loads(cli(compose, "ls", "--format", "json"))
        assert {(entry["Name"], entry["Status"]) for entry in projects} == {
            ("mainpc-core-services", "running(3)"),
            ("mainpc-memory-system", "running(3)"),
            ("pc2-pc2-memory", "running(2)"),
        }
        listed = [
            json.loads(line) for line in cli(compose, "-p", "pc2-pc2-memory", "ps", "--format", "json").splitlines()
        ]
        assert {entry["Service"] for entry in listed} == {"memory-orchestrator", "memory-reasoning"}


def modules_of(work: str) -> list[int]:
    """Pids of processes of this machine that run a module of ours now."""
    found = []
    for entry in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if any(word.endswith(f"AnsiballZ_{work}.py".encode()) for word in words) and b"async_wrapper" not in words[1]:
            found.append(int(entry.name))
    return found


def test_a_first_deploy_that_was_killed_goes_on(podman_system: System) -> None:
    podman_system.play("playbooks/teardown.yml")
    argv, environment = podman_system.command("deploy.yml")
    with subprocess.Popen(argv, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as deploy:
        deadline = time.monotonic() + 180
        while not (cli("podman", "ps", "-aq").split() and modules_of("container_groups")):
            assert deploy.poll() is None and time.monotonic() < deadline, "no container was made"
            time.sleep(0.05)
        killed = modules_of("container_groups")
        for pid in killed:
            os.kill(pid, signal.SIGKILL)
        output, _nothing = deploy.communicate(timeout=300)
    assert killed and deploy.returncode == 2, output
    assert len(containers("podman")) < SERVICES

    again = podman_system.deploy()
    assert max(again.changed.values()) > 0
    there = containers("podman")
    assert len(there) == SERVICES and all(container.running for container in there.values())
    podman_system.nothing_to_do()


@pytest.fixture
def foreign_container(podman_system: System, podman_engine) -> str:
    """Somebody else's container under a name that we need; its id."""
    cli("podman", "rm", "-f", KNOWLEDGE)
    return cli("podman", "run", "-d", "--name", KNOWLEDGE, IMAGE, "sleep", "1000").strip()


def test_a_foreign_container_is_refused_or_taken_over(podman_system: System, foreign_container: str) -> None:
    podman_system.edit("core-services", "command: [SystemDigitalTwin]", "command: [SystemDigitalTwin, --verbose]")
    before = containers("podman")
    refused = podman_system.deploy(rc=2)
    assert refused.changed == {"mainpc": 0, "pc2": 0}
    assert f"a container named {KNOWLEDGE} exists and belongs to somebody else" in refused.errors[0]
    assert "container_adopt=true" in refused.errors[0]
    assert containers("podman") == before
    assert cli("podman", "inspect", "-f", "{{.Id}}", KNOWLEDGE).strip() == foreign_container

    podman_system.restore()
    taken = podman_system.deploy("-e", "container_adopt=true")
    assert worked_on(taken.events) == [
        "mainpc memory-system/knowledge-base: making anew (it was made by somebody else)"
    ]
    after = containers("podman")
    assert touched(before, after) == {KNOWLEDGE}
    assert foreign_container not in cli("podman", "ps", "-aq", "--no-trunc")
    podman_system.nothing_to_do()
