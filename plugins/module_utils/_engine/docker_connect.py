# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A client of the Docker SDK for any URL: ``unix://``, ``tcp://`` with or without TLS, ``ssh://``."""

from __future__ import annotations

import os
import re
import shutil
import typing as t

from .._errors import EngineError
from .base import PREPARE
from .docker_url import Tls, default_socket, default_url, is_elsewhere
from .ssh import Dialer

try:
    import docker
    import docker.constants
    import docker.errors
    import requests.exceptions
    from docker.transport.unixconn import UnixHTTPAdapter, UnixHTTPConnection, UnixHTTPConnectionPool
except ImportError:
    docker = None
    UnixHTTPAdapter = UnixHTTPConnection = UnixHTTPConnectionPool = object

SECONDS = 120
"""How long an answer may take."""


class _Connection(UnixHTTPConnection):
    def __init__(self, dialer: Dialer, url: str, timeout: float) -> None:
        super().__init__(url, "", timeout)
        self._dialer = dialer

    def connect(self) -> None:
        self.sock = self._dialer.connect(self.timeout)


class _Pool(UnixHTTPConnectionPool):
    def __init__(self, dialer: Dialer, url: str, timeout: float, maxsize: int) -> None:
        super().__init__(url, "", timeout, maxsize)
        self._dialer = dialer

    def _new_conn(self) -> t.Any:
        return _Connection(self._dialer, self.base_url, self.timeout)


class _SshAdapter(UnixHTTPAdapter):
    """What the SDK mounts for a socket, with connections of a `Dialer` in place of one."""

    def __init__(self, dialer: Dialer) -> None:
        # sshd takes ten sessions of one login unless told otherwise (MaxSessions).
        super().__init__("http+unix://ssh", SECONDS, max_pool_size=8)
        self._pool = _Pool(dialer, "http+docker://localhost", SECONDS, self.max_pool_size)

    def get_connection(self, url: str, proxies: t.Any = None) -> t.Any:
        """One pool for all: the SDK's own has one for each path, and every connection here is a process."""
        return self._pool

    def close(self) -> None:
        self._pool.close()
        super().close()


class Connected(t.NamedTuple):
    client: t.Any
    """docker.APIClient, at the daemon's own API version."""
    said: dict[str, t.Any]
    """Its answer to /version."""
    error: t.Callable[[str, str], EngineError]
    """(words of the failure, path) → what to say of a connection that broke."""


def connect(url: str = "", tls: Tls | None = None) -> Connected:
    """Raises EngineError naming the URL tried and what to do."""
    where = url or default_url()
    if docker is None:
        raise _no_sdk(where)
    dialer = Dialer(where) if where.startswith("ssh://") else None

    def failed(words: str, path: str = "") -> EngineError:
        return dialer.error(words, path) if dialer else connect_error(where, words, path)

    try:
        client = _over_ssh(dialer) if dialer else _direct(where, tls)
        said = client.version(api_version=False)
        client._version = said.get("ApiVersion") or client._version
    except (docker.errors.DockerException, requests.exceptions.RequestException, OSError) as error:
        raise failed(str(error)) from error
    return Connected(client, said, failed)


def ask_info(url: str, tls: Tls | None, label: str) -> tuple[dict[str, t.Any], list[str]]:
    """What the daemon says of itself (GET /info), and that label of every running container that has it."""
    connected = connect(url, tls)
    try:
        info = connected.client.info()
        running = connected.client.containers(filters={"label": label})
    except (docker.errors.DockerException, requests.exceptions.RequestException, OSError) as error:
        raise connected.error(str(error), "docker info") from error
    finally:
        connected.client.close()
    return info, [(entry.get("Labels") or {}).get(label, "") for entry in running]


def _direct(url: str, tls: Tls | None) -> t.Any:
    client = docker.APIClient(
        base_url=url,
        version=docker.constants.MINIMUM_DOCKER_API_VERSION,
        timeout=SECONDS,
        max_pool_size=32,
        tls=docker.tls.TLSConfig(
            client_cert=(tls.cert, tls.key) if tls.cert else None, ca_cert=tls.ca or None, verify=tls.verify
        )
        if tls
        else False,
    )
    # REQUESTS_CA_BUNDLE would stand for the CA that was given (psf/requests#3829), and a proxy between us and the engine.
    client.trust_env = False
    return client


def _over_ssh(dialer: Dialer) -> t.Any:
    """The socket that the SDK is given here is never opened: our adapter takes its place."""
    client = docker.APIClient(
        base_url="unix://ssh", version=docker.constants.MINIMUM_DOCKER_API_VERSION, timeout=SECONDS
    )
    client._custom_adapter = _SshAdapter(dialer)
    client.mount("http+docker://", client._custom_adapter)
    return client


def _no_sdk(url: str) -> EngineError:
    where = "on the control node" if is_elsewhere(url) else "on this host"
    return EngineError(
        f"the Docker SDK for Python is missing in Ansible's Python {where}",
        mend="Install it: pip install docker (or the package python3-docker).",
    )


def connect_error(url: str, words: str, path: str = "") -> EngineError:
    """What to say when the daemon does not answer, out of the SDK's nested message."""
    if "Permission denied" in words:
        mend = "Let the user who connects be in the group docker, or connect as root (become: true)."
    elif url == default_url() and shutil.which("dockerd") is None and not os.path.exists(default_socket()):
        return EngineError("Docker is not installed on this host", path=path, mend=PREPARE)
    elif "CERTIFICATE_VERIFY_FAILED" in words:
        mend = (
            "container_engine_tls.ca must have signed the engine's certificate, and that must name the host of "
            "container_engine_url (subjectAltName)."
        )
    elif "HTTP request to an HTTPS server" in words or "BadStatusLine" in words:
        mend = "The engine wants TLS: set container_engine_tls (ca, cert, key) for this host."
    elif "WRONG_VERSION_NUMBER" in words or "record layer failure" in words:
        mend = "The engine speaks plain HTTP there: take container_engine_tls out, or better give it TLS (dockerd --tlsverify)."
    elif re.search("certificate required|bad certificate|unknown ca", words, re.IGNORECASE):
        mend = "The engine wants a client certificate that its CA has signed: container_engine_tls.cert and .key."
    elif is_elsewhere(url):
        mend = "Is it on, is its Docker running, and does it listen there? Try: docker -H " + url + " version."
    else:
        mend = "Is the daemon running? systemctl start docker."
    return EngineError(f"Docker does not answer at {url}: {words}", path=path, mend=mend)
