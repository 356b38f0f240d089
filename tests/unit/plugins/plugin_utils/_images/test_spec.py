"""From `image` and `build` to the spec that is sent to a host."""

from __future__ import annotations

import pathlib
import typing as t

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._errors import InputError
from ansible_collections.gpu_fleet.containers.plugins.module_utils._image.spec import (
    Bootstrap,
    ImageSpec,
    from_dict,
    to_dict,
)
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._compose.spec import BuildExtensions, BuildVariant
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._images.spec import (
    check_unchanged,
    image_spec,
    pick_variant,
    pulled_spec,
)

WHERE = "g.yml:3:5: services.a"


@pytest.fixture
def context(tmp_path: pathlib.Path) -> pathlib.Path:
    (tmp_path / "Dockerfile").write_text("ARG BASE=debian:12\nFROM ${BASE} AS one\nFROM one AS two\n")
    (tmp_path / "file").write_text("x")
    return tmp_path


def spec(
    context: pathlib.Path, extensions: BuildExtensions | None = None, stack: str = "cpu", **build: t.Any
) -> ImageSpec:
    image = build.pop("image", "ai-system/agent")
    platform = build.pop("platform", "")
    return image_spec(WHERE, {"context": str(context), **build}, extensions, stack, image, platform=platform)


def test_a_plain_build(context: pathlib.Path) -> None:
    made = spec(context, dockerfile="Dockerfile", args={"A": "1", "UNSET": None}, labels={"l": "1"})
    assert (made.key, made.repository) == ("localhost/ai-system/agent", "localhost/ai-system/agent")
    assert (made.containerfile, made.containerfile_text) == ("Dockerfile", "")
    assert made.arguments == {"A": "1"}
    assert made.bases == ("debian:12",)
    assert len(made.inputs) == 64
    assert from_dict(to_dict(made)) == made


@pytest.mark.parametrize(
    "build", [{}, {"dockerfile_inline": "FROM debian:12"}, {"dockerfile": "../outside"}, {"target": "one"}]
)
def test_a_context_that_changed_since_the_plan_is_not_sent(context: pathlib.Path, build: dict[str, str]) -> None:
    """Its image would be known by inputs that it was not made of, and be taken for them when they come back."""
    (context.parent / "outside").write_text("FROM debian:12\n")
    (context / ".dockerignore").write_text("ignored\n")
    made = spec(context, **build)
    (context / "ignored").write_text("y")
    check_unchanged(made)
    (context / "file").write_text("y")
    with pytest.raises(InputError, match=f"{context}: changed since the plan was made"):
        check_unchanged(made)


VARIANTS = {
    "nvidia": BuildVariant(args={"BASE": "nvidia/cuda:12"}),
    "rocm": BuildVariant(target="one"),
    "vulkan": BuildVariant(dockerfile="Dockerfile.vulkan"),
}


@pytest.mark.parametrize(
    ("stack", "variant"),
    [
        ("nvidia", "nvidia"),
        ("nvidia-wsl", "nvidia"),
        ("nvidia-tegra", "nvidia"),
        ("rocm-wsl", "rocm"),
        ("vulkan", "vulkan"),
        ("intel", None),
        ("cpu", None),
    ],
)
def test_variants_fall_back(stack: str, variant: str | None) -> None:
    expected = VARIANTS[variant] if variant else BuildVariant()
    assert pick_variant(BuildExtensions(VARIANTS), stack) == expected


def test_own_variant_goes_before_the_fall_back() -> None:
    own = BuildVariant(target="wsl")
    assert pick_variant(BuildExtensions({**VARIANTS, "nvidia-wsl": own}), "nvidia-wsl") == own


def test_a_variant_is_laid_over_the_plain_build(context: pathlib.Path) -> None:
    made = spec(context, BuildExtensions(VARIANTS), "nvidia", args={"BASE": "x", "A": "1"}, target="two")
    assert made.arguments == {"A": "1", "BASE": "nvidia/cuda:12"}
    assert (made.target, made.bases) == ("two", ("nvidia/cuda:12",))
    (context / "Dockerfile.vulkan").write_text("FROM mesa")
    assert spec(context, BuildExtensions(VARIANTS), "vulkan").bases == ("mesa",)


