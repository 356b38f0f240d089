"""Labels of built images."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._engine.base import ObservedImage
from ansible_collections.gpu_fleet.containers.plugins.module_utils._group import labels
from ansible_collections.gpu_fleet.containers.plugins.module_utils._image.identity import ImageState
from ansible_collections.gpu_fleet.containers.plugins.module_utils._image.own_labels import (
    BASE_DIGEST,
    BASE_NAME,
    TITLE,
    VERSION,
    base_reference,
    image_labels,
)
from ansible_collections.gpu_fleet.containers.plugins.module_utils._image.spec import Bootstrap, ImageSpec

DIGEST, OTHER = "sha256:" + "a" * 64, "sha256:" + "b" * 64
SPEC = ImageSpec("k", "localhost/ai-system/agent", inputs="i", bases=("debian:12",), base="debian:12")
STATE = ImageState("k", "localhost/ai-system/agent:0f3c", "d", False, "", ("x", "y"))
DEBIAN = "docker.io/library/debian:12"
PULLED = ObservedImage("sha256:1", (DEBIAN,), (f"docker.io/library/debian@{DIGEST}", f"docker.io/x/debian@{OTHER}"))
MADE_HERE = ObservedImage("sha256:1", (DEBIAN,), (), {BASE_DIGEST: OTHER})


def test_all_labels() -> None:
    assert image_labels(replace(SPEC, labels={"l": "1", TITLE: "mine"}), STATE, [PULLED]) == {
        BASE_NAME: DEBIAN,
        BASE_DIGEST: DIGEST,
        VERSION: "0f3c",
        TITLE: "mine",
        "l": "1",
        labels.IMAGE_INPUTS: "i",
        labels.IMAGE_BASE: "x,y",
    }


def test_ours_cannot_be_overwritten() -> None:
    assert image_labels(replace(SPEC, labels={labels.IMAGE_INPUTS: "x"}), STATE, [])[labels.IMAGE_INPUTS] == "i"


@pytest.mark.parametrize(
    ("spec", "images", "name", "digest"),
    [
        (SPEC, [PULLED], DEBIAN, DIGEST),
        (SPEC, [], DEBIAN, None),
        (SPEC, [MADE_HERE], DEBIAN, ""),
        (replace(SPEC, base=""), [PULLED], None, None),
        (replace(SPEC, base=f"debian:12@{OTHER}"), [], f"{DEBIAN}@{OTHER}", OTHER),
    ],
)
def test_the_base(spec: ImageSpec, images: list[ObservedImage], name: str | None, digest: str | None) -> None:
    made = image_labels(spec, STATE, images)
    assert (made.get(BASE_NAME), made.get(BASE_DIGEST)) == (name, digest)


def test_the_base_that_stands_in() -> None:
    recipe = Bootstrap("BASE", "bookworm")
    spec = replace(SPEC, bootstrap=recipe, arguments={"BASE": "debian:12"})
    state = replace(STATE, stand_in="localhost/gpu-fleet/base:1")
    assert base_reference(spec, state) == "localhost/gpu-fleet/base:1"
    assert base_reference(spec, STATE) == "debian:12"
    assert base_reference(replace(spec, base="other", bases=("debian:12", "other")), state) == "other"
