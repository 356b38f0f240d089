"""The newest version that every engine of a host reads."""

from __future__ import annotations

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._cdi.engines import engine_versions, newest_for

from .hosts import reader


@pytest.mark.parametrize(
    ("versions", "expected"),
    [
        ({}, None),
        ({"podman": "4.3.1"}, "0.5.0"),
        ({"podman": "4.9.3", "docker": "28.2.2"}, "0.6.0"),
        ({"podman": "5.4.2", "docker": "26.1.5+dfsg1"}, "0.7.0"),
        ({"docker": "29.2.0"}, "1.1.0"),
        # It reads no spec, so none has to suit it.
        ({"docker": "20.10.24+dfsg1"}, None),
        ({"docker": "20.10.24+dfsg1", "podman": "5.5.0"}, "1.0.0"),
        ({"podman": "unknown"}, None),
    ],
)
def test_newest_for(versions, expected):
    assert newest_for(versions) == expected


def test_engine_versions():
    commands = {
        "dockerd --version": {"rc": 0, "stdout": "Docker version 26.1.5+dfsg1, build a72d7cd\n", "stderr": ""},
        "podman --version": {"rc": 0, "stdout": "podman version 5.4.2\n", "stderr": ""},
    }
    assert engine_versions(reader(commands=commands)) == {"docker": "26.1.5+dfsg1", "podman": "5.4.2"}
    assert engine_versions(reader()) == {}
    commands["podman --version"] = {"rc": 125, "stdout": "", "stderr": "no"}
    commands["dockerd --version"] = {"rc": 0, "stdout": "?", "stderr": ""}
    assert engine_versions(reader(commands=commands)) == {}
