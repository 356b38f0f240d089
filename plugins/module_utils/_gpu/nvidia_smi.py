# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``nvidia-smi``: its XML, its list, its complaints.

Values that it cannot tell (``[N/A]``, ``Not Supported``, ``ERR!``) become None or empty.
"""

from __future__ import annotations

import dataclasses
import re
import typing as t

from .model import GpuDevice, MigDevice
from .nvidia_answers import CRASHED, PROBLEMS, Answer, bus_id, number
from .probe import CommandResult, Reader

MIB = 1 << 20
QUERY, LIST = ("-q", "-x"), ("-L",)

SENTENCES = (
    # nvidia-smi's words, which stand even where its exit status says only «error».
    ("Driver/library version mismatch", "driver-library-mismatch"),
    ("couldn't communicate with the NVIDIA driver", "driver-not-loaded"),
    ("Driver Not Loaded", "driver-not-loaded"),
    ("GPU is lost", "gpu-lost"),
    ("No devices were found", "nvidia-no-devices"),
    ("Insufficient Permissions", "no-permission"),
    ("couldn't find libnvidia-ml", "library-missing"),
    ("blocked by the operating system", "gpu-blocked"),
    # A card that fell off the bus (Xid 79) shows as «Unknown Error» or «Not Found» there, too.
    ("Unable to determine the device handle", "gpu-lost"),
)

UNKNOWN = ("N/A", "[N/A]", "Not Supported", "[Not Supported]", "ERR!", "Unknown Error", "[Unknown Error]", "Not Found")


def ask_smi(reader: Reader, stack: str, programs: tuple[str, ...]) -> Answer | None:
    """The first nvidia-smi there is: its XML, else its list where that is known; None when the host has none."""
    result = _first(programs, QUERY, lambda argv: reader.command(argv, timeout=30.0))
    answer = None
    if result is not None:
        answer = from_smi(
            result, stack, lambda: _first(programs, LIST, lambda argv: reader.command(argv, timeout=30.0))
        )
    if answer is None or answer.problem in (CRASHED, "nvidia-smi-failed"):
        listed = _first(programs, LIST, reader.known)
        found = () if listed is None else from_list(listed.stdout, stack)
        if listed is not None and found:
            died = answer.message if answer is not None and answer.problem == CRASHED else ""
            return Answer("nvidia-smi -L", found, evidence=_first_line(listed.stdout), crashed=died)
        if answer is None and listed is not None:
            return _refused("nvidia-smi -L", listed)
    return answer


def second_opinion(answer: Answer, result: CommandResult, listed: CommandResult | None) -> Answer:
    """NVML's answer, completed by nvidia-smi's two; where nvidia-smi crashes, that is worth telling, too."""
    other = from_smi(result, answer.devices[0].stack, lambda: listed)
    if other.problem == CRASHED:
        return answer._replace(crashed=other.message)
    same = {key: each for each in other.devices for key in (each.uuid, each.bus_id) if key}
    devices = tuple(_completed(each, same.get(each.uuid) or same.get(each.bus_id)) for each in answer.devices)
    return answer._replace(devices=devices, driver=answer.driver or other.driver)


def _completed(device: GpuDevice, other: GpuDevice | None) -> GpuDevice:
    if other is None:
        return device
    names = ("uuid", "minor", "bus_id", "memory_bytes", "memory_free_bytes", "driver", "mig")
    lacking = [name for name in names if getattr(device, name) in (None, "", ())]
    return dataclasses.replace(device, **{name: getattr(other, name) for name in lacking})


def _first(
    programs: tuple[str, ...], words: tuple[str, ...], ask: t.Callable[[tuple[str, ...]], CommandResult | None]
) -> CommandResult | None:
    """The answer of the first of the programs that there is."""
    answers = (ask((program, *words)) for program in programs)
    return next((answer for answer in answers if answer is not None), None)


def from_smi(result: CommandResult, stack: str, listing: t.Callable[[], CommandResult | None]) -> Answer:
    """``nvidia-smi -q -x``; `listing` is asked for ``nvidia-smi -L`` when MIG is on, for the slices' UUIDs."""
    source = "nvidia-smi -q -x"
    log = _xml(result.stdout)
    gpus = [] if log is None else log.findall("gpu")
    if not gpus:
        return _refused(source, result)
    # R610 renamed what it prints; the new tag is a guess from its banner («KMD Version»).
    driver = _value(log, "driver_version") or _value(log, "kmd_version")
    devices, lost, unified = [], [], []
    for index, gpu in enumerate(gpus):
        if "GPU is lost" in "".join(gpu.itertext()):
            lost.append(index)
        elif _is_unified(gpu):
            unified.append(index)
        devices.append(_device(gpu, index, stack, driver))
    if any(device.mig_enabled and device.mig for device in devices):
        named = listing()
        devices = name_slices(devices, named.stdout if named is not None else "")
    evidence = f"driver_version {driver or '?'}, {len(gpus)} GPUs"
    return Answer(source, tuple(devices), driver, evidence=evidence, lost=tuple(lost), unified=tuple(unified))