CHANGES: dict[str, dict[str, t.Any]] = {
    "argument": {"args": {"A": "1"}},
    "target": {"target": "one"},
    "platform": {"platform": "linux/arm64"},
    "label": {"labels": {"a": "b"}},
    "inline": {"dockerfile_inline": "FROM x"},
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_the_image_is_made_of_counts(context: pathlib.Path, name: str) -> None:
    assert spec(context).inputs != spec(context, **CHANGES[name]).inputs


@pytest.mark.parametrize("build", [{"tags": ["a/b:c"]}, {"no_cache": True}, {"pull": True}, {"image": "other"}])
def test_what_it_is_called_does_not_count(context: pathlib.Path, build: dict[str, t.Any]) -> None:
    assert spec(context).inputs == spec(context, **build).inputs


def test_the_order_of_arguments_does_not_count(context: pathlib.Path) -> None:
    assert spec(context, args={"A": "1", "B": "2"}) == spec(context, args={"B": "2", "A": "1"})


def test_a_changed_file_counts(context: pathlib.Path) -> None:
    before = spec(context).inputs
    (context / "file").write_text("y")
    assert spec(context).inputs != before


def test_names_and_tags(context: pathlib.Path) -> None:
    made = spec(context, image="registry.lan:5000/a/b:1", tags=["x", "a/b:2"])
    assert made.repository == "registry.lan:5000/a/b"
    assert made.tags == ("registry.lan:5000/a/b:1", "localhost/x:latest", "localhost/a/b:2")


def test_inline_and_outside_containerfiles_travel_as_text(context: pathlib.Path) -> None:
    inline = spec(context, dockerfile_inline="FROM a\n")
    assert (inline.containerfile_text, inline.bases) == ("FROM a\n", ("a",))
    (context / "inner").mkdir()
    outside = spec(context / "inner", dockerfile="../Dockerfile")
    assert outside.containerfile_text == (context / "Dockerfile").read_text()
    assert outside.containerfile == inline.containerfile != "Dockerfile"


def test_containerfile_is_found_by_podmans_name(tmp_path: pathlib.Path) -> None:
    (tmp_path / "Containerfile").write_text("FROM a")
    assert spec(tmp_path, dockerfile="Dockerfile").containerfile == "Containerfile"


def test_bootstrap_spells_out_its_argument(context: pathlib.Path) -> None:
    recipe = Bootstrap("BASE", "bookworm", ("python3",))
    assert spec(context, BuildExtensions({}, recipe)).arguments == {"BASE": "debian:12"}
    assert spec(context, BuildExtensions({}, recipe), args={"BASE": "x:1"}).arguments == {"BASE": "x:1"}


def _bad(context: pathlib.Path, build: dict[str, t.Any]) -> InputError:
    with pytest.raises(InputError) as caught:
        spec(pathlib.Path(build.pop("context", context)), **build)
    return caught.value


@pytest.mark.parametrize(
    ("build", "path", "words"),
    [
        ({"context": "/nowhere"}, f"{WHERE}.build.context", "/nowhere is not a directory"),
        ({"dockerfile": "nope"}, f"{WHERE}.build.dockerfile", "nope: No such file"),
        ({"target": "three"}, "Dockerfile", "no stage 'three'"),
        ({"dockerfile_inline": "FROM $X"}, f"{WHERE}.build:1", "variable X"),
        ({"args": {"BASE": "Not A Name"}}, "Dockerfile", "not an image reference"),
        ({"network": "host"}, f"{WHERE}.build.network", "'network' is not supported"),
        ({"platforms": ["linux/amd64", "linux/arm64"]}, f"{WHERE}.build.platforms", "one platform"),
        ({"tags": ["A B"]}, f"{WHERE}.build.tags[0]", "not an image reference"),
        ({"extensions": BuildExtensions({}, Bootstrap("OTHER", "bookworm"))}, f"{WHERE}.build.x-bootstrap", "OTHER"),
    ],
)
def test_errors_name_the_path(context: pathlib.Path, build: dict[str, t.Any], path: str, words: str) -> None:
    error = _bad(context, dict(build))
    assert error.path.endswith(path)
    assert words in error.message


@pytest.mark.parametrize(
    ("policy", "expected"), [("", "missing"), ("if_not_present", "missing"), ("always", "always"), ("never", "never")]
)
def test_pulled_images(policy: str, expected: str) -> None:
    made = pulled_spec(WHERE, "redis:7", pull_policy=policy)
    assert (made.key, made.build, made.pull_policy) == ("docker.io/library/redis:7", False, expected)


def test_pulled_images_with_bad_words() -> None:
    with pytest.raises(InputError) as caught:
        pulled_spec(WHERE, "redis", pull_policy="daily")
    assert caught.value.path == f"{WHERE}.pull_policy"
    with pytest.raises(InputError) as caught:
        pulled_spec(WHERE, "Redis Server")
    assert caught.value.path == f"{WHERE}.image"
