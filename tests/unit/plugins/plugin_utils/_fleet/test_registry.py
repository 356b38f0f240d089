"""What an inventory may say of its registry."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.gpu_fleet.containers.plugins.module_utils._errors import InputError
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._fleet.registry import Registry, read_registry

PASSWORD = "correct horse"
OURS = {"address": "pc2:5000", "host": "pc2"}


def read(registry, password=PASSWORD, **more):
    values = {"container_registry": registry, "container_registry_password": password, **more}
    return read_registry("mainpc", values, ["mainpc", "pc2"])


RIGHT = [
    (OURS, Registry("pc2:5000", "fleet", "", "pc2")),
    ({**OURS, "username": None, "ca": None}, Registry("pc2:5000", "fleet", "", "pc2")),
    ({**OURS, "address": "192.168.1.5:5000", "username": "me"}, Registry("192.168.1.5:5000", "me", "", "pc2")),
    ({**OURS, "ca": "certs/ca.pem"}, Registry("pc2:5000", "fleet", "/inventory/certs/ca.pem", "pc2")),
    ({**OURS, "ca": "/etc/ca.pem"}, Registry("pc2:5000", "fleet", "/etc/ca.pem", "pc2")),
    ({"address": "registry.example.org"}, Registry("registry.example.org", "fleet", "", "")),
]


@pytest.mark.parametrize(("said", "registry"), RIGHT)
def test_right(said, registry):
    assert read(said, inventory_dir="/inventory") == registry


@pytest.mark.parametrize("said", [None, {}, ""])
def test_none(said):
    assert read(said) is None


def test_nobody_is_asked_for_a_password():
    assert read({"address": "pub:5000", "username": ""}, password=None) == Registry("pub:5000", "", "", "")


WRONG = [
    ("pc2:5000", "", "expected a mapping"),
    ({**OURS, "user": "me"}, "", "there is no user in it. Did you mean «username»?"),
    ({**OURS, "password": PASSWORD}, "", "container_registry_password"),
    ({**OURS, "address": 5000}, ".address", "expected text"),
    ({"host": "pc2"}, ".address", "missing"),
    ({**OURS, "address": "pc2"}, ".address", "has no port. Write pc2:5000"),
    ({**OURS, "address": "pc2.lan"}, ".address", "has no port"),
    ({"address": "registry"}, ".address", "has no port"),
    ({**OURS, "address": "https://pc2:5000"}, ".address", "without https://"),
    ({**OURS, "address": "pc2:5000/images"}, ".address", "without a path"),
    ({**OURS, "address": "PC2:5000"}, ".address", "in lower case"),
    ({**OURS, "address": "pc2:port"}, ".address", "is not an address"),
    ({**OURS, "address": "[fd00::1]:5000"}, ".address", "is not an address"),
    ({**OURS, "address": "pc2:70000"}, ".address", "70000 is no port"),
    ({**OURS, "address": "pc2:0"}, ".address", "0 is no port"),
    ({**OURS, "address": "localhost:5000"}, ".address", "every host would mean itself"),
    ({**OURS, "address": "127.0.0.1:5000"}, ".address", "every host would mean itself"),
    ({**OURS, "address": "0.0.0.0:5000"}, ".address", "every host would mean itself"),
    ({**OURS, "host": "pc22"}, ".host", "no host 'pc22' in the inventory. Did you mean «pc2»?"),
    ({**OURS, "username": ""}, ".username", "never open"),
    ({**OURS, "username": "a:b"}, ".username", "is not a username"),
]


@pytest.mark.parametrize(("said", "key", "words"), WRONG)
def test_wrong(said, key, words):
    with pytest.raises(InputError) as raised:
        read(said)
    assert raised.value.path == f"mainpc: container_registry{key}"
    assert words in str(raised.value)
    assert PASSWORD not in str(raised.value)


@pytest.mark.parametrize("password", [None, "", 12345678, "short", "x" * 73, "é" * 37, "a\nnew line"])
def test_wrong_passwords(password):
    with pytest.raises(InputError) as raised:
        read(OURS, password)
    assert raised.value.path == "mainpc: container_registry_password"
    assert not password or str(password) not in str(raised.value)


@pytest.mark.parametrize(
    ("address", "reference", "held"),
    [
        ("pc2:5000", "pc2:5000/ai-system/agent:1", True),
        ("pc2:5000", "pc2:5001/ai-system/agent", False),
        ("pc2:5000", "ai-system/agent", False),
        ("registry.example.org", "registry.example.org/x", True),
        ("registry.example.org", "registry.example.org:443/x", True),
        ("registry.example.org", "example.org/x", False),
    ],
)
def test_what_it_holds(address, reference, held):
    assert Registry(address).holds(reference) is held


@given(st.text(alphabet="ab.-:/0123456789[]A ", max_size=24))
def test_an_address_is_taken_as_it_is_or_refused(text):
    try:
        registry = read({"address": text, "host": "pc2"})
    except InputError as error:
        assert error.path == "mainpc: container_registry.address"
    else:
        assert registry.address == text == f"{registry.name}:{text.partition(':')[2]}"
        assert registry.holds(f"{text}/image")
