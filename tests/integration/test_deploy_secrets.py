"""Planted secrets: they reach the containers that need them and are seen nowhere else."""

from __future__ import annotations

import contextlib
import json
import pathlib
import threading
import typing as t

from .deploy_system import System, cli, containers, inspected, touched

# Not a real secret; a text that cannot be anywhere by chance.
FIRST = "plantedFirstNWqLk3Vb8sTzRy5H"
SECOND = "plantedSecondJ7xMd2PfGc9uEa4Q"
VALUES = (FIRST.encode(), SECOND.encode())
CONSUMERS = {
    "mainpc-memory-system-memory-client-1",
    "pc2-pc2-memory-memory-orchestrator-1",
    "pc2-pc2-memory-memory-reasoning-1",
}


@contextlib.contextmanager
def watched_processes() -> t.Iterator[dict[str, int]]:
    """Samples every process's command line and environment until the end; fails when a planted value is in one."""
    found: set[str] = set()
    looks = {"count": 0}
    end = threading.Event()

    def look() -> None:
        while not end.is_set():
            for entry in pathlib.Path("/proc").glob("[0-9]*"):
                for name in ("cmdline", "environ"):
                    with contextlib.suppress(OSError):
                        content = (entry / name).read_bytes()
                        found.update(f"{name}: {content[:200]!r}" for value in VALUES if value in content)
                        looks["count"] += 1
            end.wait(0.02)

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        yield looks
    finally:
        end.set()
        watcher.join()
    assert not found, found
    assert looks["count"] > 1000


def assert_hidden(text: str) -> None:
    for value in (FIRST, SECOND):
        place = text.find(value)
        assert place < 0, f"a planted value is shown: …{text[max(0, place - 300) : place]}"


def everything_inspected() -> str:
    images = cli("podman", "image", "inspect", *set(cli("podman", "images", "-aq").split()))
    kinds = [inspected("podman", kind) for kind in ("container", "network", "volume")]
    logs = [cli("podman", "logs", name) for name in containers("podman")]
    return json.dumps(kinds) + images + "".join(logs)


def test_a_secret_is_seen_by_its_consumers_alone(podman_system: System) -> None:
    podman_system.play("playbooks/teardown.yml")
    podman_system.secret("memory_token", FIRST)
    with watched_processes():
        first = podman_system.deploy("-vvvv", "--diff")
        assert min(first.changed.values()) > 0
        before = containers("podman")
        assert (
            cli("podman", "exec", "pc2-pc2-memory-memory-orchestrator-1", "cat", "/run/secrets/memory_token") == FIRST
        )

        podman_system.secret("memory_token", SECOND)
        would = podman_system.deploy("--check", "--diff", "-vvvv")
        assert "secrets" in would.output and containers("podman") == before
        second = podman_system.deploy("-vvvv", "--diff")
        after = containers("podman")
        assert touched(before, after) == CONSUMERS
        assert all(before[name].id != after[name].id for name in CONSUMERS)
        assert (
            cli("podman", "exec", "pc2-pc2-memory-memory-orchestrator-1", "cat", "/run/secrets/memory_token") == SECOND
        )

        third = podman_system.deploy("-vvvv", "--diff")
        assert third.changed == {"mainpc": 0, "pc2": 0}
        assert "changed=0" in third.output and containers("podman") == after
        status = podman_system.play("playbooks/status.yml", "-vvvv")
        verified = podman_system.play("playbooks/verify.yml", "-vvvv")
    for outcome in (first, would, second, third, status, verified):
        assert_hidden(outcome.output)
    assert_hidden(everything_inspected())
    # The old value is gone from the host too, and nobody else can read the new one.
    files = [path for path in pathlib.Path("/var/lib/gpu-fleet").rglob("*") if path.is_file()]
    assert not [path for path in files if FIRST.encode() in path.read_bytes()]
    holders = [path for path in files if SECOND.encode() in path.read_bytes()]
    assert {path.stat().st_mode & 0o777 for path in holders} == {0o400}
    assert {path.parent.stat().st_mode & 0o777 for path in holders} == {0o700}
