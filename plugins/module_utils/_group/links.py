# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a link answers: asked from the consumer's side, without the consumer.

A TCP connect proves nothing: docker-proxy accepts with nobody behind it and closes at
once (moby cmd/docker-proxy/tcp_proxy_linux.go). So a link counts as up when the other end spoke
(a ZeroMQ peer greets first: ZMTP 3.1, 2.1), answered an HTTP request, or kept the connection open.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import time
import typing as t
from dataclasses import dataclass
from urllib.parse import urlsplit

_PATIENCE = 0.5
"""Seconds a silent peer must keep a connection open to count as there."""

_DEFAULT_PORTS = {"http": 80, "https": 443, "redis": 6379, "postgres": 5432, "postgresql": 5432}


@dataclass(frozen=True)
class Answer:
    answered: bool
    reason: str
    round_trip: float = 0.0
    """Seconds until the peer spoke or, for silent peers, until the connection stood."""
    silent: bool = False
    """It answered by keeping the connection open: that took the whole patience and says nothing of a round trip."""


def can_be_asked(url: str) -> bool:
    """Nobody knows whether an address of UDP answers."""
    return not url.startswith("udp:")


def ask(url: str, timeout: float = 2.0) -> Answer:
    """One try. Never raises for an unreachable peer; `reason` carries the system's words."""
    parts = urlsplit(url)
    port = parts.port or _DEFAULT_PORTS.get(parts.scheme)
    if not parts.hostname or not port:
        return Answer(False, f"{url} names no host and port")
    begin = time.monotonic()
    try:
        if parts.scheme in ("http", "https"):
            return _ask_http(parts.scheme, parts.hostname, port, timeout, begin)
        return _ask_tcp(parts.hostname, port, timeout, begin)
    except socket.timeout:
        return Answer(False, f"no answer within {timeout:g} s")
    except (OSError, http.client.HTTPException) as error:
        return Answer(False, getattr(error, "strerror", None) or str(error) or type(error).__name__)


def _ask_http(scheme: str, host: str, port: int, timeout: float, begin: float) -> Answer:
    if scheme == "https":
        # Whether the certificate is trusted is the consumer's business; here only an answer counts.
        context = ssl._create_unverified_context()
        connection: http.client.HTTPConnection = http.client.HTTPSConnection(
            host, port, timeout=timeout, context=context
        )
    else:
        connection = http.client.HTTPConnection(host, port, timeout=timeout)
    try:
        connection.request("GET", "/")
        status = connection.getresponse().status
    finally:
        connection.close()
    return Answer(True, f"HTTP {status}", time.monotonic() - begin)


def _ask_tcp(host: str, port: int, timeout: float, begin: float) -> Answer:
    with socket.create_connection((host, port), timeout=timeout) as connection:
        connected = time.monotonic() - begin
        connection.settimeout(_PATIENCE)
        try:
            data = connection.recv(64)
        except socket.timeout:
            return Answer(True, "the connection stays open", connected, silent=True)
    if data:
        return Answer(True, "the peer spoke", time.monotonic() - begin)
    return Answer(False, "the connection was closed at once: nobody listens behind the published port")


def wait_for(url: str, patience: float, clock: t.Callable[[], float] = time.monotonic) -> Answer:
    """Ask until it answers, for at most `patience` seconds."""
    deadline = clock() + patience
    while True:
        answer = ask(url, timeout=max(0.2, min(2.0, deadline - clock())))
        if answer.answered or clock() >= deadline:
            return answer
        time.sleep(0.25)
