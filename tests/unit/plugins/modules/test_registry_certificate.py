"""registry_certificate with the real openssl: what is made, when again, and that clients take it."""

from __future__ import annotations

import os
import ssl
import stat
import time
import typing as t

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._host import certificates
from ansible_collections.gpu_fleet.containers.plugins.module_utils._host.certificates import Pair
from ansible_collections.gpu_fleet.containers.plugins.modules import registry_certificate
from tests.unit.plugins.modules.calling import call

NAMES = ["pc2", "10.80.0.12", "fd00::12"]


def make(directory: t.Any, check: bool = False, **more: t.Any) -> dict[str, t.Any]:
    arguments = {"directory": str(directory), "names": NAMES, **more}
    return call(registry_certificate, check, **arguments)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    directory = tmp_path_factory.mktemp("registry")
    return directory, make(directory)


def contents(directory):
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def test_keys_are_their_owners_alone(made):
    directory, result = made
    assert (result["changed"], result["made"]) == (True, {"ca": "there is none", "server": "there is none"})
    assert result["ca"] == (directory / "ca.crt").read_text()
    modes = {path.name: oct(stat.S_IMODE(path.stat().st_mode)) for path in directory.iterdir()}
    assert modes == {"ca.key": "0o600", "server.key": "0o600", "ca.crt": "0o644", "server.crt": "0o644"}
    assert 820 < (result["ends"] - time.time()) / 86400 <= 825


def test_a_second_run_changes_nothing(made):
    directory, _result = made
    before = contents(directory)
    again = make(directory, names=["PC2", "fd00:0::0:12", "10.80.0.12"])
    assert (again["changed"], again["made"]) == (False, {})
    assert contents(directory) == before


@pytest.mark.parametrize(("name", "taken"), [("pc2", True), ("10.80.0.12", True), ("fd00::12", True), ("pc3", False)])
def test_clients_that_trust_the_ca_take_its_names(made, name, taken):
    directory, result = made
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(directory / "server.crt", directory / "server.key")
    client = ssl.create_default_context(cadata=result["ca"])
    here, there = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = (client.wrap_bio(here, there, server_hostname=name), server.wrap_bio(there, here, server_side=True))
    refused = False
    for _round in range(3):
        for end in ends:
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
            except ssl.SSLError:
                refused = True
    assert refused is not taken


def test_check_mode_makes_nothing(tmp_path):
    result = make(tmp_path / "absent", check=True)
    assert (result["changed"], result["ca"], result["ends"]) == (True, "", 0)
    assert "server: made anew" in result["diff"]["after"]
    assert list(tmp_path.iterdir()) == []


def spoil_ca(directory):
    certificates.make_authority(Pair(f"{directory}/ca.key", f"{directory}/ca.crt"), "gpu-fleet registry", 30)


def replace_ca(directory):
    os.remove(directory / "ca.key")


def empty_ca_key(directory):
    (directory / "ca.key").write_bytes(b"")


def mix_keys(directory):
    (directory / "server.key").write_bytes((directory / "ca.key").read_bytes())


@pytest.mark.parametrize(
    ("spoil", "more", "reasons"),
    [
        (None, {"names": ["pc2"]}, {"server": "it is for 10.80.0.12, fd00::12, pc2"}),
        (None, {"renew_days": 826, "days": 900}, {"server": "it ends in 824 days"}),
        # A run that was cut off between its two files.
        (mix_keys, {}, {"server": "there is none"}),
        # The key is the same, so the server's certificate is still vouched for.
        (spoil_ca, {}, {"ca": "it ends soon"}),
        (replace_ca, {}, {"ca": "there is none", "server": "the CA did not sign it"}),
        (empty_ca_key, {}, {"ca": "there is none", "server": "the CA did not sign it"}),
    ],
)
def test_it_is_made_again_when(made, tmp_path, spoil, more, reasons):
    for name, content in contents(made[0]).items():
        (tmp_path / name).write_bytes(content)
    if spoil:
        spoil(tmp_path)
    assert make(tmp_path, **more)["made"] == reasons
    assert make(tmp_path, **more)["changed"] is False
    assert certificates.is_signed(f"{tmp_path}/server.crt", f"{tmp_path}/ca.crt")


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"names": []}, "names: it is empty"),
        ({"names": ["a b"]}, "neither a DNS name nor an IP address"),
        ({"names": ["pc2\nbasicConstraints=CA:TRUE"]}, "neither a DNS name nor an IP address"),
        ({"directory": "/nonexistent/registry"}, "there is no such directory"),
    ],
)
def test_wrong(tmp_path, more, words):
    result = make(more.pop("directory", tmp_path), **more)
    assert result["failed"] and words in result["msg"]
    assert not list(tmp_path.glob("server*"))
