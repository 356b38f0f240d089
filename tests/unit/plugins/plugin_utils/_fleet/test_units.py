from __future__ import annotations

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._errors import InputError
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._fleet.units import seconds, size


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10s", 10.0),
        ("1m30s", 90.0),
        ("500ms", 0.5),
        ("1h0m0s", 3600.0),
        ("1.5s", 1.5),
        ("0", 0.0),
        ("0s", 0.0),
        (7, 7.0),
    ],
)
def test_seconds(text, expected):
    assert seconds(text) == expected


@pytest.mark.parametrize("text", ["", "10", "s", "10 s", "1d", "s10"])
def test_what_is_no_duration(text):
    with pytest.raises(InputError):
        seconds(text, "here")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1073741824", 1 << 30),
        ("1g", 1 << 30),
        ("512M", 512 << 20),
        ("1.5gb", 3 << 29),
        ("2GiB", 2 << 30),
        ("-1", -1),
        (0, 0),
    ],
)
def test_size(text, expected):
    assert size(text) == expected


@pytest.mark.parametrize("text", ["", "g", "1x", "one", "-2"])
def test_what_is_no_size(text):
    with pytest.raises(InputError):
        size(text, "here")
