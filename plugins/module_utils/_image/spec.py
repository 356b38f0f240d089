# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an image is made of, resolved for one host's GPU stack.

Made on the controller, sent to the host as JSON. `inputs` is the digest of all that
the controller knows (Containerfile, context under .dockerignore, arguments, target,
platform); the host adds the identity of the base it has, which gives the image's tag.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from .._errors import InputError
from .._group import config


@dataclass(frozen=True)
class Bootstrap:
    """A base made from a distribution's mirror, for where the wanted base cannot be pulled."""

    argument: str
    """The build argument that names the base in FROM, e.g. ``BASE``."""
    suite: str
    """Debian or Ubuntu release, e.g. ``bookworm``."""
    packages: tuple[str, ...] = ()
    mirror: str = ""
    """Empty: the mirror in the host's own apt sources."""
    variant: str = "minbase"
    pull: bool = True
    """False: do not even try to pull the wanted base (air-gapped sites)."""


@dataclass(frozen=True)
class ImageSpec:
    key: str
    """Name within the plan; a ContainerConfig refers to it as ``build:<key>``."""
    repository: str
    """Reference without tag for built images; the full reference to pull otherwise."""
    build: bool = True
    """False: an image that is only pulled."""
    inputs: str = ""
    """sha256 (hex) of the controller's inputs; empty for pulled images."""
    context: str = ""
    """Directory on the controller."""
    context_digest: str = ""
    """sha256 (hex) of it as the plan saw it, part of `inputs`."""
    containerfile: str = "Dockerfile"
    """Relative to the context."""
    containerfile_text: str = ""
    """Its content where the context's own is not meant: ``dockerfile_inline``, a template, a path outside, pinned bases."""
    arguments: dict[str, str] = field(default_factory=dict)
    target: str = ""
    platform: str = ""
    labels: dict[str, str] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    """Further tags the user asked for."""
    bases: tuple[str, ...] = ()
    """References in FROM, arguments filled in; without stages and scratch."""
    base: str = ""
    """The one of `bases` that the target starts from: its layers are the lowest of the image. Empty: scratch."""
    bootstrap: Bootstrap | None = None
    secrets: dict[str, str] = field(default_factory=dict)
    """What the build may read as ``/run/secrets/<id>``: id → source key of the plan. Values stand nowhere here."""
    pull_policy: str = "missing"
    """missing, always, never (as in Compose; build is what `build` says)."""
    builder: str = ""
    """The inventory host that makes it for this one, with bases of its own; empty: it is made where it is used."""
    where: str = field(default="", compare=False)
    """The service in its group file, for messages; no part of what the image is."""


def to_dict(spec: ImageSpec) -> dict[str, t.Any]:
    """JSON form; fields at their default are left out (the rule of `_group/config.py`)."""
    return config.to_dict(spec)


def from_dict(data: dict[str, t.Any]) -> ImageSpec:
    """The spec that `to_dict` made `data` from. Raises InputError on a field that does not exist."""
    values = {key: tuple(content) if isinstance(content, list) else content for key, content in data.items()}
    try:
        if values.get("bootstrap") is not None:
            values["bootstrap"] = config.from_dict(Bootstrap, values["bootstrap"])
        return ImageSpec(**values)
    except TypeError as error:
        raise InputError(f"not an image of a plan: {error}", path=f"images[{data.get('key', '?')}]") from None
