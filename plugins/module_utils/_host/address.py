# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses of a machine, as `ip -oneline address show` lists them."""

from __future__ import annotations

import ipaddress

from .._errors import InputError


def with_prefix(address: str) -> str:
    """The address as a network of its own: `10.77.0.1/32`; InputError when it is none."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        raise InputError(
            f"{address!r} is no IP address", "container_link_address", "Write it without a prefix, e.g. 10.77.0.1."
        ) from None
    return f"{parsed}/{parsed.max_prefixlen}"


def interface_of(address: str, listing: str) -> str:
    """Name of the interface that has `address` in the output of `ip -oneline address show`; empty when none has.

    A line: ``1: lo    inet 127.0.0.1/8 scope host lo\\       valid_lft forever preferred_lft forever``
    """
    wanted = ipaddress.ip_address(address)
    for line in listing.splitlines():
        words = line.split()
        if len(words) < 4 or words[2] not in ("inet", "inet6"):
            continue
        if ipaddress.ip_address(words[3].split("/")[0]) == wanted:
            return words[1]
    return ""
