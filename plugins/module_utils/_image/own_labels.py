# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The labels that a built image gets: how we know it again, and what it says of itself. Pure.

Source: OCI image specification, annotations.md, «Pre-Defined Annotation Keys».
"""

from __future__ import annotations

import typing as t

from .._engine.base import ObservedImage
from .._engine.reference import parse_reference
from .._group import labels
from .identity import ImageState, find_base, join_bases, replaceable_base
from .spec import ImageSpec

TITLE = "org.opencontainers.image.title"
VERSION = "org.opencontainers.image.version"
BASE_NAME = "org.opencontainers.image.base.name"
BASE_DIGEST = "org.opencontainers.image.base.digest"


def image_labels(spec: ImageSpec, state: ImageState, images: t.Iterable[ObservedImage]) -> dict[str, str]:
    """All labels: those of the specification, the user's own over them, and ours. images: of the engine that builds."""
    repository, _colon, tag = state.reference.rpartition(":")
    told = {TITLE: repository.rpartition("/")[2], VERSION: tag}
    base = base_reference(spec, state)
    if base:
        told[BASE_NAME] = str(parse_reference(base))
        image = find_base(base, images)
        digest = _registry_digest(base, image)
        # A base may have such a label of its own, which would be inherited and be wrong.
        if digest or (image and BASE_DIGEST in image.labels):
            told[BASE_DIGEST] = digest
    own = {labels.IMAGE_INPUTS: spec.inputs, labels.IMAGE_BASE: join_bases(state.base_identities)}
    return {**told, **spec.labels, **own}


def base_reference(spec: ImageSpec, state: ImageState) -> str:
    """The image that the build starts from on this engine; empty for scratch."""
    return state.stand_in if state.stand_in and spec.base == replaceable_base(spec) else spec.base


def _registry_digest(base: str, image: ObservedImage | None) -> str:
    """A digest that a registry knows the base by; empty for one that was made here."""
    reference = parse_reference(base)
    if reference.digest or image is None or reference.name.startswith("localhost/"):
        return reference.digest
    found = (text.rpartition("@")[2] for text in image.digests if text.startswith(f"{reference.name}@"))
    return next(found, "")
