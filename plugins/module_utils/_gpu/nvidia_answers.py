# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The three sources that know NVIDIA GPUs, as one shape: NVML, ``nvidia-smi -q -x`` and procfs.

NVML's error numbers and nvidia-smi's exit statuses are the same numbers (nvml.h; man
nvidia-smi), so one table explains both. Values that a tool cannot tell (``[N/A]``,
``Not Supported``, ``ERR!``) become None or empty.
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass

from .model import GpuDevice, MigDevice
from .probe import CommandResult, Reader

MIB = 1 << 20

PROBLEMS = {
    4: "no-permission",
    6: "nvidia-no-devices",
    9: "driver-not-loaded",
    12: "library-missing",
    15: "gpu-lost",
    18: "driver-library-mismatch",
}

SENTENCES = (
    # nvidia-smi's words, which stand even where its exit status says only «error».
    ("Driver/library version mismatch", "driver-library-mismatch"),
    ("couldn't communicate with the NVIDIA driver", "driver-not-loaded"),
    ("Driver Not Loaded", "driver-not-loaded"),
    ("GPU is lost", "gpu-lost"),
    ("No devices were found", "nvidia-no-devices"),
    ("Insufficient Permissions", "no-permission"),
    ("couldn't find libnvidia-ml", "library-missing"),
)


@dataclass(frozen=True)
class Answer:
    source: str
    """Where it comes from, for findings."""
    devices: tuple[GpuDevice, ...] = ()
    driver: str = ""
    problem: str = ""
    """Code of a finding when the source could not answer."""
    message: str = ""
    lost: tuple[int, ...] = ()
    """Indexes of GPUs that fell off the bus."""


def ask(reader: Reader, stack: str, programs: tuple[str, ...] = ("nvidia-smi",)) -> Answer | None:
    """NVML, else the first nvidia-smi there is; None when the host has neither."""
    answers = reader.nvml()
    if answers is not None and ("error" in answers or isinstance(answers.get("devices"), list)):
        return from_nvml(answers, stack)
    for program in programs:
        result = reader.command((program, "-q", "-x"), timeout=30.0)
        if result is not None:
            return from_smi(result, stack, lambda used=program: reader.command((used, "-L"), timeout=30.0))
    return None


def from_nvml(data: dict[str, t.Any], stack: str) -> Answer:
    """What `nvml.ask` returned, or the same out of a snapshot (whose entries may be anything)."""
    if "error" in data:
        number = _int(data["error"])
        message = f"NVML says {_str(data.get('message')) or number}"
        return Answer(
            "NVML", problem=PROBLEMS.get(number if number is not None else 999, "nvml-failed"), message=message
        )
    driver = _str(data.get("driver"))
    entries = [entry for entry in _list(data.get("devices")) if isinstance(entry, dict)]
    devices, lost = [], []
    for position, entry in enumerate(entries):
        index = _int(entry.get("index"))
        index = position if index is None else index
        errors = entry.get("errors") if isinstance(entry.get("errors"), dict) else {}
        if 15 in errors.values():
            lost.append(index)
        devices.append(_nvml_device(entry, index, stack, driver))
    if not devices:
        return Answer("NVML", driver=driver, problem="nvidia-no-devices", message="NVML knows no GPU")
    return Answer("NVML", tuple(devices), driver, lost=tuple(lost))


def _nvml_device(entry: dict[str, t.Any], index: int, stack: str, driver: str) -> GpuDevice:
    slices = [part for part in _list(entry.get("mig")) if isinstance(part, dict)]
    return GpuDevice(
        stack=stack,
        vendor="nvidia",
        name=_str(entry.get("name")) or "NVIDIA GPU",
        uuid=_str(entry.get("uuid")),
        index=index,
        minor=_int(entry.get("minor")),
        bus_id=bus_id(_str(entry.get("bus_id"))),
        memory_bytes=_int(entry.get("memory_total")),
        memory_free_bytes=_int(entry.get("memory_free")),
        driver=driver,
        compute_capability=_str(entry.get("compute_capability")),
        mig_enabled=entry.get("mig_enabled") is True,
        mig=tuple(
            MigDevice(
                name=_str(part.get("name")),
                uuid=_str(part.get("uuid")),
                gpu_instance=_int(part.get("gpu_instance")),
                compute_instance=_int(part.get("compute_instance")),
                memory_bytes=_int(part.get("memory_total")),
                index=_int(part.get("index")),
            )
            for part in slices
        ),
    )


