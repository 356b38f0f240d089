"""What is a driver and what only looks like one."""

from __future__ import annotations

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._image.forbidden import is_driver

LIB = "usr/lib/x86_64-linux-gnu"


@pytest.mark.parametrize(
    "path",
    [
        f"{LIB}/libcuda.so",
        f"{LIB}/libcuda.so.1",
        f"{LIB}/libcuda.so.535.104.05",
        f"{LIB}/libnvidia-ml.so.1",
        f"{LIB}/libnvidia-ptxjitcompiler.so.550.54.15",
        f"{LIB}/libnvidia-glcore.so.535.104.05",
        f"{LIB}/libGLX_nvidia.so.0",
        f"{LIB}/vdpau/libvdpau_nvidia.so.535.104.05",
        f"{LIB}/libnvcuvid.so.1",
        f"{LIB}/libcudadebugger.so.550.54.15",
        "opt/app/lib/libcuda.so.1",
        "usr/lib/wsl/lib/libd3d12.so",
        "usr/lib/wsl/drivers/nv_dispi.inf_amd64_1/nvcubins.bin",
        "usr/lib/libdxcore.so",
        "lib/modules/6.1.0-18-amd64/updates/dkms/nvidia-uvm.ko.xz",
        "usr/lib/modules/6.8/updates/dkms/amdgpu.ko.zst",
    ],
)
def test_drivers(path: str) -> None:
    assert is_driver(path, 1)
    # NVIDIA's runtime leaves empty files where it mounted a driver while a step ran.
    assert not is_driver(path, 0)


@pytest.mark.parametrize(
    "path",
    [
        "usr/local/cuda-12.4/targets/x86_64-linux/lib/stubs/libcuda.so",
        "usr/local/cuda/lib64/stubs/libnvidia-ml.so",
        "usr/local/cuda-12.4/compat/libcuda.so.550.54.15",
        "opt/conda/cuda-compat/libcuda.so.1",
        f"{LIB}/libcudart.so.12.4.127",
        f"{LIB}/libcudnn.so.9",
        f"{LIB}/libnvidia-container.so.1.17.8",
        f"{LIB}/libnvidia-container-go.so.1.17.8",
        f"{LIB}/libnvidia-egl-wayland.so.1.1.13",
        f"{LIB}/libnvrtc.so.12",
        f"{LIB}/libvulkan_radeon.so",
        f"{LIB}/dri/radeonsi_dri.so",
        f"{LIB}/libamdhip64.so.6",
        f"{LIB}/libhsa-runtime64.so.1",
        "usr/share/doc/libcuda1/copyright",
        "app/libcuda.so.1.txt",
        "usr/lib/wsl",
    ],
)
def test_no_drivers(path: str) -> None:
    assert not is_driver(path, 1)
