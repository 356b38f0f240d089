# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The GPU of a Mac: programs on the Mac use it through Metal, containers cannot.

Containers run in a virtual machine there; what they may get is the matter of `venus`. On a Mac nothing but a tool tells
about GPUs: `system_profiler`, which is asked once.
"""

from __future__ import annotations

import json
import re
import typing as t

from .findings import finding
from .model import GpuDevice, Stack
from .probe import CommandResult, Reader
from .view import Detected, HostView

NAME = "metal"
COMMAND = ("system_profiler", "SPDisplaysDataType", "-json")
MEMORY = ("sysctl", "-n", "hw.memsize")
VENDORS = {"apple": "apple", "amd": "amd", "ati": "amd", "intel": "intel", "nvidia": "nvidia"}
IDS = {"0x106b": "apple", "0x1002": "amd", "0x8086": "intel", "0x10de": "nvidia"}
UNITS = {"KB": 1 << 10, "MB": 1 << 20, "GB": 1 << 30, "TB": 1 << 40}


def detect(view: HostView) -> Detected:
    answer = view.reader.command(COMMAND)
    entries = _entries(answer)
    devices = tuple(_device(view.reader, index, entry) for index, entry in enumerate(entries) if _is_gpu(entry))
    if not devices:
        text = f"What GPU this Mac has is not known: {_why(answer)}"
        found = finding("metal-unknown", text, " ".join(COMMAND), _shown(answer))
        return Detected(Stack(NAME, False, text), (found,))
    names = ", ".join(device.name for device in devices)
    cores = next((_cores(entry) for entry in entries if _cores(entry)), "")
    no_way = finding(
        "metal-not-in-containers",
        f"Programs on this Mac use {names} through Metal; containers run in a virtual machine and cannot",
        " ".join(COMMAND),
        f"sppci_model {names}",
    )
    ready = any(device.ready for device in devices)
    reason = f"macOS drives {names}{cores}" if ready else f"{names} does not support Metal"
    return Detected(Stack(NAME, ready, f"{reason}; containers cannot use Metal", devices), (no_way,))


def _entries(answer: CommandResult | None) -> list[dict[str, t.Any]]:
    try:
        data = json.loads(answer.stdout) if answer is not None else {}
    except (ValueError, RecursionError):
        return []
    entries = data.get("SPDisplaysDataType") if isinstance(data, dict) else None
    return [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []


def _is_gpu(entry: dict[str, t.Any]) -> bool:
    """A frame buffer of a virtual Mac has neither a model nor a vendor we know."""
    return bool(_model(entry)) and (bool(_vendor(entry)) or bool(_text(entry, "sppci_model")))


def _device(reader: Reader, index: int, entry: dict[str, t.Any]) -> GpuDevice:
    vendor = _vendor(entry)
    shared = vendor in ("apple", "intel") or bool(_text(entry, "spdisplays_vram_shared"))
    return GpuDevice(
        NAME,
        vendor,
        _model(entry),
        index=index,
        memory_bytes=_unified(reader) if vendor == "apple" else _memory(entry),
        driver=_metal(entry),
        integrated=shared,
        ready="notsupported" not in _metal(entry).lower().replace("_", "").replace(" ", ""),
    )


def _model(entry: dict[str, t.Any]) -> str:
    """``_name`` is the model, too, or a key of Apple's text tables (kHW_AppleM1Item)."""
    name = _text(entry, "_name")
    table = re.fullmatch(r"kHW_(\w+?)Item", name)
    return _text(entry, "sppci_model") or (table.group(1) if table else name)


def _vendor(entry: dict[str, t.Any]) -> str:
    """``sppci_vendor_Apple``, ``AMD (0x1002)``, ``Intel``; from the model where the vendor is missing."""
    told = _text(entry, "spdisplays_vendor") or _text(entry, "spdisplays_vendor-id")
    number = re.search(r"0x[0-9a-fA-F]{4}", told)
    if number and number.group(0).lower() in IDS:
        return IDS[number.group(0).lower()]
    words = re.findall(r"[a-z]+", f"{told} {_model(entry)}".lower())
    return next((VENDORS[word] for word in words if word in VENDORS), "amd" if "radeon" in words else "")


def _memory(entry: dict[str, t.Any]) -> int | None:
    """``4 GB``, ``1536 MB``; older systems put an underscore before the key (OCSInventory-NG/UnixAgent 170)."""
    for key in ("spdisplays_vram", "_spdisplays_vram", "spdisplays_vram_shared"):
        told = re.search(r"(\d{1,6})\s*(KB|MB|GB|TB)", _text(entry, key))
        if told:
            return int(told.group(1)) * UNITS[told.group(2)]
    return None


def _unified(reader: Reader) -> int | None:
    """Apple's chips share the machine's memory, all of it; Metal advises programs to stay below about three quarters."""
    answer = reader.command(MEMORY)
    text = answer.stdout.strip() if answer is not None else ""
    return int(text) if re.fullmatch(r"[1-9][0-9]{6,15}", text) else None


def _metal(entry: dict[str, t.Any]) -> str:
    """``metal3``: the newest family it supports, under the keys of several releases of macOS."""
    keys = ("spdisplays_mtlgpufamilysupport", "spdisplays_metalfamily", "spdisplays_metal")
    return next((_text(entry, key).replace("spdisplays_", "") for key in keys if _text(entry, key)), "")


def _cores(entry: dict[str, t.Any]) -> str:
    cores = _text(entry, "sppci_cores")
    return f" ({cores} cores)" if re.fullmatch(r"[0-9]{1,4}", cores) else ""


def _text(entry: dict[str, t.Any], key: str) -> str:
    value = entry.get(key)
    return value.strip() if isinstance(value, str) else ""


def _why(answer: CommandResult | None) -> str:
    if answer is None:
        return "system_profiler is not there"
    return f"system_profiler ended with {answer.rc}" if answer.rc else "system_profiler lists none"


def _shown(answer: CommandResult | None) -> str:
    text = "" if answer is None else (answer.stderr.strip() or answer.stdout.strip())
    return text.splitlines()[0][:200] if text else "no output"
