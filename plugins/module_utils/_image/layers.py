# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an image consists of, and which of its layers an engine lacks. Pure.

A layer is told by its diff id, the digest of its tar: compressed, the same layer has another digest at each engine and
version that pushes it.
"""

from __future__ import annotations

import hashlib
import json
import typing as t
from dataclasses import dataclass

from .._engine.incoming import BY_CHAIN, BY_LAYER
from .._errors import EngineError

_INDEXES = ("application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json")
_FOREIGN = ("nondistributable", "foreign")


@dataclass(frozen=True)
class Blob:
    digest: str
    size: int
    """Bytes, compressed."""
    media_type: str = ""


@dataclass(frozen=True)
class Manifest:
    media_type: str
    config: Blob
    layers: tuple[Blob, ...]

    @property
    def size(self) -> int:
        return sum(layer.size for layer in self.layers)


def digest_of(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def read_manifest(data: bytes, media_type: str = "") -> Manifest:
    """Raises EngineError for what is no manifest of one image, or refers to layers that lie elsewhere."""
    try:
        read = json.loads(data)
        manifest = Manifest(
            read.get("mediaType") or media_type,
            _blob(read["config"]),
            tuple(_blob(entry) for entry in read["layers"]),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise EngineError(f"its manifest is none of an image: {error!r}") from error
    for layer in manifest.layers:
        if any(word in layer.media_type for word in _FOREIGN):
            raise EngineError(f"layer {layer.digest} is not in the registry ({layer.media_type})")
    return manifest


def is_index(data: bytes, media_type: str) -> bool:
    """Whether this lists manifests, one for each architecture, and is none itself."""
    try:
        return (json.loads(data).get("mediaType") or media_type) in _INDEXES
    except (ValueError, AttributeError):
        return False


def choose(data: bytes, architecture: str) -> str:
    """The digest of the one manifest that an index means on a machine of that architecture.

    architecture: as in OCI, such as ``arm64``.
    """
    try:
        platforms = {entry["digest"]: entry.get("platform") or {} for entry in json.loads(data)["manifests"]}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise EngineError(f"its index cannot be read: {error!r}") from error
    # Builders put what they attest about an image beside it, for a platform «unknown».
    real = {digest: each for digest, each in platforms.items() if each.get("architecture") != "unknown"}
    fitting = [digest for digest, each in real.items() if each.get("architecture") in (architecture, None)]
    if not fitting:
        there = ", ".join(sorted(str(each.get("architecture")) for each in real.values()))
        raise EngineError(f"it has no image for {architecture}, only for {there or 'nothing'}")
    return fitting[0]


def diff_ids(config: bytes) -> tuple[str, ...]:
    """Of the layers, the lowest first. Raises EngineError for what is no image configuration."""
    try:
        return tuple(str(each) for each in json.loads(config)["rootfs"]["diff_ids"])
    except (ValueError, KeyError, TypeError) as error:
        raise EngineError(f"its configuration is none of an image: {error!r}") from error


def labels_of(config: bytes) -> dict[str, str]:
    return dict((json.loads(config).get("config") or {}).get("Labels") or {})


def lacking(wanted: t.Sequence[str], there: t.Iterable[t.Sequence[str]], reuses: str) -> tuple[int, ...]:
    """Indexes of the layers that have to be fetched.

    wanted: diff ids, the lowest first. there: those of each image of the engine.
    reuses: `BY_LAYER`, `BY_CHAIN` (a layer counts only on top of the same ones) or `BY_NOTHING`.
    """
    if reuses == BY_LAYER:
        known = {each for stack in there for each in stack}
        return tuple(index for index, each in enumerate(wanted) if each not in known)
    if reuses == BY_CHAIN:
        kept = max((_common(wanted, stack) for stack in there), default=0)
        return tuple(range(kept, len(wanted)))
    return tuple(range(len(wanted)))


def _common(one: t.Sequence[str], other: t.Sequence[str]) -> int:
    for index, (mine, theirs) in enumerate(zip(one, other)):
        if mine != theirs:
            return index
    return min(len(one), len(other))


def _blob(entry: dict[str, t.Any]) -> Blob:
    digest, size = entry["digest"], entry["size"]
    # A digest becomes a file's name.
    algorithm, _colon, value = digest.partition(":")
    if algorithm != "sha256" or len(value) != 64 or set(value) - set("0123456789abcdef"):
        raise ValueError(f"{digest!r} is no sha256 digest")
    return Blob(digest, int(size), entry.get("mediaType") or "")
