# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A built image on pinned bases: the Containerfile that is sent names their digests."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from ...module_utils._image.identity import replaceable_base
from ...module_utils._image.spec import ImageSpec
from .containerfile import replace_bases

Pin = Callable[[str, str], str]
"""(reference, where it is written) → the reference with its digest, or as it is."""


def unpinned(reference: str, where: str) -> str:
    """The `Pin` of whoever has no lock file."""
    return reference


def pinned(spec: ImageSpec, text: str, pin: Pin, where: str, path: str) -> ImageSpec:
    """The spec with digests in its bases.

    text: its Containerfile; path: what messages call it. where: the build, for a base that nobody pinned.
    """
    own = replaceable_base(spec)
    digests = {
        base: pin(base, where)
        for base in spec.bases
        # Nobody asks a registry for a base that a recipe makes in any case.
        if not (base == own and spec.bootstrap and not spec.bootstrap.pull)
    }
    digests = {base: full for base, full in digests.items() if full != base}
    if not digests:
        return spec
    arguments = dict(spec.arguments)
    if own in digests and spec.bootstrap:
        # It stays an argument: the host puts another base into it where this one cannot be pulled.
        arguments[spec.bootstrap.argument] = digests[own]
    literal = {base: digests.get(base, base) for base in spec.bases if base != own}
    return replace(
        spec,
        arguments=arguments,
        containerfile_text=replace_bases(text, spec.arguments, literal, path),
        bases=tuple(digests.get(base, base) for base in spec.bases),
        base=digests.get(spec.base, spec.base),
    )
