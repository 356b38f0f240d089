# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""CUDA's driver library through ctypes: the last source where NVML and nvidia-smi cannot tell, and a proof of its own.

It needs neither device files nor tools of ours, and works under WSL2 where nvidia-smi crashes. It costs a tenth of a
second or more and may crash itself, so it is asked in a child and only when nothing else answered. Calls and numbers
are cuda.h's.
"""

from __future__ import annotations

import ctypes
import os
import typing as t

LIBRARIES = ("/usr/lib/wsl/lib/libcuda.so.1", "libcuda.so.1")
"""WSL's first, as a Linux driver's own would not work there."""

MAJOR, MINOR = 75, 76
"""CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR and …_MINOR."""

HIDING = ("CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES")
"""What a caller hides from its programs is still a GPU of this host."""


class CudaError(Exception):
    """A call that CUDA refused; `value` is its CUresult."""

    def __init__(self, call: str, value: int) -> None:
        super().__init__(f"{call} gave {value}")
        self.value = value


def ask(paths: t.Sequence[str] = LIBRARIES) -> dict[str, t.Any] | None:
    """Every GPU that CUDA can use.

    Returns ``{cuda, devices: [{index, name, uuid, bus_id, memory_total, compute_capability}]}``, ``{error: CUresult,
    message}`` when it does not start, or None when the library is missing. cuda as in `nvml.ask`; sizes are bytes.
    """
    library = _load(paths)
    if library is None:
        return None
    for name in HIDING:
        os.environ.pop(name, None)
    try:
        _call(library, "cuInit", ctypes.c_uint(0))
        count = _number(library, "cuDeviceGetCount")
        return {
            "cuda": _number(library, "cuDriverGetVersion"),
            "devices": [_device(library, index) for index in range(count)],
        }
    except CudaError as error:
        return {"error": error.value, "message": str(error)}


def _load(paths: t.Sequence[str]) -> t.Any:
    for path in paths:
        try:
            return ctypes.CDLL(path)
        except OSError:
            continue
    return None


def _device(library: t.Any, index: int) -> dict[str, t.Any]:
    device = ctypes.c_int(_number(library, "cuDeviceGet", ctypes.c_int(index)))
    name, bus = ctypes.create_string_buffer(100), ctypes.create_string_buffer(32)
    memory, uuid = ctypes.c_size_t(), (ctypes.c_ubyte * 16)()
    _call(library, "cuDeviceGetName", name, ctypes.c_int(len(name)), device)
    _call(library, "cuDeviceTotalMem_v2", ctypes.byref(memory), device)
    _call(library, "cuDeviceGetUuid", uuid, device)
    _call(library, "cuDeviceGetPCIBusId", bus, ctypes.c_int(len(bus)), device)
    capability = [_number(library, "cuDeviceGetAttribute", ctypes.c_int(which), device) for which in (MAJOR, MINOR)]
    return {
        "index": index,
        "name": name.value.decode("utf-8", "replace"),
        "uuid": f"GPU-{_dashed(bytes(uuid).hex())}",
        "bus_id": bus.value.decode("ascii", "replace"),
        "memory_total": memory.value,
        "compute_capability": f"{capability[0]}.{capability[1]}",
    }


def _dashed(digits: str) -> str:
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def _number(library: t.Any, name: str, *arguments: t.Any) -> int:
    number = ctypes.c_int()
    _call(library, name, ctypes.byref(number), *arguments)
    return number.value


def _call(library: t.Any, name: str, *arguments: t.Any) -> None:
    function = getattr(library, name, None)
    # 500 is CUDA_ERROR_NOT_FOUND: a library without the symbol.
    status = 500 if function is None else function(*arguments)
    if status:
        raise CudaError(name, status)
