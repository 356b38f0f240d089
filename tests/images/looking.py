"""What is in an image: its merged file system, and its size as a registry keeps it."""

from __future__ import annotations

import json
import pathlib
import subprocess
import tarfile
import typing as t
import zlib

from ..integration.deploy_system import cli

GZIP = 31
"""zlib's number for a stream with gzip's header."""


class Counter:
    """A file that remembers only how long it became."""

    def __init__(self) -> None:
        self.size = 0
        self.packer = zlib.compressobj(6, zlib.DEFLATED, GZIP)

    def write(self, data: bytes) -> None:
        self.size += len(self.packer.compress(data))

    def end(self) -> int:
        return self.size + len(self.packer.flush())


def compressed_layers(engine: str, image: str, folder: pathlib.Path) -> list[int]:
    """Size of each layer in gzip's usual level, base included, the lowest first: what is sent to a host that has none."""
    archive = folder / "image.tar"
    words = ("--format", "docker-archive") if engine == "podman" else ()
    cli(engine, "save", *words, "-o", str(archive), image)
    sizes = []
    with tarfile.open(archive) as tar:
        (manifest,) = json.load(t.cast(t.IO[bytes], tar.extractfile("manifest.json")))
        for name in manifest["Layers"]:
            counter, layer = Counter(), t.cast(t.IO[bytes], tar.extractfile(name))
            while piece := layer.read(1 << 20):
                counter.write(piece)
            sizes.append(counter.end())
    archive.unlink()
    return sizes


def files(engine: str, image: str) -> dict[str, tarfile.TarInfo]:
    """Every entry of the image's file system by its absolute path, as a container of it has it before it starts."""
    container = cli(engine, "create", image, "true").strip()
    try:
        argv = [engine, "export", container]
        with subprocess.Popen(argv, stdout=subprocess.PIPE) as process:
            found = _entries(process.stdout)
        assert process.returncode == 0
        return found
    finally:
        cli(engine, "rm", container)


def _entries(stream: t.IO[bytes] | None) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(fileobj=stream, mode="r|") as tar:
        return {f"/{entry.name.removeprefix('./').rstrip('/')}": entry for entry in tar}
