"""What a user sees of a build while it runs."""

from __future__ import annotations

import pytest

from ansible_collections.gpu_fleet.containers.plugins.action.image_build import show

IMAGE = "localhost/ai-system/agent:0f3c5d1e9a77"


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (
            {"event": "build", "image": IMAGE, "line": "STEP 1/2: FROM x"},
            "pc | build ai-system/agent: STEP 1/2: FROM x",
        ),
        ({"event": "build", "image": IMAGE, "line": " ---> Running in 2deed601a606"}, ""),
        ({"event": "build", "image": IMAGE, "line": "--> 76b6b18c498"}, ""),
        ({"event": "build", "image": IMAGE, "line": "Removing intermediate container 9b8df5585b5"}, ""),
        ({"event": "build", "image": IMAGE, "line": "a" * 64}, ""),
        ({"event": "build", "image": IMAGE, "line": " "}, ""),
        (
            {"event": "build", "image": IMAGE, "line": "Error: exit status 1"},
            "pc | build ai-system/agent: Error: exit status 1",
        ),
        ({"event": "pull", "image": "docker.io/library/redis:7"}, "pc | pull docker.io/library/redis:7"),
        ({"event": "bootstrap", "image": "localhost/b:1", "line": "I: running"}, "pc | bootstrap b:1: I: running"),
    ],
)
def test_events_as_lines(event: dict[str, str], expected: str) -> None:
    assert show("pc", event) == expected
