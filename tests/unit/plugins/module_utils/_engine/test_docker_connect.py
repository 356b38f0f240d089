from __future__ import annotations

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._engine import docker_connect as adapter
from ansible_collections.gpu_fleet.containers.plugins.module_utils._engine.docker import DockerEngine
from ansible_collections.gpu_fleet.containers.plugins.module_utils._errors import EngineError

CONNECT = [
    ("unix:///run/x.sock", "PermissionError(13, 'Permission denied')", "group docker"),
    ("unix:///run/x.sock", "FileNotFoundError(2, 'No such file or directory')", "systemctl start docker"),
    ("tcp://192.0.2.1:2375", "Connection refused", "docker -H tcp://192.0.2.1:2375 version"),
    ("tcp://192.0.2.1:2376", "[SSL: CERTIFICATE_VERIFY_FAILED] self-signed certificate", "container_engine_tls.ca"),
    ("tcp://192.0.2.1:2376", "Client sent an HTTP request to an HTTPS server.", "set container_engine_tls"),
    ("tcp://192.0.2.1:2375", "[SSL: WRONG_VERSION_NUMBER] wrong version number", "take container_engine_tls out"),
    ("tcp://192.0.2.1:2376", "tlsv13 alert certificate required", "container_engine_tls.cert"),
    ("tcp://192.0.2.1:2376", "[SSL: TLSV1_ALERT_UNKNOWN_CA] tlsv1 alert unknown ca", "container_engine_tls.cert"),
]


@pytest.mark.parametrize(("url", "words", "mend"), CONNECT)
def test_connect_error_says_what_was_tried_and_what_to_do(url, words, mend):
    error = adapter.connect_error(url, words)
    assert url in error.message and words in error.message
    assert mend in error.mend


def test_docker_that_is_not_installed(monkeypatch):
    monkeypatch.setattr(adapter.shutil, "which", lambda _program: None)
    monkeypatch.setattr(adapter.os.path, "exists", lambda _path: False)
    error = adapter.connect_error(adapter.default_url(), "No such file")
    assert (error.message, error.mend) == ("Docker is not installed on this host", adapter.PREPARE)


@pytest.mark.parametrize(
    ("url", "whose"),
    [("", "on this host"), ("ssh://pc2", "on the control node"), ("tcp://pc2:2376", "on the control node")],
)
def test_sdk_that_is_missing(monkeypatch, url, whose):
    monkeypatch.setattr(adapter, "docker", None)
    with pytest.raises(EngineError, match=whose) as caught:
        DockerEngine(url)
    assert "pip install docker" in caught.value.mend


def test_no_ssh_program(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EngineError, match="OpenSSH client is missing on the control node"):
        adapter.connect("ssh://pc2")


@pytest.fixture
def fake_ssh(monkeypatch, tmp_path):
    """An ssh program that a test writes."""

    def write(script: str) -> None:
        program = tmp_path / "ssh"
        program.write_text("#!/bin/sh\n" + script)
        program.chmod(0o755)

    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv("HOME", str(tmp_path))
    return write


def test_what_ssh_says_is_the_error(fake_ssh):
    fake_ssh("echo 'Host key verification failed.' >&2; exit 255")
    with pytest.raises(EngineError) as caught:
        adapter.connect("ssh://me@MainPC:2222")
    assert caught.value.message == (
        "Docker does not answer at ssh://me@MainPC:2222: its host key is not known (Host key verification failed.)"
    )
    assert "ssh -p 2222 me@MainPC" in caught.value.mend


def test_requests_travel_over_ssh(fake_ssh, tmp_path):
    """The answer of /version, by a program that speaks as dial-stdio would."""
    body = '{"Version":"26.1.5","ApiVersion":"1.45"}'
    fake_ssh(
        f"""printf '%s\\n' "$*" >> {tmp_path}/asked
read -r line; printf '%s\\n' "$line" >> {tmp_path}/asked
printf 'HTTP/1.1 200 OK\\r\\nContent-Type: application/json\\r\\nContent-Length: {len(body)}\\r\\n\\r\\n{body}'
cat > /dev/null
"""
    )
    connected = adapter.connect("ssh://me@pc2")
    assert connected.said["Version"] == "26.1.5" and connected.client.api_version == "1.45"
    connected.client.close()
    asked = (tmp_path / "asked").read_text().splitlines()
    assert asked[0].endswith("-l me -- pc2 docker system dial-stdio") and asked[1].startswith("GET /version")
