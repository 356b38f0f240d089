# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""NVML through ctypes, for hosts without nvidia-ml-py: the few calls that `nvml.ask` makes, under pynvml's names.

Signatures and layouts are nvml.h's. Newer variants of a call come first; a driver that has none
of them gives FUNCTION_NOT_FOUND, as pynvml does.
"""

from __future__ import annotations

import ctypes
import typing as t

LIBRARY = "libnvidia-ml.so.1"
WSL_LIBRARY = f"/usr/lib/wsl/lib/{LIBRARY}"
"""Where Windows puts it; the loader knows the directory only where ldconfig was run for it."""

FUNCTION_NOT_FOUND = 13
TEXT = 96
"""NVML_DEVICE_NAME_V2_BUFFER_SIZE and NVML_DEVICE_UUID_V2_BUFFER_SIZE; the system's texts are shorter."""


class NVMLError(Exception):
    """A call that NVML refused; `value` is its nvmlReturn_t."""

    def __init__(self, value: int, text: str = "") -> None:
        super().__init__(text or f"error {value}")
        self.value = value


class Memory(ctypes.Structure):
    """nvmlMemory_t, which every driver fills. Version 2 only tells `reserved` apart from `used`."""

    _fields_ = (("total", ctypes.c_ulonglong), ("free", ctypes.c_ulonglong), ("used", ctypes.c_ulonglong))


class PciInfo(ctypes.Structure):
    """nvmlPciInfo_t. Before _v3 the last 16 bytes were reserved and only the short address was filled."""

    _fields_ = (
        ("short", ctypes.c_char * 16),
        ("numbers", ctypes.c_uint * 5),
        ("long", ctypes.c_char * 32),
    )

    @property
    def busId(self) -> bytes:
        return self.long or self.short


def load(paths: t.Sequence[str] = (LIBRARY, WSL_LIBRARY)) -> Library | None:
    """The first library that can be loaded; None when the driver's user space is not on this host."""
    for path in paths:
        try:
            return Library(ctypes.CDLL(path))
        except OSError:
            continue
    return None


class Library:
    """An NVML library with pynvml's interface."""

    NVMLError = NVMLError

    def __init__(self, library: t.Any) -> None:
        self._library = library

    def nvmlInit(self) -> None:
        self._call(("nvmlInit_v2", "nvmlInit"))

    def nvmlShutdown(self) -> None:
        self._call(("nvmlShutdown",))

    def nvmlSystemGetDriverVersion(self) -> str:
        return self._text("nvmlSystemGetDriverVersion")

    def nvmlSystemGetNVMLVersion(self) -> str:
        return self._text("nvmlSystemGetNVMLVersion")

    def nvmlSystemGetCudaDriverVersion_v2(self) -> int:
        return self._number(("nvmlSystemGetCudaDriverVersion_v2", "nvmlSystemGetCudaDriverVersion"))

    def nvmlDeviceGetCount(self) -> int:
        return self._number(("nvmlDeviceGetCount_v2", "nvmlDeviceGetCount"))

    def nvmlDeviceGetHandleByIndex(self, index: int) -> t.Any:
        return self._handle(("nvmlDeviceGetHandleByIndex_v2", "nvmlDeviceGetHandleByIndex"), ctypes.c_uint(index))

    def nvmlDeviceGetName(self, handle: t.Any) -> str:
        return self._text("nvmlDeviceGetName", handle)

    def nvmlDeviceGetUUID(self, handle: t.Any) -> str:
        return self._text("nvmlDeviceGetUUID", handle)

    def nvmlDeviceGetMinorNumber(self, handle: t.Any) -> int:
        return self._number(("nvmlDeviceGetMinorNumber",), handle)

    def nvmlDeviceGetPciInfo(self, handle: t.Any) -> PciInfo:
        info = PciInfo()
        names = ("nvmlDeviceGetPciInfo_v3", "nvmlDeviceGetPciInfo_v2", "nvmlDeviceGetPciInfo")
        self._call(names, handle, ctypes.byref(info))
        return info

    def nvmlDeviceGetMemoryInfo(self, handle: t.Any) -> Memory:
        memory = Memory()
        self._call(("nvmlDeviceGetMemoryInfo",), handle, ctypes.byref(memory))
        return memory

    def nvmlDeviceGetCudaComputeCapability(self, handle: t.Any) -> tuple[int, int]:
        return self._pair("nvmlDeviceGetCudaComputeCapability", handle)

    def nvmlDeviceGetMigMode(self, handle: t.Any) -> tuple[int, int]:
        return self._pair("nvmlDeviceGetMigMode", handle)

    def nvmlDeviceGetMaxMigDeviceCount(self, handle: t.Any) -> int:
        return self._number(("nvmlDeviceGetMaxMigDeviceCount",), handle)

    def nvmlDeviceGetMigDeviceHandleByIndex(self, handle: t.Any, index: int) -> t.Any:
        return self._handle(("nvmlDeviceGetMigDeviceHandleByIndex",), handle, ctypes.c_uint(index))

    def nvmlDeviceGetGpuInstanceId(self, handle: t.Any) -> int:
        return self._number(("nvmlDeviceGetGpuInstanceId",), handle)

    def nvmlDeviceGetComputeInstanceId(self, handle: t.Any) -> int:
        return self._number(("nvmlDeviceGetComputeInstanceId",), handle)

    def _text(self, name: str, *arguments: t.Any) -> str:
        buffer = ctypes.create_string_buffer(TEXT)
        self._call((name,), *arguments, buffer, ctypes.c_uint(TEXT))
        return buffer.value.decode("utf-8", "replace")

    def _number(self, names: t.Sequence[str], *arguments: t.Any) -> int:
        # All numbers that are asked for are unsigned, but for CUDA's version, which is small.
        number = ctypes.c_uint()
        self._call(names, *arguments, ctypes.byref(number))
        return number.value

    def _pair(self, name: str, handle: t.Any) -> tuple[int, int]:
        first, second = ctypes.c_uint(), ctypes.c_uint()
        self._call((name,), handle, ctypes.byref(first), ctypes.byref(second))
        return first.value, second.value

    def _handle(self, names: t.Sequence[str], *arguments: t.Any) -> t.Any:
        handle = ctypes.c_void_p()
        self._call(names, *arguments, ctypes.byref(handle))
        return handle

    def _call(self, names: t.Sequence[str], *arguments: t.Any) -> None:
        function = next((found for found in (getattr(self._library, name, None) for name in names) if found), None)
        if function is None:
            raise NVMLError(FUNCTION_NOT_FOUND, "Function Not Found")
        status = function(*arguments)
        if status:
            raise NVMLError(status, self._meaning(status))

    def _meaning(self, status: int) -> str:
        explain = getattr(self._library, "nvmlErrorString", None)
        if explain is None:
            return ""
        explain.restype = ctypes.c_char_p
        return (explain(status) or b"").decode("utf-8", "replace")
