"""What is removed, in which order, and what is kept."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._group import labels as names
from ansible_collections.gpu_fleet.containers.plugins.module_utils._group import stage
from ansible_collections.gpu_fleet.containers.plugins.module_utils._group.config import (
    ContainerConfig,
    GpuRequest,
    NetworkConfig,
    Port,
    SecretFile,
    VolumeConfig,
)
from ansible_collections.gpu_fleet.containers.plugins.module_utils._group.owned import Owned, owned_by
from ansible_collections.gpu_fleet.containers.plugins.module_utils._group.resolve import volume_labels
from ansible_collections.gpu_fleet.containers.plugins.module_utils._group.teardown import summary, tear_down

from .examples import HOST, deployed, fill, group, running, service, wanted
from .memory_engine import MemoryEngine

CORE = group("core", service("a", stop_grace_period=3.0), service("b", "a"), service("c", "b"))
AUDIO = group("audio", service("mic", group="audio"))


def deployed_on(engine: MemoryEngine, *groups, host=HOST) -> MemoryEngine:
    """With a named volume for each group."""
    fill(engine, *groups, host=host)
    for each in groups:
        volume = VolumeConfig(f"{each.project}_data", "data")
        engine.create_volume(volume, volume_labels(host, each, volume))
    engine.calls.clear()
    return engine


@pytest.fixture
def engine():
    return deployed_on(MemoryEngine(), CORE, AUDIO)


def go(engine, tmp_path, only=None, volumes=False, check=False, engines=()):
    events = []
    groups = None if only is None else frozenset(only)
    result = tear_down(
        HOST, [engine, *engines], groups, volumes, str(tmp_path), check, lambda *words, **_more: events.append(words)
    )
    return result, events


def test_everything_but_named_volumes(engine, tmp_path):
    result, events = go(engine, tmp_path)
    assert result == {
        "changed": True,
        "removed": {
            "containers": ["audio-mic-1", "core-a-1", "core-b-1", "core-c-1"],
            "networks": ["audio_default", "core_default"],
            "volumes": [],
        },
        "kept": {"volumes": {"podman": ["audio_data", "core_data"]}},
        "warnings": [],
    }
    assert engine.containers == {} and engine.networks == {} and set(engine.volumes) == {"core_data", "audio_data"}
    assert sorted(events) == [("removed", "audio", "mic"), *(("removed", "core", name) for name in "abc")]


def test_who_depends_goes_first(engine, tmp_path):
    go(engine, tmp_path)
    order = [call[1] for call in engine.changes() if call[0] == "remove" and call[1].startswith("core")]
    assert order == ["core-c-1", "core-b-1", "core-a-1"]
    first_network = next(index for index, call in enumerate(engine.changes()) if call[0] == "remove_network")
    assert {call[0] for call in engine.changes()[first_network:]} == {"remove_network", "remove_volume"}


def test_a_ring_of_dependencies_ends(tmp_path):
    ring = group("core", service("a", "b"), service("b", "a"))
    engine = deployed_on(MemoryEngine())
    engine.create_network(NetworkConfig("core_default"), {})
    for entry in wanted(ring).values():
        engine.create_container(entry.config, entry.labels, {})
    go(engine, tmp_path)
    assert engine.containers == {}


def test_each_container_has_its_own_grace(engine, tmp_path):
    graces = {}
    original = engine.stop_container
    engine.stop_container = lambda name, grace: (graces.__setitem__(name, grace), original(name, grace))
    engine.containers["core-b-1"] = replace(engine.containers["core-b-1"], state="exited")
    unreadable = engine.containers["core-c-1"]
    engine.containers["core-c-1"] = replace(unreadable, labels={**unreadable.labels, names.SPEC: "?"})
    go(engine, tmp_path, only=["core"])
    assert graces == {"core-a-1": 3.0, "core-c-1": 10.0}


def test_check_mode_says_the_same_and_does_nothing(engine, tmp_path):
    (said, events), calls = go(engine, tmp_path, check=True, volumes=True), list(engine.changes())
    assert calls == [] and events == []
    assert said == go(engine, tmp_path, volumes=True)[0]
    assert engine.volumes == {}


def test_one_group_of_several(engine, tmp_path):
    result, _events = go(engine, tmp_path, only=["core"], volumes=True)
    assert result["removed"]["volumes"] == ["core_data"]
    assert set(engine.containers) == {"audio-mic-1"} and set(engine.networks) == {"audio_default"}
    assert {name for name in engine.volumes if "revision" not in name} == {"audio_data"}
    assert sum("revision" in name for name in engine.volumes) == 1


def test_a_group_that_is_not_there_is_said(engine, tmp_path):
    docker = deployed_on(MemoryEngine("docker"), group("video", service("cam", group="video")))
    result, _events = go(engine, tmp_path, only=["nope", "core"], engines=[docker])
    assert result["warnings"] == ["mainpc has no group nope; its groups are audio, core, video"]
    assert set(engine.containers) == {"audio-mic-1"}
    again, _events = go(engine, tmp_path, only=["core"])
    assert again["warnings"] == [], "its volume is still there"
    nothing, _events = go(MemoryEngine(), tmp_path, only=["core"])
    assert nothing["warnings"] == ["mainpc has no group core; nothing of it is left there"]


def test_a_network_that_somebody_else_uses_stays(engine, tmp_path):
    user = replace(engine.containers["audio-mic-1"], networks=("audio_default", "core_default"))
    engine.containers["audio-mic-1"] = user
    result, _events = go(engine, tmp_path, only=["core"])
    assert result["removed"]["networks"] == [] and "core_default" in engine.networks


def test_other_hosts_on_the_engine_lose_nothing(engine, tmp_path):
    theirs = replace(group("pc2-core", service("a", group="pc2-core")), name="core")
    deployed_on(engine, theirs, host="pc2")
    before = {name for name, each in engine.containers.items() if each.labels[names.HOST] == "pc2"}
    go(engine, tmp_path, volumes=True)
    assert set(engine.containers) == before and len(before) == 1


def test_both_engines_and_a_second_time(engine, tmp_path):
    docker = deployed_on(MemoryEngine("docker"), AUDIO)
    result, _events = go(engine, tmp_path, engines=[docker])
    assert result["removed"]["containers"].count("audio-mic-1") == 2 and docker.containers == {}
    assert result["kept"]["volumes"] == {"podman": ["audio_data", "core_data"], "docker": ["audio_data"]}
    again, _events = go(engine, tmp_path, engines=[docker])
    assert not again["changed"]


@pytest.mark.parametrize(
    ("only", "check", "stays"), [(None, False, False), (["core"], False, True), (None, True, True)]
)
def test_secrets_of_the_host_go_with_everything(engine, tmp_path, only, check, stays):
    config = ContainerConfig("x", "x:1", secrets=(SecretFile("core/token", "/run/secrets/token"),))
    stage.write_secrets(str(tmp_path), HOST, [config], {"core/token": "s3cret-value"})
    go(engine, tmp_path, only=only, check=check)
    assert (tmp_path / "secrets" / HOST).exists() is stays


def test_the_summary_of_what_runs():
    entries = wanted(
        group(
            "core",
            service("b", ports=(Port(80, 8080, "10.77.1.1"),), gpu=GpuRequest("nvidia", "cdi")),
            service("a"),
        )
    )
    containers = {key: running(entry, health="healthy") for key, entry in entries.items()}
    first, second = summary(Owned(current=containers))
    assert (first["service"], first["gpu"], first["ports"]) == ("a", None, [])
    assert second == {
        "group": "core",
        "service": "b",
        "container": "core-b-1",
        "id": "id-of-core-b-1",
        "state": "running",
        "health": "healthy",
        "exit_code": None,
        "image": "agent:1",
        "revision": entries["core", "b"].labels[names.REVISION],
        "networks": ["core_default"],
        "ports": [{"address": "10.77.1.1", "host": 8080, "protocol": "tcp"}],
        "gpu": {"stack": "nvidia", "mode": "cdi"},
    }
    json.dumps(summary(owned_by(HOST, deployed(CORE))))
