"""Images on real engines: built once, again when their content changes, nothing left of a failure."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
import tarfile
import typing as t
from dataclasses import replace

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._engine.podman import PodmanEngine
from ansible_collections.gpu_fleet.containers.plugins.module_utils._errors import EngineError
from ansible_collections.gpu_fleet.containers.plugins.module_utils._group import labels
from ansible_collections.gpu_fleet.containers.plugins.module_utils._image import make
from ansible_collections.gpu_fleet.containers.plugins.module_utils._image.identity import resolve
from ansible_collections.gpu_fleet.containers.plugins.module_utils._image.make import Done, Stager, plan_images
from ansible_collections.gpu_fleet.containers.plugins.module_utils._image.spec import Bootstrap, ImageSpec
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._compose.spec import BuildExtensions
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._images.context import read_context, write_archive
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._images.spec import image_spec, pulled_spec

from .conftest import IMAGE
from .waiting import config, output_of, run

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = ["build_image", "saved_image", "tag_image"]
"""What a build asks of an engine: made, looked into, named."""


class Counted:
    """An engine that notes which of its calls change something."""

    def __init__(self, engine: t.Any) -> None:
        self._engine = engine
        self.calls: list[str] = []

    def __getattr__(self, name: str) -> t.Any:
        if name.endswith("_image"):
            self.calls.append(name)
        return getattr(self._engine, name)


@pytest.fixture
def context(tmp_path: pathlib.Path) -> pathlib.Path:
    folder = tmp_path / "context"
    (folder / "sub").mkdir(parents=True)
    (folder / "Containerfile").write_text(
        f"ARG BASE={IMAGE}\nFROM ${{BASE}}\nARG WORD=none\nCOPY . /app\nRUN /app/sub/run > /said && echo $WORD > /word\n"
    )
    (folder / ".dockerignore").write_text("*.log\n")
    (folder / "debug.log").write_text("1")
    (folder / "text").write_text("one\n")
    (folder / "sub/run").write_text("#!/bin/sh\ncat /app/text\n")
    (folder / "sub/run").chmod(0o700)
    (folder / "link").symlink_to("/app/text")
    return folder


@pytest.fixture
def own(engine, name):
    """The engine, counted; images of this test's name are removed afterwards."""
    counted = Counted(engine)
    yield counted
    engine.remove_container(name)
    for image in engine.observe().images:
        for tag in image.tags:
            if f"/{name}:" in tag:
                engine.remove_image(tag)


def spec_of(context: pathlib.Path, name: str, bootstrap: Bootstrap | None = None, **build: t.Any) -> ImageSpec:
    return image_spec(
        "g.yml: services.a", {"context": str(context), **build}, BuildExtensions({}, bootstrap), "cpu", name
    )


def stage(engine: t.Any, spec: ImageSpec, tmp_path: pathlib.Path, events: list | None = None) -> list[Done]:
    """As the action plugin does: ask, send the context only when it is needed, stage."""
    archives = {}
    if any(entry.context_needed for entry in plan_images([spec], engine.observe().images)):
        archives[spec.key] = str(tmp_path / "context.tar")
        extra = {spec.containerfile: spec.containerfile_text} if spec.containerfile_text else {}
        sent = read_context(spec.context, "" if spec.containerfile_text else spec.containerfile)
        write_archive(sent, archives[spec.key], extra)
    told = [] if events is None else events
    return Stager(engine, str(tmp_path / "cache"), archives, told.append).stage([spec])


def tags(engine: t.Any, name: str) -> list[str]:
    return sorted(tag for image in engine.observe().images for tag in image.tags if f"/{name}:" in tag)


def test_built_once_and_again_when_a_file_changes(own, name, context, tmp_path):
    events: list[dict] = []
    first = stage(own, spec_of(context, name, args={"WORD": "x y"}), tmp_path, events)
    assert [(entry.action, entry.reason) for entry in first] == [("built", "not built yet")]
    assert tags(own, name) == [first[0].reference]
    assert any("run" in event["line"] for event in events)

    run(own, replace(config(name), image=first[0].reference))
    assert output_of(own, name, "cat", "/said", "/word").split() == ["one", "x", "y"]
    assert output_of(own, name, "ls", "-A", "/app").split() == [".dockerignore", "Containerfile", "link", "sub", "text"]
    modes = output_of(own, name, "stat", "-c", "%a:%u", "/app/text", "/app/sub", "/app")
    assert modes.split() == ["644:0", "755:0", "755:0"]

    again = stage(own, spec_of(context, name, args={"WORD": "x y"}), tmp_path)
    assert [entry.action for entry in again] == ["present"]
    (context / "debug.log").write_text("2")
    os.utime(context / "text", (1, 1))
    assert [entry.action for entry in stage(own, spec_of(context, name, args={"WORD": "x y"}), tmp_path)] == ["present"]
    assert own.calls == BUILD

    (context / "text").write_text("two\n")
    changed = stage(own, spec_of(context, name, args={"WORD": "x y"}), tmp_path)
    assert (changed[0].action, changed[0].reason[:31]) == ("built", "no image has these build inputs")
    assert own.calls == [*BUILD, *BUILD]
    assert tags(own, name) == sorted([first[0].reference, changed[0].reference])


