# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which files of an image belong to a GPU driver. Pure.

A driver has to be the kernel's own version, so it comes from the host (through the access plan) and never lies in an image:
one that does is found before the host's and fails on the next host, or after the next update.
"""

from __future__ import annotations

import posixpath
import re

# Sources: NVIDIA/nvidia-container-toolkit, internal/discover and pkg/nvcdi (every library of the driver's version beside
# libcuda, and the fixed list of WSL2); the contents of /usr/lib/wsl/lib. libnvidia-container is the toolkit's, and
# libnvidia-egl-* are the platform libraries that distributions build from source: both have versions of their own.
_LIBRARIES = re.compile(
    r"lib(cuda|cudadebugger|cuda_loader|nvcuvid|nvoptix|nvdxgdmal|nvwgf2umx|nvdxdlkernels|dxcore"
    r"|nvidia-(?!container|egl-)[\w-]+|(GLX|EGL|GLESv1_CM|GLESv2|vdpau)_nvidia)\.so(\.\d+)*"
)
_MODULES = re.compile(r"(nvidia[\w-]*|amdgpu)\.ko(\.(xz|zst|gz))?")
_WSL = re.compile(r"(usr/)?lib/wsl/.")
_NO_DRIVER = re.compile(r"(^|/)(stubs|compat|cuda-compat)(/|$)")
"""Folders of CUDA with libraries to link against, and for running newer CUDA on an older driver (cuda-compat)."""


def is_driver(path: str, size: int) -> bool:
    """Whether a regular file of a layer is part of a driver.

    path: without a leading slash. size: in bytes; an empty file is none: NVIDIA's runtime leaves such where it mounted a
    driver while a step ran.
    """
    if not size:
        return False
    folder, name = posixpath.split(path)
    if _WSL.match(path) or _MODULES.fullmatch(name):
        return True
    return _LIBRARIES.fullmatch(name) is not None and not _NO_DRIVER.search(folder)
