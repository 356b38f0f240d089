# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One build: with its secrets, looked into before it has a name, named last. What fails leaves no name behind."""

from __future__ import annotations

import contextlib
import os
import typing as t
from dataclasses import dataclass

from .._engine.base import Engine, ObservedImage
from .._errors import EngineError, InputError
from .check import check_image
from .identity import ImageState
from .make import place
from .own_labels import base_reference, image_labels
from .secret_files import secret_files
from .spec import ImageSpec

_SHORTEST = 8
"""Characters of what is hidden: shorter words would turn ordinary output into asterisks (the limit of all secrets)."""


@dataclass(frozen=True)
class Builder:
    """Builds on one engine."""

    engine: Engine
    cache_dir: str
    secrets: t.Mapping[str, str]
    """Source key → value."""

    def build(
        self,
        spec: ImageSpec,
        state: ImageState,
        context: str,
        images: t.Sequence[ObservedImage],
        on_line: t.Callable[[str], None],
    ) -> str:
        """Path of the list of its packages. context: a directory. images: what the engine has before. Raises EngineError."""
        values = self._values(spec)
        try:
            image_id = self._run(spec, state, context, images, values, lambda line: on_line(hidden(line, values)))
            on_line("looking into the image")
            base = base_reference(spec, state)
            try:
                sbom = check_image(self.engine, image_id, state.reference, base, values, self.cache_dir)
            except EngineError:
                self._drop(image_id, images)
                raise
            # Our own tag is the proof that the image is complete, so it comes last.
            for tag in (*spec.tags, state.reference):
                self.engine.tag_image(image_id, tag)
        except EngineError as error:
            # The engine's words end with the build's last lines.
            full = "no space left on device" in error.message.lower()
            raise EngineError(
                f"building {state.reference} failed: {hidden(error.message, values)}",
                f"{place(spec, 'build')}: {os.path.join(spec.context, spec.containerfile)}",
                error.mend or ("Make room on the host's disk, then run again." if full else ""),
            ) from error
        return sbom

    def _run(
        self,
        spec: ImageSpec,
        state: ImageState,
        context: str,
        images: t.Sequence[ObservedImage],
        values: dict[str, str],
        on_line: t.Callable[[str], None],
    ) -> str:
        arguments = dict(spec.arguments)
        if state.stand_in and spec.bootstrap:
            arguments[spec.bootstrap.argument] = state.stand_in
        labels = image_labels(spec, state, images)
        with secret_files(values) as paths:
            return self.engine.build_image(
                context, spec.containerfile, (), arguments, labels, spec.target, spec.platform, on_line, paths
            )

    def _values(self, spec: ImageSpec) -> dict[str, str]:
        """Id → value of the secrets of its build."""
        for name, source in spec.secrets.items():
            if source not in self.secrets:
                raise InputError(
                    f"no value for the build secret {name}", place(spec, "build"), "Give it in the option secrets."
                )
        return {name: self.secrets[source] for name, source in spec.secrets.items()}

    def _drop(self, image_id: str, before: t.Sequence[ObservedImage]) -> None:
        """Take away what was built now and may not be used; an image that was there already is somebody's."""
        if not any(image.id == image_id for image in before):
            with contextlib.suppress(EngineError):
                self.engine.remove_image(image_id)


def hidden(text: str, values: t.Mapping[str, str]) -> str:
    """What a builder says, without the secrets that a step printed: Ansible hides them in results only, not in events.

    A secret of several lines is printed line by line; lines too short to be one are left.
    """
    lines = {line.strip() for value in values.values() for line in value.splitlines()}
    for line in sorted(lines, key=len, reverse=True):
        if len(line) >= _SHORTEST:
            text = text.replace(line, "********")
    return text
