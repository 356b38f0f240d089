"""The groups gpu-dev and cuda-check of inventories/workstation: what their images are made of on each GPU stack."""

from __future__ import annotations

import pathlib

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._image.spec import ImageSpec
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._compose.group import load_group
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._images.spec import image_spec

GROUPS = pathlib.Path(__file__).resolve().parents[3] / "inventories/workstation/groups"


def image(group: str, service: str, stack: str) -> ImageSpec:
    read = load_group(str(GROUPS / f"{group}.yml"), {}, secret_names=frozenset({"JUPYTER_TOKEN"}))
    entry = read.services[service]
    return image_spec(service, entry["build"], read.builds[service], stack, entry["image"])


@pytest.mark.parametrize(
    ("stack", "base", "arguments"),
    [
        (
            "nvidia",
            "docker.io/nvidia/cuda:12.6.3-devel-ubuntu24.04",
            {"TORCH_BACKEND": "cu126", "CONDA_OVERRIDE_CUDA": "12.6"},
        ),
        ("nvidia-wsl", "docker.io/library/ubuntu:24.04", {"TORCH_BACKEND": "cu126", "CONDA_OVERRIDE_CUDA": "12.6"}),
        ("rocm", "docker.io/rocm/dev-ubuntu-24.04:6.4", {"TORCH_BACKEND": "rocm6.4"}),
        ("vulkan", "docker.io/library/debian:13-slim", {"PACKAGES": "libvulkan1 mesa-vulkan-drivers vulkan-tools"}),
        ("cpu", "docker.io/library/debian:13-slim", {"TORCH_BACKEND": "cpu"}),
    ],
)
def test_gpu_dev(stack, base, arguments):
    spec = image("gpu-dev", "jupyter", stack)
    assert set(spec.bases) == {base}
    assert arguments.items() <= spec.arguments.items()


@pytest.mark.parametrize(
    ("stack", "base"),
    [
        ("nvidia", "docker.io/nvidia/cuda:12.6.3-base-ubuntu24.04"),
        ("nvidia-wsl", "docker.io/library/ubuntu:22.04"),
    ],
)
def test_cuda_check(stack, base):
    assert base in image("cuda-check", "check", stack).bases


def test_the_hand_made_image_of_wsl2_in_arguments():
    spec = image("cuda-check", "audio", "nvidia-wsl")
    assert set(spec.bases) == {"docker.io/library/ubuntu:22.04"}
    assert {"libportaudio2", "ffmpeg", "libgl1"} <= set(spec.arguments["PACKAGES"].split())
    assert "portaudio19-dev" in spec.arguments["BUILD_PACKAGES"]
    assert "torch==2.1.0" in spec.arguments["PYTHON_PACKAGES"]


def test_variants_are_different_images():
    made = {image("gpu-dev", "jupyter", stack).inputs for stack in ("nvidia", "nvidia-wsl", "rocm", "vulkan", "cpu")}
    assert len(made) == 5
