# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Gets offered images onto one engine: what it lacks is fetched, and handed to it image by image.

The registry is read here and not by the engine. Docker forgets what it fetched when a pull is interrupted, and both engines
know layers by the digest of one compression, which the same layer does not have when another engine or version pushed it.
"""

from __future__ import annotations

import os
import shutil
import threading
import time
import typing as t
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from .._engine.base import Engine, ObservedImage
from .._engine.incoming import IncomingImage, IncomingLayer
from .._engine.login import Login
from .._engine.reference import parse_reference
from .._errors import EngineError, FleetError, InputError, raise_all
from .._lock import locked
from .._units import human
from .blobs import BlobFolder, drop_forgotten, writing
from .identity import is_named_by_content
from .layers import Blob, Manifest, choose, diff_ids, digest_of, is_index, labels_of, lacking, read_manifest
from .registry_client import RegistryClient

_LAYERS = 4
"""Fetched at the same time, of all images."""
_SAY_EVERY = 2.0
"""Seconds between two events about one image."""

Events = t.Callable[[dict[str, t.Any]], None]


@dataclass(frozen=True)
class Wanted:
    reference: str
    repository: str
    digest: str


@dataclass(frozen=True)
class Fetched:
    """What was done for an image, or would be."""

    reference: str
    action: str
    """present or pulled."""
    reason: str
    received_bytes: int = 0
    seconds: float = 0.0

    @property
    def changed(self) -> bool:
        return self.action != "present"


def wanted_images(images: Mapping[str, t.Any], only: Sequence[str] | None) -> list[Wanted]:
    """Of an offer. Raises InputError for what it does not hold."""
    missing = [reference for reference in only or () if reference not in images]
    if missing:
        raise InputError(f"{', '.join(missing)} is not offered", "offer.images", "Offer it first (image_offer).")
    chosen = only if only is not None else list(images)
    try:
        return [
            Wanted(str(parse_reference(each)), images[each]["repository"], images[each]["digest"]) for each in chosen
        ]
    except (KeyError, TypeError) as error:
        raise InputError(
            "an image has no repository and digest", "offer.images", "Pass on what image_offer returned."
        ) from error


def plan_pulls(wanted: t.Iterable[Wanted], images: t.Iterable[ObservedImage]) -> list[Fetched]:
    """What `Fetcher` would do, as far as the engine alone can tell."""
    tags = {tag for image in images for tag in image.tags}
    return [
        Fetched(each.reference, "present", "present")
        if each.reference in tags
        else Fetched(each.reference, "pulled", "not here")
        for each in wanted
    ]


@dataclass(frozen=True)
class _Plan:
    """One image that is to be fetched."""

    wanted: Wanted
    manifest: Manifest
    config: bytes
    diff_ids: tuple[str, ...]
    missing: tuple[int, ...]
    read: int
    """Bytes of manifest and configuration."""

    @property
    def blobs(self) -> list[Blob]:
        return list({blob.digest: blob for blob in (self.manifest.layers[index] for index in self.missing)}.values())


class Fetcher:
    """Fetches from one registry to one engine."""

    def __init__(self, engine: Engine, login: Login, cache_dir: str, events: Events) -> None:
        self._engine, self._cache_dir, self._events = engine, cache_dir, events
        self._login = login
        self._received: dict[str, int] = {}
        self._lock = threading.Lock()

    def fetch(self, wanted: Sequence[Wanted]) -> list[Fetched]:
        """Get every image that is not there. All errors are raised together; what could be fetched is there then."""
        images = self._engine.images()
        done = {each.reference: Fetched(each.reference, "present", "present") for each in wanted}
        open_ones = [each for each in wanted if not _is_here(each.reference, images)]
        if not open_ones:
            return list(done.values())
        self._client = RegistryClient(self._login)
        errors: dict[str, FleetError] = {}
        known = self._engine.all_layers()
        with ThreadPoolExecutor(_LAYERS) as pool:
            read = pool.map(lambda each: _tried(lambda: self._read(each, known), errors), open_ones)
            plans = [plan for plan in read if plan is not None and not self._is_same(plan, images, known)]
            done.update(self._get(plans, pool, errors))
        raise_all(list(errors.values()))
        return list(done.values())

    # -- what is wanted

    def _read(self, wanted: Wanted, known: Mapping[str, tuple[str, ...]]) -> _Plan:
        try:
            data, media_type, read = self._manifest(wanted.repository, wanted.digest)
            if is_index(data, media_type):
                inner = choose(data, self._engine.architecture())
                data, media_type, more = self._manifest(wanted.repository, inner)
                read += more
            manifest = read_manifest(data, media_type)
            config = self._config(wanted.repository, manifest.config)
            ids = diff_ids(config)
            if len(ids) != len(manifest.layers):
                raise EngineError(f"its manifest has {len(manifest.layers)} layers, its configuration {len(ids)}")
        except EngineError as error:
            raise EngineError(
                error.message, f"image {wanted.reference}: {error.path}".rstrip(": "), error.mend
            ) from error
        missing = lacking(ids, known.values(), self._engine.reuses)
        return _Plan(wanted, manifest, config, ids, missing, read + len(config))

    def _manifest(self, repository: str, digest: str) -> tuple[bytes, str, int]:
        answer = self._client.manifest(repository, digest)
        if answer is None:
            raise EngineError(
                f"it has no {repository}@{digest}",
                f"registry {self._login.address}",
                "Offer the image again: run the playbook once more.",
            )
        self._verify(answer[0], digest, "manifest")
        return answer[0], answer[1], len(answer[0])

    def _config(self, repository: str, blob: Blob) -> bytes:
        config = self._client.small_blob(repository, blob.digest)
        self._verify(config, blob.digest, "configuration")
        return config

    def _verify(self, data: bytes, digest: str, what: str) -> None:
        if digest_of(data) != digest:
            raise EngineError(
                f"the {what} {digest} arrived as {digest_of(data)}",
                f"registry {self._login.address}",
                "It is damaged there: offer the image again after its storage was removed.",
            )

    def _is_same(self, plan: _Plan, images: t.Iterable[ObservedImage], known: Mapping[str, tuple[str, ...]]) -> bool:
        """Whether the tag means this very image already: by what is in it, never by an id."""
        image = next((each for each in images if plan.wanted.reference in each.tags), None)
        return image is not None and known.get(image.id) == plan.diff_ids and image.labels == labels_of(plan.config)

    # -- getting it

    def _get(
        self, plans: Sequence[_Plan], pool: ThreadPoolExecutor, errors: dict[str, FleetError]
    ) -> dict[str, Fetched]:
        if not plans:
            return {}
        folder = BlobFolder(os.path.join(self._cache_dir, "blobs"))
        folder.drop_forgotten()
        drop_forgotten(os.path.join(self._cache_dir, "incoming"))
        folder.room_for({blob.digest: blob for plan in plans for blob in plan.blobs}.values())
        started = time.monotonic()
        coming: dict[str, Future[int]] = {}
        for plan in plans:
            total = sum(blob.size for blob in plan.blobs)
            self._events({"event": "pull", "image": plan.wanted.reference, "line": f"{_needed(plan)} ({human(total)})"})
            told = self._teller(plan)
            for blob in plan.blobs:
                if blob.digest not in coming:
                    coming[blob.digest] = pool.submit(folder.fetch, self._client, plan.wanted.repository, blob, told)
        done: dict[str, Fetched] = {}
        counted: set[str] = set()
        for plan in plans:
            mine = [blob.digest for blob in plan.blobs if blob.digest not in counted]
            counted.update(mine)

            def one(plan: _Plan = plan, mine: list[str] = mine) -> Fetched:
                for blob in plan.blobs:
                    coming[blob.digest].result()
                received = plan.read + sum(coming[digest].result() for digest in mine)
                self._hand_over(plan, folder)
                seconds = round(time.monotonic() - started, 2)
                return Fetched(plan.wanted.reference, "pulled", _needed(plan), received, seconds)

            result = _tried(one, errors)
            if result is not None:
                done[plan.wanted.reference] = result
        # What an image that failed needs is kept: the next run goes on with it.
        kept = {blob.digest for plan in plans if plan.wanted.reference not in done for blob in plan.blobs}
        folder.drop(digest for digest in coming if digest not in kept)
        return done

    def _teller(self, plan: _Plan) -> t.Callable[[int], None]:
        total, reference = sum(blob.size for blob in plan.blobs), plan.wanted.reference
        state = {"count": 0, "next": time.monotonic() + _SAY_EVERY}

        def told(count: int) -> None:
            with self._lock:
                state["count"] += count
                if time.monotonic() < state["next"]:
                    return
                state["next"] = time.monotonic() + _SAY_EVERY
                line = f"{human(state['count'])} of {human(total)}"
            self._events({"event": "pull", "image": reference, "line": line})

        return told

    def _hand_over(self, plan: _Plan, folder: BlobFolder) -> None:
        """Two engines of one machine may want the same image at once: one after the other."""
        name = plan.wanted.digest.partition(":")[2]
        path = os.path.join(self._cache_dir, "incoming", name)
        with locked(os.path.join(self._cache_dir, "blobs", "locks", f"image-{name[:2]}")):
            shutil.rmtree(path, ignore_errors=True)
            with writing(path):
                os.makedirs(path, mode=0o700)
            try:
                image = _incoming(plan, path)
                for blob in plan.blobs:
                    # Nothing to do, unless another process handed it over and dropped it since.
                    folder.fetch(self._client, plan.wanted.repository, blob)
                    folder.link(blob.digest, image.file(blob.digest))
                self._events({"event": "load", "image": plan.wanted.reference})
                self._engine.load_image(image)
            finally:
                shutil.rmtree(path, ignore_errors=True)


def _incoming(plan: _Plan, folder: str) -> IncomingImage:
    layers = tuple(
        IncomingLayer(diff_id, blob.digest, blob.size, blob.media_type)
        if index in plan.missing
        else IncomingLayer(diff_id, "")
        for index, (diff_id, blob) in enumerate(zip(plan.diff_ids, plan.manifest.layers))
    )
    return IncomingImage(plan.wanted.reference, plan.config, layers, folder, "docker" in plan.manifest.media_type)


def _is_here(reference: str, images: t.Iterable[ObservedImage]) -> bool:
    """Without asking the registry: the tag is one of ours, and means one image only."""
    return any(reference in image.tags and is_named_by_content(reference, image) for image in images)


def _needed(plan: _Plan) -> str:
    count, of = len(plan.missing), len(plan.diff_ids)
    if not count:
        return "all of its layers are here"
    return f"{count} of {of} layers {'is' if count == 1 else 'are'} not here"


_T = t.TypeVar("_T")


def _tried(function: t.Callable[[], _T], errors: dict[str, FleetError]) -> _T | None:
    """None where it failed; the same error of several images is kept once."""
    try:
        return function()
    except FleetError as error:
        errors.setdefault(str(error), error)
        return None
