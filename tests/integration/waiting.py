"""Small helpers of the integration tests."""

from __future__ import annotations

import time
import typing as t

from ansible_collections.gpu_fleet.containers.plugins.module_utils._group.config import ContainerConfig

from .conftest import IMAGE

SLEEP = ("sh", "-c", "trap 'exit 0' TERM; while :; do sleep 0.1; done")
"""A command that runs until it is told to stop, and then stops at once."""


def config(name: str, *command: str, **values: t.Any) -> ContainerConfig:
    return ContainerConfig(name, IMAGE, command=command or SLEEP, **values)


def run(engine: t.Any, config: ContainerConfig, labels: dict | None = None, sources: dict | None = None) -> str:
    """Create and start."""
    container_id = engine.create_container(config, labels or {}, sources or {})
    engine.start_container(config.name)
    return container_id


def until(condition: t.Callable[[], t.Any], seconds: float = 60.0) -> t.Any:
    """The first true answer of a condition; fails when there is none in time."""
    deadline = time.monotonic() + seconds
    while True:
        answer = condition()
        if answer:
            return answer
        assert time.monotonic() < deadline, f"no answer but {answer!r} in {seconds} s"
        time.sleep(0.05)


def output_of(engine: t.Any, name: str, *argv: str) -> str:
    """What a command in a container prints; it has to succeed."""
    status, output = engine.run_in(name, argv, 60)
    assert status == 0, (status, output)
    return output.strip()
