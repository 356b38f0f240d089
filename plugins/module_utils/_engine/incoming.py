# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An image as it is handed to an engine: only the layers that it lacks, in the form that it reads.

Tried on Docker 20.10 and 26.1, Podman 4.3 and 5.4 (docs/decisions/moving-images.md).
"""

from __future__ import annotations

import hashlib
import json
import os
import tarfile
import typing as t
from dataclasses import dataclass

BY_LAYER = "layers"
"""An engine takes any layer that it has for the same one in another image."""
BY_CHAIN = "chains"
"""It does so only on top of the same layers."""
BY_NOTHING = "nothing"
"""Every layer has to be handed to it."""

_CHUNK = 1 << 20
_BLOCK = 512
_DOCKER = "application/vnd.docker.distribution.manifest.v2+json"
_OCI = "application/vnd.oci.image.manifest.v1+json"


@dataclass(frozen=True)
class IncomingLayer:
    diff_id: str
    digest: str
    """Of the compressed layer, which lies in the image's folder; empty where the engine has it."""
    size: int = 0
    media_type: str = ""


@dataclass(frozen=True)
class IncomingImage:
    reference: str
    config: bytes
    layers: tuple[IncomingLayer, ...]
    folder: str
    """Holds each layer to hand over, named by the digits of its digest; ours to write to."""
    docker: bool
    """It was made in Docker's format, not OCI's: only there a health check is kept."""

    def file(self, digest: str) -> str:
        return os.path.join(self.folder, digest.partition(":")[2])


def archive(image: IncomingImage) -> t.Iterator[bytes]:
    """What ``docker load`` reads, in pieces (moby image/spec/v1.2.md). Docker opens no layer whose chain it has."""
    names = [f"{index}-{(layer.digest or layer.diff_id)[7:]}.tar" for index, layer in enumerate(image.layers)]
    entry = {"Config": "config.json", "RepoTags": [image.reference], "Layers": names}
    yield from _member("manifest.json", json.dumps([entry]).encode())
    yield from _member("config.json", image.config)
    for name, layer in zip(names, image.layers):
        if layer.digest:
            yield from _file(name, image.file(layer.digest))
    yield bytes(2 * _BLOCK)


def write_directory(image: IncomingImage) -> None:
    """What ``podman pull dir:`` reads, written into the image's folder.

    A layer that is there already is listed uncompressed, by its diff id: containers/image finds it by that
    (storage_dest.go, TryReusingBlob) and never opens its file.
    """
    kind = "application/vnd.docker.image.rootfs.diff.tar" if image.docker else "application/vnd.oci.image.layer.v1.tar"
    config = hashlib.sha256(image.config).hexdigest()
    layers = [
        {"mediaType": layer.media_type, "digest": layer.digest, "size": layer.size}
        if layer.digest
        else {"mediaType": kind, "digest": layer.diff_id, "size": 1}
        for layer in image.layers
    ]
    config_type = "docker.container.image" if image.docker else "oci.image.config"
    manifest = {
        "schemaVersion": 2,
        "mediaType": _DOCKER if image.docker else _OCI,
        "config": {
            "mediaType": f"application/vnd.{config_type}.v1+json",
            "digest": f"sha256:{config}",
            "size": len(image.config),
        },
        "layers": layers,
    }
    for name, content in (
        ("version", b"Directory Transport Version: 1.1\n"),
        (config, image.config),
        ("manifest.json", json.dumps(manifest).encode()),
    ):
        with open(os.path.join(image.folder, name), "wb") as stream:
            stream.write(content)


def _member(name: str, content: bytes) -> t.Iterator[bytes]:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    yield info.tobuf(tarfile.GNU_FORMAT) + content + _padding(len(content))


def _file(name: str, path: str) -> t.Iterator[bytes]:
    with open(path, "rb") as stream:
        info = tarfile.TarInfo(name)
        info.size = os.fstat(stream.fileno()).st_size
        yield info.tobuf(tarfile.GNU_FORMAT)
        yield from iter(lambda: stream.read(_CHUNK), b"")
        yield _padding(info.size)


def _padding(size: int) -> bytes:
    return bytes(-size % _BLOCK)
