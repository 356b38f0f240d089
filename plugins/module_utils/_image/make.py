# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Gets the images of a plan onto one engine: pulls, bootstraps a base, builds. Only ever adds.

What is there already is left alone; the builder is not called for it. A built image is looked into before it gets its
name, which is the proof that it is complete and may be used.
"""

from __future__ import annotations

import os
import time
import typing as t
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from .._engine.base import Engine, ObservedImage
from .._engine.login import Login
from .._engine.reference import parse_reference
from .._errors import EngineError, FleetError, InputError, raise_all
from .._group import labels
from .._lock import locked
from .identity import (
    ImageState,
    architecture,
    find_base,
    recipe_digest,
    replaceable_base,
    resolve,
    stand_in_reference,
    to_stage,
)
from .spec import Bootstrap, ImageSpec

_PULLS = 4
"""Pulled at the same time; each pull fetches several layers at once already."""

Events = t.Callable[[dict[str, t.Any]], None]


@dataclass(frozen=True)
class Done:
    """One thing that was done for an image, or would be done in check mode."""

    reference: str
    action: str
    """present, pulled, built, tagged or bootstrapped."""
    reason: str
    seconds: float = 0.0
    key: str = ""
    """Of the plan; empty for a base that was needed on the way."""
    context_needed: bool = False
    """Check mode: building it takes the context."""
    sbom: str = ""
    """Path on the host of the list of its packages, where it was built now."""

    @property
    def changed(self) -> bool:
        return self.action != "present"


def plan_images(specs: t.Iterable[ImageSpec], images: t.Sequence[ObservedImage]) -> list[Done]:
    """What `stage_images` would do, as far as it can be known before a base was pulled."""
    result: list[Done] = []
    for spec in specs:
        state = resolve(spec, images)
        named = state.reference or f"{spec.repository}:(known once its base is there)"
        if state.present:
            action = "tagged" if _missing_tags(spec, state, images) else "present"
            result.append(Done(named, action, state.reason, key=spec.key))
        elif spec.build:
            result.extend(base for base in _plan_bases(spec, images) if base not in result)
            result.append(Done(named, "built", state.reason, key=spec.key, context_needed=True))
        else:
            _refuse_pull(spec, state)
            result.append(Done(named, "pulled", state.reason, key=spec.key))
    return result


def _plan_bases(spec: ImageSpec, images: t.Sequence[ObservedImage]) -> t.Iterator[Done]:
    for base in spec.bases:
        recipe = spec.bootstrap if base == replaceable_base(spec) else None
        if find_base(base, images) or (recipe and _there(stand_in_reference(spec), images)):
            continue
        if recipe is not None and not recipe.pull:
            yield Done(stand_in_reference(spec), "bootstrapped", f"stands in for {base}, which is not there")
        else:
            reason = "base is not there" + ("; bootstrapped if it cannot be pulled" if recipe else "")
            yield Done(str(parse_reference(base)), "pulled", reason)


@dataclass
class Stager:
    """Carries out what `plan_images` says on one engine."""

    engine: Engine
    cache_dir: str
    archives: dict[str, str]
    """Path of the context's archive on this host by image key."""
    events: Events
    """Told what happens: ``{"event": "build", "image": …, "line": …}``, also pull and bootstrap."""
    secrets: t.Mapping[str, str] = field(default_factory=dict)
    """Source key → value, of the secrets that builds read."""
    logins: t.Sequence[Login] = ()
    """To registries that images are pulled from; of others the engine knows what it needs itself."""

    def stage(self, specs: t.Iterable[ImageSpec]) -> list[Done]:
        """Stage every image: pulls at the same time, builds one after the other. All errors are raised together."""
        specs = list(specs)
        images = self.engine.images()
        errors: list[FleetError] = []

        def attempt(spec: ImageSpec) -> list[Done]:
            try:
                return self._stage(spec, images)
            except FleetError as error:
                errors.append(error)
                return []

        with ThreadPoolExecutor(max_workers=_PULLS) as pool:
            pulled = dict(zip([spec.key for spec in specs if not spec.build], pool.map(attempt, _only(specs, False))))
        built = {spec.key: attempt(spec) for spec in _only(specs, True)}
        raise_all(errors)
        return [entry for spec in specs for entry in {**pulled, **built}[spec.key]]

    def _stage(self, spec: ImageSpec, images: t.Sequence[ObservedImage]) -> list[Done]:
        state = resolve(spec, images)
        if not to_stage(spec, state):
            return [self._tag(spec, state, images)]
        if not spec.build:
            return [self._pull(spec, state)]
        # Two inventory hosts may be this one machine: the second waits and finds the image made.
        with locked(os.path.join(self.cache_dir, "images.lock")):
            return self._build(spec)

    def _tag(self, spec: ImageSpec, state: ImageState, images: t.Sequence[ObservedImage]) -> Done:
        missing = _missing_tags(spec, state, images)
        for tag in missing:
            self.engine.tag_image(state.reference, tag)
        reason = f"tagged {', '.join(missing)}" if missing else state.reason
        return Done(state.reference, "tagged" if missing else "present", reason, key=spec.key)

    def _pull(self, spec: ImageSpec, before: ImageState) -> Done:
        _refuse_pull(spec, before)
        started = time.monotonic()
        self.events({"event": "pull", "image": spec.repository})
        try:
            self._pull_image(spec.repository, spec.platform)
        except EngineError as error:
            raise EngineError(
                f"cannot pull {spec.repository}: {error.message}",
                place(spec, "image"),
                error.mend
                or f"Correct the name, log in to its registry, or load the image by hand.{_ask_anew(spec.repository)}",
            ) from error
        after = resolve(spec, self.engine.images())
        same = before.present and before.identity == after.identity
        reason = "the registry has nothing newer" if same else before.reason
        seconds = time.monotonic() - started
        return Done(after.reference, "present" if same else "pulled", reason, seconds, spec.key)

    def _pull_image(self, reference: str, platform: str) -> None:
        domain = parse_reference(reference).domain
        self.engine.pull_image(
            reference, platform, next((login for login in self.logins if login.address == domain), None)
        )

    def _build(self, spec: ImageSpec) -> list[Done]:
        images = self.engine.images()
        before = resolve(spec, images)
        if not to_stage(spec, before):
            return [self._tag(spec, before, images)]
        if spec.builder:
            raise InputError(
                f"{spec.repository} is built on {spec.builder} for this host",
                place(spec, "build"),
                "Run build.yml or deploy.yml, which build it there and bring it here.",
            )
        done = [entry for base in spec.bases for entry in self._need_base(spec, base, images)]
        images = self.engine.images()
        state = resolve(spec, images)
        if state.present:
            return [*done, self._tag(spec, state, images)]
        if not state.reference:
            raise EngineError(
                f"{spec.containerfile}: FROM {', '.join(spec.bases)}: {state.reason}", place(spec, "build")
            )
        archive = self.archives.get(spec.key)
        if not archive:
            raise InputError(
                f"{spec.repository} has to be built ({state.reason}) and its context was not sent",
                path=spec.key,
                mend="Call the module through its action plugin.",
            )
        started = time.monotonic()

        def on_line(line: str) -> None:
            self.events({"event": "build", "image": state.reference, "line": line})

        # What builds is loaded when something is built: reading it takes longer than a host with nothing to do.
        from .archive import unpacked
        from .build import Builder

        with unpacked(archive) as context:
            builder = Builder(self.engine, self.cache_dir, self.secrets)
            sbom = builder.build(spec, state, context, images, on_line)
        seconds = time.monotonic() - started
        return [*done, Done(state.reference, "built", before.reason, seconds, spec.key, sbom=sbom)]

    def _need_base(self, spec: ImageSpec, base: str, images: t.Sequence[ObservedImage]) -> list[Done]:
        """Get one base: pull it, or bootstrap what stands in for it."""
        there = find_base(base, images)
        if there and spec.pull_policy != "always":
            return []
        recipe = spec.bootstrap if base == replaceable_base(spec) else None
        if recipe and _there(stand_in_reference(spec), images):
            return []
        full = str(parse_reference(base))
        why = "the recipe says not to pull it"
        if not (recipe and not recipe.pull) and not full.startswith("localhost/"):
            started = time.monotonic()
            self.events({"event": "pull", "image": full})
            try:
                self._pull_image(full, spec.platform)
            except EngineError as error:
                why = error.message
            else:
                return [Done(full, "pulled", "base of " + spec.repository, time.monotonic() - started)]
        if there:
            return []
        if recipe is None:
            raise EngineError(
                f"the base of «FROM {base}» is not on this engine and cannot be pulled: {why}",
                f"{place(spec, 'build')}: {os.path.join(spec.context, spec.containerfile)}",
                f"Pull or load it by hand, or give the build an x-bootstrap recipe.{_ask_anew(base)}",
            )
        return [self._bootstrap(spec, recipe, f"stands in for {base}: {_first_line(why)}")]

    def _bootstrap(self, spec: ImageSpec, recipe: Bootstrap, reason: str) -> Done:
        started = time.monotonic()
        reference = stand_in_reference(spec)

        def on_line(line: str) -> None:
            self.events({"event": "bootstrap", "image": reference, "line": line})

        from .bootstrap import base_archive

        archive, made = base_archive(recipe, self.cache_dir, spec.platform, on_line)
        digest = recipe_digest(recipe, architecture(spec.platform))
        self.engine.import_image(archive, reference, {labels.BOOTSTRAP: digest})
        seconds = time.monotonic() - started
        return Done(reference, "bootstrapped", reason + ("" if made else " (from the cache)"), seconds)


