# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates of a CA of our own, made and read by the program openssl (1.1.1 and later).

Keys are P-256, which every engine takes. The server's certificate names what clients connect to in its subjectAltName:
Go's TLS reads nothing else (crypto/x509, since 1.15).
"""

from __future__ import annotations

import contextlib
import ipaddress
import os
import shutil
import ssl
import subprocess
import tempfile
import time
import typing as t
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from .._errors import EngineError, InputError

DAY = 86400


@dataclass(frozen=True)
class Pair:
    """Paths of a key and of its certificate."""

    key: str
    certificate: str


@dataclass(frozen=True)
class Certificate:
    """What is read of one."""

    names: tuple[str, ...]
    """The subjectAltName, sorted: names as they are, addresses in their shortest form."""
    ends: float
    """Seconds since 1970."""
    public_key: str
    """PEM without its last line."""


def make_authority(pair: Pair, common_name: str, days: int) -> None:
    """A CA; the key that is there is kept, so whoever trusts the older certificate trusts what it signs from now on."""
    config = _CONFIG.format(common_name=common_name, names="DNS:unused")
    with _workshop(pair, config) as (new, config_path):
        # A power cut may leave an empty file.
        if os.path.exists(pair.key) and os.path.getsize(pair.key):
            shutil.copyfile(pair.key, new.key)
        else:
            _make_key(new.key)
        _openssl(
            *("req", "-x509", "-new", "-sha256", "-key", new.key, "-out", new.certificate, "-days", str(days)),
            *("-config", config_path, "-extensions", "authority"),
        )


def make_server(pair: Pair, authority: Pair, names: Sequence[str], days: int) -> None:
    """A server's certificate with a key of its own, signed by the CA. names: DNS names and IP addresses, the main one first."""
    config = _CONFIG.format(common_name=names[0], names=", ".join(map(_alternative, names)))
    with _workshop(pair, config) as (new, config_path):
        request = f"{new.certificate}.request"
        _make_key(new.key)
        _openssl("req", "-new", "-sha256", "-key", new.key, "-out", request, "-config", config_path)
        _openssl(
            *("x509", "-req", "-sha256", "-in", request, "-out", new.certificate, "-days", str(days)),
            *("-CA", authority.certificate, "-CAkey", authority.key, "-set_serial", f"0x{os.urandom(16).hex()}"),
            *("-extfile", config_path, "-extensions", "server"),
        )


def read(path: str) -> Certificate:
    """Raises EngineError for a file that is no certificate."""
    text = _openssl("x509", "-in", path, "-noout", "-enddate", "-ext", "subjectAltName", "-pubkey")
    ends = next(line.partition("=")[2] for line in text.splitlines() if line.startswith("notAfter="))
    words = [word.strip() for line in text.splitlines() for word in line.split(",")]
    names = [word.partition(":")[2] for word in words if word.startswith(("DNS:", "IP Address:"))]
    return Certificate(
        plain_names(names), float(ssl.cert_time_to_seconds(ends)), text[text.index("-----BEGIN") :].split("-----END")[0]
    )


def read_pair(pair: Pair) -> Certificate | None:
    """None where one of the two is missing, is not readable as what it is, or is not the other's."""
    if not os.path.exists(pair.key) or not os.path.exists(pair.certificate):
        return None
    try:
        found = read(pair.certificate)
        public = _openssl("pkey", "-in", pair.key, "-pubout")
    except EngineError:
        return None
    return found if public.startswith(found.public_key) else None


def is_signed(certificate: str, authority: str) -> bool:
    """Whether the CA's certificate vouches for the other one today. Both are paths."""
    return _try("verify", "-CAfile", authority, certificate).returncode == 0


def plain_names(names: Sequence[str]) -> tuple[str, ...]:
    """Each once, in one spelling: openssl writes IPv6 addresses in full and in capitals."""
    return tuple(sorted({str(_address(name) or name.lower()) for name in names}))


def days_left(certificate: Certificate, now: float | None = None) -> float:
    return (certificate.ends - (time.time() if now is None else now)) / DAY


_CONFIG = """\
[req]
distinguished_name = subject
prompt = no
utf8 = yes
[subject]
CN = {common_name:.64}
[authority]
basicConstraints = critical, CA:TRUE, pathlen:0
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[server]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectAltName = {names}
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
"""
"""Of our own, so that the distribution's openssl.cnf adds nothing. A common name has at most 64 characters (X.520)."""


def _address(name: str) -> t.Any:
    try:
        return ipaddress.ip_address(name)
    except ValueError:
        return None


def _alternative(name: str) -> str:
    if not name or any(character in name for character in ", \t\n;$\\\"'#="):
        raise InputError(f"{name!r} is neither a DNS name nor an IP address", "names")
    return f"IP:{name}" if _address(name) else f"DNS:{name}"


def _make_key(path: str) -> None:
    _openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", path)


@contextlib.contextmanager
def _workshop(pair: Pair, config: str) -> Iterator[tuple[Pair, str]]:
    """Paths to make a pair at, and a config; put in their places when all went well. Nobody else can look in there."""
    directory = tempfile.mkdtemp(prefix=".making-", dir=os.path.dirname(pair.key))
    try:
        new = Pair(os.path.join(directory, "key"), os.path.join(directory, "certificate"))
        config_path = os.path.join(directory, "config")
        with open(config_path, "w", encoding="utf-8") as file:
            file.write(config)
        yield new, config_path
        os.chmod(new.key, 0o600)
        os.chmod(new.certificate, 0o644)
        os.replace(new.key, pair.key)
        os.replace(new.certificate, pair.certificate)
    finally:
        shutil.rmtree(directory)


def _openssl(*words: str) -> str:
    done = _try(*words)
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise EngineError(f"openssl {words[0]} failed: {said[-1] if said else done.returncode}", "openssl")
    return done.stdout.decode(errors="replace")


def _try(*words: str) -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(["openssl", *words], capture_output=True, check=False, stdin=subprocess.DEVNULL)
    except FileNotFoundError:
        raise EngineError("the program is not installed", "openssl", "Install the package openssl.") from None
