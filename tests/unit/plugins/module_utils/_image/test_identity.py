"""Which image a spec means on an engine that has these images."""

from __future__ import annotations

import random
import typing as t
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.gpu_fleet.containers.plugins.module_utils._engine.base import ObservedImage
from ansible_collections.gpu_fleet.containers.plugins.module_utils._group import labels
from ansible_collections.gpu_fleet.containers.plugins.module_utils._image.identity import (
    ImageState,
    architecture,
    base_identity,
    bootstrap_reference,
    built_digest,
    join_bases,
    recipe_digest,
    resolve,
    stand_in_reference,
    to_stage,
)
from ansible_collections.gpu_fleet.containers.plugins.module_utils._image.spec import Bootstrap, ImageSpec

DIGEST = "sha256:" + "d" * 64
OTHER = "sha256:" + "e" * 64
BASE = ObservedImage("sha256:b1", ("docker.io/library/debian:12",), (f"docker.io/library/debian@{DIGEST}",))
LOCAL_BASE = ObservedImage("sha256:b2", ("docker.io/library/debian:12",))
SPEC = ImageSpec("k", "localhost/a/agent", inputs="i" * 64, bases=("debian:12",), arguments={"BASE": "debian:12"})
RECIPE = Bootstrap("BASE", "bookworm", ("python3",), pull=True)


def built(
    inputs: str = SPEC.inputs, bases: tuple[str, ...] = (DIGEST,), repository: str = SPEC.repository
) -> ObservedImage:
    digest = built_digest(inputs, join_bases(bases))
    own = {labels.IMAGE_INPUTS: inputs, labels.IMAGE_BASE: join_bases(bases)}
    return ObservedImage(f"sha256:{digest}id", (f"{repository}:{digest[:12]}",), (), own)


def stand_in(recipe: Bootstrap = RECIPE, machine: str = "x86_64") -> ObservedImage:
    digest = recipe_digest(recipe, architecture("", machine))
    return ObservedImage("sha256:boot", (bootstrap_reference(digest),), (), {labels.BOOTSTRAP: digest})


def look(spec: ImageSpec, *images: ObservedImage) -> ImageState:
    return resolve(spec, images, machine="x86_64")


def test_nothing_there() -> None:
    state = look(SPEC)
    assert (state.present, state.reference, state.identity) == (False, "", "")
    assert state.reason == "not built yet; base debian:12 is not there either"


def test_the_base_gives_the_name() -> None:
    state = look(SPEC, BASE)
    digest = built_digest(SPEC.inputs, DIGEST)
    assert state == ImageState("k", f"localhost/a/agent:{digest[:12]}", digest, False, "not built yet", (DIGEST,))


def test_built_is_present() -> None:
    state = look(SPEC, BASE, built())
    assert (state.present, state.reason) == (True, "present")


def test_built_without_its_base_is_good_as_it_is() -> None:
    assert look(SPEC, built()) == look(SPEC, BASE, built())


class Reason(t.NamedTuple):
    image: ObservedImage
    reason: str


@pytest.mark.parametrize(
    "case",
    [
        Reason(
            built("x" * 64), "no image has these build inputs yet (Containerfile, context, arguments, target, platform)"
        ),
        Reason(built(bases=(OTHER,)), "its base changed"),
        Reason(built(repository="localhost/other"), "not built yet"),
    ],
)
def test_reasons(case: Reason) -> None:
    state = look(SPEC, BASE, case.image)
    assert (state.present, state.reason) == (False, case.reason)


def test_without_a_base_other_inputs_do_not_count() -> None:
    assert not look(SPEC, built("x" * 64)).present


def test_an_image_on_top_of_ours_is_not_ours() -> None:
    # Labels are inherited: a hand-made image FROM ours carries them, under a tag of its own.
    ours = built()
    by_hand = replace(ours, id="sha256:hand", tags=("localhost/a/agent:mine",))
    assert not look(SPEC, by_hand).present
    assert base_identity("localhost/a/agent:mine", by_hand) == "sha256:hand"


def test_base_identities_in_order_of_trust() -> None:
    ours = replace(built(), digests=(f"localhost/a/agent@{OTHER}",))
    digest = built_digest(SPEC.inputs, DIGEST)
    assert base_identity(f"x@{OTHER}", BASE) == OTHER
    assert base_identity(ours.tags[0], ours) == f"sha256:{digest}"
    assert base_identity("debian:12", BASE) == DIGEST
    assert base_identity("debian:12", LOCAL_BASE) == "sha256:b2"
    podman_local = ObservedImage("sha256:id", ("localhost/x:1",), (f"localhost/x@{OTHER}",))
    assert base_identity("localhost/x:1", podman_local) == "sha256:id"
    assert base_identity("debian:12", None) == ""