def _refused(source: str, result: CommandResult) -> Answer:
    text = result.stdout + result.stderr
    code = next((code for sentence, code in SENTENCES if sentence in text), "")
    if not code and (result.rc < 0 or (result.rc >= 128 and result.rc != 255)):
        code = CRASHED
    code = code or PROBLEMS.get(result.rc, "nvidia-smi-failed")
    lines = [line.strip() for line in (result.stdout + "\n" + result.stderr).splitlines() if line.strip()]
    if any(line.startswith("<") for line in lines):
        message = f"nvidia-smi answered XML without a GPU that can be read (status {result.rc})"
    elif lines:
        message = f"nvidia-smi says: {' '.join(lines)[:300]}"
    else:
        message = f"nvidia-smi ended with status {result.rc} and no word"
    return Answer(source, problem=code, message=message, evidence=f"status {result.rc} {_first_line(text)}".strip())


def _xml(text: str) -> t.Any:
    """The parsed log, or None. The DOCTYPE's file is never fetched: expat loads no external subset by itself."""
    from xml.etree import ElementTree

    if "<!ENTITY" in text:
        return None
    # Around its XML nvidia-smi may warn in plain words («WARNING: infoROM is corrupted at gpu …», status 14).
    log = re.search(r"<nvidia_smi_log\b.*</nvidia_smi_log>", text, re.S)
    try:
        return ElementTree.fromstring(log.group() if log else text)
    except (ElementTree.ParseError, ValueError):
        return None


def _device(gpu: t.Any, index: int, stack: str, driver: str) -> GpuDevice:
    enabled = _value(gpu, "mig_mode/current_mig") == "Enabled"
    slices = [_slice(part) for part in gpu.findall("mig_devices/mig_device")] if enabled else []
    return GpuDevice(
        stack=stack,
        vendor="nvidia",
        name=_value(gpu, "product_name") or "NVIDIA GPU",
        uuid=_value(gpu, "uuid"),
        index=index,
        minor=number(_value(gpu, "minor_number")),
        bus_id=bus_id(gpu.get("id") or _value(gpu, "pci/pci_bus_id")),
        memory_bytes=mebibytes(_value(gpu, "fb_memory_usage/total")),
        memory_free_bytes=mebibytes(_value(gpu, "fb_memory_usage/free")),
        driver=driver,
        mig_enabled=enabled,
        mig=tuple(slices),
    )


def _is_unified(gpu: t.Any) -> bool:
    """GB10 says N/A for its memory and that it shares the CPU's page tables; both alone occur elsewhere."""
    shares = _value(gpu, "addressing_mode") == "ATS" or "GB10" in _value(gpu, "product_name")
    return shares and gpu.find("fb_memory_usage/total") is not None and not _value(gpu, "fb_memory_usage/total")


def _slice(part: t.Any) -> MigDevice:
    return MigDevice(
        name="",
        index=number(_value(part, "index")),
        gpu_instance=number(_value(part, "gpu_instance_id")),
        compute_instance=number(_value(part, "compute_instance_id")),
        memory_bytes=mebibytes(_value(part, "fb_memory_usage/total")),
    )


def from_list(text: str, stack: str) -> tuple[GpuDevice, ...]:
    """GPUs of ``nvidia-smi -L``: ``GPU 0: NVIDIA A100 (UUID: GPU-…)`` with ``  MIG 1g.5gb Device 0: (UUID: MIG-…)`` below."""
    found = re.findall(r"^GPU (\d{1,6}): (.*?) \(UUID: ([^)]+)\)", text, re.M)
    devices = [GpuDevice(stack, "nvidia", name, uuid, int(index)) for index, name, uuid in found]
    slices = _listed_slices(text)
    with_slices = []
    for device in devices:
        own = [
            MigDevice(name, uuid, index=index)
            for (parent, index), (name, uuid) in slices.items()
            if parent == device.uuid
        ]
        with_slices.append(dataclasses.replace(device, mig=tuple(own), mig_enabled=bool(own)))
    return tuple(with_slices)


def name_slices(devices: list[GpuDevice], listing: str) -> list[GpuDevice]:
    """Names and UUIDs of MIG slices from ``nvidia-smi -L``, which the XML does not have."""
    names = _listed_slices(listing)
    named = []
    for device in devices:
        slices = []
        for part in device.mig:
            name, uuid = names.get((device.uuid, -1 if part.index is None else part.index), (part.name, part.uuid))
            slices.append(dataclasses.replace(part, name=name, uuid=uuid))
        named.append(dataclasses.replace(device, mig=tuple(slices)))
    return named


def _listed_slices(listing: str) -> dict[tuple[str, int], tuple[str, str]]:
    """(UUID of the GPU, number of the slice) → (name, UUID of the slice)."""
    names: dict[tuple[str, int], tuple[str, str]] = {}
    parent = ""
    for line in listing.splitlines():
        gpu = re.match(r"GPU \d+: .*\(UUID: ([^)]+)\)", line)
        part = re.match(r"\s+MIG (\S+)\s+Device\s+(\d{1,6}): \(UUID: ([^)]+)\)", line)
        if gpu:
            parent = gpu.group(1)
        elif part:
            names[parent, int(part.group(2))] = (f"MIG {part.group(1)}", part.group(3))
    return names


def mebibytes(text: str) -> int | None:
    """``24564 MiB`` as bytes."""
    found = re.fullmatch(r"([0-9]{1,12}) ?MiB", text)
    return int(found.group(1)) * MIB if found else None


def _value(element: t.Any, path: str) -> str:
    text = (element.findtext(path) or "").strip()
    return "" if text in UNKNOWN or "GPU is lost" in text else text


def _first_line(text: str) -> str:
    return next((line.strip() for line in text.splitlines() if line.strip()), "")[:200]
