from __future__ import annotations

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._errors import InputError
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._fleet.errors import Errors
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._fleet.ports import check_clashes, published_ports

from .examples import group, host, placed, port, service


def publish(where, name, *entries):
    errors = Errors()
    found = published_ports([placed(where, group(name, {"web": service(ports=list(entries))}))], errors)
    if errors:
        raise errors[0]
    return found


@pytest.mark.parametrize(
    ("entry", "link_address", "address"),
    [
        (port(80, "80"), "", ""),
        (port(80, "80"), "10.0.0.1", "10.0.0.1"),
        (port(80, "80", "127.0.0.1"), "10.0.0.1", "127.0.0.1"),
        (port(80, "80", "0.0.0.0"), "10.0.0.1", "0.0.0.0"),
        # Engines publish on addresses only; a name is fine to be reached by.
        (port(80, "80"), "pc2.lan", ""),
        (port(80, "80"), "fd00::1", "fd00::1"),
    ],
)
def test_where_a_port_is_published(entry, link_address, address):
    assert publish(host("a", link_address=link_address), "g", entry)[0].port.address == address


@pytest.mark.parametrize(
    ("first", "second", "machines", "clash"),
    [
        (port(80, "80", "10.0.0.1"), port(81, "80", "10.0.0.1"), "same", True),
        (port(80, "80", "10.0.0.1"), port(81, "80", "10.0.0.2"), "same", False),
        (port(80, "80", "10.0.0.1"), port(81, "80"), "same", True),
        (port(80, "80", "0.0.0.0"), port(81, "80", "10.0.0.2"), "same", True),
        (port(80, "80"), port(81, "80", protocol="udp"), "same", False),
        (port(80, "80"), port(80, "81"), "same", False),
        (port(80), port(80), "same", False),
        (port(80, "80"), port(80, "80"), "other", False),
        (port(80, "80", "127.0.0.1"), port(80, "80", "127.0.0.1"), "other", False),
        (port(80, "80", "10.0.0.1"), port(80, "80", "10.0.0.1"), "other", True),
    ],
)
def test_clashes(first, second, machines, clash):
    one, other = host("a", machine="m"), host("b", machine="m" if machines == "same" else "n")
    errors = Errors()
    check_clashes([*publish(one, "g", first), *publish(other, "h", second)], errors)
    assert len(errors) == clash
    if clash:
        assert "published by g/web of a" in str(errors[0])


@pytest.mark.parametrize("entry", [port(80, "80-90"), port(80, "80", "pc2")])
def test_what_cannot_be_published(entry):
    with pytest.raises(InputError):
        publish(host("a"), "g", entry)
