# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The image of each service on a host: built for its GPU stack, or pulled."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from ...module_utils._engine.reference import parse_reference
from ...module_utils._errors import FleetError
from ...module_utils._image.spec import ImageSpec
from .._images.lock import Lock, Pins
from .._images.spec import image_spec, pulled_spec
from .placement import Placement
from .secrets import source_key

BUILD = "build:"


class HostImages:
    """All images of one host, by key. Two services that mean the same image share it."""

    def __init__(
        self,
        placements: list[Placement],
        memo: dict[tuple[str, str], str],
        builder: Callable[[str], str] = lambda platform: "",
        pins: Pins | None = None,
    ) -> None:
        """builder: the host that builds an image of this platform (empty: the host's own) for this one, or empty.

        pins: the lock file's digests; told of every image that a registry has to know.
        """
        self.specs: dict[str, ImageSpec] = {}
        self._memo = memo
        self._builder = builder
        """Digests of build contexts, shared between hosts: each context is read once a plan."""
        self._builders: dict[str, tuple[Placement, str]] = {}
        for placement in placements:
            for service, content in placement.services.items():
                if content.get("build") is not None:
                    self._builders.setdefault(_name(image_name(placement, service)), (placement, service))
        self._pins = pins or Pins(Lock(""))
        self._pins.built |= set(self._builders)

    def image_of(self, placement: Placement, service: str, stack: str) -> str:
        """What the container configuration says: ``build:<key>`` or a reference. Raises InputError."""
        content = placement.services[service]
        builder = (placement, service) if content.get("build") is not None else None
        # As in Compose, a service may use the image that another one builds.
        builder = builder or self._builders.get(_name(content["image"]))
        if builder is None:
            return self._keep(self._pulled(placement, service, content))
        return BUILD + self._keep(self._built(*builder, stack, content))

    def _built(self, placement: Placement, service: str, stack: str, user: Mapping) -> ImageSpec:
        content = placement.services[service]
        spec = image_spec(
            placement.where("services", service),
            content["build"],
            placement.spec.builds.get(service),
            stack,
            image_name(placement, service),
            platform=user.get("platform") or content.get("platform") or "",
            pull_policy=user.get("pull_policy") or "",
            secrets={name: source_key(placement, name) for name in placement.spec.secrets},
            pin=self._pins.pin,
            memo=self._memo,
        )
        return replace(spec, builder=self._builder(spec.platform))

    def _pulled(self, placement: Placement, service: str, content: Mapping) -> ImageSpec:
        return pulled_spec(
            placement.where("services", service),
            content["image"],
            platform=content.get("platform") or "",
            pull_policy=content.get("pull_policy") or "",
            pin=self._pins.pin,
        )

    def _keep(self, spec: ImageSpec) -> str:
        known = self.specs.get(spec.key)
        if known is not None and known != spec and spec.build:
            # One repository, two variants on one host (with and without a GPU): the tag tells them apart.
            spec = replace(spec, key=f"{spec.key}@{spec.inputs[:12]}")
        self.specs.setdefault(spec.key, spec)
        return spec.key


def image_name(placement: Placement, service: str) -> str:
    """The image's name, or the one that Compose gives to a build without one."""
    return placement.services[service].get("image") or f"{placement.name}-{service}"


def _name(image: str) -> str:
    try:
        return parse_reference(image, default_domain="localhost").name
    except FleetError:
        return image  # said in full where the service is planned
