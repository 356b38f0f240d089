"""What is said of a build."""

from __future__ import annotations

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._image.build import hidden


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("#5 0.1 my s3cret-value here", "#5 0.1 my ******** here"),
        ("twice s3cret-value s3cret-value", "twice ******** ********"),
        ("MIIEvQIBADANBg", "********"),
        ("-----EN", "-----EN"),
        ("s3cret", "s3cret"),
    ],
)
def test_secrets_are_not_shown(text: str, shown: str) -> None:
    values = {"one": "s3cret-value\n", "key": "-----BEGIN KEY\nMIIEvQIBADANBg\n-----END"}
    assert hidden(text, values) == shown
