# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which image a spec means on one engine, and whether it is there. Pure.

A built image is known by its inputs and by the identity of its bases, never by an
engine's image id: ``localhost/ai-system/agent:<first 12 hex of sha256(inputs, bases)>``.
"""

from __future__ import annotations

import hashlib
import platform as _platform
import typing as t
from dataclasses import dataclass

from .._engine.base import ObservedImage
from .._engine.reference import parse_reference
from .._errors import InputError
from .._group import labels
from .spec import Bootstrap, ImageSpec

TAG_LENGTH = 12
BOOTSTRAP_REPOSITORY = "localhost/gpu-fleet/base"

# Debian's names of architectures by kernel name and by OCI platform (linux/<architecture>[/variant]).
# Sources: dpkg's cputable, and the OCI image index specification (GOARCH values).
_DEBIAN_ARCHITECTURES = {
    "x86_64": "amd64",
    "aarch64": "arm64",
    "armv7l": "armhf",
    "armv6l": "armel",
    "arm": "armhf",
    "386": "i386",
    "i686": "i386",
    "ppc64le": "ppc64el",
}


@dataclass(frozen=True)
class ImageState:
    """What one spec means on one engine at this moment."""

    key: str
    reference: str
    """What to run: name:tag, with ``@sha256:…`` where a registry digest is known.

    Empty: not known before its base is there.
    """
    identity: str
    """Goes into the container's configuration hash; the same text as long as it is the same image."""
    present: bool
    reason: str
    """Why it is (not) there, in words for the user."""
    base_identities: tuple[str, ...] = ()
    """Built images: identity of each base, in the order of `ImageSpec.bases`; ``?`` for a base that is not there."""
    stand_in: str = ""
    """Reference of the bootstrapped base that takes (or will take) the wanted one's place; empty when none does."""


def resolve(spec: ImageSpec, images: t.Iterable[ObservedImage], machine: str = "") -> ImageState:
    """What `spec` means on an engine that has `images`.

    machine: the host's kernel architecture (``x86_64``); this host's own when empty. It
    only matters for bootstrapped bases.
    """
    index = _index(images)
    return _resolve_built(spec, index, machine) if spec.build else _resolve_pulled(spec, index)


def to_stage(spec: ImageSpec, state: ImageState) -> bool:
    """Whether `image_build` has to be called for it: it is missing, or its policy asks the registry each time."""
    return not state.present or spec.pull_policy == "always"


def built_digest(inputs: str, base_identity: str) -> str:
    """sha256 (hex) that names a built image; `base_identity` as `join_bases` wrote it."""
    return hashlib.sha256(f"{inputs}\n{base_identity}".encode()).hexdigest()


def join_bases(identities: t.Sequence[str]) -> str:
    """The text kept in the label `labels.IMAGE_BASE`."""
    return ",".join(identities)


def architecture(spec_platform: str = "", machine: str = "") -> str:
    """Debian's name of the architecture of ``linux/arm64``, else of `machine`, else of this host."""
    parts = spec_platform.split("/")
    name = parts[1] if len(parts) > 1 else machine or _platform.machine()
    if parts[1:] == ["arm", "v6"] or parts[1:] == ["arm", "v5"]:
        return "armel"
    return _DEBIAN_ARCHITECTURES.get(name, name)


def recipe_digest(recipe: Bootstrap, debian_architecture: str) -> str:
    """sha256 (hex) of what a bootstrapped base is made of. The mirror does not count: mirrors hold the same packages."""
    parts = [recipe.suite, recipe.variant, debian_architecture, *sorted(set(recipe.packages))]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def bootstrap_reference(digest: str) -> str:
    return f"{BOOTSTRAP_REPOSITORY}:{digest[:TAG_LENGTH]}"


def stand_in_reference(spec: ImageSpec, machine: str = "") -> str:
    """Reference of the base that the spec's bootstrap recipe makes; empty without a recipe."""
    if spec.bootstrap is None:
        return ""
    return bootstrap_reference(recipe_digest(spec.bootstrap, architecture(spec.platform, machine)))


