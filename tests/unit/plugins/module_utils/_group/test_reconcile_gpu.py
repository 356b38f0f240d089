"""GPU checks in a run: when they are made, what they undo, what is left when a run is killed in the middle."""

from __future__ import annotations

import json
import typing as t
from dataclasses import replace

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._group.config import (
    Attachment,
    ContainerConfig,
    GpuPromise,
    Group,
    Healthcheck,
    NetworkConfig,
    Service,
)
from ansible_collections.gpu_fleet.containers.plugins.module_utils._group.owned import deployed_promise
from ansible_collections.gpu_fleet.containers.plugins.module_utils._group.reconcile import Request, reconcile

from .memory_engine import Killed, MemoryEngine

PROMISE = GpuPromise("nvidia", ("/dev/nvidia0",), ("GPU-11111111-2222-3333-4444-555555555551",), ("RTX",), 1)
CHECK = Healthcheck(("CMD", "agent-health"), interval=0.02, timeout=0.02, retries=1)
DEVICE = {"name": "NVIDIA RTX", "uuid": PROMISE.uuids[0], "parent": PROMISE.uuids[0], "memory_bytes": 8}


def cuda(**said: t.Any) -> tuple[int, str]:
    library = {"probe": "libcuda.so.1", "there": True, "devices": [], **said}
    return 0, json.dumps({"gpu_probe": 1, "libraries": {"cuda": library}})


SEES = cuda(devices=[DEVICE])
MISMATCH = cuda(call="cuInit", code=803, version=12080)


class Host:
    """One inventory host; `answers` are what images answer the question for their GPU."""

    def __init__(self, path: t.Any) -> None:
        self.engine = MemoryEngine()
        self.path = path
        self.events: list[tuple[str, ...]] = []
        self.say("gpu:1", SEES)

    def say(self, image: str, answer: tuple[int, str]) -> None:
        self.engine.answers[image] = lambda _argv: answer

    def run(self, *services: Service) -> dict[str, t.Any]:
        self.engine.calls.clear()
        self.events.clear()
        group = Group("core", "core", services, (NetworkConfig("core_default"),), timeout=2.0)

        def emit(event: str, *where: str, text: str = "") -> None:
            self.events.append((event, *where, text))

        return reconcile(Request("mainpc", (group,), state_dir=str(self.path), local=False), self.engine, (), emit)

    def asked(self) -> list[str]:
        return [call[1] for call in self.engine.calls if call[0] == "run_in"]

    def running(self) -> dict[str, str]:
        return {entry.name: entry.image for entry in self.engine.containers.values() if entry.state == "running"}


@pytest.fixture
def host(tmp_path):
    return Host(tmp_path)


def service(name: str, image: str = "gpu:1", promise: GpuPromise | None = PROMISE, **config: t.Any) -> Service:
    container = ContainerConfig(
        f"core-{name}-1", image, networks=(Attachment("core_default", (name,)),), healthcheck=CHECK, **config
    )
    return Service(name, container, settle=0.01, promise=promise)


def test_what_is_seen_is_in_the_result_and_told(host):
    result = host.run(service("llm"), service("web", promise=None))
    group = result["groups"]["core"]
    assert group["status"] == "changed" and list(group["gpu"]) == ["llm"]
    assert group["gpu"]["llm"]["words"] == "NVIDIA RTX seen"
    assert ("gpu", "core", "llm", "NVIDIA RTX seen") in host.events
    kinds = [call[0] for call in host.engine.calls if call[1:2] == ("core-llm-1",)]
    assert kinds.index("start") < kinds.index("run_in") < kinds.index("health"), "before its health is waited for"
    assert deployed_promise(host.engine.containers["core-llm-1"]) == PROMISE
    assert deployed_promise(host.engine.containers["core-web-1"]) is None


def test_what_stays_as_it_is_is_not_asked_again(host):
    host.run(service("llm"), service("web", promise=None))
    again = host.run(service("llm"), service("web", promise=None))
    assert host.asked() == [] and "gpu" not in again["groups"]["core"]
    changed = host.run(service("llm"), service("web", promise=None, environment={"A": "1"}))
    assert changed["groups"]["core"]["status"] == "changed" and host.asked() == []


def test_another_promise_alone_changes_nothing(host):
    host.run(service("llm"))
    assert not host.run(service("llm", promise=replace(PROMISE, uuids=(), count=2)))["changed"]


@pytest.mark.parametrize("repair", ["stop", "pause"])
def test_one_that_starts_again_is_asked(host, repair):
    host.run(service("llm"))
    there = host.engine.containers["core-llm-1"]
    host.engine.containers["core-llm-1"] = replace(there, state="exited" if repair == "stop" else "paused")
    host.say("gpu:1", MISMATCH)
    result = host.run(service("llm"))
    assert result["failed"] and "gpu-driver-mismatch" in result["msg"] and host.asked() == ["core-llm-1"]


