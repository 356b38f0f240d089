"""What a host is made of: the words in which images say it."""

from __future__ import annotations

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu.model import GpuHost, oci_architecture


@pytest.mark.parametrize(
    ("machine", "architecture"),
    [
        ("x86_64", "amd64"),
        ("aarch64", "arm64"),
        ("arm64", "arm64"),
        ("armv7l", "arm"),
        ("i686", "386"),
        ("riscv64", "riscv64"),
        ("ppc64le", "ppc64le"),
        ("", ""),
    ],
)
def test_architectures_by_their_names_in_images(machine: str, architecture: str) -> None:
    assert oci_architecture(machine) == architecture


def test_the_architecture_survives_the_way_to_the_controller() -> None:
    assert GpuHost.from_dict(GpuHost("linux", architecture="arm64").to_dict()).architecture == "arm64"
    assert GpuHost.from_dict({"platform": "linux"}).architecture == ""
