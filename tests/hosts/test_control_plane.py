"""A real host with sshd, Docker and no Python, reached from here by its engine alone: over ssh, and by tcp with TLS.

tests/hosts/with_hosts winbox:docker python -m pytest -q tests/hosts/test_control_plane.py
"""

from __future__ import annotations

import os
import pathlib
import subprocess

import pytest
import yaml

from tests.integration.control_plane import BASE, Reached, check_life, make_certificates

HOST = "winbox"
OVERRIDE = """[Service]
ExecStart=
ExecStart=/usr/sbin/dockerd -H fd:// -H tcp://0.0.0.0:2376 --tlsverify --tlscacert /etc/docker/ca.pem \
--tlscert /etc/docker/server.pem --tlskey /etc/docker/server-key.pem
"""


def far(*words: str, given: str = "") -> str:
    """A command on the host, as root."""
    done = subprocess.run(["ssh", HOST, *words], input=given, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{words}: {done.stderr}"
    return done.stdout


def docker(*words: str) -> str:
    return far(" ".join(["docker", *("'" + word.replace("'", "'\\''") + "'" for word in words)]))


@pytest.fixture(scope="module", autouse=True)
def host(tmp_path_factory) -> None:
    """Its Python is gone; the ssh client here knows it by ~/.ssh/config, as a user's would."""
    assert "FLEET_HOSTS_SSH" in os.environ, "run this in tests/hosts/with_hosts winbox:docker"
    folder = tmp_path_factory.mktemp("ssh")
    (folder / "config").write_text(pathlib.Path(os.environ["FLEET_HOSTS_SSH"]).read_text())
    (folder / "config").chmod(0o600)
    # ssh looks for it in the home of the user's entry in passwd, whatever HOME says. The mounts here are a private machine's.
    home = pathlib.Path("/root/.ssh")
    home.mkdir(mode=0o700, exist_ok=True)
    subprocess.run(["mount", "--bind", str(folder), str(home)], check=True)
    far(f"rm -f /usr/bin/python3*; systemctl start docker; docker import - {BASE} </srv/test-cache/busybox.tar")
    assert far("command -v python3 python || echo none").strip() == "none"


def test_over_ssh(tmp_path):
    check_life(Reached(tmp_path, docker, container_engine_url=f"ssh://{HOST}"))
    assert far("ls -A /var/lib/gpu-fleet 2>/dev/null || echo none").strip() == "none"


def test_a_gpu_that_the_inventory_vouches_for_is_looked_for_inside(tmp_path):
    """A node of the name a GPU's would have, and nothing behind it: over ssh the container is asked as anywhere else."""
    far("mkdir -p /dev/dri && { test -e /dev/dri/renderD128 || mknod -m 666 /dev/dri/renderD128 c 1 3; }")
    system = Reached(tmp_path, docker, container_engine_url=f"ssh://{HOST}", container_groups=["draws"])
    (system.inventory / "groups/draws.yml").write_text(
        "services: {one: {image: example/app, build: ../images/app, command: [sleep, '99'], "
        "stop_grace_period: 1s, x-gpu: {stacks: [vulkan, cpu]}}}\n"
    )
    assert "because vulkan: not on this host" in " ".join(system.deploy("--check").output.split())
    system.set(container_gpu_stacks=["vulkan"])
    outcome = system.deploy()
    assert "vulkan/explicit because device nodes of the far side" in " ".join(outcome.output.split())
    assert any(event.startswith("winbox draws/one: gpu:") for event in outcome.events), outcome.events
    assert system.inside("draws-one-1", "ls /dev/dri").split() == ["renderD128"]
    system.play("playbooks/teardown.yml")


def test_what_is_wrong_with_a_connection_is_said(tmp_path):
    """Before anything is planned, with what mends it."""
    for url, words in (
        (f"ssh://nobody@{HOST}", "it does not let us in (nobody@"),
        ("ssh://elsewhere.invalid", "its name is not known here"),
        (f"ssh://{HOST}/run/nowhere.sock", "Docker does not run there"),
    ):
        folder = tmp_path / str(len(words))
        outcome = Reached(folder, docker, container_engine_url=url).deploy(rc=2)
        assert words in " ".join(outcome.output.split()), url


def test_a_host_that_ansible_would_connect_to_itself(tmp_path):
    outcome = Reached(tmp_path, docker, container_engine_url=f"ssh://{HOST}", ansible_connection="ssh").deploy(rc=2)
    assert "winbox: ansible_connection: its engine is reached at ssh://winbox from the control node" in " ".join(
        outcome.output.split()
    )


def test_by_tcp_with_tls(tmp_path):
    address = yaml.safe_load(pathlib.Path(os.environ["FLEET_HOSTS_INVENTORY"]).read_text())["all"]["hosts"][HOST][
        "ansible_host"
    ]
    files = make_certificates(tmp_path / "certificates", address)
    for name, path in (("ca", files["ca"]), ("server", files["server"]), ("server-key", files["server_key"])):
        far(f"cat >/etc/docker/{name}.pem", given=pathlib.Path(path).read_text())
    far(
        "mkdir -p /etc/systemd/system/docker.service.d && cat >/etc/systemd/system/docker.service.d/tls.conf",
        given=OVERRIDE,
    )
    far("systemctl daemon-reload && systemctl restart docker")
    tls = {name: files[name] for name in ("ca", "cert", "key")}
    system = Reached(tmp_path, docker, container_engine_url=f"tcp://{address}:2376", container_engine_tls=tls)
    assert system.deploy().changed["winbox"] > 0
    system.unchanged()
    system.play("playbooks/teardown.yml")
