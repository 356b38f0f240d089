"""What the role registry does on a host."""

from __future__ import annotations

import json

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._errors import InputError
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._registry import DIRECTORY, settings

OURS = {"address": "pc2:5000", "host": "pc2"}
CONFIG = f"{DIRECTORY}/config.yml"
SERVICE = "/etc/systemd/system/gpu-fleet-registry.service"


def work_out(host="pc2", registry=None, **more):
    options = {
        "of": OURS if registry is None else registry,
        "password": "correct horse",
        "storage": "/srv/registry",
        "program": "/usr/bin/registry",
    }
    return settings(host, {**options, **more}, ["mainpc", "pc2", "web_1"])


def test_who_serves_and_who_trusts():
    server, client = work_out(), work_out("mainpc")
    assert (server.here, server.own, client.here, client.own, client.host) == (True, True, False, True, "pc2")
    assert client.files == {} and len(server.files) == 4
    assert "correct horse" not in f"{server}{client}"


def test_the_service_is_closed():
    files = work_out(listen="192.168.1.12").files
    config = json.loads(files[CONFIG])
    assert config["http"]["addr"] == "192.168.1.12:5000"
    assert config["http"]["tls"]["key"] == f"{DIRECTORY}/server.key"
    assert config["auth"] == {"htpasswd": {"realm": "fleet", "path": f"{DIRECTORY}/htpasswd"}}
    assert "ExecStart=/usr/bin/registry serve /etc/gpu-fleet/registry/config.yml\n" in files[SERVICE]
    assert "CAP_NET_BIND_SERVICE" not in files[SERVICE]


@pytest.mark.parametrize(("listen", "address"), [("", ":5000"), ("fd00::12", "[fd00::12]:5000")])
def test_where_it_listens(listen, address):
    assert json.loads(work_out(listen=listen).files[CONFIG])["http"]["addr"] == address


def test_a_port_of_roots():
    assert (
        "AmbientCapabilities=CAP_NET_BIND_SERVICE\n" in work_out(registry={**OURS, "address": "pc2:443"}).files[SERVICE]
    )


@pytest.mark.parametrize(
    ("host", "more", "names"),
    [
        ("pc2", {}, ("pc2",)),
        ("pc2", {"link_address": "10.80.0.12", "names": ["PC2", "pc2.lan"]}, ("pc2", "10.80.0.12", "pc2.lan")),
        ("web_1", {"registry": {"address": "web.lan:5000", "host": "web_1"}}, ("web.lan",)),
    ],
)
def test_what_the_certificate_is_for(host, more, names):
    assert work_out(host, **more).names == names


def test_garbage_is_collected_in_time():
    found = work_out(collect="daily")
    assert found.timetable == "daily"
    assert "OnCalendar=daily\n" in found.files["/etc/systemd/system/gpu-fleet-registry-collect.timer"]


@pytest.mark.parametrize(
    ("registry", "more", "own", "ca"),
    [
        ({**OURS, "ca": "/ca.pem"}, {"certificate": "a.crt", "key": "a.key"}, False, "/ca.pem"),
        (OURS, {"certificate": "a.crt", "key": "a.key"}, False, ""),
        ({"address": "registry.example.org"}, {}, False, ""),
    ],
)
def test_a_certificate_of_somebody_else(registry, more, own, ca):
    found = work_out(registry=registry, **more)
    assert (found.own, found.ca) == (own, ca)


def test_without_a_registry_a_builder_gets_the_program():
    found = work_out(registry={}, builders={"amd64": "pc2"})
    assert (found.moves, found.here, found.own, found.address) == (True, False, False, "")
    assert not work_out(builders={"amd64": "pc2"}).moves


@pytest.mark.parametrize(
    ("more", "path"),
    [
        ({"registry": {}}, "pc2: container_registry"),
        ({"registry": {}, "builders": {"amd64": "mainpc"}}, "pc2: container_registry"),
        ({"registry": {**OURS, "ca": "ca.pem"}}, "pc2: container_registry.ca"),
        ({"certificate": "a.crt"}, "pc2: registry_certificate, registry_key"),
        ({"storage": "srv"}, "registry_storage"),
        ({"storage": "/srv/my images"}, "registry_storage"),
        ({"password": ""}, "pc2: container_registry_password"),
    ],
)
def test_wrong(more, path):
    with pytest.raises(InputError) as raised:
        work_out(**more)
    assert raised.value.path == path
