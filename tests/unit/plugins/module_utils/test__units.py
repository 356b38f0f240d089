from __future__ import annotations

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._units import human


@pytest.mark.parametrize(
    ("amount", "text"),
    [(0, "0 B"), (2048, "2.0 KiB"), (512 << 20, "512.0 MiB"), (24 << 30, "24.0 GiB"), (3 << 40, "3072.0 GiB")],
)
def test_human(amount, text):
    assert human(amount) == text
