"""Variables from several sides."""

from __future__ import annotations

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._access.environment import joined_environment


@pytest.mark.parametrize(
    ("first", "second", "result"),
    [
        ({}, {}, {}),
        ({"A": "1"}, {"B": "2"}, {"A": "1", "B": "2"}),
        ({"A": "1"}, {"A": "2"}, {"A": "2"}),
        ({"LD_LIBRARY_PATH": "/a:/b"}, {"LD_LIBRARY_PATH": "/b:/c"}, {"LD_LIBRARY_PATH": "/a:/b:/c"}),
        ({"NVIDIA_DRIVER_CAPABILITIES": "compute"}, {"NVIDIA_DRIVER_CAPABILITIES": "display,compute"},
         {"NVIDIA_DRIVER_CAPABILITIES": "compute,display"}),
        ({"NVIDIA_DRIVER_CAPABILITIES": "all"}, {"NVIDIA_DRIVER_CAPABILITIES": "display"},
         {"NVIDIA_DRIVER_CAPABILITIES": "all"}),
    ],
)  # fmt: skip
def test_lists_are_joined_and_the_later_value_wins(first, second, result):
    assert joined_environment(first, second) == result
