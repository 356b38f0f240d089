"""Networks on real engines: names, isolation as asked for, published ports."""

from __future__ import annotations

import socket
import subprocess

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._errors import EngineError
from ansible_collections.gpu_fleet.containers.plugins.module_utils._group.config import Attachment, NetworkConfig, Port

from .waiting import config, output_of, run, until

LABELS = {"org.gpu-fleet.spec": '{"a": "b,c"}'}
SERVE = (
    "sh",
    "-c",
    "trap 'exit 0' TERM; echo hello >/www/index.html; httpd -p 8000 -h /www; while :; do sleep 0.1; done",
)


def fetch(engine, name, url):
    return engine.run_in(name, ["timeout", "5", "wget", "-q", "-O", "-", url], 60)


def test_containers_find_each_other_by_name_and_alias(engine, name):
    front, back = f"{name}-front", f"{name}-back"
    for network in (front, back):
        engine.create_network(NetworkConfig(network), LABELS)
        engine.create_network(NetworkConfig(network), LABELS)
    run(
        engine, config(f"{name}-web", *SERVE, networks=(Attachment(front, ("web",)), Attachment(back, ("store", "db"))))
    )
    run(engine, config(f"{name}-one", networks=(Attachment(front),)))
    run(engine, config(f"{name}-two", networks=(Attachment(back),)))
    assert engine.container(f"{name}-web").networks == (back, front)
    for client, host in (("one", "web"), ("one", f"{name}-web"), ("two", "store"), ("two", "db")):
        until(lambda c=client, h=host: fetch(engine, f"{name}-{c}", f"http://{h}:8000/") == (0, "hello\n"))
    assert fetch(engine, f"{name}-one", "http://db:8000/")[0] != 0, "an alias counts in its own network only"


def test_network_settings(engine, name):
    network = NetworkConfig(name, subnets=("10.91.7.0/24",), gateways=("10.91.7.254",), internal=True)
    engine.create_network(network, LABELS)
    (seen,) = [entry for entry in engine.observe().networks if entry.name == name]
    assert seen.labels == LABELS
    run(engine, config(name, networks=(Attachment(name, ipv4="10.91.7.9"),)))
    assert "10.91.7.9/24" in output_of(engine, name, "ip", "-4", "address")
    inspect = [engine.name, "network", "inspect", "--format", "{{.Internal}}", name]
    assert subprocess.run(inspect, check=True, capture_output=True, text=True).stdout.strip() == "true"


def test_network_of_another_owner_is_not_taken(engine, name):
    engine.create_network(NetworkConfig(name), LABELS)
    with pytest.raises(EngineError, match=f"network {name}.*exists|network {name}.*already used"):
        engine.create_network(NetworkConfig(name), {"other": "owner"})


def test_networks_in_use_stay(engine, name):
    engine.create_network(NetworkConfig(name), LABELS)
    run(engine, config(name, networks=(Attachment(name),)))
    with pytest.raises(EngineError, match=name):
        engine.remove_network(name)
    engine.remove_container(name)
    engine.remove_network(name)
    engine.remove_network(name)


@pytest.mark.parametrize("mode", ["host", "none"])
def test_network_modes(engine, name, mode):
    run(engine, config(name, network_mode=mode))
    links = output_of(engine, name, "ip", "link")
    assert ("docker0" in links or "podman" in links or links.count("\n") > 2) is (mode == "host")


def test_network_of_another_container(engine, name):
    run(engine, config(name, *SERVE))
    run(engine, config(f"{name}-side", network_mode=f"container:{name}"))
    until(lambda: fetch(engine, f"{name}-side", "http://127.0.0.1:8000/") == (0, "hello\n"))


def test_published_port_is_reached_from_another_network(engine, name, link_address):
    """How groups of two logical hosts on one engine talk: over the published port, never over a shared network."""
    for network in ("a", "b"):
        engine.create_network(NetworkConfig(f"{name}-{network}"), LABELS)
    ports = (Port(8000, 7140, link_address), Port(9000))
    run(engine, config(f"{name}-server", *SERVE, networks=(Attachment(f"{name}-a"),), ports=ports))
    run(engine, config(f"{name}-client", networks=(Attachment(f"{name}-b"),)))
    until(lambda: fetch(engine, f"{name}-client", f"http://{link_address}:7140/") == (0, "hello\n"))
    published = engine.container(f"{name}-server").ports
    assert (link_address, 7140, "tcp") in published
    assert [address for address, port, _protocol in published if port != 7140] == [""], "the engine chose one port"
    with socket.create_connection((link_address, 7140), timeout=3) as connection:
        connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
        assert b"hello" in b"".join(iter(lambda: connection.recv(4096), b""))
    engine.stop_container(f"{name}-server", 5)
    assert engine.container(f"{name}-server").ports == ()


def test_port_that_is_taken(engine, name, link_address):
    with socket.create_server((link_address, 7141)):
        engine.create_container(config(name, ports=(Port(80, 7141, link_address),)), {}, {})
        with pytest.raises(EngineError, match=f"container {name}.*address already in use"):
            engine.start_container(name)
