# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""NVML as plain data, through `pynvml` (nvidia-ml-py) where that is installed, else through our own few lines of ctypes.

The answers go into snapshots as they are. A field that NVML refuses stands as null, with
the refusal's number under `errors`; error numbers are NVML's (nvml.h, nvmlReturn_t).
"""

from __future__ import annotations

import os
import typing as t

NOT_SUPPORTED, NO_PERMISSION, DRIVER_NOT_LOADED, LIBRARY_NOT_FOUND, FUNCTION_NOT_FOUND = 3, 4, 9, 12, 13
GPU_IS_LOST, OPERATING_SYSTEM, MISMATCH = 15, 17, 18

SECONDS = 30.0
"""Longest wait. NVML starts in well under a second; the first call after boot may load GSP firmware, which takes some."""


def ask_host(binding: t.Any = None) -> dict[str, t.Any] | None:
    """`ask` on this host, without being taken along by a library that crashes (WSL2) or is silent (`guarded.py`)."""
    from .guarded import in_child, in_thread

    guard = in_child if os.path.exists("/dev/dxg") else in_thread
    return guard(lambda: _first(binding), SECONDS)


def _first(binding: t.Any) -> dict[str, t.Any] | None:
    """The first binding's answer that is one. pynvml knows no other place than the loader's, and no old driver's symbols."""
    answer = None
    for load in (lambda: binding,) if binding is not None else (_pynvml, _own):
        found = load()
        answer = answer if found is None else ask(found)
        if answer is not None and answer.get("error") != FUNCTION_NOT_FOUND:
            break
    return answer


def _pynvml() -> t.Any:
    try:
        import pynvml
    except ImportError:
        return None
    return pynvml


def _own() -> t.Any:
    from .nvml_library import load

    return load()


def ask(nvml: t.Any) -> dict[str, t.Any] | None:
    """Everything detection needs, in one NVML session.

    Returns ``{driver, library, cuda, devices: [{index, name, uuid, minor, bus_id, memory_total, memory_free,
    compute_capability, mig_enabled, mig: […], errors: {field: number}}]}``,
    ``{error: number, message}`` when NVML does not start, or None when its library is missing.
    Sizes are bytes; cuda is the driver's highest CUDA version ×1000 (12080 is 12.8).
    """
    try:
        nvml.nvmlInit()
    except nvml.NVMLError as error:
        number = _number(error)
        return None if number == LIBRARY_NOT_FOUND else {"error": number, "message": str(error)}
    try:
        return _session(nvml)
    except nvml.NVMLError as error:
        return {"error": _number(error), "message": str(error)}
    finally:
        nvml.nvmlShutdown()


def _session(nvml: t.Any) -> dict[str, t.Any]:
    errors: dict[str, int] = {}
    return {
        "driver": _field(nvml, errors, "driver", lambda: _text(nvml.nvmlSystemGetDriverVersion())),
        "library": _field(nvml, errors, "library", lambda: _text(nvml.nvmlSystemGetNVMLVersion())),
        "cuda": _field(nvml, errors, "cuda", lambda: int(nvml.nvmlSystemGetCudaDriverVersion_v2())),
        "devices": [_device(nvml, index) for index in range(nvml.nvmlDeviceGetCount())],
    }


def _device(nvml: t.Any, index: int) -> dict[str, t.Any]:
    errors: dict[str, int] = {}
    handle = _field(nvml, errors, "handle", lambda: nvml.nvmlDeviceGetHandleByIndex(index))
    answer: dict[str, t.Any] = {"index": index, "errors": errors}
    if handle is None:
        return answer
    pci = _field(nvml, errors, "bus_id", lambda: nvml.nvmlDeviceGetPciInfo(handle))
    memory = _field(nvml, errors, "memory", lambda: nvml.nvmlDeviceGetMemoryInfo(handle))
    capability = _field(nvml, errors, "compute_capability", lambda: nvml.nvmlDeviceGetCudaComputeCapability(handle))
    mode = _field(nvml, errors, "mig", lambda: nvml.nvmlDeviceGetMigMode(handle))
    enabled = bool(mode and mode[0])
    answer.update(
        name=_field(nvml, errors, "name", lambda: _text(nvml.nvmlDeviceGetName(handle))),
        uuid=_field(nvml, errors, "uuid", lambda: _text(nvml.nvmlDeviceGetUUID(handle))),
        minor=_field(nvml, errors, "minor", lambda: nvml.nvmlDeviceGetMinorNumber(handle)),
        bus_id=_text(pci.busId) if pci is not None else None,
        memory_total=memory.total if memory is not None else None,
        memory_free=memory.free if memory is not None else None,
        compute_capability=f"{capability[0]}.{capability[1]}" if capability else None,
        mig_enabled=enabled,
        mig=_slices(nvml, handle) if enabled else [],
    )
    return answer


def _slices(nvml: t.Any, parent: t.Any) -> list[dict[str, t.Any]]:
    errors: dict[str, int] = {}
    slices = []
    for index in range(_field(nvml, errors, "count", lambda: nvml.nvmlDeviceGetMaxMigDeviceCount(parent)) or 0):
        handle = _field(nvml, errors, f"slice {index}", lambda: nvml.nvmlDeviceGetMigDeviceHandleByIndex(parent, index))  # noqa: B023
        if handle is not None:
            slices.append(_slice(nvml, handle, index))
    return slices


def _slice(nvml: t.Any, handle: t.Any, index: int) -> dict[str, t.Any]:
    errors: dict[str, int] = {}
    memory = _field(nvml, errors, "memory", lambda: nvml.nvmlDeviceGetMemoryInfo(handle))
    return {
        "index": index,
        "name": _field(nvml, errors, "name", lambda: _text(nvml.nvmlDeviceGetName(handle))),
        "uuid": _field(nvml, errors, "uuid", lambda: _text(nvml.nvmlDeviceGetUUID(handle))),
        "gpu_instance": _field(nvml, errors, "gi", lambda: nvml.nvmlDeviceGetGpuInstanceId(handle)),
        "compute_instance": _field(nvml, errors, "ci", lambda: nvml.nvmlDeviceGetComputeInstanceId(handle)),
        "memory_total": memory.total if memory is not None else None,
    }


def _field(nvml: t.Any, errors: dict[str, int], name: str, call: t.Callable[[], t.Any]) -> t.Any:
    try:
        return call()
    except AttributeError:
        # An old release of the binding that does not know the call.
        errors[name] = FUNCTION_NOT_FOUND
        return None
    except nvml.NVMLError as error:
        errors[name] = _number(error)
        return None


def _number(error: t.Any) -> int:
    return int(getattr(error, "value", 999))


def _text(value: t.Any) -> str:
    # Bindings before 11.515 return bytes.
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
