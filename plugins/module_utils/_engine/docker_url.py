# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where Docker is asked when no URL is given (the same place for facts and for a deploy), and what a URL says.

DOCKER_HOST is not consulted: what a run changes is the inventory's business.
"""

from __future__ import annotations

import os
import typing as t
from dataclasses import dataclass
from urllib.parse import urlsplit

from .._errors import InputError

ROOTFUL = "/var/run/docker.sock"

_OVER_A_CONNECTION = ("tcp", "ssh", "http", "https")
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


def default_socket() -> str:
    """The rootful socket if it may be used, else the user's rootless or Desktop socket if there is one."""
    home = os.path.expanduser("~")
    runtime = os.environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}"
    # Sources: moby rootless documentation; Docker Desktop FAQs (sockets on Linux and Mac).
    others = (f"{runtime}/docker.sock", f"{home}/.docker/run/docker.sock", f"{home}/.docker/desktop/docker.sock")
    candidates = (ROOTFUL, *others) if os.access(ROOTFUL, os.W_OK) else (*others, ROOTFUL)
    return next((path for path in candidates if os.path.exists(path)), ROOTFUL)


def default_url() -> str:
    return f"unix://{default_socket()}"


def is_elsewhere(url: str) -> bool:
    """Whether the engine is reached over a connection: it sees no file of the machine that asks.

    Also of ``tcp://localhost``: what answers there may be Docker Desktop in a virtual machine of its own.
    """
    return urlsplit(url).scheme in _OVER_A_CONNECTION


def is_loopback(url: str) -> bool:
    return urlsplit(url).hostname in _LOOPBACK


@dataclass(frozen=True)
class Tls:
    """How a ``tcp://`` engine is told from an impostor, and we from a stranger. Paths of the machine that asks."""

    ca: str = ""
    """Certificate of who signed the engine's; empty: those that the system trusts."""
    cert: str = ""
    key: str = ""
    verify: bool = True
    """False: whoever answers is believed."""

    @classmethod
    def from_dict(cls, data: t.Mapping[str, t.Any] | None) -> Tls | None:
        """None where nothing is given. Raises InputError for files that are not there."""
        if not data:
            return None
        tls = cls(data.get("ca") or "", data.get("cert") or "", data.get("key") or "", data.get("verify") is not False)
        if bool(tls.cert) != bool(tls.key):
            raise InputError("a client certificate needs both cert and key", "container_engine_tls")
        for name in ("ca", "cert", "key"):
            path = getattr(tls, name)
            if path and not os.path.isfile(path):
                raise InputError(
                    f"there is no file {path}",
                    f"container_engine_tls.{name}",
                    "It is a path on the control node; with a leading ~ it is of the user who runs Ansible.",
                )
        return tls
