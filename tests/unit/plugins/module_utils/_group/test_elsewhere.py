"""Groups that still run on another engine: stopped, started again, or removed, one group at a time."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._group.config import VolumeConfig
from ansible_collections.gpu_fleet.containers.plugins.module_utils._group.elsewhere import Elsewhere
from ansible_collections.gpu_fleet.containers.plugins.module_utils._group.owned import owned_by
from ansible_collections.gpu_fleet.containers.plugins.module_utils._group.resolve import volume_labels

from .examples import HOST, fill, group, service
from .memory_engine import MemoryEngine

CORE = group("core", service("a"), service("b", "a"))
AUDIO = group("audio", service("mic", group="audio"))


@pytest.fixture
def engine():
    """Both groups run; one container of each is one too many, and b is stopped."""
    engine = MemoryEngine("docker")
    fill(engine, CORE, AUDIO)
    second(engine, "core-a-1", "core-a-1-by-hand")
    second(engine, "audio-mic-1", "audio-mic-1-by-hand")
    engine.stop_container("core-b-1", 0)
    engine.create_volume(VolumeConfig("core_data"), volume_labels(HOST, CORE, VolumeConfig("core_data", "data")))
    engine.calls.clear()
    return engine


def second(engine, name: str, other: str) -> None:
    container = engine.containers[name]
    engine.create_container(replace(engine.configs[container.id], name=other), container.labels, {})


def elsewhere(engine) -> Elsewhere:
    return Elsewhere(engine, owned_by(HOST, engine.observe()))


def test_stop_and_start_again_touch_only_what_ran(engine):
    place = elsewhere(engine)
    assert place.stop("core")
    assert engine.changes() == [("stop", "core-a-1")]
    assert place.start_again("core")
    assert engine.changes()[1:] == [("start", "core-a-1")]
    assert not place.start_again("core"), "only once"


def test_nothing_of_the_group_here(engine):
    place = elsewhere(engine)
    assert not place.moves("video") and not place.stop("video")
    place.remove("video")
    assert engine.changes() == []


def test_removing_one_group_leaves_every_container_of_the_others(engine):
    elsewhere(engine).remove("core")
    assert sorted(engine.containers) == ["audio-mic-1", "audio-mic-1-by-hand"]


def test_volumes_stay_and_are_named(engine):
    place = elsewhere(engine)
    place.remove("core")
    assert place.volumes() == ["core_data"]
    assert [name for name in engine.volumes if name.startswith("core")] == ["core_data"], "but its marker went"
    assert any(name.startswith("audio_fleet-revision") for name in engine.volumes)


def test_what_stands_by_goes_too(engine):
    second(engine, "core-a-1", "core-a-1.previous")
    elsewhere(engine).remove("core")
    assert not any(name.startswith("core") for name in engine.containers)
