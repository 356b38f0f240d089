"""What a user reads when an engine says no: the engine's own words, and where."""

from __future__ import annotations

import os

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._engine.open import open_engine
from ansible_collections.gpu_fleet.containers.plugins.module_utils._errors import EngineError
from ansible_collections.gpu_fleet.containers.plugins.module_utils._group.config import (
    ContainerConfig,
    GpuRequest,
    Mount,
    VolumeConfig,
)

from .waiting import config, run

NOBODY = "nobody-here"
MISSING = {
    "start": lambda engine: engine.start_container(NOBODY),
    "stop": lambda engine: engine.stop_container(NOBODY, 1),
    "rename": lambda engine: engine.rename_container(NOBODY, "x"),
    "health": lambda engine: engine.check_health(NOBODY),
    "run": lambda engine: engine.run_in(NOBODY, ["true"], 60),
    "logs": lambda engine: engine.logs(NOBODY, 5),
}


@pytest.mark.parametrize("call", MISSING)
def test_container_that_is_missing(engine, call):
    with pytest.raises(EngineError, match=rf"(?i)container {NOBODY}: .*no container|(?i:no such container)"):
        MISSING[call](engine)


def test_missing_things_are_removed_already(engine):
    engine.remove_container(NOBODY)
    engine.remove_network(NOBODY)
    engine.remove_volume(NOBODY)
    engine.remove_image(f"localhost/{NOBODY}:1")


def test_image_that_is_missing(engine, name):
    with pytest.raises(EngineError, match="localhost/nowhere:1"):
        engine.create_container(ContainerConfig(name, "localhost/nowhere:1"), {}, {})
    assert engine.container(name) is None


def test_registry_that_does_not_answer(engine):
    with pytest.raises(EngineError, match="image localhost:1/nowhere:1: .*connection refused"):
        engine.pull_image("localhost:1/nowhere:1")


def test_name_in_use(engine, name):
    run(engine, config(name))
    with pytest.raises(EngineError, match="already in use"):
        engine.create_container(config(name), {}, {})


def test_volume_of_another_owner_is_not_taken(engine, name):
    engine.create_volume(VolumeConfig(name), {"owner": "one"})
    with pytest.raises(EngineError, match="exists already|already exists"):
        engine.create_volume(VolumeConfig(name), {"owner": "two"})


def test_bind_source_that_is_missing(engine, name, tmp_path):
    missing = str(tmp_path / "missing")
    mount = Mount("bind", "/x", missing, create_host_path=False)
    with pytest.raises(EngineError, match="missing"):
        run(engine, config(name, mounts=(mount,)))
    assert not os.path.exists(missing)


def test_staged_source_that_was_not_staged(engine, name):
    with pytest.raises(EngineError, match=r"mounts\[0\].*'staged:abc' is not on this host"):
        engine.create_container(config(name, mounts=(Mount("bind", "/x", "staged:abc"),)), {}, {})


def test_command_that_does_not_exist(engine, name):
    with pytest.raises(EngineError, match="no-such-program"):
        run(engine, config(name, "no-such-program"))


GPU = {
    "cdi": GpuRequest("nvidia", "cdi", cdi_devices=("nvidia.com/gpu=all",)),
    "nvidia-runtime": GpuRequest("nvidia", "nvidia-runtime", count=-1),
}


@pytest.mark.parametrize("mode", GPU)
def test_gpu_request_is_never_dropped(engine, name, mode):
    with pytest.raises(EngineError, match="(?i)gpu|cdi"):
        run(engine, config(name, gpu=GPU[mode]))


def test_docker_that_is_not_there(docker_engine):
    with pytest.raises(EngineError, match="does not answer at unix:///run/nowhere.sock") as caught:
        open_engine("docker", "unix:///run/nowhere.sock")
    assert "systemctl start docker" in caught.value.mend


def test_podman_that_is_not_there(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EngineError, match="not installed") as caught:
        open_engine("podman")
    assert "ansible-playbook playbooks/prepare.yml -l HOST" in caught.value.mend
