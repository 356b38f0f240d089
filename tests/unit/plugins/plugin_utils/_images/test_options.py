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
    ],
)
def test_bad_variants(base: pathlib.Path, stacks: dict[str, t.Any], path: str, words: str) -> None:
    with pytest.raises(InputError) as caught:
        spec_from_options(options(stacks=stacks), str(base))
    assert caught.value.path == path
    assert words in caught.value.message


def test_a_missing_context_is_named(base: pathlib.Path) -> None:
    with pytest.raises(InputError, match="/nowhere is not a directory"):
        spec_from_options(options(context="nowhere"), str(base))
