# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cookie with which a container draws on an X server of this host: found, tried, and handed on as a secret.

A cookie file (Xauthority) is a row of entries: family (u16, big endian), then address, display number, name of the
protocol and data, each as a u16 length and that many bytes (libXau, `AuRead.c`; Xau(3)).
"""

from __future__ import annotations

import os
import socket
import stat
import struct
import time
import typing as t
from dataclasses import dataclass

from .._errors import FleetError, InputError
from .._gpu.display import X_SOCKETS, authorities
from .._gpu.probe import Reader
from .config import COOKIE, Group

WILD, LOCAL = 0xFFFF, 0x0100
"""Families: any address (what `xauth nlist | sed s/^..../ffff/` makes of an entry), and a host's own sockets."""

MAGIC = b"MIT-MAGIC-COOKIE-1"
PATIENCE = 5.0
"""Seconds an X server may take to answer; Xwayland may have to be started for it."""

_LIMIT = 1 << 16
_MOST = 16
"""Cookies of one file that are tried: the file and the server may be a user's, and are not to keep root busy."""


@dataclass(frozen=True)
class Entry:
    family: int
    address: bytes
    number: bytes
    """Display number in digits; empty: any."""
    name: bytes
    data: bytes

    def __repr__(self) -> str:
        # The data is the secret.
        return f"Entry(family={self.family}, address={self.address!r}, number={self.number!r}, name={self.name!r})"


def parse(content: bytes) -> tuple[Entry, ...]:
    """The entries of a cookie file; of a damaged one those before the damage."""
    entries, place = [], 0
    while True:
        fields = []
        start = place + 2
        for _field in range(4):
            if start + 2 > len(content):
                return tuple(entries)
            (length,) = struct.unpack_from(">H", content, start)
            fields.append(content[start + 2 : start + 2 + length])
            start += 2 + length
        if start > len(content):
            return tuple(entries)
        entries.append(Entry(struct.unpack_from(">H", content, place)[0], *fields))
        place = start


def dump(entries: t.Iterable[Entry]) -> bytes:
    """The file that holds these entries."""
    content = b""
    for entry in entries:
        content += struct.pack(">H", entry.family)
        for each in (entry.address, entry.number, entry.name, entry.data):
            content += struct.pack(">H", len(each)) + each
    return content


def for_display(entries: t.Iterable[Entry], number: str, host_name: str) -> list[Entry]:
    """Cookies that may be the display's, the likeliest first: this host's own, then those for any, then others."""
    fitting = [entry for entry in entries if entry.name == MAGIC and entry.number in (b"", number.encode())]

    def doubt(entry: Entry) -> tuple[bool, int]:
        own = entry.family == LOCAL and entry.address == host_name.encode()
        return (entry.number == b"", 0 if own else 1 if entry.family == WILD else 2)

    return sorted(fitting, key=doubt)


def for_container(entry: Entry, number: str) -> bytes:
    """A cookie file that fits whatever the container's host name is."""
    return dump([Entry(WILD, b"", number.encode(), entry.name, entry.data)])


def ask(path: str, name: bytes = b"", data: bytes = b"") -> str:
    """Why the X server at a socket does not admit a client with this cookie; empty when it does.

    The first exchange of the X protocol («Connection Setup»), after which the connection is closed. Raises OSError.
    """
    request = struct.pack("<BxHHHHxx", ord("l"), 11, 0, len(name), len(data)) + _padded(name) + _padded(data)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        deadline = time.monotonic() + PATIENCE
        connection.settimeout(PATIENCE)
        connection.connect(path)
        connection.sendall(request)
        head = _receive(connection, 8, deadline)
        if head[:1] == b"\1":
            return ""
        if len(head) < 8:
            return "it closed the connection"
        words = _receive(connection, struct.unpack_from("<H", head, 6)[0] * 4, deadline)
        # Failed (0) tells the reason's length; Authenticate (2) pads it.
        reason = words[: head[1]] if head[:1] == b"\0" else words.rstrip(b"\0")
        return reason.decode("latin-1").strip() or "it gives no reason"


