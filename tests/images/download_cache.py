"""Runs a command in a private machine with network, where what builds download comes out of a cache on this machine.

    tests/integration/in_private_machine --network tests/images/download_cache.py COMMAND [ARGUMENT…]

Nobody has to be told of it: whatever goes to port 80 of another machine, from here or from a container, is redirected to a
proxy. It keeps files whose name says what is in them (packages, and apt's indexes by their hash) below
GPU_FLEET_TEST_CACHE/downloads, and passes everything else through. apt's own signatures guard what it gives out.

Packages of Python come by HTTPS, which cannot be looked into; PIP_INDEX_URL in the command's environment names the proxy
as an index, http://10.0.2.100:3128/simple, which asks the one that pip is set up with here. At the end it prints what came from where.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import http.server
import os
import pathlib
import re
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import typing as t
from urllib.parse import urljoin, urlsplit

PORT = 3128
ADDRESS = "10.0.2.100"
"""This machine's own, as slirp4netns gives it: containers on every network reach it."""

UNUSED = 30 * 86400
"""Seconds after which a file that nobody asked for goes."""

MARK = 0x6F6C
"""Of the proxy's own connections, which must not come back to it (SO_MARK, ip(7))."""

# A .deb is named by its version, and a mirror never gives another file that name; by-hash: Debian's repository format.
_KEPT = re.compile(r"\.(deb|whl|conda)$|\.tar\.(gz|bz2)$|\.metadata$|/by-hash/")
_LINK = re.compile(r'href="([^"#]*)')
_PASSED_ON = ("Content-Type", "Content-Encoding", "Last-Modified", "ETag", "Content-Range", "Accept-Ranges", "Location")


