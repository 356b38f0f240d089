"""Builds on real engines: caches, secrets, drivers, lists of packages, and what is left when one fails or is killed."""

from __future__ import annotations

import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import typing as t
from dataclasses import replace

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._engine.docker import DockerEngine
from ansible_collections.gpu_fleet.containers.plugins.module_utils._engine.docker_buildkit import candidates
from ansible_collections.gpu_fleet.containers.plugins.module_utils._engine.podman import PodmanEngine
from ansible_collections.gpu_fleet.containers.plugins.module_utils._errors import EngineError
from ansible_collections.gpu_fleet.containers.plugins.module_utils._image.make import Done, Stager
from ansible_collections.gpu_fleet.containers.plugins.module_utils._image.spec import ImageSpec, to_dict
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._images.context import read_context, write_archive

from .conftest import IMAGE
from .test_image_build import ROOT, spec_of, tags
from .waiting import config, output_of, run, until

SECRET = "s3cret-of-the-build"
STEPS = """\
FROM {base} AS tools
RUN echo tools > /tools
COPY rarely /rarely
RUN cat /rarely > /made
FROM {base}
RUN echo first > /first
COPY --from=tools /tools /made /
COPY often /often
RUN cat /often > /last
"""


@pytest.fixture
def context(tmp_path: pathlib.Path) -> pathlib.Path:
    folder = tmp_path / "context"
    folder.mkdir()
    for name in ("rarely", "often"):
        (folder / name).write_text(f"{name}\nline 2\n")
    containerfile(folder, STEPS)
    return folder


def containerfile(folder: pathlib.Path, text: str) -> None:
    (folder / "Containerfile").write_text(text.replace("{base}", IMAGE))


@pytest.fixture
def left(engine, name):
    """Names that the test's images have; they are taken away at its end."""
    yield lambda: tags(engine, name)
    engine.remove_container(name)
    for tag in tags(engine, name):
        engine.remove_image(tag)


def build(
    engine: t.Any, spec: ImageSpec, tmp_path: pathlib.Path, secrets: dict[str, str] | None = None
) -> tuple[Done, list[str]]:
    """The image that came out, and the builder's lines."""
    archive = str(tmp_path / "context.tar")
    write_archive(read_context(spec.context, spec.containerfile), archive)
    lines: list[str] = []
    stager = Stager(
        engine,
        str(tmp_path / "cache"),
        {spec.key: archive},
        lambda event: lines.append(event.get("line", "")),
        secrets or {},
    )
    return stager.stage([spec])[-1], lines


def executed(lines: list[str]) -> list[str]:
    """The RUN and COPY steps that were carried out and not taken from a cache, by either builder's words."""
    steps: dict[str, str] = {}
    last = ""
    for line in lines:
        found = re.match(r"(#\d+) \[[^]]*\d+/\d+\] ((?:RUN|COPY) .*)", line) or re.match(
            r"(\[\d+/\d+\] )?STEP \d+/\d+: ((?:RUN|COPY) .*)", line
        )
        if found:
            last = found[1] if line.startswith("#") else line
            steps[last] = found[2]
        elif re.match(r"#\d+ CACHED", line):
            steps.pop(line.split()[0], None)
        elif line.startswith("--> Using cache"):
            steps.pop(last, None)
    return sorted(steps.values())


def test_a_line_of_the_context_builds_again_only_what_must_be(engine, left, name, context, tmp_path):
    first, lines = build(engine, spec_of(context, name), tmp_path)
    assert len(executed(lines)) == 7, lines
    (context / "often").write_text("often\nline 2 is another\n")
    second, lines = build(engine, spec_of(context, name), tmp_path)
    assert executed(lines) == ["COPY often /often", "RUN cat /often > /last"], lines
    assert second.action == "built" and sorted(left()) == sorted([first.reference, second.reference])
    run(engine, replace(config(name), image=second.reference))
    assert output_of(engine, name, "cat", "/last", "/made").split("\n")[1] == "line 2 is another"


