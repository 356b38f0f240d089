"""Images built for real, from the collection's templates and of inventories/workstation, on both engines.

Run: ``tests/images/fetch && tests/integration/in_private_machine --network python tests/images/download_cache.py
python -m pytest tests/images``. The engines are those of the integration tests.
"""

from __future__ import annotations

import pathlib
import shutil

import pytest

from ..integration.conftest import (
    CACHE,
    busybox_archive,
    docker_daemon,
    docker_engine,
    link_address,
    podman_engine,
    private_machine,
    vulkan_image,
)

# Fixtures that these tests share with the integration tests.
__all__ = [
    "busybox_archive",
    "docker_daemon",
    "docker_engine",
    "link_address",
    "podman_engine",
    "private_machine",
    "vulkan_image",
]

BASES = CACHE / "images"
"""Bootstrapped bases, where `fetch` makes them."""


@pytest.fixture(scope="session", params=["podman", "docker"])
def engine(request, link_address, bases) -> str:  # noqa: F811
    """Each engine's name in turn, ready to build."""
    request.getfixturevalue(f"{request.param}_engine")
    return request.param


@pytest.fixture(scope="session")
def bases() -> None:
    """The bases, where a deploy looks for them before it asks a mirror."""
    found = list(BASES.glob("base-*.tar"))
    assert found, f"{BASES} holds no base-*.tar: run tests/images/fetch first"
    for archive in found:
        there = pathlib.Path("/var/cache/gpu-fleet") / archive.name
        if not there.exists():
            shutil.copyfile(archive, there)
