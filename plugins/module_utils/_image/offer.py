# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Puts images of one engine into a registry, so that others can fetch what they lack of them."""

from __future__ import annotations

import hashlib
import time
import typing as t
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from .._engine.base import Engine
from .._engine.login import Login
from .._engine.reference import parse_reference
from .._errors import EngineError, FleetError, InputError, raise_all
from .identity import find_base, is_named_by_content
from .layers import digest_of, is_index, read_manifest
from .registry_client import RegistryClient

_PUSHES = 2
"""At the same time: compressing takes all processors already."""

Events = t.Callable[[dict[str, t.Any]], None]


@dataclass(frozen=True)
class Offered:
    """One image in a registry."""

    reference: str
    repository: str
    digest: str
    """Of its manifest; empty in check mode."""
    size: int
    """Bytes of all its layers, compressed."""
    action: str
    """present or pushed."""
    seconds: float = 0.0


def repository_of(reference: str) -> str:
    """``localhost/ai-system/agent:0f3c`` → ``ai-system/agent``; other domains are kept: ``ghcr.io/a/b:1`` → ``ghcr.io/a/b``.

    Raises InputError for a reference that cannot be offered.
    """
    name = parse_reference(reference)
    if name.digest or not name.tag:
        raise InputError(
            f"{reference} names a digest",
            "images",
            "Offer tags; what a registry has by digest, each host pulls itself.",
        )
    # A port's colon is nothing that a repository may have.
    return name.path if name.domain == "localhost" else f"{name.domain.replace(':', '-').lower()}/{name.path}"


def plan_offers(references: t.Iterable[str]) -> list[Offered]:
    """What would be offered, as far as it is known without asking anybody."""
    return [Offered(reference, repository_of(reference), "", 0, "pushed") for reference in dict.fromkeys(references)]


def push_images(engine: Engine, references: t.Iterable[str], login: Login, events: Events) -> list[Offered]:
    """Push what the registry does not have yet. All errors are raised together, and each once."""
    pusher = _Pusher(engine, login, events)
    errors: dict[str, FleetError] = {}

    def attempt(reference: str) -> list[Offered]:
        try:
            return [pusher.push(reference)]
        except FleetError as error:
            errors.setdefault(str(error), error)
            return []

    with ThreadPoolExecutor(_PUSHES) as pool:
        done = [entry for found in pool.map(attempt, dict.fromkeys(references)) for entry in found]
    raise_all(list(errors.values()))
    return done


class _Pusher:
    def __init__(self, engine: Engine, login: Login, events: Events) -> None:
        self._engine, self._events = engine, events
        self._client = RegistryClient(login)
        self._images = engine.images()
        self._layers = engine.all_layers()

    def push(self, reference: str) -> Offered:
        started = time.monotonic()
        repository, image = repository_of(reference), find_base(reference, self._images)
        if image is None:
            raise EngineError("it is not on this engine", f"image {reference}", "Build it first (image_build).")
        tag = tag_of(reference, self._layers.get(image.id, ()))
        # A tag of somebody's own may mean another image today.
        found = self._pushed(repository, tag) if is_named_by_content(reference, image) else None
        action = "present" if found else "pushed"
        if found is None:
            self._events({"event": "push", "image": reference})
            self._push(reference, repository, tag)
            found = self._pushed(repository, tag)
        if found is None:
            raise EngineError(f"{reference} was pushed, and it does not have all of it", self._path)
        digest, size = found
        return Offered(reference, repository, digest, size, action, round(time.monotonic() - started, 2))

    @property
    def _path(self) -> str:
        return f"registry {self._client.login.address}"

    def _push(self, reference: str, repository: str, tag: str) -> None:
        try:
            self._engine.push_image(reference, self._client.login, repository, tag)
        except EngineError as error:
            raise EngineError(f"{reference}: {error.message}", self._path, _mend(error.message)) from error

    def _pushed(self, repository: str, tag: str) -> tuple[str, int] | None:
        """Digest and size of what the registry has, None unless it has every layer as well."""
        answer = self._client.manifest(repository, tag)
        if answer is None:
            return None
        data, media_type = answer
        if is_index(data, media_type):
            return digest_of(data), 0
        manifest = read_manifest(data, media_type)
        if not all(self._client.has_blob(repository, blob.digest) for blob in (manifest.config, *manifest.layers)):
            return None
        return digest_of(data), manifest.size


def tag_of(reference: str, layers: t.Sequence[str]) -> str:
    """The tag in the registry: with what the layers are, as hosts of another architecture may push an image of that name."""
    content = hashlib.sha256("\n".join(layers).encode()).hexdigest()
    return f"{parse_reference(reference).tag[:100]}-{content[:12]}"


def _mend(words: str) -> str:
    """What mends a push that failed, from the engine's words (both engines print Go's)."""
    said = words.lower()
    for signs, mend in _MENDS:
        if any(sign in said for sign in signs):
            return mend
    return ""


_MENDS = (
    (
        ("unauthorized", "authentication required", "no basic auth", "access denied", "denied:"),
        "Correct container_registry.username and container_registry_password; the user must be allowed to push.",
    ),
    (
        ("x509", "certificate"),
        "The engine does not trust the registry: run playbooks/prepare.yml for this host, which puts its CA in place "
        "(Docker reads /etc/docker/certs.d).",
    ),
    (("no space left", "disk quota"), "Make room where the registry keeps its images."),
    (
        ("connection refused", "no such host", "i/o timeout", "no route to host", "timeout exceeded"),
        "Is the registry on, and does this engine run on this very machine? With Docker Desktop, name a registry "
        "(container_registry).",
    ),
    (("server gave http response",), "The registry must speak TLS."),
)
