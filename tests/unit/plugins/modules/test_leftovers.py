"""leftovers as Ansible calls it: what keeps the directories."""

from __future__ import annotations

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._boot.systemd import Systemd
from ansible_collections.gpu_fleet.containers.plugins.module_utils._engine.base import Observed, ObservedContainer
from ansible_collections.gpu_fleet.containers.plugins.module_utils._errors import EngineError
from ansible_collections.gpu_fleet.containers.plugins.module_utils._group import labels
from ansible_collections.gpu_fleet.containers.plugins.modules import leftovers

from .calling import call

OURS = ObservedContainer("pc2-a", "c", "i", "sha256:1", "exited", labels={labels.SCHEMA: "1", labels.HOST: "pc2"})


class Engine:
    def __init__(self, name, *containers):
        self.name, self.containers = name, containers

    def observe(self):
        return Observed(containers=self.containers)


@pytest.fixture
def units(tmp_path, monkeypatch):
    """Where units of groups would lie."""
    folder = tmp_path / "units"
    folder.mkdir()
    there = Systemd(False, str(folder), "/none", "/none", lambda argv: (1, ""))
    monkeypatch.setattr(leftovers, "systemd_here", lambda: there)
    return folder


@pytest.fixture
def host(monkeypatch, units):
    """Engines by name that answer, those whose socket or program is there, and those with containers of ours on disk."""

    def make(answers=(), there=(), on_disk=()):
        engines = {engine.name: engine for engine in answers}

        def open_engine(name, url="", tls=None):
            if name not in engines:
                raise EngineError(f"{name} says no")
            return engines[name]

        monkeypatch.setattr(leftovers, "open_engine", open_engine)
        monkeypatch.setattr(leftovers, "is_installed", lambda name: name in there)
        monkeypatch.setattr(leftovers.leftovers, "keeps_ours", lambda name: name in on_disk)

    return make


CASES = [
    ({"answers": [Engine("podman")]}, {}, []),
    ({"answers": [Engine("podman", OURS)]}, {}, ["pc2-a"]),
    ({"answers": [Engine("podman")], "there": ["docker"]}, {}, ["docker, which does not answer"]),
    ({"answers": [Engine("podman")], "on_disk": ["docker"]}, {}, ["docker, which does not answer"]),
    ({"answers": [Engine("docker")], "there": ["podman", "docker"]}, {}, ["podman, which does not answer"]),
    ({}, {"engine": "docker", "engine_url": "ssh://pc2"}, ["docker, which does not answer"]),
    ({}, {}, []),
]


@pytest.mark.parametrize(("there", "arguments", "in_use"), CASES)
def test_directories_go_only_when_no_engine_can_have_containers_of_ours(host, tmp_path, there, arguments, in_use):
    state = tmp_path / "state"
    state.mkdir()
    host(**there)
    result = call(leftovers, host="pc", directories=[str(state)], state="absent", **arguments)
    assert result["rc"] == 0, result
    assert [text.partition(" and may")[0] for text in result["in_use"]] == in_use
    assert state.exists() is bool(in_use)
    assert result["changed"] is not bool(in_use)


def test_of_a_host_of_which_only_the_engine_is_reached_no_directory_is_looked_at(host, tmp_path):
    host([Engine("docker")])
    arguments = {"host": "winbox", "engine": "docker", "directories": [str(tmp_path)]}
    result = call(leftovers, **arguments, engine_url="ssh://winbox", state="absent")
    assert (result["elsewhere"], result["directories"], result["changed"]) == (True, {}, False) and tmp_path.exists()
    result = call(leftovers, **arguments)
    assert (result["elsewhere"], list(result["directories"])) == (False, [str(tmp_path)])


def test_directories_stay_as_long_as_units_run_what_lies_in_them(host, units, tmp_path):
    host([Engine("docker")])
    (units / "gpu-fleet-pc-core.service").touch()
    state = tmp_path / "state"
    state.mkdir()
    result = call(leftovers, host="pc", directories=[str(state)], state="absent")
    assert result["in_use"] == [f"units of groups in {units}: run teardown.yml"] and state.exists()
    (units / "gpu-fleet-pc-core.service").unlink()
    assert call(leftovers, host="pc", directories=[str(state)], state="absent")["changed"] and not state.exists()
