# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ports in short form."""

from __future__ import annotations

import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._compose.ports import (
    PortError,
    addresses_meet,
    long_port,
    parse_port,
    published_ports,
)


def entry(target: int, published: str = "", host_ip: str = "", protocol: str = "tcp") -> dict[str, t.Any]:
    values = {"host_ip": host_ip, "published": published}
    return {"mode": "ingress", "target": target, "protocol": protocol, **{k: v for k, v in values.items() if v}}


@pytest.mark.parametrize(
    ("text", "entries"),
    [
        ("80", [entry(80)]),
        ("8080:80", [entry(80, "8080")]),
        ("53:53/udp", [entry(53, "53", protocol="udp")]),
        ("53:53/UDP", [entry(53, "53", protocol="udp")]),
        ("127.0.0.1:8080:80", [entry(80, "8080", "127.0.0.1")]),
        ("127.0.0.1::80", [entry(80, "", "127.0.0.1")]),
        ("[::1]:8080:80", [entry(80, "8080", "::1")]),
        ("::1:8080:80", [entry(80, "8080", "::1")]),
        (":5:5", [entry(5, "5")]),
        ("3000-3001", [entry(3000), entry(3001)]),
        ("9000-9001:8000-8001", [entry(8000, "9000"), entry(8001, "9001")]),
        ("8000-8005:80", [entry(80, "8000-8005")]),
    ],
)
def test_short_form(text: str, entries: list[dict[str, t.Any]]) -> None:
    assert parse_port(text) == entries


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a",
        "0",
        "65536",
        "80:",
        "80:80:80",
        "1.2.3:80:80",
        "80:80/x",
        "8001-8000",
        "1-2:1-3",
        "80 :80",
        "-1",
        "99999999999",
        "80/",
        "[::1:80:80",
        "8 0",
    ],
)
def test_refused(text: str) -> None:
    with pytest.raises(PortError):
        parse_port(text)


@given(
    st.integers(1, 65535),
    st.none() | st.integers(1, 65535),
    st.none() | st.ip_addresses(),
    st.sampled_from(["tcp", "udp", "sctp"]),
)
def test_round_trip(target: int, published: int | None, address: t.Any, protocol: str) -> None:
    host = "" if address is None else f"[{address}]:" if address.version == 6 else f"{address}:"
    middle = f"{published}:" if published else ":" if host else ""
    wanted = entry(target, str(published or ""), str(address or ""), protocol)
    made = parse_port(f"{host}{middle}{target}/{protocol}")
    assert made == [wanted]
    assert long_port(made[0]) == wanted


@given(st.text("0123456789:-./[]tcpud", max_size=20))
def test_any_text_is_a_port_or_refused(text: str) -> None:
    try:
        entries = parse_port(text)
    except PortError:
        return
    assert all(1 <= made["target"] <= 65535 for made in entries)


@pytest.mark.parametrize(("published", "ports"), [("80", [80]), ("", []), ("80-90", [])])
def test_ports_that_are_certainly_taken(published: str, ports: list[int]) -> None:
    assert published_ports(entry(80, published)) == ports


@pytest.mark.parametrize(
    ("one", "other", "meet"),
    [("", "127.0.0.1", True), ("0.0.0.0", "10.0.0.1", True), ("10.0.0.1", "10.0.0.2", False), ("::1", "::1", True)],
)
def test_addresses_meet(one: str, other: str, meet: bool) -> None:
    for pair in ((one, other), (other, one)):
        assert addresses_meet(*pair) is meet
