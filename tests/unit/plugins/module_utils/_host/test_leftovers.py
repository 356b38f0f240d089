"""What counts as left over, and what must never be removed."""

from __future__ import annotations

import json
import pathlib

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._engine.base import (
    Observed,
    ObservedContainer,
    ObservedImage,
    ObservedVolume,
)
from ansible_collections.gpu_fleet.containers.plugins.module_utils._errors import InputError
from ansible_collections.gpu_fleet.containers.plugins.module_utils._group import labels as names
from ansible_collections.gpu_fleet.containers.plugins.module_utils._host import leftovers

BUILT, BASE = {names.IMAGE_INPUTS: "1", names.BOOTSTRAP: "2"}, {names.BOOTSTRAP: "2"}

OBSERVED = Observed(
    containers=(ObservedContainer(name="web", id="c1", image="agent:2", image_id="sha256:3", state="running"),),
    volumes=(
        ObservedVolume("pc2-memory_data", {names.HOST: "pc2"}),
        ObservedVolume("mainpc-core_data", {names.HOST: "mainpc"}),
        ObservedVolume("somebody-elses"),
    ),
    images=(
        ObservedImage("sha256:1", ("localhost/base:1",), labels=BASE),
        ObservedImage("sha256:2", ("localhost/agent:1", "localhost/agent:latest"), labels=BUILT),
        ObservedImage("sha256:3", ("localhost/agent:2",), labels=BUILT),
        ObservedImage("sha256:4", (), labels=BUILT),
        ObservedImage("sha256:5", ("docker.io/library/redis:7",)),
    ),
)


def test_volumes_of_one_host_only() -> None:
    assert leftovers.volumes_of("pc2", OBSERVED) == ["pc2-memory_data"]


def test_images_made_here_and_unused_with_bases_last() -> None:
    assert leftovers.made_images(OBSERVED) == [
        "localhost/agent:1",
        "localhost/agent:latest",
        "sha256:4",
        "localhost/base:1",
    ]


def test_containers_of_any_host_keep_the_directories() -> None:
    mine = ObservedContainer("pc2-a", "c2", "i", "sha256:9", "exited", labels={names.SCHEMA: "1", names.HOST: "pc2"})
    assert leftovers.ours_still_there(OBSERVED) == []
    assert leftovers.ours_still_there(Observed(containers=(*OBSERVED.containers, mine))) == ["pc2-a"]


@pytest.mark.parametrize("path", ["/", "/var", "relative/path", "", "/var/lib/..", "//"])
def test_directories_of_the_system_are_refused(path: str) -> None:
    with pytest.raises(InputError, match="no directory of our own"):
        leftovers.check_directories([path])


def test_directories_of_ours_are_accepted() -> None:
    leftovers.check_directories(["/var/lib/gpu-fleet", "/srv/fleet"])


def test_size_and_removal(tmp_path: pathlib.Path) -> None:
    own = tmp_path / "state"
    (own / "deeper").mkdir(parents=True)
    (own / "a").write_bytes(b"12345")
    (own / "deeper/b").write_bytes(b"678")
    assert leftovers.size(str(own)) == 8
    leftovers.remove_directories([str(own), str(tmp_path / "not-there")])
    assert not own.exists()
    assert leftovers.size(str(own)) == 0


@pytest.mark.parametrize(
    ("engine", "label", "keeps"),
    [("docker", names.SCHEMA, True), ("docker", "com.example", False), ("podman", names.SCHEMA, False)],
)
def test_a_stopped_docker_is_asked_on_disk(tmp_path: pathlib.Path, engine: str, label: str, keeps: bool) -> None:
    assert leftovers.keeps_ours(engine, str(tmp_path)) is False, "it never ran"
    container = tmp_path / "containers" / "0a1b"
    container.mkdir(parents=True)
    (container / "config.v2.json").write_text(json.dumps({"Config": {"Labels": {label: "1"}}}))
    assert leftovers.keeps_ours(engine, str(tmp_path)) is keeps
