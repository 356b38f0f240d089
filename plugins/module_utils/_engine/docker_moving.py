# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images from one Docker to other engines and back: what it holds, pushing, loading. Errors are the SDK's own."""

from __future__ import annotations

import concurrent.futures
import typing as t

from .incoming import BY_CHAIN, BY_NOTHING, IncomingImage, archive
from .login import Login

_AT_ONCE = 8


def reuses(info: dict[str, t.Any], podman: bool) -> str:
    """Of GET /info: which layers need not be handed to it.

    With containerd's image store, an image of which parts are missing cannot be unpacked. Podman in Docker's place reads
    every layer of an archive (containers/image docker/archive).
    """
    status = {entry[0]: entry[1] for entry in info.get("DriverStatus") or () if len(entry) == 2}
    return BY_NOTHING if podman or "containerd" in status.get("driver-type", "") else BY_CHAIN


def all_layers(client: t.Any, gone: t.Callable[[t.Any], bool], api_error: t.Any) -> dict[str, tuple[str, ...]]:
    """Diff ids of every image by its id."""

    def ask(image_id: str) -> tuple[str, ...]:
        try:
            found = client.inspect_image(image_id)
        except api_error as error:
            if gone(error):  # removed since it was listed
                return ()
            raise
        return tuple((found.get("RootFS") or {}).get("Layers") or ())

    ids = sorted({entry["Id"] for entry in client.images(all=True)})
    with concurrent.futures.ThreadPoolExecutor(_AT_ONCE) as pool:
        return dict(zip(ids, pool.map(ask, ids)))


def push(client: t.Any, reference: str, login: Login, repository: str, tag: str) -> t.Iterator[dict[str, t.Any]]:
    """Events of a push. Docker pushes what has the registry's name, so it has that name meanwhile."""
    name = f"{login.address}/{repository}"
    # What is there of a registry of our own was left by a push that was killed; any other name is the user's.
    users = not login.plain and f"{name}:{tag}" in (client.inspect_image(reference).get("RepoTags") or ())
    if not users:
        client.tag(reference, name, tag, force=True)
    try:
        yield from client.push(name, tag=tag, stream=True, decode=True, auth_config=login.auth_config)
    finally:
        if not users:
            client.remove_image(f"{name}:{tag}", noprune=True)


def load(client: t.Any, image: IncomingImage) -> t.Iterator[dict[str, t.Any]]:
    """Events of a load. Tags come last (moby image/tarexport/load.go)."""
    # Not load_image: it takes no timeout, and a large layer is unpacked in silence.
    answer = client._post(
        client._url("/images/load"), data=archive(image), params={"quiet": "0"}, stream=True, timeout=None
    )
    client._raise_for_status(answer)
    yield from client._stream_helper(answer, decode=True)
