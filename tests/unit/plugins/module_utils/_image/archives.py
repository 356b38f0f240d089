"""Archives of images as ``docker save`` and ``podman save`` write them, made in memory."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
import typing as t

Files = t.Mapping[str, t.Any]
"""Path → content (bytes); None for a symbolic link."""


def layer(files: Files) -> bytes:
    """The tar of one layer."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        for path, content in files.items():
            _add(tar, path, content)
    return stream.getvalue()


def diff_id(content: bytes) -> str:
    return "sha256:" + hashlib.sha256(content).hexdigest()


def image(*layers: bytes, layout: str = "podman", config: t.Mapping[str, t.Any] | None = None) -> bytes:
    """layout: podman, docker (20.10: a folder a layer, manifest last), oci (25 and newer; layers compressed)."""
    settings = {"rootfs": {"diff_ids": [diff_id(each) for each in layers]}, **(config or {})}
    names = []
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        for number, content in enumerate(layers):
            name = diff_id(content)[7:]
            if layout == "podman":
                names.append(f"{name}.tar")
                _add(tar, names[-1], content)
                _add(tar, f"v{number}/layer.tar", None, f"../{name}.tar")
            elif layout == "docker":
                names.append(f"{name}/layer.tar")
                _add(tar, f"{name}/VERSION", b"1.0")
                _add(tar, f"{name}/json", b'{"id": "x"}')
                _add(tar, names[-1], content)
            else:
                names.append(f"blobs/sha256/{name}")
                _add(tar, names[-1], gzip.compress(content))
        where = "blobs/sha256/c0" if layout == "oci" else "c0.json"
        _add(tar, where, json.dumps(settings).encode())
        _add(tar, "manifest.json", json.dumps([{"Config": where, "Layers": names}]).encode())
    return stream.getvalue()


def _add(tar: tarfile.TarFile, path: str, content: bytes | None, target: str = "elsewhere") -> None:
    member = tarfile.TarInfo(path)
    if content is None:
        member.type, member.linkname = tarfile.SYMTYPE, target
        tar.addfile(member)
    else:
        member.size = len(content)
        tar.addfile(member, io.BytesIO(content))