def test_both_engines_give_the_same_name(podman_engine, docker_engine, context, name, tmp_path, busybox_archive):
    # A base with our own label has the same identity everywhere; engine ids differ.
    recipe = Bootstrap("BASE", name, pull=False)
    cached(tmp_path, recipe, busybox_archive)
    spec = spec_of(context, name, recipe, args={"BASE": "localhost/nowhere:1"})
    references = {stage(engine, spec, tmp_path)[-1].reference for engine in (podman_engine, docker_engine)}
    assert len(references) == 1


def cached(tmp_path: pathlib.Path, recipe: Bootstrap, archive: str) -> None:
    """Puts a root file system where a bootstrap of this recipe would leave it."""
    digest = make.recipe_digest(recipe, make.architecture())
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / f"base-{digest}.tar").symlink_to(archive)


def test_a_bootstrapped_base_stands_in(own, name, context, tmp_path, busybox_archive):
    recipe = Bootstrap("BASE", name, pull=True)
    cached(tmp_path, recipe, busybox_archive)
    missing = {"BASE": f"localhost/{name}-nowhere:1"}
    done = stage(own, spec_of(context, name, recipe, args=missing), tmp_path)
    assert [entry.action for entry in done] == ["bootstrapped", "built"]
    base = next(image for image in own.observe().images if done[0].reference in image.tags)
    assert base.labels[labels.BOOTSTRAP][:12] == done[0].reference.rpartition(":")[2]
    assert [entry.action for entry in stage(own, spec_of(context, name, recipe, args=missing), tmp_path)] == ["present"]

    # The base may be pruned: what was built from it stays good.
    own.remove_image(done[0].reference)
    calls = list(own.calls)
    assert [entry.action for entry in stage(own, spec_of(context, name, recipe, args=missing), tmp_path)] == ["present"]
    assert own.calls == calls


@pytest.mark.parametrize("repository", ["localhost/{}", "docker.io/library/{}"])
def test_a_container_starts_from_what_is_told(own, name, repository):
    # Podman knows a digest for every name outside localhost/, so the reference is name:tag@sha256:… there.
    reference = f"{repository.format(name)}:1"
    own.tag_image(IMAGE, reference)
    state = resolve(pulled_spec("g.yml: services.a", reference), own.observe().images)
    assert state.present and state.reference.startswith(reference)
    run(own, replace(config(name), image=state.reference))
    assert own.container(name).state == "running"


def test_further_tags(own, name, context, tmp_path):
    spec = spec_of(context, f"{name}:stable", tags=[f"{name}:v1"])
    done = stage(own, spec, tmp_path)
    assert tags(own, name) == sorted([done[0].reference, f"localhost/{name}:stable", f"localhost/{name}:v1"])


def test_target_platform_and_inline_containerfile(own, name, context, tmp_path):
    inline = f"FROM {IMAGE} AS one\nRUN echo 1 > /one\nFROM one AS two\nRUN exit 1\n"
    done = stage(own, spec_of(context, name, dockerfile_inline=inline, target="one"), tmp_path)
    assert [entry.action for entry in done] == ["built"]


def test_a_failing_build_leaves_no_tag_and_shows_its_last_lines(own, name, context, tmp_path):
    (context / "sub/run").write_text("#!/bin/sh\necho the reason is here >&2\nexit 3\n")
    with pytest.raises(EngineError) as caught:
        stage(own, spec_of(context, name, tags=[f"{name}:stable"]), tmp_path)
    assert "the reason is here" in caught.value.message
    assert caught.value.path.endswith("Containerfile")
    assert tags(own, name) == []
    (context / "sub/run").write_text("#!/bin/sh\n")
    assert [entry.action for entry in stage(own, spec_of(context, name), tmp_path)] == ["built"]