def _padded(value: bytes) -> bytes:
    return value + b"\0" * (-len(value) % 4)


def _receive(connection: socket.socket, length: int, deadline: float) -> bytes:
    content = b""
    while len(content) < length:
        # For the whole answer: one that comes byte by byte is none.
        connection.settimeout(max(0.001, deadline - time.monotonic()))
        part = connection.recv(length - len(content))
        if not part:
            break
        content += part
    return content


def gather(
    groups: t.Iterable[Group], selected: t.Collection[Group], reader: Reader
) -> tuple[dict[str, bytes], list[FleetError]]:
    """Content of the cookie files that `groups` need, by source, and why selected services cannot have theirs.

    Servers are asked for selected groups only; elsewhere, and where none can be had, the content is empty.
    """
    values: dict[str, bytes] = {}
    reasons: dict[str, FleetError] = {}
    errors: list[FleetError] = []
    acting = {group.name for group in selected}
    for group in groups:
        for service in group.services:
            for secret in service.config.secrets:
                if not secret.source.startswith(COOKIE):
                    continue
                values.setdefault(secret.source, b"")
                if group.name not in acting:
                    continue
                if secret.source not in reasons and not values[secret.source]:
                    try:
                        values[secret.source] = cookie_file(secret.source[len(COOKIE) :], reader)
                    except FleetError as error:
                        reasons[secret.source] = error
                if secret.source in reasons:
                    error = reasons[secret.source]
                    errors.append(
                        InputError(error.message, f"{group.name}: services.{service.name}.x-display", error.mend)
                    )
    return values, errors


def cookie_file(number: str, reader: Reader) -> bytes:
    """A cookie file for containers with the first cookie that the X server `number` accepts. Raises InputError.

    A server that admits everybody needs none: an entry without data, which it does not look at.
    """
    path = f"{X_SOCKETS}/X{number}"
    entry = reader.entry(path)
    if entry is None:
        raise InputError(
            f"the X server :{number} is gone ({path} does not exist)",
            mend="Log in on this host's desktop, and run again.",
        )
    tried, unreadable = [], []
    for file in authorities(reader, number, entry.uid):
        content = _read(file, entry.uid)
        if content is None:
            unreadable.append(file)
            continue
        for cookie in for_display(parse(content), number, socket.gethostname())[:_MOST]:
            if not _ask(path, number, cookie.name, cookie.data):
                return for_container(cookie, number)
        tried.append(file)
    refusal = _ask(path, number)
    if not refusal:
        return for_container(Entry(WILD, b"", b"", MAGIC, b""), number)
    looked = [
        *(f"no cookie that it accepts in {file}" for file in tried),
        *(f"{file} is not readable" for file in unreadable),
    ]
    raise InputError(
        f"the X server :{number} refuses ({refusal}); {', '.join(looked) or 'no cookie file was found'}",
        mend="Connect as root or as the user of that session; a cookie file in an unusual place is found through a link at ~/.Xauthority.",
    )


def _ask(path: str, number: str, name: bytes = b"", data: bytes = b"") -> str:
    try:
        return ask(path, name, data)
    except OSError as error:
        raise InputError(
            f"the X server :{number} does not answer on {path}: {error.strerror or error}",
            mend="It has ended, or hangs. Log in again, or remove the socket if nothing listens there.",
        ) from error


def _read(path: str, owner: int | None) -> bytes | None:
    """None: not readable. A file that is no cookie file is cut, not taken whole.

    What was found by `authorities` may be another file by now, in a directory of the user `owner`, whose server would
    be told another user's cookie: who owns it is asked of what was opened.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
        with os.fdopen(descriptor, "rb") as file:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode) or (owner and found.st_uid not in (owner, 0)):
                return None
            return file.read(_LIMIT)
    except OSError:
        return None
