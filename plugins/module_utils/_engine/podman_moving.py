# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images from one Podman to other engines and back: what it holds, pushing, loading."""

from __future__ import annotations

import contextlib
import os
import tempfile
import typing as t

from .._errors import EngineError, make_room
from . import podman_parse as parse
from .incoming import IncomingImage, write_directory
from .login import Login
from .podman_command import PodmanCommand


def all_layers(podman: PodmanCommand) -> dict[str, tuple[str, ...]]:
    """Diff ids of every image by its id."""
    ids = podman.ask("images", "--all", "--quiet", "--no-trunc").split()
    if not ids:
        return {}
    # Not `ask`: one that was removed since it was listed fails the command, which still prints the others.
    answer = podman.run("image", "inspect", "--format", "json", *sorted(set(ids)))
    found = parse.documents(answer.stdout, "image inspect")
    return {f"sha256:{each['Id']}": tuple((each.get("RootFS") or {}).get("Layers") or ()) for each in found}


def push(podman: PodmanCommand, reference: str, login: Login, repository: str, tag: str) -> None:
    # zstd, which a site may have chosen as the default, is nothing that Docker 20.10 unpacks.
    words = ["push", "--quiet", "--compression-format", "gzip"]
    logged_in(podman, login, words, reference, f"docker://{login.address}/{repository}:{tag}")


def logged_in(podman: PodmanCommand, login: Login, words: t.Sequence[str], reference: str, *more: str) -> None:
    """A push or pull with that login; the password is in no process list and in no file."""
    with _trusted(login) as options, _in_memory(login.authfile) as descriptor:
        # Without a name the host's own logins count.
        options += ["--authfile", "/proc/self/fd/0"] if login.username else []
        answer = podman.run(*words, *options, reference, *more, stdin=descriptor)
    if answer.status:
        raise EngineError(f"podman {words[0]}: {answer.words}", path=f"image {reference}")


def load(podman: PodmanCommand, image: IncomingImage) -> None:
    """Its name is given when all of it is there. A folder's image gets the folder's name first, which goes again."""
    try:
        write_directory(image)
    except OSError as error:
        mend = f"{make_room(error)}, or choose another directory (container_cache_dir)."
        raise EngineError(f"cannot be written: {error.strerror}", image.folder, mend) from error
    parent, name = os.path.split(image.folder)
    text = podman.ask("pull", "--quiet", f"dir:{name}", path=f"image {image.reference}", folder=parent)
    image_id = (text.split() or [""])[-1]
    if not image_id:
        raise EngineError("podman pull named no image", path=f"image {image.reference}")
    podman.ask("tag", image_id, image.reference, path=f"image {image.reference}")
    podman.run("untag", image_id, f"localhost/{name}:latest")


@contextlib.contextmanager
def _trusted(login: Login) -> t.Iterator[list[str]]:
    """Options of a push or pull: whom to trust."""
    if login.plain:
        yield ["--tls-verify=false"]
        return
    with tempfile.TemporaryDirectory(prefix="gpu-fleet-ca-") as folder:
        if login.ca:
            with open(os.path.join(folder, "ca.crt"), "w", encoding="utf-8") as stream:
                stream.write(login.ca)
        yield ["--cert-dir", folder] if login.ca else []


@contextlib.contextmanager
def _in_memory(text: str) -> t.Iterator[int]:
    """A file without a place in any file system, which ends with this process, for a program's standard input.

    Not by a path below our own /proc: rootless Podman is in a user namespace of its own and may not look there.
    """
    descriptor = os.memfd_create("gpu-fleet-login")
    try:
        os.write(descriptor, text.encode())
        yield descriptor
    finally:
        os.close(descriptor)
