# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an engine is asked for. One file per engine implements it; nothing else talks to an engine.

An adapter is created per module call and is safe to use from several threads.
Every failure is an `EngineError` that carries the engine's own words.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from .._errors import EngineError
from .._group.config import ContainerConfig, NetworkConfig, VolumeConfig
from .incoming import IncomingImage
from .login import Login

UNIT_EDITED = "with an edited unit"
"""State of a container whose unit's file somebody changed: it runs as that says, now or when it is started next."""

UNIT_GONE = "without its unit"
"""State of a container that systemd keeps up, but whose unit's file is gone: it would not come back."""

PREPARE = "Install it: ansible-playbook playbooks/prepare.yml -l HOST."
"""What mends an engine that is not installed."""


@dataclass(frozen=True)
class ObservedContainer:
    name: str
    id: str
    image: str
    image_id: str
    state: str
    """created, running, paused, restarting, exited, dead, removing, `UNIT_GONE`, `UNIT_EDITED`; whatever else the engine says."""
    exit_code: int | None = None
    """Known for exited containers, else None."""
    health: str = "none"
    """healthy, unhealthy, starting, or none when there is no check."""
    labels: dict[str, str] = field(default_factory=dict)
    networks: tuple[str, ...] = ()
    """Names of the networks it is attached to (sorted)."""
    ports: tuple[tuple[str, int, str], ...] = ()
    """(host address, host port, protocol) that it publishes now."""
    started_at: str = ""
    """Which of its lives it is in, in the engine's own words: fit for comparing two looks at one container, no more.

    Filled by `Engine.container` for one that runs; empty where nobody asked.
    """


@dataclass(frozen=True)
class ObservedNetwork:
    name: str
    id: str
    labels: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ObservedVolume:
    name: str
    labels: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ObservedImage:
    id: str
    """Engine-local id with its ``sha256:`` prefix; never compared across engines."""
    tags: tuple[str, ...] = ()
    """Full references: ``docker.io/library/redis:7``, ``localhost/ai-system/agent:abc`` (see `reference.py`)."""
    digests: tuple[str, ...] = ()
    """Registry digests as ``name@sha256:…`` (same naming), the one that its tag was pulled by first."""
    labels: dict[str, str] = field(default_factory=dict)
    created: int = 0
    """When it was made, in seconds since 1970; 0 where that is not known."""


@dataclass(frozen=True)
class Observed:
    """All objects of one engine, as one look saw them (everybody's, not only ours)."""

    containers: tuple[ObservedContainer, ...] = ()
    networks: tuple[ObservedNetwork, ...] = ()
    volumes: tuple[ObservedVolume, ...] = ()
    images: tuple[ObservedImage, ...] = ()


@dataclass(frozen=True)
class Health:
    """Answer of one health check that was asked for now."""

    healthy: bool
    output: str = ""


class Engine(t.Protocol):
    """The calls of an adapter. Names are full engine names; labels are complete (ownership and Compose's)."""

    name: str
    """docker or podman"""
    version: str

    def observe(self) -> Observed:
        """Everything there is, from one list request per kind of object, asked concurrently."""

    def images(self) -> tuple[ObservedImage, ...]:
        """The images of `observe` alone, from one request."""

    def refusals(self, configs: t.Sequence[ContainerConfig]) -> t.Sequence[EngineError]:
        """Why containers of these names cannot be made or started here, known before anything is changed."""

    def create_network(self, network: NetworkConfig, labels: dict[str, str]) -> None:
        """Make a network; one of that name that appeared meanwhile with the same labels is fine."""

    def remove_network(self, name: str) -> None: ...

    def create_volume(self, volume: VolumeConfig, labels: dict[str, str]) -> None: ...

    def remove_volume(self, name: str) -> None: ...

    def create_container(
        self,
        config: ContainerConfig,
        labels: dict[str, str],
        bind_sources: dict[str, str],
        parcels: dict[str, bytes] | None = None,
    ) -> str:
        """Create (not start) and return the id.

        labels: all labels, the user's included. bind_sources maps each ``staged:…``
        and secret source of the config to its path on the host.
        parcels: in place of bind_sources, the content itself (`delivery.Parcels`), for an engine that sees none of our
        files. Only Docker's adapter takes them: only it is reached from elsewhere.
        A GPU request that this engine would drop silently raises EngineError.
        """

    def contents(self, name: str, config: ContainerConfig) -> dict[str, bytes]:
        """What was put into a container by `parcels` when it was made, as far as it is still there."""

    def give_away(self, path: str, uid: int, gid: int) -> None:
        """Make a file of this user, who is not root, belong to a user of this engine's containers."""

    def start_container(self, name: str) -> None: ...

    def stop_container(self, name: str, grace: float) -> None:
        """Stop; killed after `grace` seconds. Not running is fine."""

    def rename_container(self, name: str, new_name: str) -> None: ...

    def remove_container(self, name: str) -> None:
        """Remove with its anonymous volumes, killing it if it runs. Not there is fine."""

    def container(self, name: str) -> ObservedContainer | None:
        """One container as it is now, None when it does not exist."""

    def check_health(self, name: str, healthcheck: t.Any = None) -> Health | None:
        """Run the container's health test now. None: it has none (neither its own nor the image's)."""

    def run_in(self, name: str, argv: t.Sequence[str], timeout: float) -> tuple[int, str]:
        """Run a command in a running container: exit status and combined output."""

    def logs(self, name: str, lines: int) -> str:
        """The last lines of stdout and stderr together."""

    def pull_image(self, reference: str, platform: str = "", login: Login | None = None) -> None:
        """login: to its registry; None: what the engine knows itself."""

    def build_image(
        self,
        context: str,
        containerfile: str,
        tags: t.Sequence[str],
        arguments: dict[str, str],
        labels: dict[str, str],
        target: str = "",
        platform: str = "",
        on_line: t.Callable[[str], None] | None = None,
        secrets: dict[str, str] | None = None,
    ) -> str:
        """Build from a context directory on this host; `containerfile` is relative to it. Returns the image id.

        tags: may be empty; the image then has its id only. secrets: id → file with the value. The engine's caches are used.
        """

    def image_layers(self, reference: str) -> tuple[str, ...]:
        """Diff ids (``sha256:…``) of an image's layers, the lowest first."""

    def saved_image(self, reference: str) -> t.ContextManager[t.IO[bytes]]:
        """The image as an archive (`_image/inspect.py` reads it), as it comes. Raises EngineError, also at its end."""

    def import_image(self, archive: str, reference: str, labels: dict[str, str]) -> str:
        """Make an image of one layer from a root file system archive (tar, may be compressed)."""

    def tag_image(self, reference: str, new_reference: str) -> None: ...

    def remove_image(self, reference: str) -> None: ...

    reuses: str
    """Which layers need not be handed to `load_image`: `incoming.BY_LAYER`, `BY_CHAIN` or `BY_NOTHING`."""

    def architecture(self) -> str:
        """What it runs images for, in OCI's words (``arm64``)."""

    def all_layers(self) -> dict[str, tuple[str, ...]]:
        """Diff ids (``sha256:…``) of every image by its id, the lowest layer first."""

    def push_image(self, reference: str, login: Login, repository: str, tag: str) -> None:
        """Push to a registry, with gzip. It leaves no name of the registry's at the image."""

    def load_image(self, image: IncomingImage) -> None:
        """Take an image of which some layers may be here already. It gets its tag when all of it is there."""