def test_a_base_that_is_nowhere_is_named(own, name, context, tmp_path):
    base = f"registry.invalid/{name}:1"
    with pytest.raises(EngineError) as caught:
        stage(own, spec_of(context, name, args={"BASE": base}), tmp_path)
    assert f"FROM {base}" in caught.value.message
    assert own.calls == ["pull_image"]


def test_a_large_context_is_not_read_into_memory(own, name, context, tmp_path):
    with (context / "large").open("wb") as stream:
        stream.truncate(64 << 20)
    spec = spec_of(context, name)
    archive = tmp_path / "large.tar"
    write_archive(read_context(spec.context, spec.containerfile), str(archive))
    with tarfile.open(archive) as tar:
        assert tar.getmember("large").size == 64 << 20


# --- the module, through Ansible ----------------------------------------------


def play(tmp_path: pathlib.Path, *arguments: str, **options: t.Any) -> subprocess.CompletedProcess[str]:
    task = {"gpu_fleet.containers.image_build": {"cache_dir": str(tmp_path / "cache"), **options}}
    playbook = tmp_path / "play.yml"
    playbook.write_text(json.dumps([{"hosts": "all", "gather_facts": False, "tasks": [task]}]))
    environment = {
        **os.environ,
        "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".collections"),
        "ANSIBLE_HOME": str(tmp_path / "ansible"),
        "ANSIBLE_NOCOLOR": "1",
        "TMPDIR": str(tmp_path / "tmp"),
    }
    (tmp_path / "tmp").mkdir(exist_ok=True)
    interpreter = f"ansible_python_interpreter={sys.executable}"
    program = pathlib.Path(sys.executable).parent / "ansible-playbook"
    return subprocess.run(
        [str(program), "-i", "box,", "-c", "local", "-e", interpreter, str(playbook), *arguments],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def podman_images(podman_engine: PodmanEngine, name: str) -> t.Iterator[t.Callable[[], list[str]]]:
    yield lambda: tags(podman_engine, name)
    for tag in tags(podman_engine, name):
        podman_engine.remove_image(tag)


def test_the_module_by_hand(podman_images, name, context, tmp_path):
    options = {"name": name, "context": str(context), "arguments": {"WORD": "w"}}
    would = play(tmp_path, "--check", "--diff", **options)
    assert would.returncode == 0, would.stdout + would.stderr
    assert f"localhost/{name}:" in would.stdout and "+localhost" in would.stdout and "changed=1" in would.stdout
    assert podman_images() == []

    first = play(tmp_path, **options)
    assert "changed=1" in first.stdout, first.stdout + first.stderr
    assert f"box | build {name}: " in first.stdout
    built = podman_images()
    assert len(built) == 1 and built[0] in would.stdout

    second = play(tmp_path, **options)
    assert "changed=0" in second.stdout and "box | build" not in second.stdout
    assert [entry for entry in os.listdir(tmp_path / "tmp") if entry.startswith("gpu-fleet-")] == []


def test_the_module_says_what_is_wrong(podman_images, name, context, tmp_path):
    (context / "Containerfile").write_text("FROM ${NOWHERE}\n")
    result = play(tmp_path, name=name, context=str(context))
    assert result.returncode != 0
    assert "Containerfile:1: variable NOWHERE has no value" in result.stdout + result.stderr


def test_a_secret_by_hand_is_shown_nowhere(podman_images, name, context, tmp_path):
    (context / "Containerfile").write_text(
        f"FROM {IMAGE}\nRUN --mount=type=secret,id=token test $(wc -c < /run/secrets/token) = 12 && cat /run/secrets/token\n"
    )
    options = {"name": name, "context": str(context), "secrets": {"token": {"variable": "pip_token"}}}
    (tmp_path / "vars.json").write_text(json.dumps({"container_secrets": {"pip_token": "a secret one"}}))
    result = play(tmp_path, "-vvv", "-e", f"@{tmp_path / 'vars.json'}", **options)
    assert "changed=1" in result.stdout, result.stdout + result.stderr
    assert "a secret one" not in result.stdout + result.stderr
    assert len(podman_images()) == 1

    missing = play(tmp_path, "-e", '{"container_secrets": {}}', **{**options, "name": f"{name}-2"})
    assert "no value for the secret pip_token" in missing.stdout + missing.stderr
