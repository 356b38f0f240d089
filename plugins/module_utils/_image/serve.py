# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A registry of our own for one transfer: the program `docker-registry` (CNCF distribution) over a folder of the cache.

Two processes share the folder. One takes what the engine pushes: on 127.0.0.1, with the password, for as long as this
process lives. The other serves other hosts: with TLS and the password, only to be read from, until it is ended or its time
is over. Configuration, key and password file are in memory only (memfd): nothing is left of them when the process ends.
"""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import json
import os
import re
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
import typing as t
from dataclasses import dataclass

from .._engine.login import Login
from .._errors import EngineError
from .._host import htpasswd

USERNAME = "fleet"

_PROGRAMS = ("docker-registry", "registry")
"""Debian's name of it, and that of Fedora's docker-distribution and of the project itself."""
_LISTENING = re.compile(r"listening on [^\s\"]*:(\d+)")
_PEM = re.compile(r"-----BEGIN ([A-Z ]+)-----.*?-----END \1-----\n", re.DOTALL)
_MARK = "GPU_FLEET_OFFER"
"""In the environment of a serving process: the folder and the certificate that it serves, so that it is found again."""
_STILL_THERE = (
    "Another transfer from this host goes on, or a run that was killed left its registry: wait, or end it with image_offer "
    "(state: absent) for this host and its cache_dir."
)
_PATIENCE = 20.0
_PR_SET_PDEATHSIG = 1
_DAY = 86400


@dataclass(frozen=True)
class Certificate:
    key: str
    text: str
    """PEM."""


def find_program() -> str:
    """Raises EngineError with what mends it."""
    for name in _PROGRAMS:
        found = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/bin:/usr/local/bin")
        if found:
            return found
    raise EngineError(
        "images are moved between hosts by the program docker-registry, and it is not installed",
        mend="Run playbooks/prepare.yml for this host, or «apt-get install docker-registry» and «systemctl disable --now "
        "docker-registry»; or name a registry (container_registry).",
    )


@contextlib.contextmanager
def taking(folder: str, password: str) -> t.Iterator[Login]:
    """A registry on 127.0.0.1 that an engine of this machine pushes to; it ends with the context, or with this process."""
    remembered = os.path.join(folder, "port")
    with contextlib.ExitStack() as stack:
        try:
            process, port = _start(folder, f"127.0.0.1:{_read(remembered) or 0}", password, None, 0)
        except EngineError:
            process, port = _start(folder, "127.0.0.1:0", password, None, 0)
        stack.callback(_stop, process)
        # Both engines remember which layers they pushed where: at the same address nothing is compressed twice. Without
        # the file it only takes longer; a disk that is full is told of by the registry, which has more to write.
        with contextlib.suppress(OSError), open(remembered, "w", encoding="utf-8") as stream:
            stream.write(f"{port}")
        yield Login(f"127.0.0.1:{port}", USERNAME, password, plain=True)


def serve(folder: str, address: str, port: int, password: str, time_limit: int) -> Login:
    """Start the registry for other hosts, which goes on after this process. port: 0 for one that is free."""
    certificate = make_certificate(address, time_limit)
    try:
        _process, found = _start(folder, _joined(address, port), password, certificate, time_limit)
    except EngineError as error:
        if not port or not serving(folder):
            raise
        raise EngineError(error.message, error.path, _STILL_THERE) from error
    return Login(_joined(address, found), USERNAME, password, certificate.text)


def end(folder: str, ca: str = "") -> int:
    """End those that serve `folder`, with `ca` only the one that has this certificate. Returns how many there were."""
    found = serving(folder, ca)
    count = len(found)
    for number in (signal.SIGTERM, signal.SIGKILL):
        for pid in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        deadline = time.monotonic() + 5
        while any(_is_marked(pid, folder, ca) for pid in found) and time.monotonic() < deadline:
            time.sleep(0.05)
        found = [pid for pid in found if _is_marked(pid, folder, ca)]
        if not found:
            break
    return count


def serving(folder: str, ca: str = "") -> list[int]:
    """Process ids of those that `end` would end."""
    return [pid for pid in _processes() if _is_marked(pid, folder, ca)]


def make_certificate(address: str, time_limit: int) -> Certificate:
    """For that address, signed by itself. Raises EngineError."""
    kind = "IP" if re.fullmatch(r"[\d.]+|.*:.*", address) else "DNS"
    days = str(2 + time_limit // _DAY)
    words = ["req", "-x509", "-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-sha256", "-days", days]
    words += [
        "-subj",
        "/CN=gpu-fleet transfer",
        "-addext",
        f"subjectAltName={kind}:{address}",
        "-keyout",
        "-",
        "-out",
        "-",
    ]
    try:
        done = subprocess.run(
            ["openssl", *words], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
        )
    except FileNotFoundError:
        raise EngineError("the program openssl is not installed", mend="apt-get install openssl") from None
    blocks = {match.group(1): match.group(0) for match in _PEM.finditer(done.stdout)}
    key = blocks.get("PRIVATE KEY") or blocks.get("EC PRIVATE KEY") or ""
    if done.returncode or not key or "CERTIFICATE" not in blocks:
        raise EngineError(f"openssl made no certificate for {address}: {done.stderr.strip()[-300:]}")
    return Certificate(key, blocks["CERTIFICATE"])


def configuration(folder: str, address: str, htpasswd_path: str, tls: dict[str, str] | None) -> str:
    """What the program reads; JSON is YAML. (distribution docs/configuration.md)"""
    storage: dict[str, t.Any] = {"filesystem": {"rootdirectory": folder}}
    http: dict[str, t.Any] = {"addr": address, "secret": secrets.token_hex(16)}
    if tls:
        http["tls"] = tls
        storage["maintenance"] = {"readonly": {"enabled": True}}
    return json.dumps(
        {
            "version": "0.1",
            "log": {"level": "info", "accesslog": {"disabled": True}},
            "storage": storage,
            "http": http,
            "auth": {"htpasswd": {"realm": "gpu-fleet", "path": htpasswd_path}},
        }
    )


def _start(
    folder: str, address: str, password: str, certificate: Certificate | None, time_limit: int
) -> tuple[subprocess.Popen, int]:
    """The process and the port it listens on. With a certificate, it goes on after this process."""
    program = find_program()
    with contextlib.ExitStack() as stack:

        def memory(text: str) -> int:
            descriptor = os.memfd_create("gpu-fleet-registry")
            stack.callback(os.close, descriptor)
            os.write(descriptor, text.encode())
            return descriptor

        users = memory(htpasswd.line(USERNAME, password, ""))
        files, tls = [users], None
        if certificate:
            files += [memory(certificate.key), memory(certificate.text)]
            tls = {"key": f"/proc/self/fd/{files[1]}", "certificate": f"/proc/self/fd/{files[2]}"}
        files.append(memory(configuration(folder, address, f"/proc/self/fd/{users}", tls)))
        argv = [program, "serve", f"/proc/self/fd/{files[-1]}"]
        if certificate:
            argv = ["timeout", "--kill-after=5", str(time_limit), *argv]
        log = stack.enter_context(tempfile.TemporaryFile(prefix="gpu-fleet-registry-"))
        process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=files,
            start_new_session=bool(certificate),
            preexec_fn=None if certificate else _die_with_parent,  # noqa: PLW1509  (no threads yet)
            cwd="/",
            env={
                "PATH": os.environ.get("PATH", os.defpath),
                "OTEL_TRACES_EXPORTER": "none",
                **({_MARK: _mark(folder, certificate.text)} if certificate else {}),
            },
        )
        try:
            return process, _await_port(process, log, address)
        except EngineError:
            _stop(process)
            raise


def _await_port(process: subprocess.Popen, log: t.IO[bytes], address: str) -> int:
    deadline = time.monotonic() + _PATIENCE
    while True:
        log.seek(0)
        said = log.read().decode(errors="replace")
        found = _LISTENING.search(said)
        if found:
            return int(found.group(1))
        if process.poll() is not None or time.monotonic() > deadline:
            last = " ".join(said.strip().splitlines()[-1:])
            raise EngineError(
                f"the registry for this transfer does not start: {last or 'it says nothing'}",
                f"docker-registry at {address}",
                "The address must be one of this host's own, and the port free.",
            )
        time.sleep(0.02)


def _stop(process: subprocess.Popen) -> None:
    process.terminate()
    try:
        process.wait(timeout=5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _mark(folder: str, certificate: str) -> str:
    """Ends with the certificate's fingerprint, or where that may be any."""
    fingerprint = hashlib.sha256(certificate.encode()).hexdigest() if certificate else ""
    return f"{os.path.realpath(folder)}#{fingerprint}"


def _processes() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit() and int(name) != os.getpid()]


def _is_marked(pid: int, folder: str, ca: str) -> bool:
    """Whether it runs and is one of ours; other users' cannot be read, and are not."""
    wanted = f"{_MARK}={_mark(folder, ca)}".encode()
    try:
        with open(f"/proc/{pid}/environ", "rb") as stream:
            return any(entry.startswith(wanted) for entry in stream.read().split(b"\0"))
    except OSError:
        return False


def _joined(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as stream:
            text = stream.read().strip()
    except OSError:
        return ""
    return text if text.isdigit() else ""
