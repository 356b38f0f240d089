"""The collection's own Containerfiles: what each of them has to keep to, as far as it can be seen without building."""

from __future__ import annotations

import pathlib
import re
import subprocess
import sys

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._engine.reference import parse_reference
from ansible_collections.gpu_fleet.containers.plugins.module_utils._errors import InputError
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._compose.spec import BuildExtensions, BuildVariant
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._images.containerfile import (
    instructions,
    parse_bases,
)
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._images.lock import Lock, Pins
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._images.spec import image_spec
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._images.template import (
    template_names,
    template_path,
)

ROOT = pathlib.Path(__file__).resolve().parents[5]
NAMES = ("cpu", "cuda", "hybrid", "rocm", "vulkan", "wsl2-cuda")
TEXTS = {name: pathlib.Path(template_path(name)).read_text() for name in NAMES}
every = pytest.mark.parametrize("name", NAMES)


def stages(name):
    """Stage → what it is made from and its instructions, in order; the last one has no name."""
    result = {}
    for instruction in instructions(TEXTS[name]):
        if instruction.name == "FROM":
            base, _as, stage = instruction.rest.partition(" AS ")
            result[stage] = (base, [])
        elif result:
            result[list(result)[-1]][1].append(instruction)
    return result


def test_these_are_all():
    assert template_names() == NAMES


@every
def test_a_build_without_a_target_makes_the_runtime(name):
    made = stages(name)
    assert list(made)[-3:] == ["runtime", "devel", ""] and made[""] == ("runtime", [])


@every
def test_bases_are_references_in_full_with_a_version(name):
    for target in ("runtime", "devel"):
        for base in parse_bases(TEXTS[name], {}, target).references:
            assert str(parse_reference(base)) == base and parse_reference(base).tag != "latest", base
    assert parse_bases(TEXTS[name], {"BASE": "stand.in/a:1"}, "runtime").references == ("stand.in/a:1",)


@every
def test_every_builder_can_read_it(name):
    """Docker's classic builder has no --mount; in OCI images, which Podman makes, SHELL has no effect."""
    assert not [line for line in TEXTS[name].splitlines() if "--mount" in line]
    assert "SHELL" not in {instruction.name for instruction in instructions(TEXTS[name])}
    for stage, (_base, content) in stages(name).items():
        for instruction in content:
            if instruction.name == "RUN":
                assert instruction.rest.startswith("set -eu;"), "a step that fails ends the build"
                assert not re.search(r"[^|]\|[^|]", re.sub(r"'[^']*'", "", instruction.rest)), "sh has no pipefail"
        if stage != "base":
            declared = {part.rest.partition("=")[0] for part in content if part.name == "ARG"}
            used = {part.rest.strip("${}") for part in content if part.name == "USER"} - {"root"}
            assert used <= declared, "arguments end with their stage (classic builder)"


@every
def test_it_does_not_run_as_root_and_has_no_driver(name):
    for stage in ("runtime", "devel"):
        users = [instruction.rest for instruction in stages(name)[stage][1] if instruction.name == "USER"]
        assert users[-1] == "${USER_ID}"
    assert not re.search(r"nvidia-driver|libnvidia|nvidia-utils|amdgpu-dkms|NVIDIA_VISIBLE_DEVICES=", TEXTS[name])


@every
@pytest.mark.parametrize("target", ["runtime", "devel"])
def test_no_package_cache_stays(name, target):
    made = stages(name)
    while target in made:
        target, content = made[target]
        for instruction in content:
            if "apt-get install" in instruction.rest:
                assert "apt-get clean" in instruction.rest and "rm -rf /var/lib/apt/lists/*" in instruction.rest


def test_what_four_templates_do_alike_they_say_alike():
    def shared(name):
        text = TEXTS[name]
        return text[text.index("# What the image is made of") : text.index("FROM base AS runtime")]

    assert {shared(name) for name in ("cpu", "cuda", "rocm", "wsl2-cuda")} == {shared("cpu")}


def test_the_linter_finds_nothing():
    program = pathlib.Path(sys.executable).with_name("hadolint")
    done = subprocess.run([program, *map(template_path, NAMES)], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


# --- as a build ------------------------------------------------------------


def spec(context, extensions, stack="cpu", pins=None, **build):
    pin = {"pin": pins.pin} if pins else {}
    return image_spec("s", {"context": str(context), **build}, extensions, stack, "x", **pin)


@every
def test_a_build_takes_its_context_arguments_and_target(tmp_path, name):
    (tmp_path / "requirements.txt").write_text("six\n")
    made = spec(tmp_path, BuildExtensions(template=name), args={"BASE": "debian:12"}, dockerfile="Dockerfile")
    assert made.containerfile_text == TEXTS[name] and made.target == "runtime" and made.bases == ("debian:12",)
    assert made.arguments == {"BASE": "debian:12"} and made.context == str(tmp_path)
    assert spec(tmp_path, BuildExtensions(template=name), target="devel").target == "devel"
    (tmp_path / "requirements.txt").write_text("six==1.17.0\n")
    again = spec(tmp_path, BuildExtensions(template=name), args={"BASE": "debian:12"})
    assert again.inputs != made.inputs


@every
def test_its_base_is_pinned_as_any_other(tmp_path, name):
    base = parse_bases(TEXTS[name], {}, "runtime").references[0]
    made = spec(tmp_path, BuildExtensions(template=name), pins=Pins(Lock("l", {base: f"sha256:{'a' * 64}"})))
    assert made.bases == (f"{base}@sha256:{'a' * 64}",)


@pytest.mark.parametrize(
    ("extensions", "stack", "template"),
    [
        (BuildExtensions({"nvidia": BuildVariant(template="cuda")}, template="cpu"), "cpu", "cpu"),
        (BuildExtensions({"nvidia": BuildVariant(template="cuda")}, template="cpu"), "nvidia-wsl", "cuda"),
        (
            BuildExtensions({"nvidia-wsl": BuildVariant(template="wsl2-cuda")}, template="cpu"),
            "nvidia-wsl",
            "wsl2-cuda",
        ),
        (BuildExtensions({"rocm": BuildVariant(template="rocm")}), "rocm-wsl", "rocm"),
        (BuildExtensions({"nvidia": BuildVariant(template="cuda")}), "cpu", ""),
        (BuildExtensions({"nvidia": BuildVariant(dockerfile="Dockerfile")}, template="cpu"), "nvidia", ""),
    ],
)
def test_the_stack_chooses_the_template(tmp_path, extensions, stack, template):
    (tmp_path / "Dockerfile").write_text("FROM debian:12\n")
    assert spec(tmp_path, extensions, stack).containerfile_text == (TEXTS[template] if template else "")


def test_a_template_that_there_is_not(tmp_path):
    with pytest.raises(InputError, match=r"s\.build\.x-template: there is no template cud\. Did you mean «cuda»\?"):
        spec(tmp_path, BuildExtensions(template="cud"))
    with pytest.raises(InputError, match=r"s\.build\.context: build context .*/gone is not a directory"):
        spec(tmp_path / "gone", BuildExtensions(template="cpu"))
