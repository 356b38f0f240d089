# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Looks into an image that was just built, before it gets a name: no driver, no secret; writes the list of its packages."""

from __future__ import annotations

import contextlib
import os
import typing as t

from .._engine.base import Engine
from .._errors import EngineError
from . import inspect, sbom

_NO_DRIVER = (
    "A driver comes from the host, where it fits the kernel. Take out the package that brings it (cuda-drivers, libcuda1, "
    "libnvidia-compute-*, nvidia-utils-*) or the COPY: the cuda-toolkit packages do without."
)
_NO_SECRET = (
    "Read it from /run/secrets in the step that needs it (RUN --mount=type=secret,id=…), and write it nowhere. The builder "
    "still has the layer in its cache ({clean}), and the secret should be changed."
)
_CLEAN = {"docker": "docker builder prune --all", "podman": "podman image prune"}
_SHOWN = 5


def check_image(
    engine: Engine, image_id: str, reference: str, base: str, secrets: t.Mapping[str, str], cache_dir: str
) -> str:
    """Path of the list of packages. Raises EngineError for an image that may not be used.

    reference: the name that it is to get. base: the image that it starts from, empty for scratch. secrets: id → value.
    """
    forms = {name: inspect.forms(value) for name, value in secrets.items()}
    store = _Layers(cache_dir)
    with engine.saved_image(image_id) as stream:
        # With secrets, every layer is looked through: what is kept of one says nothing of them.
        contents = inspect.read_image(stream, forms, store.known if not forms else lambda name: None)
    below = inspect.above(contents, engine.image_layers(base) if base else ())
    refuse(contents, below, forms, engine.name)
    for name, layer in zip(contents.names[:below], contents.layers):
        store.keep(name, layer)
    unread = sorted({path for layer in contents.layers for path in layer.unread})
    document = sbom.document(reference, image_id, inspect.installed(contents), inspect.distribution(contents), unread)
    path = sbom.path_of(cache_dir, reference)
    sbom.write(path, document)
    return path


def refuse(contents: inspect.Contents, below: int, forms: inspect.Secrets, engine: str) -> None:
    """Raise EngineError for a driver in a layer above the base's `below`, or a secret in any layer or in the settings."""
    leaked = [
        f"{path} of its configuration holds {name}" for path, name in inspect.settings_with(contents.config, forms)
    ]
    drivers = []
    for index, layer in enumerate(contents.layers):
        step = inspect.step(contents, index)
        leaked += [f"{path} in {step} holds {name}" for path, name in layer.secrets]
        if index >= below:
            drivers += [f"{path} in {step}" for path in layer.drivers]
    if leaked:
        mend = _NO_SECRET.format(clean=_CLEAN.get(engine, "its prune"))
        raise EngineError(f"a build secret ended up in the image: {_several(leaked)}", mend=mend)
    if drivers:
        raise EngineError(f"the image holds a GPU driver: {_several(drivers)}", mend=_NO_DRIVER)


def _several(texts: t.Sequence[str]) -> str:
    more = f"; and {len(texts) - _SHOWN} more" if len(texts) > _SHOWN else ""
    return "; ".join(texts[:_SHOWN]) + more


class _Layers:
    """What was read from the layers of bases, so that the next build passes over them. Losing it costs only time."""

    def __init__(self, cache_dir: str) -> None:
        self._folder = os.path.join(cache_dir, "layers")

    def _path(self, name: str) -> str:
        return os.path.join(self._folder, name.replace("/", "_") + ".json")

    def known(self, name: str) -> inspect.Layer | None:
        try:
            with open(self._path(name), encoding="utf-8") as stream:
                return inspect.layer_from_json(stream.read())
        except (OSError, UnicodeDecodeError):
            return None

    def keep(self, name: str, layer: inspect.Layer) -> None:
        path = self._path(name)
        if layer.secrets or os.path.exists(path):
            return
        with contextlib.suppress(OSError):
            os.makedirs(self._folder, exist_ok=True)
            with open(f"{path}.new", "w", encoding="utf-8") as stream:
                stream.write(inspect.layer_to_json(layer))
            os.replace(f"{path}.new", path)
