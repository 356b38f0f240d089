# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The engines of a host besides the one that the inventory names."""

from __future__ import annotations

from .._engine.base import Engine
from .._engine.docker_url import is_elsewhere
from .._engine.open import is_installed, open_engine
from .._errors import EngineError


def other_engines(name: str, url: str = "") -> list[Engine]:
    """The engine that the groups of this host may still run on. One that does not answer runs nothing.

    url: of the engine that the inventory names. Where that is elsewhere, what is on this machine is not of that host.
    """
    if is_elsewhere(url):
        return []
    other = "docker" if name == "podman" else "podman"
    if not is_installed(other):
        return []
    try:
        return [open_engine(other)]
    except EngineError:
        return []
