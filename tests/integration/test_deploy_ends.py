"""PC2 is away, and the end of everything."""

from __future__ import annotations

import json
import os

from .deploy_system import System, cli, containers, names_of

VOLUMES = {"mainpc-memory-system_knowledge", "pc2-pc2-memory_index", "pc2-pc2-memory_memory"}


def refused_for_pc2(system: System) -> None:
    """`deploy.yml -l mainpc` says once which link does not answer, where it was looked for, and what to run."""
    refused = system.deploy("-l", "mainpc", rc=2)
    assert refused.changed == {"mainpc": 0}
    assert refused.output.count("FAILED!") == 1
    assert len(refused.errors) == 1
    for text in (
        "services.memory-client.x-links.MEMORY_ORCHESTRATOR_URL",
        "pc2-memory/memory-orchestrator:7140 on pc2 does not answer",
        "tcp://10.77.2.1:7140",
        "ansible-playbook deploy.yml -l pc2 -e container_group=pc2-memory",
    ):
        assert text in refused.errors[0]
    assert refused.seconds < 60  # the group's timeout: it was not waited for, and most of it is Ansible's own


def test_mainpc_without_pc2(podman_system: System) -> None:
    podman_system.play("playbooks/teardown.yml", "-l", "pc2")
    running = containers("podman")
    assert {name.partition("-")[0] for name in running} == {"mainpc"}
    refused_for_pc2(podman_system)
    assert containers("podman") == running

    podman_system.play("playbooks/teardown.yml", "-l", "mainpc")
    refused_for_pc2(podman_system)
    assert containers("podman") == {} and names_of("podman", "network") == set()


def test_teardown_keeps_volumes_and_names_them(podman_system: System) -> None:
    # Volumes of a larger system that was here before are kept as well, so begin without any.
    podman_system.play("playbooks/teardown.yml", "-e", "container_remove_volumes=true")
    podman_system.deploy()
    away = podman_system.play("playbooks/teardown.yml")
    assert min(away.changed.values()) == 1
    assert containers("podman") == {} and names_of("podman", "network") == set()
    assert names_of("podman", "volume") == VOLUMES
    assert "kept volumes: mainpc-memory-system_knowledge\n" in away.output
    assert "kept volumes: pc2-pc2-memory_index, pc2-pc2-memory_memory\n" in away.output

    everything = podman_system.play("playbooks/teardown.yml", "-e", "container_remove_volumes=true")
    assert "kept volumes" not in everything.output
    assert names_of("podman", "volume") == set()
    assert podman_system.play("playbooks/teardown.yml").changed == {"mainpc": 0, "pc2": 0}
    assert not os.path.exists("/var/lib/gpu-fleet/secrets/mainpc")
    names = [
        entry.get("Name") or entry["name"] for entry in json.loads(cli("podman", "network", "ls", "--format", "json"))
    ]
    assert names == ["podman"]