def replaceable_base(spec: ImageSpec) -> str:
    """The base in `spec.bases` that its bootstrap recipe may replace; empty when none."""
    if spec.bootstrap is None:
        return ""
    wanted = spec.arguments.get(spec.bootstrap.argument, "")
    return wanted if wanted in spec.bases else ""


def find_base(base: str, images: t.Iterable[ObservedImage]) -> ObservedImage | None:
    """The image that ``FROM base`` means on this engine, None when it is not there."""
    return _find(base, _index(images))


# --- built images -----------------------------------------------------------


def _resolve_built(spec: ImageSpec, index: dict[str, ObservedImage], machine: str) -> ImageState:
    if spec.builder:
        return _made_elsewhere(spec, index, machine)
    stand_in = ""
    identities = []
    for base in spec.bases:
        image, named = _find(base, index), base
        if image is None and base == replaceable_base(spec):
            recipe = t.cast(Bootstrap, spec.bootstrap)
            named = stand_in_reference(spec, machine)
            image = index.get(named)
            stand_in = named if image or not recipe.pull else ""
            if stand_in and image is None:
                # Nobody will ask a registry, so what the image will be made from is known already.
                identities.append(f"sha256:{recipe_digest(recipe, architecture(spec.platform, machine))}")
                continue
        identities.append(base_identity(named, image) or "?")
    if "?" in identities:
        return _without_base(spec, index, tuple(identities))
    digest = built_digest(spec.inputs, join_bases(identities))
    reference = f"{spec.repository}:{digest[:TAG_LENGTH]}"
    present = reference in index
    reason = "present" if present else _why_missing(spec, index)
    return ImageState(spec.key, reference, digest, present, reason, tuple(identities), stand_in)


def _made_elsewhere(spec: ImageSpec, index: dict[str, ObservedImage], machine: str) -> ImageState:
    """Its bases are its builder's, whatever this engine has: it is known by its inputs, and by bases that are pinned."""
    wanted = [_pinned_identities(spec, base, machine) for base in spec.bases]
    made = [
        (reference, image)
        for reference, image in _of_repository(spec.repository, index)
        if image.labels.get(labels.IMAGE_INPUTS) == spec.inputs and _own_digest(reference, image)
    ]
    # Of several, that of the builder's last base: the newest.
    for reference, image in sorted(made, key=lambda entry: (entry[1].created, entry[0]), reverse=True):
        base = image.labels.get(labels.IMAGE_BASE, "")
        found = tuple(base.split(",")) if base else ()
        if len(found) == len(wanted) and all(not known or one in known for one, known in zip(found, wanted)):
            return ImageState(spec.key, reference, built_digest(spec.inputs, base), True, "present", found)
    return ImageState(spec.key, "", "", False, _why_missing(spec, index), ("?",) * len(wanted))


def _pinned_identities(spec: ImageSpec, base: str, machine: str) -> set[str]:
    """What a base may be known by where its reference says so; empty: anything."""
    pinned = _digest_of(base)
    if not pinned:
        return set()
    if spec.bootstrap is None or base != replaceable_base(spec):
        return {pinned}
    return {pinned, f"sha256:{recipe_digest(spec.bootstrap, architecture(spec.platform, machine))}"}


def _without_base(spec: ImageSpec, index: dict[str, ObservedImage], identities: tuple[str, ...]) -> ImageState:
    """A base is not there (pruned, or never pulled): an image made from these inputs is good as it is."""
    for reference, image in sorted(_of_repository(spec.repository, index)):
        if image.labels.get(labels.IMAGE_INPUTS) == spec.inputs and _own_digest(reference, image):
            base = image.labels.get(labels.IMAGE_BASE, "")
            identity = built_digest(spec.inputs, base)
            return ImageState(spec.key, reference, identity, True, "present", tuple(base.split(",")))
    missing = [base for base, identity in zip(spec.bases, identities) if identity == "?"]
    reason = f"{_why_missing(spec, index)}; base {', '.join(missing)} is not there either"
    return ImageState(spec.key, "", "", False, reason, identities)


def _why_missing(spec: ImageSpec, index: dict[str, ObservedImage]) -> str:
    known = [image.labels.get(labels.IMAGE_INPUTS) for _ref, image in _of_repository(spec.repository, index)]
    if spec.inputs in known:
        return "its base changed"
    if any(known):
        return "no image has these build inputs yet (Containerfile, context, arguments, target, platform)"
    return "not built yet"