def test_one_that_does_not_see_it_brings_the_whole_group_back(host):
    host.run(service("llm"), service("web", promise=None))
    host.say("gpu:2", MISMATCH)
    result = host.run(service("llm", "gpu:2"), service("web", "other:2", promise=None))
    assert result["failed"]
    for words in ("core/llm: it does not see the GPU", "gpu-driver-mismatch", "brought back as it was: llm, web"):
        assert words in result["msg"]
    assert host.running() == {"core-llm-1": "gpu:1", "core-web-1": "gpu:1"}
    assert result["groups"]["core"]["gpu"]["llm"]["verdict"] == "not seen"
    (text,) = [event[3] for event in host.events if event[0] == "failed"]
    assert text.startswith("it does not see the GPU it was given (nvidia: RTX): libcuda.so.1")


def test_a_group_that_allows_the_cpu_goes_on_and_says_so(host):
    host.say("gpu:1", MISMATCH)
    result = host.run(service("llm", promise=replace(PROMISE, allows_cpu=True)))
    assert result["groups"]["core"]["status"] == "changed" and host.running()
    assert any("core/llm: libcuda.so.1: the driver that runs" in text for text in result["warnings"])
    (text,) = [event[3] for event in host.events if event[0] == "gpu"]
    assert text.startswith("not seen: ") and text.endswith("(its group allows the CPU)")


def test_one_that_cannot_be_asked_is_no_failure_but_a_warning(host):
    result = host.run(service("llm", "bare:1"))
    assert result["groups"]["core"]["status"] == "changed"
    assert result["groups"]["core"]["gpu"]["llm"]["verdict"] == "not verified"
    assert any("neither python3 nor sh" in text for text in result["warnings"])


def test_one_that_ended_is_reported_by_what_waits_for_it(host):
    host.engine.exit_codes["gpu:1"] = 3
    result = host.run(service("llm"))
    assert result["failed"] and "exit status 3" in result["msg"] and "GPU" not in result["msg"]


def test_a_one_shot_that_ended_well_is_done(host):
    host.engine.exit_codes["gpu:1"] = 0
    result = host.run(replace(service("fetch"), one_shot=True))
    assert result["groups"]["core"]["status"] == "changed"
    assert result["groups"]["core"]["gpu"]["fetch"]["findings"] == []


def kill_at(host: Host, kind: str) -> None:
    """No call comes through from the first one of this kind on."""
    dead = []

    def fail(call: tuple[str, ...]) -> BaseException | None:
        dead.extend([call] if call[0] == kind else [])
        return Killed() if dead else None

    host.engine.fail_on = fail


@pytest.mark.parametrize("health", ["none", "healthy"])
@pytest.mark.parametrize("kind", ["run_in", "health", "create_volume"])
def test_after_a_run_that_was_killed_it_is_asked_until_the_group_was_good(host, kind, health):
    """And taken away where it sees no GPU, as the run would have done that was killed, however whole the group looks."""
    kill_at(host, kind)
    with pytest.raises(Killed):
        host.run(service("llm"))
    host.engine.fail_on = lambda call: None
    assert host.running() == {"core-llm-1": "gpu:1"}
    host.engine.containers["core-llm-1"] = replace(host.engine.containers["core-llm-1"], health=health)
    host.say("gpu:1", MISMATCH)
    result = host.run(service("llm"))
    assert result["failed"] and "gpu-driver-mismatch" in result["msg"] and host.asked() == ["core-llm-1"]
    assert "the group was new" in result["msg"] and host.running() == {}
    host.say("gpu:1", SEES)
    assert not host.run(service("llm")).get("failed") and host.asked() == ["core-llm-1"]
    host.run(service("llm"))
    assert host.asked() == []


def test_a_container_of_a_revision_that_was_never_good_is_asked(host):
    """As a kill leaves it: it runs, and no marker says that it was good."""
    host.run(service("llm"))
    host.engine.volumes.clear()
    host.engine.containers["core-llm-1"] = replace(host.engine.containers["core-llm-1"], health="none")
    result = host.run(service("llm"))
    assert host.asked() == ["core-llm-1"] and result["groups"]["core"]["gpu"]["llm"]["verdict"] == "seen"
    host.run(service("llm"))
    assert host.asked() == []


def test_a_good_group_whose_marker_was_pruned_is_what_there_is_to_go_back_to(host):
    host.run(service("llm"))
    host.engine.volumes.clear()
    host.engine.containers["core-llm-1"] = replace(host.engine.containers["core-llm-1"], health="none")
    host.say("gpu:2", MISMATCH)
    assert host.run(service("llm", "gpu:2"))["failed"]
    assert host.running() == {"core-llm-1": "gpu:1"}
