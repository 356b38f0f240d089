from __future__ import annotations

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._engine import docker as adapter
from ansible_collections.gpu_fleet.containers.plugins.module_utils._errors import EngineError


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