def test_a_pinned_base_gives_the_name_before_it_is_pulled() -> None:
    pinned = replace(SPEC, bases=(f"debian@{DIGEST}",))
    assert look(pinned).reference == look(SPEC, BASE).reference
    assert look(pinned, built()).present


def test_podmans_short_names_are_found() -> None:
    image = ObservedImage("sha256:l", ("localhost/mybase:latest",))
    assert look(replace(SPEC, bases=("mybase",)), image).base_identities == ("sha256:l",)


def test_all_bases_count_and_their_order() -> None:
    second = ObservedImage("sha256:s", ("localhost/s:1",))
    one = look(replace(SPEC, bases=("debian:12", "localhost/s:1")), BASE, second)
    two = look(replace(SPEC, bases=("localhost/s:1", "debian:12")), BASE, second)
    assert one.base_identities == (DIGEST, "sha256:s")
    assert one.identity != two.identity


def test_scratch_needs_no_base() -> None:
    spec = replace(SPEC, bases=())
    assert look(spec).reference
    assert look(spec, built(bases=())).present


# --- bootstrap ---------------------------------------------------------------

BOOTSTRAPPED = replace(SPEC, bootstrap=RECIPE)


def test_the_bootstrapped_base_stands_in() -> None:
    state = look(BOOTSTRAPPED, stand_in())
    digest = recipe_digest(RECIPE, "amd64")
    assert state.base_identities == (f"sha256:{digest}",)
    assert state.stand_in == stand_in_reference(BOOTSTRAPPED, "x86_64") == f"localhost/gpu-fleet/base:{digest[:12]}"
    assert look(BOOTSTRAPPED, stand_in(), built(bases=state.base_identities)).present


def test_the_wanted_base_goes_before_it() -> None:
    state = look(BOOTSTRAPPED, stand_in(), BASE)
    assert (state.base_identities, state.stand_in) == ((DIGEST,), "")


def test_nothing_is_known_while_the_registry_has_to_be_asked() -> None:
    assert look(BOOTSTRAPPED).reference == ""
    pinned = replace(BOOTSTRAPPED, bases=(f"debian@{DIGEST}",), arguments={"BASE": f"debian@{DIGEST}"})
    assert look(pinned, stand_in()).stand_in


def test_without_a_registry_all_is_known_before() -> None:
    spec = replace(SPEC, bootstrap=replace(RECIPE, pull=False))
    assert look(spec).reference == look(spec, stand_in()).reference != ""
    assert look(spec).stand_in == stand_in_reference(spec, "x86_64")
    assert look(spec, built(bases=look(spec).base_identities)).present


def test_it_only_stands_in_for_its_own_argument() -> None:
    spec = replace(BOOTSTRAPPED, bases=("debian:12", "other"), arguments={"BASE": "debian:12"})
    state = look(spec, stand_in())
    assert state.base_identities[1] == "?"
    assert "base other is not there" in state.reason


def test_recipe_digest_depends_on_what_is_made() -> None:
    digest = recipe_digest(Bootstrap("BASE", "bookworm", ("a", "b")), "amd64")
    assert digest == recipe_digest(
        Bootstrap("OTHER", "bookworm", ("b", "a", "a"), "http://mirror", pull=False), "amd64"
    )
    others = [
        recipe_digest(Bootstrap("BASE", "trixie", ("a", "b")), "amd64"),
        recipe_digest(Bootstrap("BASE", "bookworm", ("a",)), "amd64"),
        recipe_digest(Bootstrap("BASE", "bookworm", ("a", "b"), variant="apt"), "amd64"),
        recipe_digest(Bootstrap("BASE", "bookworm", ("a", "b")), "arm64"),
    ]
    assert len({digest, *others}) == 5


@pytest.mark.parametrize(
    ("platform", "machine", "expected"),
    [
        ("", "x86_64", "amd64"),
        ("", "aarch64", "arm64"),
        ("", "armv7l", "armhf"),
        ("", "riscv64", "riscv64"),
        ("linux/arm64", "x86_64", "arm64"),
        ("linux/arm/v7", "x86_64", "armhf"),
        ("linux/arm/v6", "x86_64", "armel"),
        ("linux/386", "x86_64", "i386"),
    ],
)
def test_architecture(platform: str, machine: str, expected: str) -> None:
    assert architecture(platform, machine) == expected


# --- made on another host ----------------------------------------------------

ELSEWHERE = replace(SPEC, builder="mainpc")
PINNED = replace(SPEC, builder="mainpc", bases=(f"debian:12@{DIGEST}",), arguments={"BASE": f"debian:12@{DIGEST}"})


