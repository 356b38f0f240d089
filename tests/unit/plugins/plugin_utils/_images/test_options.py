"""The module's friendly options become the same spec as a group file's build."""

from __future__ import annotations

import pathlib
import typing as t

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.gpu_fleet.containers.plugins.module_utils._errors import InputError
from ansible_collections.gpu_fleet.containers.plugins.module_utils._image.spec import Bootstrap
from ansible_collections.gpu_fleet.containers.plugins.modules.image_build import ARGUMENTS
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._compose.spec import BuildExtensions, BuildVariant
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._images.options import spec_from_options
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._images.spec import image_spec


@pytest.fixture
def base(tmp_path: pathlib.Path) -> pathlib.Path:
    (tmp_path / "agent").mkdir()
    (tmp_path / "agent/Containerfile").write_text("ARG BASE=debian:12\nFROM ${BASE} AS one\n")
    return tmp_path


def options(**given: t.Any) -> dict[str, t.Any]:
    validated = ArgumentSpecValidator(ARGUMENTS).validate({"name": "a/agent", "context": "agent", **given})
    assert not validated.error_messages
    return validated.validated_parameters


def test_the_same_as_a_group_files_build(base: pathlib.Path) -> None:
    made = spec_from_options(
        options(
            arguments={"N": 1},
            target="one",
            platform="linux/amd64",
            labels={"l": 1},
            tags=["a/agent:v1"],
            pull="yes",
            stack="nvidia-wsl",
            stacks={"nvidia": {"args": {"BASE": "nvidia/cuda:12"}}},
            bootstrap={"argument": "BASE", "suite": "bookworm", "packages": ["python3"], "pull": False},
        ),
        str(base),
    )
    build = {
        "context": str(base / "agent"),
        "args": {"N": "1"},
        "target": "one",
        "labels": {"l": "1"},
        "tags": ["a/agent:v1"],
        "pull": True,
    }
    extensions = BuildExtensions(
        {"nvidia": BuildVariant(args={"BASE": "nvidia/cuda:12"})},
        Bootstrap("BASE", "bookworm", ("python3",), pull=False),
    )
    assert made == image_spec("a/agent", build, extensions, "nvidia-wsl", "a/agent", platform="linux/amd64")
    assert made.pull_policy == "always"


@pytest.mark.parametrize(
    ("stacks", "path", "words"),
    [
        ({"nvidia": {"arguments": {}}}, "stacks.nvidia", "unknown key 'arguments'"),
        ({"nvidia": "x"}, "stacks.nvidia", "not a mapping"),
        ({"nvidia": {"template": "cuda", "dockerfile": "D"}}, "stacks.nvidia", "exclude each other"),
        ({"nvidia": {"template": "cud"}}, "stacks.nvidia.template", "there is no template cud"),
        ({"cuda": {}}, "stacks", "there is no GPU stack cuda"),
    ],
)
def test_bad_variants(base: pathlib.Path, stacks: dict[str, t.Any], path: str, words: str) -> None:
    with pytest.raises(InputError) as caught:
        spec_from_options(options(stacks=stacks), str(base))
    assert caught.value.path == path
    assert words in caught.value.message


def test_templates(base: pathlib.Path) -> None:
    given = {"template": "cpu", "stacks": {"nvidia": {"template": "cuda"}}}
    made = spec_from_options(options(**given), str(base))
    extensions = BuildExtensions({"nvidia": BuildVariant(template="cuda")}, template="cpu")
    assert made == image_spec("a/agent", {"context": str(base / "agent")}, extensions, "cpu", "a/agent")
    assert made.containerfile_text.startswith("# Template «cpu»")
    gpu = spec_from_options(options(**given, stack="nvidia-wsl"), str(base))
    assert gpu.containerfile_text.startswith("# Template «cuda»")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"template": "drawing"},
            "template: there is no template drawing. Known here: cpu, cuda, hybrid, rocm, vulkan, wsl2-cuda.",
        ),
        ({"template": "cpu", "containerfile": "C"}, "template: template and containerfile exclude each other"),
        ({"stack": "nvidea"}, "stack: there is no GPU stack nvidea. Did you mean «nvidia»?"),
    ],
)
def test_what_is_said_of_a_bad_choice(base: pathlib.Path, given: dict[str, t.Any], message: str) -> None:
    with pytest.raises(InputError) as caught:
        spec_from_options(options(**given), str(base))
    assert str(caught.value).startswith(message)


def test_a_missing_context_is_named(base: pathlib.Path) -> None:
    with pytest.raises(InputError, match="/nowhere is not a directory"):
        spec_from_options(options(context="nowhere"), str(base))
