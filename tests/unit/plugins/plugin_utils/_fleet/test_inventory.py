from __future__ import annotations

import pytest

from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._fleet.errors import Errors
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._fleet.inventory import misspelt, read_hosts

GROUPS = {"container_groups": ["core"]}
LOCAL = {**GROUPS, "ansible_connection": "local"}
REACHED = {**LOCAL, "container_engine": "docker"}


def read(**variables):
    errors = Errors()
    hosts = read_hosts(variables, list(variables), errors)
    assert not errors
    return hosts


@pytest.mark.parametrize(
    ("first", "second", "shared"),
    [
        (LOCAL, LOCAL, True),
        (LOCAL, {**LOCAL, "ansible_connection": "ansible.builtin.local"}, True),
        # Moving one of two hosts to another engine must not rename the other's projects and volumes.
        (LOCAL, {**LOCAL, "container_engine": "docker"}, True),
        (LOCAL, {**LOCAL, "container_engine": "docker", "container_engine_url": "unix:///run/docker.sock"}, True),
        (LOCAL, GROUPS, False),
        (GROUPS, GROUPS, False),
        ({**GROUPS, "ansible_host": "10.0.0.5"}, {**GROUPS, "ansible_host": "10.0.0.5"}, True),
        ({**GROUPS, "ansible_host": "10.0.0.5", "ansible_port": 22}, {**GROUPS, "ansible_host": "10.0.0.5"}, True),
        ({**GROUPS, "ansible_host": "10.0.0.5", "ansible_port": 2222}, {**GROUPS, "ansible_host": "10.0.0.5"}, False),
        (
            {**REACHED, "container_engine_url": "tcp://10.0.0.9:2375"},
            {**REACHED, "container_engine_url": "tcp://10.0.0.9:2375"},
            True,
        ),
        ({**REACHED, "container_engine_url": "ssh://win"}, {**REACHED, "container_engine_url": "ssh://mac"}, False),
        (LOCAL, {"ansible_connection": "local"}, False),
    ],
)
def test_who_shares_a_machine(first, second, shared):
    one, _other = read(mainpc=first, pc2=second)
    assert one.shared is shared
    assert one.project("core") == ("mainpc-core" if shared else "core")


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        (
            {"container_groups": [1]},
            "a: container_groups: expected a list of names, found a list. Write «container_groups: [name, …]».",
        ),
        ({"container_environment": ["x"]}, "a: container_environment: expected a mapping, found a list"),
        ({"container_secrets": {"T": ["hidden"]}}, "a: container_secrets.T: expected text or a number, found a list"),
        ({"container_engine_url": 5}, "a: container_engine_url: expected text, found a number"),
        ({"container_adopt": "perhaps"}, "a: container_adopt: expected true or false, found text"),
    ],
)
def test_wrong_types(variables, message):
    errors = Errors()
    assert read_hosts({"a": variables}, ["a"], errors) == []
    assert [str(error) for error in errors] == [message]


def test_defaults_and_values():
    (bare,) = read(a={"inventory_dir": "/inv"})
    assert (bare.engine, bare.groups_dir, bare.state_dir, bare.adopt) == (
        "podman",
        "/inv/groups",
        "/var/lib/gpu-fleet",
        False,
    )
    (full,) = read(
        a={
            "gpu_reserve": "1g",
            "container_adopt": "true",
            "container_environment": {"A": 1, "B": True},
            "container_groups": None,
        }
    )
    assert (full.gpu_reserve, full.adopt, full.environment, full.groups) == (1 << 30, True, {"A": "1", "B": "true"}, ())


@pytest.mark.parametrize(
    ("value", "seconds"),
    [(None, 300.0), ("", 300.0), (0, 0.0), ("0", 0.0), ("90", 90.0), (1.5, 1.5), ("1m30s", 90.0), ("5m", 300.0)],
)
def test_how_long_a_group_waits_at_boot(value, seconds):
    assert read(a={"container_boot_wait": value})[0].boot_wait == seconds


@pytest.mark.parametrize("value", [-1, True, [], "soon", float("inf"), float("nan"), "25h"])
def test_what_is_no_time_to_wait_at_boot(value):
    errors = Errors()
    assert read_hosts({"a": {"container_boot_wait": value}}, ["a"], errors) == []
    assert str(errors[0]).startswith("a: container_boot_wait: ")


def test_secrets_are_not_in_the_repr():
    (host,) = read(a={"container_secrets": {"T": "hunter2hunter2"}})
    assert "hunter2" not in repr(host)


def test_a_variable_that_looks_like_one_of_ours():
    names = {"container_gruops", "container_groups", "container_registry", "gpu_reserv", "gpu_fleet_facts", "groups"}
    assert misspelt(names) == [
        "the variable container_gruops means nothing here. Did you mean container_groups?",
        "the variable gpu_reserv means nothing here. Did you mean gpu_reserve?",
    ]


def test_variables_of_roles_are_known_by_name() -> None:
    names = ["podman_setings", "podman_settings", "prepare_skp", "podmanish", "my_podman_setings"]
    assert misspelt(names, {"podman_settings"}) == [
        "the variable podman_setings means nothing here. Did you mean podman_settings?",
        "the variable prepare_skp means nothing here. Did you mean prepare_skip?",
    ]


@pytest.mark.parametrize("address", ["192.168.1.10", "fd00::1", "nas", "nas.home", "10gbit", ""])
def test_what_a_link_address_may_be(address: str) -> None:
    (host,) = read(nas={**GROUPS, "container_link_address": address})
    assert host.link_address == address


@pytest.mark.parametrize("address", ["192.168.1.1O", "192.168.1.256", "192.168.1.", "fd00::g", ":1"])
def test_an_address_with_a_slip_is_no_name_of_a_host(address: str) -> None:
    errors = Errors()
    read_hosts({"nas": {**GROUPS, "container_link_address": address}}, ["nas"], errors)
    assert [str(error) for error in errors] == [
        f"nas: container_link_address: {address!r} is not an IP address. Write it like 192.168.1.10."
    ]


@pytest.mark.parametrize(("value", "port"), [(None, 0), (5443, 5443), ("5443", 5443), ("", 0)])
def test_the_port_of_transfers(value, port):
    assert read(a={"container_transfer_port": value})[0].transfer_port == port


@pytest.mark.parametrize("value", [True, 65536, -1, "x", [1]])
def test_what_is_no_port(value):
    errors = Errors()
    assert read_hosts({"a": {"container_transfer_port": value}}, ["a"], errors) == []
    assert str(errors[0]).startswith("a: container_transfer_port: ")