def base_identity(base: str, image: ObservedImage | None) -> str:
    """What a base is known by; empty when it is not there and nothing pins it.

    A digest in the reference comes first. Then our own labels, but only where the tag
    proves that they are the image's own: labels are inherited by every image built on
    top. Then the registry's digest. Podman gives local images a digest of their own
    under ``localhost/``, which says no more than the id, the last resort.
    """
    pinned = _digest_of(base)
    if pinned or image is None:
        return pinned
    for reference in sorted(image.tags):
        own = _own_digest(reference, image)
        if own:
            return f"sha256:{own}"
    return _registry_digest(parse_reference(base).name, image) or image.id


def is_named_by_content(reference: str, image: ObservedImage) -> bool:
    """Whether the tag is one of ours, made of what the image is made of: it never means another image."""
    return bool(_own_digest(reference, image))


def _own_digest(reference: str, image: ObservedImage) -> str:
    """The digest that we named this image by, if `reference` is a tag of ours and its labels agree with it."""
    name, _colon, tag = reference.rpartition(":")
    recipe = image.labels.get(labels.BOOTSTRAP, "")
    if name == BOOTSTRAP_REPOSITORY and recipe and tag == recipe[:TAG_LENGTH]:
        return recipe
    inputs = image.labels.get(labels.IMAGE_INPUTS, "")
    digest = built_digest(inputs, image.labels.get(labels.IMAGE_BASE, ""))
    return digest if inputs and tag == digest[:TAG_LENGTH] else ""


# --- pulled images ----------------------------------------------------------


def _resolve_pulled(spec: ImageSpec, index: dict[str, ObservedImage]) -> ImageState:
    wanted = parse_reference(spec.repository)
    image = _find(spec.repository, index)
    if image is None:
        reason = "not pulled yet"
        if spec.pull_policy == "never":
            reason = "not present, and pull_policy is never"
        return ImageState(spec.key, str(wanted), wanted.digest or str(wanted), False, reason)
    reference = _tag_in(image, wanted.name, wanted.tag) or str(wanted)
    digest = wanted.digest or _registry_digest(wanted.name, image)
    if digest and "@" not in reference:
        reference = f"{reference}@{digest}"
    return ImageState(spec.key, reference, digest or base_identity(spec.repository, image), True, "present")


def _tag_in(image: ObservedImage, name: str, tag: str) -> str:
    """The image's own spelling of name:tag (Podman may hold it under localhost/); empty when pulled by digest."""
    if not tag:
        return ""
    for candidate in (f"{name}:{tag}", f"localhost/{_short(name)}:{tag}"):
        if candidate in image.tags:
            return candidate
    return ""


# --- looking up -------------------------------------------------------------


def _index(images: t.Iterable[ObservedImage]) -> dict[str, ObservedImage]:
    return {reference: image for image in images for reference in (*image.tags, *image.digests)}


def _of_repository(repository: str, index: dict[str, ObservedImage]) -> list[tuple[str, ObservedImage]]:
    return [(reference, image) for reference, image in index.items() if reference.rpartition(":")[0] == repository]


def _find(text: str, index: dict[str, ObservedImage]) -> ObservedImage | None:
    reference = parse_reference(text)
    if reference.digest:
        return index.get(f"{reference.name}@{reference.digest}")
    exact = index.get(str(reference))
    if exact is not None or not str(reference).startswith("docker.io/"):
        return exact
    # Podman stores an image that was built as «base» under localhost/ and finds it by its short name.
    return index.get(f"localhost/{_short(reference.name)}:{reference.tag}")


def _short(name: str) -> str:
    text = name[len("docker.io/") :] if name.startswith("docker.io/") else name
    return text[len("library/") :] if text.startswith("library/") else text


def _digest_of(reference: str) -> str:
    try:
        return parse_reference(reference).digest
    except InputError:
        return ""


def _registry_digest(name: str, image: ObservedImage) -> str:
    if name.startswith("localhost/"):
        return ""
    found = (digest for known, _at, digest in (entry.rpartition("@") for entry in image.digests) if known == name)
    return next(found, "")
