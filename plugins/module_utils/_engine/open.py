# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one place where an engine's name becomes an adapter.

An adapter is loaded when it is wanted: the Docker SDK alone takes longer to import than a
host with nothing to do takes to answer.
"""

from __future__ import annotations

import os
import shutil

from .._errors import EngineError
from .base import Engine
from .docker_url import Tls, default_socket


def open_engine(name: str, url: str = "", tls: Tls | None = None, supervisor: str = "", docker_cli: str = "") -> Engine:
    """The adapter for ``podman`` or ``docker``.

    url: where Docker answers (``unix://``, ``tcp://``, ``ssh://``); empty is its default socket.
    tls: for ``tcp://``. supervisor: ``systemd`` where new containers of Podman are to be units of systemd.
    docker_cli: the docker program that images are built with; empty: one that can is looked for.
    Raises EngineError with a mend when the engine is not installed or does not answer, or cannot have that supervisor.
    """
    if name == "podman":
        if url:
            raise EngineError(
                f"Podman is used through its command line on the host, not at {url}",
                path="container_engine_url",
                mend="Leave container_engine_url empty, or set container_engine: docker.",
            )
        return _open_podman(supervisor)
    if name == "docker":
        from .docker import DockerEngine

        return DockerEngine(url, tls, docker_cli)
    raise EngineError(f"unknown engine {name!r}", path="container_engine", mend="Use podman or docker.")


def _open_podman(supervisor: str) -> Engine:
    """With systemd wherever units of ours are, whoever is to keep containers up from now on."""
    from .podman import PodmanEngine
    from .quadlet_files import UnitFolder

    if supervisor != "systemd" and not UnitFolder.of_this_user().read_all():
        return PodmanEngine()
    from .quadlet import QuadletEngine

    engine = QuadletEngine()
    if supervisor == "systemd":
        engine.refuse_unfit()
    return engine


def is_installed(name: str) -> bool:
    """Whether this host has the engine, for Docker: has it running at its default socket.

    Cheap on purpose: no process, no import. One that is not there counts as empty in check mode.
    """
    return os.path.exists(default_socket()) if name == "docker" else shutil.which(name) is not None
