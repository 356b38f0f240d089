# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Port entries: ``8080:80``, ranges, protocols and addresses, to Compose's long form."""

from __future__ import annotations

import ipaddress
import re
import typing as t

_RANGE = re.compile(r"([0-9]+)(?:-([0-9]+))?")
PROTOCOLS = ("tcp", "udp", "sctp")
_SHAPE = "Write [address:][published:]container[/protocol], e.g. 8080:80, 127.0.0.1:53:53/udp or 9000-9001:9000-9001."


class PortError(Exception):
    def __init__(self, message: str, mend: str = _SHAPE) -> None:
        super().__init__(message)
        self.message = message
        self.mend = mend


def parse_port(text: str) -> list[dict[str, t.Any]]:
    """One short entry; as many long entries as its container side has ports. Raises PortError."""
    rest, slash, protocol = text.partition("/")
    protocol = protocol.lower() if slash else "tcp"
    if protocol not in PROTOCOLS:
        raise PortError(f"{text!r} has the protocol {protocol!r}; known are {', '.join(PROTOCOLS)}")
    rest, _colon, container = rest.rpartition(":")
    address, _colon, published = rest.rpartition(":")
    address = _address(address, text)
    first, last = _range(container, text, "container port")
    entries = []
    for offset in range(last - first + 1):
        entry: dict[str, t.Any] = {"mode": "ingress"}
        if address:
            entry["host_ip"] = address
        entry["target"] = first + offset
        if published:
            entry["published"] = _published(published, first, last, offset, text)
        entry["protocol"] = protocol
        entries.append(entry)
    return entries


def _published(published: str, first: int, last: int, offset: int, text: str) -> str:
    low, high = _range(published, text, "published port")
    if high - low == last - first:
        return str(low + offset)
    if first == last:
        # One container port and several published: the engine takes the first that is free.
        return f"{low}-{high}"
    raise PortError(f"{text!r} has {high - low + 1} published and {last - first + 1} container ports")


def _range(part: str, text: str, what: str) -> tuple[int, int]:
    match = _RANGE.fullmatch(part)
    if not match:
        raise PortError(f"{text!r} has no {what}" if not part else f"{_within(text, part)} is not a {what}")
    low = int(match.group(1)) if len(match.group(1)) < 9 else 65536
    high = low if match.group(2) is None else int(match.group(2)[:9])
    if not 0 < low <= 65535 or not 0 < high <= 65535:
        raise PortError(f"{_within(text, part)} is not a {what}; ports are 1 to 65535")
    if high < low:
        raise PortError(f"{text!r}: the range {part} ends before it starts")
    return low, high


def _within(text: str, part: str) -> str:
    return repr(text) if text == part else f"{text!r}: {part}"


def _address(part: str, text: str) -> str:
    if part.startswith("[") and part.endswith("]"):
        part = part[1:-1]
    if part:
        try:
            ipaddress.ip_address(part)
        except ValueError as error:
            raise PortError(f"{text!r}: {part!r} is not an IP address") from error
    return part


def long_port(entry: dict[str, t.Any]) -> dict[str, t.Any]:
    """A long entry completed with its defaults. Raises PortError."""
    result = {key: value for key, value in entry.items() if value != ""}
    published = result.get("published")
    if published is not None:
        _range(published, published, "published port")
    if "host_ip" in result:
        _address(result["host_ip"], result["host_ip"])
    return {"mode": "ingress", "protocol": "tcp", **result}


def published_ports(entry: dict[str, t.Any]) -> list[int]:
    """The host ports an entry certainly takes: none when the engine may choose."""
    published = entry.get("published", "")
    return [int(published)] if published.isdigit() else []


def addresses_meet(one: str, other: str) -> bool:
    """Do two publishing addresses clash on the same port? Empty, 0.0.0.0 and :: are all addresses."""
    every = ("", "0.0.0.0", "::")
    return one == other or one in every or other in every