def _only(specs: t.Iterable[ImageSpec], build: bool) -> list[ImageSpec]:
    return [spec for spec in specs if spec.build is build]


def _there(reference: str, images: t.Iterable[ObservedImage]) -> bool:
    return any(reference in image.tags for image in images)


def _missing_tags(spec: ImageSpec, state: ImageState, images: t.Iterable[ObservedImage]) -> list[str]:
    image = next((image for image in images if state.reference in image.tags), None)
    return [tag for tag in spec.tags if image and tag not in image.tags]


def _refuse_pull(spec: ImageSpec, state: ImageState) -> None:
    if spec.pull_policy == "never":
        raise EngineError(
            f"{spec.repository} is not on this engine, and its pull_policy is never",
            place(spec, "image"),
            "Load it by hand, or set pull_policy: missing.",
        )
    if spec.repository.startswith("localhost/") and not state.present:
        raise EngineError(
            f"{spec.repository} is not on this engine, and localhost/ is no registry",
            place(spec, "image"),
            "Build or load it, or give the service a build.",
        )


def place(spec: ImageSpec, key: str) -> str:
    """Where the user wrote it: the service's key in its group file, or the image's name in by-hand use."""
    return f"{spec.where}.{key}" if spec.where else spec.key


def _ask_anew(reference: str) -> str:
    """A further mend for a digest that a lock file gave to a tag: registries may drop what no tag names any more."""
    parsed = parse_reference(reference)
    named = parsed.tag and parsed.digest
    return " Where a lock file names the digest, ask for it anew: build.yml -e update_lock=true." if named else ""


def _first_line(text: str) -> str:
    return text.strip().splitlines()[0] if text.strip() else ""