class Elsewhere(t.NamedTuple):
    spec: ImageSpec
    images: tuple[ObservedImage, ...]
    base: str
    """Of the image that is meant; empty where none is."""
    reason: str = "present"


MADE_ELSEWHERE = {
    "its base need not be there": Elsewhere(ELSEWHERE, (built(),), DIGEST),
    "another base is there": Elsewhere(ELSEWHERE, (built(bases=(OTHER,)), BASE), OTHER),
    "nothing is there": Elsewhere(ELSEWHERE, (BASE,), "", "not built yet"),
    "other inputs": Elsewhere(
        ELSEWHERE,
        (built("x" * 64),),
        "",
        "no image has these build inputs yet (Containerfile, context, arguments, target, platform)",
    ),
    "the newest": Elsewhere(
        ELSEWHERE, (replace(built(), created=5), replace(built(bases=(OTHER,)), created=9), built(bases=("z",))), OTHER
    ),
    "its base is pinned": Elsewhere(PINNED, (built(bases=(OTHER,)), built()), DIGEST),
    "and was another one": Elsewhere(PINNED, (built(bases=(OTHER,)),), "", "its base changed"),
    "and could not be pulled there": Elsewhere(
        replace(PINNED, bootstrap=RECIPE),
        (built(bases=("sha256:" + recipe_digest(RECIPE, "amd64"),)),),
        "sha256:" + recipe_digest(RECIPE, "amd64"),
    ),
    "from scratch": Elsewhere(replace(ELSEWHERE, bases=()), (built(bases=()),), ""),
    "labels without their tag": Elsewhere(
        ELSEWHERE, (replace(built(), tags=("localhost/a/agent:mine",)),), "", "its base changed"
    ),
}


@pytest.mark.parametrize("name", MADE_ELSEWHERE)
def test_an_image_of_another_host_is_known_by_its_inputs(name: str) -> None:
    case = MADE_ELSEWHERE[name]
    state = look(case.spec, *case.images)
    assert state.reason == case.reason
    assert state.present is (case.reason == "present")
    if state.present:
        assert state.identity == built_digest(SPEC.inputs, case.base)
        assert state.reference == f"{SPEC.repository}:{state.identity[:12]}"
        # The host that made it calls it the same.
        assert state.base_identities == (tuple(filter(None, [case.base])))


# --- pulled ------------------------------------------------------------------


class Pulled(t.NamedTuple):
    reference: str
    images: tuple[ObservedImage, ...]
    expected: tuple[str, str, bool]
    """reference, identity, present"""


PULLED = {
    "missing": Pulled("debian:12", (), ("docker.io/library/debian:12", "docker.io/library/debian:12", False)),
    "with digest": Pulled("debian:12", (BASE,), (f"docker.io/library/debian:12@{DIGEST}", DIGEST, True)),
    "loaded by hand": Pulled("debian:12", (LOCAL_BASE,), ("docker.io/library/debian:12", "sha256:b2", True)),
    "pinned": Pulled(f"debian@{DIGEST}", (BASE,), (f"docker.io/library/debian@{DIGEST}", DIGEST, True)),
    "pinned and missing": Pulled(f"debian@{OTHER}", (BASE,), (f"docker.io/library/debian@{OTHER}", OTHER, False)),
    "other tag": Pulled("debian:11", (BASE,), ("docker.io/library/debian:11", "docker.io/library/debian:11", False)),
    "built by hand in podman": Pulled(
        "mine:1", (ObservedImage("sha256:m", ("localhost/mine:1",)),), ("localhost/mine:1", "sha256:m", True)
    ),
}


@pytest.mark.parametrize("name", PULLED)
def test_pulled(name: str) -> None:
    case = PULLED[name]
    state = look(ImageSpec("k", case.reference, build=False), *case.images)
    assert (state.reference, state.identity, state.present) == case.expected


@pytest.mark.parametrize(
    ("policy", "there", "expected"),
    [
        ("missing", True, False),
        ("missing", False, True),
        ("always", True, True),
        ("never", True, False),
        ("never", False, True),
    ],
)
def test_what_has_to_be_staged(policy: str, there: bool, expected: bool) -> None:
    spec = ImageSpec("k", "debian:12", build=False, pull_policy=policy)
    assert to_stage(spec, look(spec, *([BASE] if there else []))) is expected


@given(st.permutations([BASE, built(), built("x" * 64), stand_in(), built(bases=(OTHER,))]), st.integers())
def test_the_order_of_images_does_not_count(images: list[ObservedImage], seed: int) -> None:
    tags = [replace(image, tags=tuple(random.Random(seed).sample([*image.tags, "x/y:1"], 2))) for image in images]
    assert look(SPEC, *tags) == look(SPEC, BASE, built())
