from __future__ import annotations

import os

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._host.directories import own_directory

HOME = os.path.expanduser("~")
CASES = [
    ("/var/lib/gpu-fleet", 0, {}, False, "/var/lib/gpu-fleet"),
    ("/var/lib/gpu-fleet", 1000, {}, False, f"{HOME}/.local/share/gpu-fleet"),
    ("/var/lib/gpu-fleet", 1000, {"XDG_DATA_HOME": "/data"}, False, "/data/gpu-fleet"),
    ("/var/lib/gpu-fleet", 1000, {"XDG_DATA_HOME": ""}, False, f"{HOME}/.local/share/gpu-fleet"),
    ("/var/lib/gpu-fleet", 1000, {}, True, "/var/lib/gpu-fleet"),
    ("/var/cache/gpu-fleet", 1000, {}, False, f"{HOME}/.cache/gpu-fleet"),
    ("/var/cache/gpu-fleet", 1000, {"XDG_CACHE_HOME": "/cache"}, False, "/cache/gpu-fleet"),
    ("/srv/fleet", 1000, {}, False, "/srv/fleet"),
]


@pytest.mark.parametrize(("path", "uid", "environment", "writable", "expected"), CASES)
def test_own_directory(path, uid, environment, writable, expected):
    assert own_directory(path, uid, environment, lambda _path: writable) == expected
