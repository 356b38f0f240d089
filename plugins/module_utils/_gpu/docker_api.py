# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Docker's two questions over its socket, with the standard library: what are you, who declared GPU memory.

No Docker CLI and no SDK is needed for facts. Only plain ``unix://`` and ``tcp://`` are
spoken here; ssh and TLS are the SDK's business (`_engine/docker.py`).
"""

from __future__ import annotations

import http.client
import json
import os
import socket
import typing as t
from urllib.parse import quote, urlsplit

from .._engine.docker_url import default_url
from .probe import CommandResult, find_program

TIMEOUT = 5.0
REFUSED = 1
"""Exit status: the daemon answered with an error."""
UNREACHABLE = 111
"""Exit status: nobody answers (ECONNREFUSED)."""
NOT_ASKED = 95
"""Exit status for URLs that this file does not speak (ENOTSUP)."""


def info(url: str) -> CommandResult | None:
    """What ``docker info`` prints as JSON. None when there is neither a socket nor a daemon program nor a URL."""
    target = url or default_url()
    if not url and not _installed(target):
        return None
    return _get(target, "/info")


def declared(url: str) -> CommandResult | None:
    """A line of the GPU memory label for each running container that has one."""
    filters = quote(json.dumps({"label": ["org.gpu-fleet.vram"], "status": ["running"]}))
    answer = _get(url or default_url(), f"/containers/json?filters={filters}")
    if answer.rc != 0:
        return answer
    try:
        labels = [entry["Labels"]["org.gpu-fleet.vram"] for entry in json.loads(answer.stdout)]
    except (ValueError, KeyError, TypeError) as error:
        return CommandResult(REFUSED, "", f"the list of containers is not understood: {error}")
    return CommandResult(0, "".join(f"{label}\n" for label in labels))


def _installed(target: str) -> bool:
    if target.startswith("unix://") and not os.path.exists(target[len("unix://") :]):
        return find_program("dockerd") is not None
    return True


def _get(url: str, path: str) -> CommandResult:
    connection = connect(url)
    if connection is None:
        return CommandResult(NOT_ASKED, "", f"{urlsplit(url).scheme}:// is asked by the container_groups module")
    try:
        connection.request("GET", path, headers={"Host": "docker"})
        response = connection.getresponse()
        body = response.read().decode("utf-8", "replace")
    except (OSError, http.client.HTTPException) as error:
        return CommandResult(UNREACHABLE, "", f"{url} does not answer: {error}")
    finally:
        connection.close()
    if response.status != http.client.OK:
        return CommandResult(REFUSED, "", f"{url} answered {response.status}: {body.strip()}")
    return CommandResult(0, body)


def connect(url: str) -> http.client.HTTPConnection | None:
    """A connection to a ``unix://`` or plain ``tcp://`` engine; None for URLs that this file does not speak."""
    parts = urlsplit(url)
    if parts.scheme == "unix":
        return _UnixConnection(parts.path)
    if parts.scheme in ("tcp", "http") and not os.environ.get("DOCKER_TLS_VERIFY"):
        return http.client.HTTPConnection(parts.hostname or "localhost", parts.port or 2375, timeout=TIMEOUT)
    return None


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("docker", timeout=TIMEOUT)
        self._path = path

    def connect(self) -> t.Any:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)
