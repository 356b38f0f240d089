# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A registry, asked as the OCI distribution specification says: manifests, and blobs from any byte on.

Only reads. Pushing is the engines' own business. One connection a thread is kept, so that a small change costs one handshake.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import socket
import ssl
import threading
import typing as t
from urllib.parse import quote, urlencode, urljoin, urlsplit

from .._engine.login import Login
from .._errors import EngineError
from .._host import registry_trust

SECONDS = 30
"""How long nothing may come."""

MANIFESTS = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
_REDIRECTS = (301, 302, 303, 307, 308)
_PARAMETER = re.compile(r'(\w+)="([^"]*)"')


class RegistryClient:
    """Safe to use from several threads. Every failure is an EngineError that says what mends it."""

    def __init__(self, login: Login) -> None:
        self.login = login
        self._here = threading.local()
        self._bearer: dict[str, str] = {}
        self._context = None if login.plain else _trusting(login)

    def manifest(self, repository: str, tag_or_digest: str) -> tuple[bytes, str] | None:
        """The manifest and its media type; None when the registry has none of that name."""
        path = f"/v2/{repository}/manifests/{tag_or_digest}"
        with self._answer("GET", path, repository, {"Accept": ", ".join(MANIFESTS)}) as answer:
            if answer.status == 404:
                answer.read()
                return None
            self._want(answer, (200,), path)
            return self._all_of(answer), (answer.getheader("Content-Type") or "").partition(";")[0]

    def small_blob(self, repository: str, digest: str) -> bytes:
        """All of a blob at once, such as an image's configuration."""
        with self.blob(repository, digest) as (_start, stream):
            return self._all_of(stream)

    def has_blob(self, repository: str, digest: str) -> bool:
        path = f"/v2/{repository}/blobs/{digest}"
        with self._answer("HEAD", path, repository, {}) as answer:
            answer.read()
            if answer.status == 404:
                return False
            self._want(answer, (200,), path)
            return True

    @contextlib.contextmanager
    def blob(self, repository: str, digest: str, start: int = 0) -> t.Iterator[tuple[int, t.IO[bytes]]]:
        """The blob from byte `start` on, or from 0 where the registry cannot do that: (first byte, stream).

        What breaks while it is read is the reader's to see (OSError, http.client.HTTPException).
        """
        path = f"/v2/{repository}/blobs/{digest}"
        ranged = {"Range": f"bytes={start}-"} if start else {}
        with self._answer("GET", path, repository, ranged) as answer:
            self._want(answer, (200, 206), path)
            yield (start if answer.status == 206 else 0), t.cast(t.IO[bytes], answer)

    def _all_of(self, stream: t.IO[bytes] | http.client.HTTPResponse) -> bytes:
        try:
            return stream.read()
        except (OSError, http.client.HTTPException) as error:
            raise self._error(error) from error

    # -- one request

    @contextlib.contextmanager
    def _answer(
        self, method: str, path: str, repository: str, headers: dict[str, str]
    ) -> t.Iterator[http.client.HTTPResponse]:
        answer = self._ask(method, path, {**headers, **self._authorization(repository)})
        challenge = answer.getheader("WWW-Authenticate") or ""
        if answer.status == 401 and challenge.lower().startswith("bearer"):
            answer.read()
            self._fetch_token(repository, challenge)
            answer = self._ask(method, path, {**headers, **self._authorization(repository)})
        try:
            if answer.status in _REDIRECTS:
                answer.read()
                answer = self._elsewhere(method, answer.getheader("Location") or "", headers)
            yield answer
        finally:
            if not answer.isclosed():
                # Not read to its end: the next request would find the rest of it.
                self._drop()

    def _ask(self, method: str, path: str, headers: dict[str, str]) -> http.client.HTTPResponse:
        """The first answer. A kept connection that the other end closed meanwhile is made anew, once."""
        kept = getattr(self._here, "connection", None) is not None
        try:
            return self._request(method, path, headers)
        except (OSError, http.client.HTTPException) as error:
            self._drop()
            if not kept:
                raise self._error(error) from error
        try:
            return self._request(method, path, headers)
        except (OSError, http.client.HTTPException) as error:
            self._drop()
            raise self._error(error) from error

    def _request(self, method: str, path: str, headers: dict[str, str]) -> http.client.HTTPResponse:
        connection = getattr(self._here, "connection", None)
        if connection is None:
            connection = self._here.connection = self._connect(self.login.address)
        connection.request(method, path, headers=headers)
        return connection.getresponse()

    def _connect(self, address: str) -> http.client.HTTPConnection:
        if self._context is None:
            return http.client.HTTPConnection(address, timeout=SECONDS)
        return http.client.HTTPSConnection(address, timeout=SECONDS, context=self._context)

    def _drop(self) -> None:
        connection = getattr(self._here, "connection", None)
        self._here.connection = None
        if connection is not None:
            connection.close()

    def _elsewhere(self, method: str, location: str, headers: dict[str, str]) -> http.client.HTTPResponse:
        """Registries of clouds send to their storage for blobs: there without our password, trusting what the system does."""
        target = urlsplit(urljoin(f"https://{self.login.address}", location))
        if target.scheme != "https":
            raise EngineError(f"it sends to {target.scheme}://{target.netloc}, which is not https", self._path)
        connection = http.client.HTTPSConnection(
            target.netloc,
            timeout=SECONDS,
            context=self._context if target.netloc == self.login.address else ssl.create_default_context(),
        )
        try:
            connection.request(method, target.path + (f"?{target.query}" if target.query else ""), headers=headers)
            return connection.getresponse()
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise self._error(error) from error

    # -- who asks

    def _authorization(self, repository: str) -> dict[str, str]:
        if repository in self._bearer:
            return {"Authorization": f"Bearer {self._bearer[repository]}"}
        return {"Authorization": f"Basic {self.login.basic}"} if self.login.username else {}

    def _fetch_token(self, repository: str, challenge: str) -> None:
        """Token authentication, as hosted registries want it (distribution, docs/spec/auth/token.md)."""
        given = dict(_PARAMETER.findall(challenge))
        realm = urlsplit(given.get("realm", ""))
        if realm.scheme != "https":
            raise EngineError(f"it sends to {given.get('realm', '')!r} for a token, which is not https", self._path)
        query = urlencode(
            {"service": given.get("service", ""), "scope": f"repository:{repository}:pull"}, quote_via=quote
        )
        connection = http.client.HTTPSConnection(realm.netloc, timeout=SECONDS, context=self._context)
        headers = {"Authorization": f"Basic {self.login.basic}"} if self.login.username else {}
        try:
            connection.request("GET", f"{realm.path}?{query}", headers=headers)
            answer = connection.getresponse()
            self._want(answer, (200,), realm.path)
            body = answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise self._error(error) from error
        finally:
            connection.close()
        try:
            token = json.loads(body)
            self._bearer[repository] = token.get("token") or token.get("access_token") or ""
        except (ValueError, AttributeError) as error:
            raise EngineError(f"{realm.netloc} answers no token: {body[:200]!r}", self._path) from error

    # -- what went wrong

    @property
    def _path(self) -> str:
        return f"registry {self.login.address}"

    def _want(self, answer: http.client.HTTPResponse, statuses: tuple[int, ...], path: str) -> None:
        if answer.status in statuses:
            return
        said = answer.read(2000).decode(errors="replace").strip()
        if answer.status in (401, 403):
            who = f"the password of {self.login.username}" if self.login.username else "a request without a name"
            raise EngineError(
                f"it refuses {who} ({answer.status} {answer.reason})",
                self._path,
                "Correct container_registry.username and container_registry_password; the role registry sets both."
                if self.login.username
                else "Set container_registry.username and container_registry_password.",
            )
        if answer.status == 404:
            raise EngineError(f"it has no {path}", self._path, "Offer the image again: run the playbook once more.")
        raise EngineError(f"{path}: {answer.status} {answer.reason} {said}".rstrip(), self._path)

    def _error(self, error: Exception) -> EngineError:
        return EngineError(*connection_words(self.login, error))


