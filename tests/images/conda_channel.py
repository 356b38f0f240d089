"""A conda channel of two small packages, made and served for a test: `greet` needs `libgreeting`."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import hashlib
import http.server
import io
import json
import pathlib
import subprocess
import tarfile
import threading
import typing as t

from rattler.index import index_fs

PREFIX = "/opt/placeholder_" + "p" * 60
"""What conda replaces by where a package is installed («Making packages relocatable», conda-build's documentation)."""

LIBRARY = 'const char *greeting(void) { return "hello from conda"; }\n'
PROGRAM = f"#!/bin/sh\nexec cat {PREFIX}/share/greeting\n"


@contextlib.contextmanager
def served_channel(folder: pathlib.Path, address: str) -> t.Iterator[str]:
    """The channel's address, at a free port of `address`, while the block runs."""
    make_channel(folder)
    handler = functools.partial(_Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer((address, 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://{address}:{server.server_port}/"
        finally:
            server.shutdown()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: t.Any) -> None:
        pass


def make_channel(folder: pathlib.Path) -> None:
    source, library = folder / "greeting.c", folder / "libgreeting.so"
    source.write_text(LIBRARY)
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", str(library), str(source)], check=True)
    (folder / "linux-64").mkdir()
    _package(folder, "libgreeting", "2.0", {"lib/libgreeting.so": library.read_bytes()})
    # An older one that satisfies the wish as well: the solver has to choose.
    _package(folder, "libgreeting", "1.0", {"lib/libgreeting.so": b"not a library"})
    files = {"bin/greet": PROGRAM.encode(), "share/greeting": b"hello from conda\n"}
    _package(folder, "greet", "3.1", files, depends=["libgreeting >=1.0"])
    asyncio.run(index_fs(folder))


def _package(
    folder: pathlib.Path, name: str, version: str, files: dict[str, bytes], depends: t.Sequence[str] = ()
) -> None:
    """A package in conda's first format: a tar with files and what info/ says of them."""
    index = {
        "name": name,
        "version": version,
        "build": "0",
        "build_number": 0,
        "subdir": "linux-64",
        "depends": list(depends),
    }
    paths = [
        {
            "_path": path,
            "path_type": "hardlink",
            "sha256": hashlib.sha256(content).hexdigest(),
            "size_in_bytes": len(content),
            **({"prefix_placeholder": PREFIX, "file_mode": "text"} if PREFIX.encode() in content else {}),
        }
        for path, content in files.items()
    ]
    told = {
        "info/index.json": json.dumps(index).encode(),
        "info/paths.json": json.dumps({"paths": paths, "paths_version": 1}).encode(),
        "info/files": "\n".join(files).encode(),
    }
    with tarfile.open(folder / "linux-64" / f"{name}-{version}-0.tar.bz2", "w:bz2") as archive:
        for path, content in {**told, **files}.items():
            entry = tarfile.TarInfo(path)
            entry.size, entry.mode = len(content), 0o755 if path.startswith("bin/") else 0o644
            archive.addfile(entry, io.BytesIO(content))
