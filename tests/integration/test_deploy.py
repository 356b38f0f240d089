"""The whole example system: a first deploy, a second one, and the way to the other engine and back."""

from __future__ import annotations

import pytest

from .deploy_system import System, cli, containers, inspected, names_of

VOLUMES = {
    "mainpc": [
        "mainpc-ai-models-gpu-services_models",
        "mainpc-learning-knowledge_knowledge",
        "mainpc-memory-system_knowledge",
    ],
    "pc2": ["pc2-pc2-memory_index", "pc2-pc2-memory_memory"],
}
SERVICES = 24


@pytest.fixture(scope="module")
def whole(prepared, tmp_path_factory) -> System:
    return System(tmp_path_factory.mktemp("whole"), small=False)


def test_first_deploy_then_nothing_to_do(whole: System) -> None:
    # Whatever ran before in this machine: nothing of it is here now.
    whole.play("playbooks/teardown.yml", "-e", "container_remove_volumes=true")
    for label in ("org.gpu-fleet.image.inputs", "org.gpu-fleet.image.bootstrap"):
        images = cli("podman", "images", "-q", "--filter", f"label={label}").split()
        if images:
            cli("podman", "rmi", "-f", *images)
    first = whole.deploy()
    assert min(first.changed.values()) > 0
    assert "mainpc | build ai-system/agent: " in first.output or "pc2 | build ai-system/agent: " in first.output
    there = containers("podman")
    assert len(there) == SERVICES and all(container.running for container in there.values())

    verified = whole.play("playbooks/verify.yml")
    assert f"{SERVICES} of {SERVICES} services are healthy" in verified.output
    for step in ("A memory is stored on MainPC", "PC2 has it", "MainPC gets an answer that rests on it"):
        assert f"TASK [{step}]" in verified.output
    assert "skipped: " not in verified.output
    assert '"known": true, "answer": "Verification run ' in verified.output

    # The ranking needs Debian's python3-xapian, which is in the image: its tests run there.
    reasoning = "pc2-pc2-memory-memory-reasoning-1"
    cli("podman", "exec", reasoning, "python3", "/opt/agent/selftest.py")

    assert set(whole.nothing_to_do().changed) == {"mainpc", "pc2"}
    assert set(whole.nothing_to_do("-l", "mainpc").changed) == {"mainpc"}


def left_behind(output: str) -> list[str]:
    return [line.strip() for line in output.splitlines() if line.strip().startswith("left behind on ")]


def test_every_group_moves_to_docker_and_back(whole: System, docker_daemon) -> None:
    there = [(engine, {entry["Name"] for entry in inspected(engine)}) for engine in ("podman", "docker")]
    assert [len(names) for _engine, names in there] == [SERVICES, 0]

    for engine, other in (("docker", "podman"), ("podman", "docker")):
        whole.use(engine)
        move = whole.deploy()
        assert min(move.changed.values()) > 0
        assert left_behind(move.output) == [
            f"left behind on {other}: volumes {', '.join(names)} (remove them there when their data is not needed)"
            for names in VOLUMES.values()
        ]
        assert f"pc2 pc2-memory: stopped on {other}, it moves to {engine}" in move.events
        assert containers(other) == {} and names_of(other, "network") == set()
        assert names_of(other, "volume") == {name for names in VOLUMES.values() for name in names}
        here = containers(engine)
        assert len(here) == SERVICES and all(container.running for container in here.values())
        whole.nothing_to_do()
        assert cli(other, "ps", "-aq", "--filter", "label=com.docker.compose.project").split() == []
