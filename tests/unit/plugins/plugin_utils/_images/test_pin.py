"""Bases of a build with the digests of a lock file."""

from __future__ import annotations

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._errors import InputError
from ansible_collections.gpu_fleet.containers.plugins.module_utils._image.spec import Bootstrap
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._compose.spec import BuildExtensions
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._images.containerfile import parse_bases
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._images.lock import Lock, Pins
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._images.spec import image_spec, pulled_spec

DEBIAN, CUDA, UV = "docker.io/library/debian:13", "docker.io/nvidia/cuda:12", "ghcr.io/astral/uv:1"
DIGESTS = {DEBIAN: f"sha256:{'a' * 64}", CUDA: f"sha256:{'b' * 64}", UV: f"sha256:{'c' * 64}"}
FULL = {reference: f"{reference}@{digest}" for reference, digest in DIGESTS.items()}
TEXT = f"""\
ARG BASE=debian:13
ARG VERSION=12
FROM ${{BASE}} AS wanted
RUN echo debian:13
FROM --platform=linux/amd64 \\
     nvidia/cuda:$VERSION AS builder
COPY --from={UV} /uv /uv
COPY --from=wanted /a /a
FROM "${{BASE}}"
FROM scratch
FROM wanted
"""


def spec(tmp_path, text=TEXT, pins=None, bootstrap=None, **build):
    (tmp_path / "Containerfile").write_text(text)
    pin = {"pin": pins.pin} if pins else {}
    return image_spec("s", {"context": str(tmp_path), **build}, BuildExtensions(bootstrap=bootstrap), "cpu", "x", **pin)


def locked(*references):
    return Pins(Lock("l", {reference: DIGESTS[reference] for reference in references or DIGESTS}))


def test_every_base_gets_its_digest_and_the_image_stays_the_same(tmp_path):
    plain = spec(tmp_path)
    made = spec(tmp_path, pins=locked())
    assert made.bases == (FULL[DEBIAN], FULL[CUDA], FULL[UV]) and made.base == FULL[DEBIAN]
    assert parse_bases(made.containerfile_text, made.arguments).references == made.bases
    assert made.containerfile_text == TEXT.replace("FROM ${BASE}", f"FROM {FULL[DEBIAN]}").replace(
        'FROM "${BASE}"', f"FROM {FULL[DEBIAN]}"
    ).replace("nvidia/cuda:$VERSION", FULL[CUDA]).replace(f"--from={UV}", f"--from={FULL[UV]}")
    assert made.inputs == plain.inputs, "what is there under these digests already is not made again"
    assert made.containerfile == plain.containerfile == "Containerfile"


def test_an_image_is_told_from_words_that_hold_it(tmp_path):
    text = "FROM --platform=linux/debian:13 debian:13\\\n AS debian\nFROM debian:13 AS debian:13x\nFROM debian\n"
    made = spec(tmp_path, text, locked())
    assert made.containerfile_text == text.replace(" debian:13\\", f" {FULL[DEBIAN]}\\").replace(
        "FROM debian:13 ", f"FROM {FULL[DEBIAN]} "
    )


def test_an_image_in_pieces_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"Containerfile:1: debian:13 is not in one piece.* Write it on one line"):
        spec(tmp_path, "FROM deb\\\nian:13\n", locked())


def test_arguments_of_a_variant_are_pinned(tmp_path):
    made = spec(tmp_path, "ARG BASE=debian:13\nFROM ${BASE}\n", locked(), args={"BASE": "nvidia/cuda:12"})
    assert made.containerfile_text == f"ARG BASE=debian:13\nFROM {FULL[CUDA]}\n"


def test_only_what_the_lock_knows(tmp_path):
    pins = locked(UV)
    made = spec(tmp_path, pins=pins)
    assert made.bases == ("debian:13", "nvidia/cuda:12", FULL[UV])
    assert pins.asked == {DEBIAN: "s.build", CUDA: "s.build", UV: "s.build"}
    assert spec(tmp_path, pins=Pins(Lock("l"))).containerfile_text == ""


BOTH = "ARG BASE=debian:13\nARG OTHER=${BASE}\nFROM ${OTHER} AS a\nFROM nvidia/cuda:12\nFROM ${BASE}\n"


def test_a_base_with_a_recipe_stays_an_argument(tmp_path):
    made = spec(tmp_path, BOTH, locked(), Bootstrap("BASE", "trixie"))
    assert made.arguments == {"BASE": FULL[DEBIAN]}
    assert made.containerfile_text == BOTH.replace("nvidia/cuda:12", FULL[CUDA])
    assert parse_bases(made.containerfile_text, made.arguments).references == made.bases


@pytest.mark.parametrize("text", [BOTH, "ARG BASE=debian:13\nFROM ${BASE}\n"])
def test_a_base_that_is_never_pulled_needs_no_digest(tmp_path, text):
    pins = locked()
    made = spec(tmp_path, text, pins, Bootstrap("BASE", "trixie", pull=False))
    assert made.arguments == {"BASE": "debian:13"} and made.bases[0] == "debian:13"
    assert DEBIAN not in pins.asked


def test_pulled_images():
    pins = locked()
    made = pulled_spec("s", "debian:13", pin=pins.pin)
    assert (made.key, made.repository) == (DEBIAN, FULL[DEBIAN])
    assert pulled_spec("s", "nvidia/cuda:12", pull_policy="never", pin=pins.pin).repository == CUDA
    assert pins.asked == {DEBIAN: "s.image"}