WITH_SECRET = """\
FROM {base}
RUN --mount=type=secret,id=token test $(wc -c < /run/secrets/token) = 20
"""


def test_a_secret_is_read_and_stays_out(engine, left, name, context, tmp_path):
    containerfile(context, WITH_SECRET)
    done, lines = build(engine, with_secret(spec_of(context, name)), tmp_path, {"key": SECRET + "\n"})
    assert done.action == "built" and SECRET not in "".join(lines)
    with engine.saved_image(done.reference) as stream:
        assert SECRET.encode() not in stream.read()
    assert not list(pathlib.Path("/run").glob("gpu-fleet-build-secrets-*"))


def with_secret(spec: ImageSpec) -> ImageSpec:
    return replace(spec, secrets={"token": "key"})


LEAKS = {
    "in a file": ("RUN --mount=type=secret,id=token cp /run/secrets/token /netrc", "netrc in layer 2 of"),
    "in a file that a later step removes": (
        "RUN --mount=type=secret,id=token cp /run/secrets/token /kept\nRUN rm /kept",
        "kept in layer 2 of",
    ),
    "in the environment": ("ENV TOKEN=" + SECRET, "config.Env["),
    "in the history": ("RUN echo " + SECRET + " > /dev/null", "created_by of its configuration holds token"),
}


@pytest.mark.parametrize("leak", LEAKS)
def test_a_secret_that_stays_is_refused(engine, left, name, context, tmp_path, leak):
    step, words = LEAKS[leak]
    containerfile(context, "FROM {base}\n" + step + "\n")
    before = {image.id for image in engine.observe().images}
    with pytest.raises(EngineError) as caught:
        build(engine, with_secret(spec_of(context, name, tags=[f"{name}:stable"])), tmp_path, {"key": SECRET})
    assert "a build secret ended up in the image" in caught.value.message and words in caught.value.message
    assert SECRET not in str(caught.value) and "prune" in caught.value.mend
    assert left() == [] and {image.id for image in engine.observe().images} == before


def test_a_driver_is_refused_and_a_stub_is_not(engine, left, name, context, tmp_path):
    stub = "FROM {base}\nRUN mkdir -p /usr/local/cuda/lib64/stubs && echo x > /usr/local/cuda/lib64/stubs/libcuda.so\n"
    containerfile(context, stub)
    done, _lines = build(engine, spec_of(context, name), tmp_path)
    assert left() == [done.reference]
    containerfile(context, stub + "RUN mkdir -p /usr/lib/gpu && echo x > /usr/lib/gpu/libnvidia-ml.so.535.104.05\n")
    before = {image.id for image in engine.observe().images}
    with pytest.raises(EngineError) as caught:
        build(engine, spec_of(context, name, tags=[f"{name}:stable"]), tmp_path)
    assert "usr/lib/gpu/libnvidia-ml.so.535.104.05 in layer 3 of 3, «" in caught.value.message
    assert caught.value.path.endswith("Containerfile") and "cuda-toolkit" in caught.value.mend
    assert left() == [done.reference] and {image.id for image in engine.observe().images} == before
    containerfile(context, stub + "RUN echo mended\n")
    assert build(engine, spec_of(context, name), tmp_path)[0].action == "built"


def test_a_driver_of_the_base_is_not_the_builds_fault(engine, left, name, context, tmp_path):
    containerfile(context, "FROM {base}\nRUN mkdir -p /usr/lib/wsl/lib && echo x > /usr/lib/wsl/lib/libdxcore.so\n")
    base = f"localhost/{name}/base:1"
    engine.build_image(str(context), "Containerfile", [base], {}, {})
    (context / "Containerfile").write_text(f"FROM {base}\nRUN echo ours > /ours\n")
    done, _lines = build(engine, spec_of(context, name), tmp_path)
    assert done.action == "built"
    engine.remove_image(done.reference)
    engine.remove_image(base)


