"""What a user sees of images on their way."""

from __future__ import annotations

import pytest

from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._moving import show

IMAGE = "localhost/ai-system/agent:0f3c"


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        ({"event": "push", "image": IMAGE}, "pc2 | push ai-system/agent:0f3c"),
        (
            {"event": "pull", "image": IMAGE, "line": "4.8 MiB of 23.0 MiB"},
            "pc2 | pull ai-system/agent:0f3c: 4.8 MiB of 23.0 MiB",
        ),
        ({"event": "load", "image": "ghcr.io/a/b:1"}, "pc2 | load ghcr.io/a/b:1"),
    ],
)
def test_events_as_lines(event, expected):
    assert show("pc2", event) == expected