class Counted:
    """Bytes given out, by where they came from."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.bytes = {"cache": 0, "network": 0}

    def add(self, source: str, size: int) -> None:
        with self.lock:
            self.bytes[source] += size


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, folder: pathlib.Path, index: str) -> None:
        super().__init__(("", PORT), Handler)
        self.folder, self.index, self.counted = folder, index, Counted()

    def handle_error(self, request: t.Any, client_address: t.Any) -> None:
        # A client that goes away is none of our business (apt does so when it is told to end).
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self) -> None:
        url = self._wanted()
        if self.command == "GET" and _KEPT.search(urlsplit(url).path):
            self._give(url, self._kept(url))
        elif self.path.startswith("/simple/"):
            self._give_index(url)
        else:
            self._pass(url)

    do_HEAD = do_GET

    def log_message(self, format: str, *args: t.Any) -> None:
        pass

    def _wanted(self) -> str:
        """What the client means: a whole address, a path of the host it believes to talk to, or our index and its files."""
        if self.path.startswith("/simple/"):
            return urljoin(self.server.index, self.path[len("/simple/") :])
        if self.path.startswith("/files/"):
            return self.path[len("/files/") :].replace("/", "://", 1)
        if self.path.startswith("http://"):
            return self.path
        return f"http://{self.headers['Host']}{self.path}"

    def _kept(self, url: str) -> pathlib.Path | None:
        """Its file in the cache, fetched if need be; None when the other side does not have it."""
        path = self.server.folder / hashlib.sha256(url.encode()).hexdigest()
        if path.exists():
            os.utime(path)
            self.server.counted.add("cache", path.stat().st_size)
            return path
        with fetched(url, {}) as answer, tempfile.NamedTemporaryFile(dir=self.server.folder, delete=False) as file:
            try:
                if answer.status != 200:
                    return None
                shutil.copyfileobj(answer, file)
                expected = answer.headers["Content-Length"]
                if expected is not None and file.tell() != int(expected):
                    raise ConnectionError(f"{url} broke off after {file.tell()} of {expected} bytes")
                os.rename(file.name, path)
            finally:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(file.name)
        self.server.counted.add("network", path.stat().st_size)
        return path

    def _give(self, url: str, path: pathlib.Path | None) -> None:
        """A file of the cache, from where the client left off."""
        if path is None:
            self._pass(url)
            return
        size = path.stat().st_size
        match = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers["Range"] or "")
        start = int(match[1]) if match else 0
        end = min(int(match[2] or size), size - 1) if match else size - 1
        if start > end:
            match, start, end = None, 0, size - 1
        self.send_response(206 if match else 200)
        if match:
            self.send_header("Content-Range", f"bytes {start}-{end}/{size}")
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(end - start + 1))
        self.end_headers()
        with path.open("rb") as stream:
            stream.seek(start)
            left = end - start + 1
            while left and (piece := stream.read(min(left, 1 << 20))):
                self.wfile.write(piece)
                left -= len(piece)

    def _give_index(self, url: str) -> None:
        """A page of the index whose links lead to us (PEP 503)."""
        with fetched(url, {"Accept": "text/html"}) as answer:
            body, status = answer.read(), answer.status
        text = _LINK.sub(lambda match: f'href="/files/{urljoin(url, match[1]).replace("://", "/", 1)}', body.decode())
        self._answer(status, text.encode(), {"Content-Type": "text/html"})

    def _pass(self, url: str) -> None:
        asked = {name: value for name, value in self.headers.items() if name.lower() not in ("host", "connection")}
        with fetched(url, asked, self.command) as answer:
            headers = {name: answer.headers[name] for name in _PASSED_ON if answer.headers[name]}
            body = answer.read()
            length = answer.headers["Content-Length"] if self.command == "HEAD" else None
            self._answer(answer.status, body, headers, length)
        self.server.counted.add("network", len(body))

    def _answer(self, status: int, body: bytes, headers: dict[str, str], length: str | None = None) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if status != 304:
            self.send_header("Content-Length", length or str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


@contextlib.contextmanager
def fetched(url: str, headers: dict[str, str], method: str = "GET") -> t.Iterator[http.client.HTTPResponse]:
    parts = urlsplit(url)
    if parts.scheme == "https":
        connection: http.client.HTTPConnection = http.client.HTTPSConnection(
            parts.netloc, timeout=60, context=ssl.create_default_context()
        )
    else:
        connection = http.client.HTTPConnection(parts.netloc, timeout=60)
    connection._create_connection = _marked  # type: ignore[attr-defined]  # the one way to set an option before connect()
    with contextlib.closing(connection):
        connection.request(method, parts.path + (f"?{parts.query}" if parts.query else ""), headers=headers)
        yield connection.getresponse()


def _marked(address: tuple[str, int], timeout: float, source: t.Any = None) -> socket.socket:
    (_family, _type, _protocol, _name, place), *_others = socket.getaddrinfo(
        *address, socket.AF_INET, socket.SOCK_STREAM
    )
    connected = socket.socket()
    connected.settimeout(timeout)
    connected.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, MARK)
    connected.connect(place)
    return connected


def redirect() -> None:
    """Sends what leaves for port 80 to the proxy: from containers (PREROUTING) and from this machine (OUTPUT)."""
    for chain, further in (("PREROUTING", ()), ("OUTPUT", ("-m", "mark", "!", "--mark", str(MARK)))):
        rule = ("-p", "tcp", "--dport", "80", "-m", "addrtype", "!", "--dst-type", "LOCAL", *further)
        subprocess.run(
            ["iptables", "-t", "nat", "-A", chain, *rule, "-j", "REDIRECT", "--to-ports", str(PORT)], check=True
        )


def main() -> int:
    if os.environ.get("GPU_FLEET_PRIVATE_MACHINE") != "1":
        raise SystemExit("download_cache.py: runs in tests/integration/in_private_machine --network")
    cache = pathlib.Path(os.environ.get("GPU_FLEET_TEST_CACHE", "~/.cache/gpu-fleet-tests")).expanduser()
    folder = cache / "downloads"
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.iterdir():
        if time.time() - path.stat().st_mtime > UNUSED:
            path.unlink()
    asked = subprocess.run(["pip", "config", "get", "global.index-url"], capture_output=True, text=True, check=False)
    server = Server(folder, (asked.stdout.strip() or "https://pypi.org/simple").rstrip("/") + "/")
    threading.Thread(target=server.serve_forever, daemon=True).start()
    redirect()
    index = {"PIP_INDEX_URL": f"http://{ADDRESS}:{PORT}/simple", "PIP_TRUSTED_HOST": ADDRESS}
    status = subprocess.run(sys.argv[1:], env={**os.environ, **index}, check=False).returncode
    shown = {source: f"{size / 1e6:.1f} MB" for source, size in server.counted.bytes.items()}
    print(f"downloads: {shown['cache']} from the cache, {shown['network']} from the network", flush=True)
    return status


if __name__ == "__main__":
    sys.exit(main())