def test_packages_are_listed_and_labels_tell_what_it_is(engine, left, name, context, tmp_path):
    info = "/opt/v/lib/demo-1.2.dist-info"
    steps = f"RUN mkdir -p {info} && printf 'Name: demo\\nVersion: 1.2\\n' > {info}/METADATA\n"
    containerfile(context, "FROM {base}\n" + steps)
    done, _lines = build(engine, spec_of(context, name), tmp_path)
    listed = json.loads(pathlib.Path(done.sbom).read_text())
    assert [entry["purl"] for entry in listed["components"]] == ["pkg:pypi/demo@1.2"]
    assert listed["metadata"]["component"]["version"] == done.reference.rpartition(":")[2]
    labels = next(image.labels for image in engine.observe().images if done.reference in image.tags)
    assert labels["org.opencontainers.image.base.name"] == IMAGE
    assert labels["org.opencontainers.image.title"] == name
    assert labels["org.opencontainers.image.version"] == done.reference.rpartition(":")[2]
    # What was read of the base is kept, and the next build passes over it.
    assert len(list((tmp_path / "cache/layers").iterdir())) == 1
    containerfile(context, "FROM {base}\n" + steps + f"RUN rm -r {info}\n")
    done, _lines = build(engine, spec_of(context, name), tmp_path)
    assert json.loads(pathlib.Path(done.sbom).read_text())["components"] == []


MODULE = """
import json, pathlib, sys
from ansible_collections.gpu_fleet.containers.plugins.module_utils._engine.open import open_engine
from ansible_collections.gpu_fleet.containers.plugins.module_utils._image.make import Stager
from ansible_collections.gpu_fleet.containers.plugins.module_utils._image.spec import from_dict
engine, cache, archive, spec = sys.argv[1:]
spec = from_dict(json.loads(spec))
Stager(open_engine(engine), cache, {spec.key: archive}, lambda event: print(event, flush=True), {"key": "%s\\n"}).stage([spec])
"""


