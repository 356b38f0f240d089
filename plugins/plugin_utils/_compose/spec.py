# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a group file says, read and checked: the value that `load_group` returns."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping
from dataclasses import dataclass, field

from ...module_utils._image.spec import Bootstrap

Path = tuple[str | int, ...]
"""Keys and list indexes from the top of the file: ``("services", "web", "ports", 1)``."""

Mark = tuple[int, int] | tuple[int, int, str]
"""Line and column from 1; and the file, where it is not the group file itself."""

STACKS = (
    "nvidia",
    "nvidia-wsl",
    "nvidia-tegra",
    "rocm",
    "rocm-wsl",
    "intel",
    "vulkan",
    "videocore",
    "venus",
    "metal",
    "cpu",
)
"""Every GPU stack that a group file may name."""

DISPLAYS = ("wslg", "x11", "wayland")
"""Every kind of display, in the order of ``auto``: WSLg's where it is; X11 before Wayland, which admits one user only."""


@dataclass(frozen=True)
class GpuWish:
    """What a service wants of GPUs: `x-gpu` and Compose's own device request put together.

    Made for every service that has `x-gpu`, `gpus` or a device request with the capability ``gpu``.
    """

    stacks: tuple[str, ...] = ()
    """In order of preference; empty: the host's best one, and never cpu."""
    memory: int = 0
    """Bytes of GPU memory the service declares."""
    count: int = -1
    """Number of GPUs; -1 means all. Meaningless when `ids` are given."""
    ids: tuple[str, ...] = ()
    """Indexes or uuids, as written."""
    driver: str = ""
    """Driver of Compose's device request, e.g. ``nvidia`` or ``cdi``; usually empty."""
    capabilities: tuple[str, ...] = ("gpu",)
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class DisplayWish:
    """What a service wants to draw on (`x-display`)."""

    kinds: tuple[str, ...] = DISPLAYS
    """In order of preference."""
    display: str = ""
    """Only this one, ``:1`` or ``wayland-0``; empty: the one that a user most likely means."""
    optional: bool = False
    """Without a display it runs, too."""


@dataclass(frozen=True)
class LinkWish:
    """One `x-links` entry: ``scheme://[group/]service:port[suffix]``."""

    variable: str
    """Environment variable in which the service finds the address."""
    url: str
    """As written in the file."""
    scheme: str
    group: str
    """Empty: the service's name is looked up (same host first)."""
    service: str
    port: int
    """Container port."""
    suffix: str = ""
    """What follows the port, e.g. ``/v1``; empty or starting with a slash."""
    check: tuple[str, ...] = ()
    """argv to run in the consuming container; exit status 0 means the link works."""


@dataclass(frozen=True)
class ServiceExtensions:
    gpu: GpuWish | None = None
    display: DisplayWish | None = None
    links: tuple[LinkWish, ...] = ()
    one_shot: bool = False
    settle: float | None = None
    """Seconds; None: the default."""


@dataclass(frozen=True)
class BuildVariant:
    """What differs in the build for one GPU stack. None: as in the plain build."""

    args: Mapping[str, str | None] = field(default_factory=dict)
    """Laid over the plain build's arguments."""
    target: str | None = None
    context: str | None = None
    """Absolute path on the controller."""
    dockerfile: str | None = None
    template: str | None = None
    """One of the collection's Containerfiles, in place of one in the context."""


@dataclass(frozen=True)
class BuildExtensions:
    stacks: Mapping[str, BuildVariant] = field(default_factory=dict)
    """By GPU stack; the fall-backs (nvidia-wsl → nvidia, …) are the planner's business."""
    bootstrap: Bootstrap | None = None
    template: str = ""
    """One of the collection's Containerfiles, in place of one in the context."""


@dataclass(frozen=True)
class GroupSpec:
    """One group file.

    `services`, `networks`, `volumes`, `secrets` and `configs` are plain JSON data, exactly as
    ``docker compose config --format json`` (2.26, all profiles on) prints them, without x- keys, but
    - networks, volumes, secrets and configs have a `name` only where the file gave one or where they are external;
    - a dollar sign is one ``$`` (Compose prints ``$$`` so that its output can be read again);
    - `gpus` (Compose ≥ 2.30) has become a device request below ``deploy``;
    - a limit of 0 below `ulimits` is 0 (Compose's printing loses it).
    A variable of `environment` that has no value anywhere is None: not set in the container.
    """

    name: str
    path: str
    """The file as it was given to `load_group`."""
    directory: str
    """Absolute directory that relative paths in the file start from."""
    services: Mapping[str, dict[str, t.Any]] = field(default_factory=dict)
    networks: Mapping[str, dict[str, t.Any]] = field(default_factory=dict)
    volumes: Mapping[str, dict[str, t.Any]] = field(default_factory=dict)
    secrets: Mapping[str, dict[str, t.Any]] = field(default_factory=dict)
    configs: Mapping[str, dict[str, t.Any]] = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    timeout: float = 120.0
    """Seconds the group may take to become healthy."""
    description: str = ""
    extensions: Mapping[str, ServiceExtensions] = field(default_factory=dict)
    """One entry for every service."""
    builds: Mapping[str, BuildExtensions] = field(default_factory=dict)
    """One entry for every service with a `build`."""
    relative: frozenset[Path] = frozenset()
    """Entries with a bind source that the file gave as a relative path, ``("services", "web", "volumes", 0)``: these
    sources are the controller's, all others are the host's."""
    warnings: tuple[str, ...] = ()
    marks: Mapping[Path, Mark] = field(default_factory=dict, repr=False, compare=False)
    """Where every key and list entry stands: in the file, or in one that it extends or includes."""

    def where(self, path: Path = ()) -> str:
        """``groups/core.yml:12:7: services.web.ports[1]``, for the path of a message."""
        return locate(self.path, self.marks, path)


def locate(file: str, marks: Mapping[Path, Mark], path: Path) -> str:
    """File, line, column and key path; a path the file does not have is placed at its nearest parent."""
    for length in range(len(path), 0, -1):
        mark = marks.get(tuple(path[:length]))
        if mark is not None:
            file = f"{mark[2] if len(mark) > 2 else file}:{mark[0]}:{mark[1]}"
            break
    return f"{file}: {dotted(path)}" if path else file


def dotted(path: Path) -> str:
    """``("services", "web", "ports", 1)`` → ``services.web.ports[1]``."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        elif "." in part or " " in part:
            text += f"[{part!r}]"
        else:
            text += f".{part}" if text else part
    return text