def from_smi(result: CommandResult, stack: str, listing: t.Callable[[], CommandResult | None]) -> Answer:
    """``nvidia-smi -q -x``; `listing` is asked for ``nvidia-smi -L`` when MIG is on, for the slices' UUIDs."""
    source = "nvidia-smi -q -x"
    log = _xml(result.stdout)
    gpus = [] if log is None else log.findall("gpu")
    if not gpus:
        return Answer(source, problem=_smi_problem(result), message=_smi_message(result))
    driver = _value(log, "driver_version")
    devices, lost = [], []
    for index, gpu in enumerate(gpus):
        if "GPU is lost" in "".join(gpu.itertext()):
            lost.append(index)
        devices.append(_smi_device(gpu, index, stack, driver))
    if any(device.mig_enabled and device.mig for device in devices):
        named = listing()
        devices = name_slices(devices, named.stdout if named is not None else "")
    return Answer(source, tuple(devices), driver, lost=tuple(lost))


def _smi_problem(result: CommandResult) -> str:
    text = result.stdout + result.stderr
    for sentence, code in SENTENCES:
        if sentence in text:
            return code
    if result.rc < 0 or result.rc >= 128 and result.rc != 255:
        return "nvidia-smi-crashed"
    return PROBLEMS.get(result.rc, "nvidia-smi-failed")


def _smi_message(result: CommandResult) -> str:
    lines = [line.strip() for line in (result.stdout + "\n" + result.stderr).splitlines() if line.strip()]
    if any(line.startswith("<") for line in lines):
        return f"nvidia-smi answered XML without a GPU that can be read (status {result.rc})"
    return (
        f"nvidia-smi says: {' '.join(lines)[:300]}"
        if lines
        else f"nvidia-smi ended with status {result.rc} and no word"
    )


def _xml(text: str) -> t.Any:
    """The parsed log, or None. The DOCTYPE's file is never fetched: expat loads no external subset by itself."""
    from xml.etree import ElementTree

    if "<!ENTITY" in text:
        return None
    try:
        return ElementTree.fromstring(text)
    except (ElementTree.ParseError, ValueError):
        return None


def _smi_device(gpu: t.Any, index: int, stack: str, driver: str) -> GpuDevice:
    enabled = _value(gpu, "mig_mode/current_mig") == "Enabled"
    slices = [_smi_slice(part) for part in gpu.findall("mig_devices/mig_device")] if enabled else []
    return GpuDevice(
        stack=stack,
        vendor="nvidia",
        name=_value(gpu, "product_name") or "NVIDIA GPU",
        uuid=_value(gpu, "uuid"),
        index=index,
        minor=_number(_value(gpu, "minor_number")),
        bus_id=bus_id(gpu.get("id") or _value(gpu, "pci/pci_bus_id")),
        memory_bytes=mebibytes(_value(gpu, "fb_memory_usage/total")),
        memory_free_bytes=mebibytes(_value(gpu, "fb_memory_usage/free")),
        driver=driver,
        mig_enabled=enabled,
        mig=tuple(slices),
    )


def _smi_slice(part: t.Any) -> MigDevice:
    return MigDevice(
        name="",
        index=_number(_value(part, "index")),
        gpu_instance=_number(_value(part, "gpu_instance_id")),
        compute_instance=_number(_value(part, "compute_instance_id")),
        memory_bytes=mebibytes(_value(part, "fb_memory_usage/total")),
    )