def test_killed_while_building(engine, left, name, context, tmp_path):
    """No name, no secret left for good, and the next run does it."""
    containerfile(context, WITH_SECRET + "RUN echo it works && sleep 5\nRUN echo more > /more\n")
    spec = with_secret(spec_of(context, name, tags=[f"{name}:stable"]))
    archive = str(tmp_path / "context.tar")
    write_archive(read_context(spec.context, spec.containerfile), archive)
    argv = [
        sys.executable,
        "-c",
        MODULE % SECRET,
        engine.name,
        str(tmp_path / "cache"),
        archive,
        json.dumps(to_dict(spec)),
    ]
    log = tmp_path / "log"
    # What a killed process leaves in the temporary directory, that of the test takes.
    environment = {**os.environ, "PYTHONPATH": str(ROOT / ".collections"), "TMPDIR": str(tmp_path)}
    with log.open("w") as stream, subprocess.Popen(argv, stdout=stream, stderr=stream, env=environment) as process:
        until(lambda: "sleep 5" in log.read_text() or process.poll() is not None, 60)
        assert process.poll() is None, log.read_text()
        left_behind = list(pathlib.Path("/run").glob("gpu-fleet-build-secrets-*/*"))
        assert [path.stat().st_mode & 0o777 for path in left_behind] == [0o600]
        command_lines = b"".join(read_quietly(path) for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"))
        # Ours is in the list only because this test gives it to its own Python.
        assert command_lines.count(SECRET.encode()) == (MODULE % SECRET).count(SECRET)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert left() == []
    done, _lines = build(engine, spec, tmp_path, {"key": SECRET + "\n"})
    assert done.action == "built" and len(left()) == 2
    assert not list(pathlib.Path("/run").glob("gpu-fleet-build-secrets-*"))


def read_quietly(path: pathlib.Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def test_a_base_whose_digest_is_wrong(engine, left, name, context, tmp_path):
    base = f"localhost:1/{name}/base:1@sha256:{'0' * 64}"
    (context / "Containerfile").write_text(f"FROM {base}\nRUN echo x\n")
    with pytest.raises(EngineError) as caught:
        build(engine, spec_of(context, name), tmp_path)
    assert f"FROM {base}" in caught.value.message and left() == []


def test_a_full_disk(engine, name, context, tmp_path, request):
    """An engine of its own on a small tmpfs, where a step writes more than there is."""
    small = tmp_path / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", str(small)], check=True)
    try:
        cramped = cramped_engine(engine, small, request)
        containerfile(context, "FROM {base}\nRUN dd if=/dev/zero of=/large bs=1M count=100\n")
        with pytest.raises(EngineError) as caught:
            build(cramped, spec_of(context, name, tags=[f"{name}:stable"]), tmp_path)
        assert "o space left on device" in caught.value.message and "Make room" in caught.value.mend
        assert tags(cramped, name) == []
        containerfile(context, "FROM {base}\nRUN dd if=/dev/zero of=/large bs=1M count=1\n")
        assert build(cramped, spec_of(context, name), tmp_path)[0].action == "built"
    finally:
        subprocess.run(["umount", "--lazy", str(small)], check=True)


def cramped_engine(engine: t.Any, small: pathlib.Path, request: pytest.FixtureRequest) -> t.Any:
    archive = request.getfixturevalue("busybox_archive")
    if engine.name == "docker":
        return request.getfixturevalue("docker_with")({"data-root": str(small)})
    storage = small / "storage.conf"
    storage.write_text(f'[storage]\ndriver = "overlay"\ngraphroot = "{small}/graph"\nrunroot = "{small}/run"\n')
    cramped = PodmanEngine(environment={**os.environ, "CONTAINERS_STORAGE_CONF": str(storage), "TMPDIR": str(small)})
    cramped.import_image(archive, IMAGE, {})
    return cramped


# --- Docker's programs --------------------------------------------------------


def test_a_docker_without_a_builder_on_the_path_is_passed_by(docker_engine, name, context, tmp_path, monkeypatch):
    """Whatever is first on PATH: here one that says it has no buildx, and is too new to build by itself."""
    containerfile(context, "FROM {base}\nRUN --mount=type=cache,target=/c echo x > /x\n")
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "docker").write_text('#!/bin/sh\n[ "$1" = --version ] && echo "Docker version 28.2.2" || exit 1\n')
    (folder / "docker").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    assert candidates(os.environ["PATH"])[0] == str(folder / "docker")
    done, _lines = build(docker_engine, spec_of(context, name), tmp_path)
    assert done.action == "built"
    docker_engine.remove_image(done.reference)

    named = DockerEngine(docker_cli=str(folder / "docker"))
    containerfile(context, "FROM {base}\nRUN --mount=type=cache,target=/c echo y > /y\n")
    with pytest.raises(EngineError, match="cannot build with BuildKit"):
        build(named, spec_of(context, name), tmp_path)


def test_without_any_program_the_daemon_builds_what_it_can(docker_engine, name, context, tmp_path, monkeypatch):
    monkeypatch.setattr(
        "ansible_collections.gpu_fleet.containers.plugins.module_utils._engine.docker_buildkit.candidates",
        lambda path: [],
    )
    done, lines = build(docker_engine, spec_of(context, name), tmp_path)
    assert done.action == "built" and any(line.startswith("Step ") for line in lines)
    docker_engine.remove_image(done.reference)
    containerfile(context, "FROM {base}\nRUN --mount=type=cache,target=/c echo x > /x\n")
    with pytest.raises(EngineError) as caught:
        build(docker_engine, spec_of(context, name), tmp_path)
    assert "needs BuildKit (RUN --mount)" in caught.value.message and "buildx" in caught.value.mend
    assert tags(docker_engine, name) == []
