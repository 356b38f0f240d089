"""A first deploy from nothing, whatever ansible-core runs this: the tier `versions` runs it with the newer one."""

from __future__ import annotations

from .deploy_system import System, containers

SERVICES = {
    "mainpc-core-services-request-coordinator-1",
    "mainpc-core-services-system-digital-twin-1",
    "mainpc-core-services-unified-system-agent-1",
    "mainpc-memory-system-knowledge-base-1",
    "mainpc-memory-system-memory-client-1",
    "mainpc-memory-system-session-memory-agent-1",
    "pc2-pc2-memory-memory-orchestrator-1",
    "pc2-pc2-memory-memory-reasoning-1",
}


def test_deploy_verify_and_nothing_more(podman_system: System) -> None:
    there = containers("podman")
    assert set(there) == SERVICES
    assert all(container.running for container in there.values())

    verified = podman_system.play("playbooks/verify.yml")
    assert "8 of 8 services are healthy" in verified.output
    assert "TASK [PC2 has it]" in verified.output

    podman_system.nothing_to_do()