def name_slices(devices: list[GpuDevice], listing: str) -> list[GpuDevice]:
    """Names and UUIDs of MIG slices from ``nvidia-smi -L``: ``  MIG 1g.5gb Device 0: (UUID: MIG-…)`` below its GPU."""
    import dataclasses

    names: dict[tuple[str, int], tuple[str, str]] = {}
    parent = ""
    for line in listing.splitlines():
        gpu = re.match(r"GPU \d+: .*\(UUID: ([^)]+)\)", line)
        part = re.match(r"\s+MIG (\S+)\s+Device\s+(\d+): \(UUID: ([^)]+)\)", line)
        if gpu:
            parent = gpu.group(1)
        elif part:
            names[parent, int(part.group(2))] = (f"MIG {part.group(1)}", part.group(3))
    named = []
    for device in devices:
        slices = []
        for part in device.mig:
            name, uuid = names.get((device.uuid, -1 if part.index is None else part.index), (part.name, part.uuid))
            slices.append(dataclasses.replace(part, name=name, uuid=uuid))
        named.append(dataclasses.replace(device, mig=tuple(slices)))
    return named


def from_procfs(reader: Reader, stack: str) -> Answer | None:
    """What the kernel module says: names, UUIDs and minors, no memory. None when it is not loaded."""
    version = kernel_version(reader)
    if version is None:
        return None
    devices = []
    for index, address in enumerate(reader.directory("/proc/driver/nvidia/gpus") or ()):
        text = reader.file(f"/proc/driver/nvidia/gpus/{address}/information") or ""
        lines = dict(line.partition(":")[::2] for line in text.splitlines())
        values = {key.strip(): value.strip() for key, value in lines.items()}
        uuid = values.get("GPU UUID", "")
        devices.append(
            GpuDevice(
                stack=stack,
                vendor="nvidia",
                name=values.get("Model") or "NVIDIA GPU",
                uuid="" if "?" in uuid else uuid,
                index=index,
                minor=_number(values.get("Device Minor", "")),
                bus_id=bus_id(values.get("Bus Location") or address),
                driver=version,
            )
        )
    return Answer("/proc/driver/nvidia/gpus", tuple(devices), version)


def kernel_version(reader: Reader) -> str | None:
    """Version of the loaded kernel module (format: open-gpu-kernel-modules nv-procfs.c); empty if it is not understood."""
    text = reader.file("/proc/driver/nvidia/version")
    if text is None:
        return None
    found = re.search(r"Kernel Module(?: for \S+)?\s+(\d+\.\d+(?:\.\d+)?)", text)
    return found.group(1) if found else ""


def bus_id(text: str) -> str:
    """``00000000:01:00.0`` and ``0000:01:00.0`` are the same card; sysfs writes the short one in lower case."""
    found = re.fullmatch(r"(?:0000)?([0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-9a-f])", text.strip().lower())
    return found.group(1) if found else text.strip().lower()


def mebibytes(text: str) -> int | None:
    """``24564 MiB`` as bytes."""
    found = re.fullmatch(r"([0-9]{1,12}) MiB", text)
    return int(found.group(1)) * MIB if found else None


def _value(element: t.Any, path: str) -> str:
    text = (element.findtext(path) or "").strip()
    return (
        ""
        if text in ("N/A", "[N/A]", "Not Supported", "[Not Supported]", "ERR!", "Unknown Error")
        or "GPU is lost" in text
        else text
    )


def _number(text: str) -> int | None:
    return int(text) if re.fullmatch(r"[0-9]{1,9}", text) else None


def _int(value: t.Any) -> int | None:
    # NVML's «not available» for sizes is all ones.
    good = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < (1 << 64) - 1
    return value if good else None


def _str(value: t.Any) -> str:
    return value if isinstance(value, str) else ""


def _list(value: t.Any) -> list[t.Any]:
    return value if isinstance(value, list) else []
