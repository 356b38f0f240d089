"""Addresses of a machine, from what `ip -oneline address show` prints."""

from __future__ import annotations

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._errors import InputError
from ansible_collections.gpu_fleet.containers.plugins.module_utils._host.address import interface_of, with_prefix

LISTING = """\
1: lo    inet 127.0.0.1/8 scope host lo\\       valid_lft forever preferred_lft forever
1: lo    inet 10.77.0.1/32 scope global lo\\       valid_lft forever preferred_lft forever
1: lo    inet6 ::1/128 scope host \\       valid_lft forever preferred_lft forever
4: eth0    inet 192.0.2.2/24 brd 192.0.2.255 scope global eth0\\       valid_lft forever preferred_lft forever
4: eth0    inet6 fd00::2/64 scope global nodad \\       valid_lft forever preferred_lft forever
"""


@pytest.mark.parametrize(
    ("address", "interface"),
    [
        ("10.77.0.1", "lo"),
        ("192.0.2.2", "eth0"),
        ("fd00:0::2", "eth0"),
        ("10.77.0.10", ""),
        ("192.0.2.255", ""),
    ],
)
def test_interface_of(address: str, interface: str) -> None:
    assert interface_of(address, LISTING) == interface


@pytest.mark.parametrize(("address", "expected"), [("10.77.0.1", "10.77.0.1/32"), ("fd00:0::2", "fd00::2/128")])
def test_with_prefix(address: str, expected: str) -> None:
    assert with_prefix(address) == expected


@pytest.mark.parametrize("address", ["", "10.77.0.1/24", "pc2", "10.77.0.256"])
def test_no_address_is_an_error_that_names_the_variable(address: str) -> None:
    with pytest.raises(InputError) as caught:
        with_prefix(address)
    assert caught.value.path == "container_link_address"
