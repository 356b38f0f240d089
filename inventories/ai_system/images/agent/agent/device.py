"""The compute device this container really sees. Nothing is assumed from variables or image names.

CUDA's driver API is asked through ctypes: `cuInit`, `cuDeviceGetCount`, `cuDeviceGetName`,
`cuDeviceTotalMem_v2` (CUDA Driver API reference, «Initialization» and «Device Management»).
No context is created, so looking takes no GPU memory.
"""

from __future__ import annotations

import ctypes
import functools
import os
import typing as t
from pathlib import Path

LIBRARIES = ("libcuda.so.1", "/usr/lib/wsl/lib/libcuda.so.1")
CUDA_SUCCESS = 0


@functools.lru_cache(maxsize=1)
def device() -> dict[str, t.Any]:
    """``{"device": "cuda" | "render" | "cpu", "devices": […], "reason": …}`` as seen at the first call."""
    return look()


def look(libraries: t.Sequence[str] = LIBRARIES, root: Path = Path("/")) -> dict[str, t.Any]:
    names, reason = cuda_devices(libraries)
    if names:
        return {"device": "cuda", "devices": names, "reason": ""}
    nodes = render_nodes(root)
    if nodes:
        return {"device": "render", "devices": nodes, "reason": f"no CUDA: {reason}"}
    return {"device": "cpu", "devices": [], "reason": f"no CUDA: {reason}; no render node in /dev/dri"}


def cuda_devices(libraries: t.Sequence[str]) -> tuple[list[dict[str, t.Any]], str]:
    """(devices, why there is none)"""
    library = _load(libraries)
    if library is None:
        return [], "libcuda.so.1 is not in this container"
    status = library.cuInit(0)
    if status != CUDA_SUCCESS:
        return [], f"cuInit answered {status}"
    count = ctypes.c_int()
    status = library.cuDeviceGetCount(ctypes.byref(count))
    if status != CUDA_SUCCESS or not count.value:
        return [], f"cuDeviceGetCount answered {status}, {count.value} devices"
    return [_cuda_device(library, index) for index in range(count.value)], ""


def _load(libraries: t.Sequence[str]) -> t.Any:
    for name in libraries:
        try:
            return ctypes.CDLL(name)
        except OSError:
            continue
    return None


def _cuda_device(library: t.Any, index: int) -> dict[str, t.Any]:
    handle, memory, name = ctypes.c_int(), ctypes.c_size_t(), ctypes.create_string_buffer(128)
    library.cuDeviceGet(ctypes.byref(handle), index)
    library.cuDeviceGetName(name, len(name), handle)
    library.cuDeviceTotalMem_v2(ctypes.byref(memory), handle)
    return {"name": name.value.decode(errors="replace"), "memory_bytes": memory.value}


def render_nodes(root: Path) -> list[dict[str, t.Any]]:
    """Render nodes with the kernel driver behind them and whether this user can open them."""
    result = []
    for node in sorted((root / "dev/dri").glob("renderD*")):
        driver = root / "sys/class/drm" / node.name / "device/driver"
        name = os.path.basename(os.readlink(driver)) if driver.is_symlink() else "unknown"
        result.append({"name": name, "node": f"/dev/dri/{node.name}", "usable": os.access(node, os.R_OK | os.W_OK)})
    return result
