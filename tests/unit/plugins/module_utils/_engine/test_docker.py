from __future__ import annotations

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._engine import docker as adapter
from ansible_collections.gpu_fleet.containers.plugins.module_utils._errors import EngineError

CONNECT = [
    ("unix:///run/x.sock", "PermissionError(13, 'Permission denied')", "group docker"),
    ("unix:///run/x.sock", "FileNotFoundError(2, 'No such file or directory')", "systemctl start docker"),
    ("tcp://192.0.2.1:2375", "Connection refused", "systemctl start docker"),
    ("ssh://me@pc2", "The command has failed", "ssh me@pc2 docker version"),
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


def test_sdk_that_is_missing(monkeypatch):
    monkeypatch.setattr(adapter, "docker", None)
    with pytest.raises(EngineError) as caught:
        adapter.DockerEngine()
    assert "pip install docker" in caught.value.mend


def test_daemon_that_does_not_answer(tmp_path):
    url = f"unix://{tmp_path}/docker.sock"
    with pytest.raises(EngineError, match="Docker does not answer at unix:"):
        adapter.DockerEngine(url)


def test_follow_hands_on_lines_and_finds_the_image():
    events = [
        {"stream": "Step 1\n"},
        {"stream": "\n"},
        {"status": "x"},
        {"aux": {"ID": "sha256:1"}},
        {"stream": "done"},
    ]
    lines = []
    assert adapter._follow(events, "image a", lines.append) == "sha256:1"
    assert lines == ["Step 1", "done"]


def test_follow_raises_with_the_last_lines():
    events = [{"stream": f"line {number}\n"} for number in range(30)] + [{"error": "it broke"}]
    with pytest.raises(EngineError) as caught:
        adapter._follow(events, "image a", None)
    assert caught.value.path == "image a"
    assert "line 29\nit broke" in caught.value.message and "line 9\n" not in caught.value.message