def connection_words(login: Login, error: Exception) -> tuple[str, str, str]:
    """Message, path and mend for a connection that failed."""
    path = f"registry {login.address}"
    if isinstance(error, ssl.SSLCertVerificationError):
        if error.verify_code in (9, 10):  # X509_V_ERR_CERT_NOT_YET_VALID, X509_V_ERR_CERT_HAS_EXPIRED
            return f"its certificate: {error.verify_message}", path, "Compare the clocks of both hosts (date)."
        mend = "Give the CA that signed it (container_registry.ca); the certificate must name the address."
        return f"its certificate is not trusted: {error.verify_message}", path, mend
    if isinstance(error, ssl.SSLError):
        return f"it does not speak TLS as expected: {error.reason or error}", path, "Is that the registry's port?"
    words = f"{error}" or type(error).__name__
    if isinstance(error, socket.gaierror):
        return f"its name is not known here: {error.strerror}", path, "Use an address that this host resolves."
    if isinstance(error, OSError) and error.strerror:
        words = error.strerror
    return (
        f"it does not answer: {words}",
        path,
        f"Does it run, and does a firewall let this host in? Try: curl -v https://{login.address}/v2/.",
    )


def _trusting(login: Login) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cadata=login.ca or None)
        # As the engines do; the role `registry` puts the fleet's there.
        for path in () if login.ca else registry_trust.known(login.address):
            context.load_verify_locations(path)
        return context
    except ssl.SSLError as error:
        raise EngineError(
            f"the CA given for it is no certificate in PEM: {error.reason or error}",
            f"registry {login.address}",
            "It begins with -----BEGIN CERTIFICATE-----.",
        ) from error
