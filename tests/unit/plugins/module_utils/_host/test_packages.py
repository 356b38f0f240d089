"""Missing packages, from what dpkg-query prints."""

from __future__ import annotations

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._host.packages import missing, query_argv


@pytest.mark.parametrize(
    ("names", "output", "expected"),
    [
        (["podman", "crun"], "podman installed\ncrun installed\n", []),
        (["podman", "crun"], "podman installed\n", ["crun"]),
        (["podman"], "podman config-files\n", ["podman"]),
        (["podman"], "podman not-installed\n", ["podman"]),
        (["b", "a"], "", ["b", "a"]),
        ([], "", []),
    ],
)
def test_missing(names: list[str], output: str, expected: list[str]) -> None:
    assert missing(names, output) == expected


def test_query_is_one_command_for_all() -> None:
    assert query_argv(["a", "b"]) == [
        "dpkg-query",
        "--show",
        "--showformat",
        "${Package} ${db:Status-Status}\n",
        "a",
        "b",
    ]
