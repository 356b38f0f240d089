# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sources that know NVIDIA GPUs, as one shape, and their order of trust.

NVML first: the driver itself, without a process. Then nvidia-smi, which asks NVML. Then libcuda, which knows less and
is slow, but works where NVML crashes (WSL2). What the kernel module says in procfs is in `nvidia_procfs.py`.
NVML's error numbers and nvidia-smi's exit statuses are the same numbers (nvml.h; man nvidia-smi), so one table
explains both.
"""

from __future__ import annotations

import re
import typing as t

from .findings import Finding, finding
from .model import GpuDevice, MigDevice
from .probe import Reader

NOT_SUPPORTED, LOST = 3, 15

PROBLEMS = {
    4: "no-permission",
    6: "nvidia-no-devices",
    9: "driver-not-loaded",
    12: "library-missing",
    15: "gpu-lost",
    17: "gpu-blocked",
    18: "driver-library-mismatch",
    124: "driver-silent",
}
"""124 is no number of NVML's: `guarded.py` and the commands' time limit use it for «no answer»."""

CRASHED = "nvidia-smi-crashed"


class Answer(t.NamedTuple):
    source: str
    """Where it comes from, for findings."""
    devices: tuple[GpuDevice, ...] = ()
    driver: str = ""
    problem: str = ""
    """Code of a finding when the source could not answer."""
    message: str = ""
    evidence: str = ""
    """What the source said: its error, or how many GPUs it listed."""
    lost: tuple[int, ...] = ()
    """Indexes of GPUs that fell off the bus."""
    unified: tuple[int, ...] = ()
    """Indexes of GPUs that have no memory of their own but use the machine's (GB10)."""
    crashed: str = ""
    """What another source died of, where this one answers all the same."""


def ask(reader: Reader, stack: str, programs: tuple[str, ...] = ("nvidia-smi",)) -> Answer | None:
    """The best source's answer; None when the host has none of them. A problem is an answer, too."""
    answers = reader.nvml()
    answer = None
    if answers is not None and ("error" in answers or isinstance(answers.get("devices"), list)):
        answer = from_nvml(answers, stack)
    if answer is None:
        from .nvidia_smi import ask_smi

        answer = ask_smi(reader, stack, programs)
    elif not answer.problem:
        known = (reader.known((program, "-q", "-x")) for program in programs)
        told = next((result for result in known if result is not None), None)
        if told is not None:
            from .nvidia_smi import second_opinion

            answer = second_opinion(answer, told, reader.known((programs[-1], "-L")))
    if answer is not None and answer.problem != CRASHED:
        return answer
    return _from_cuda(reader.cuda(), stack, answer) or answer


def from_nvml(data: dict[str, t.Any], stack: str) -> Answer:
    """What `nvml.ask` returned, or the same out of a snapshot (whose entries may be anything)."""
    if "error" in data:
        return _refused(data)
    driver = string(data.get("driver")) or string(data.get("driver_version"))
    entries = [entry for entry in _list(data.get("devices")) if isinstance(entry, dict)]
    devices, lost, unified = [], [], []
    for position, entry in enumerate(entries):
        index = integer(entry.get("index"))
        index = position if index is None else index
        errors = entry.get("errors") if isinstance(entry.get("errors"), dict) else {}
        if LOST in errors.values():
            lost.append(index)
        elif errors.get("memory") == NOT_SUPPORTED:
            # Discrete GPUs always tell; GB10 never does (docs.nvidia.com/dgx/dgx-spark, known issues).
            unified.append(index)
        devices.append(_nvml_device(entry, index, stack, driver))
    evidence = f"nvmlDeviceGetCount: {len(devices)}"
    if not devices:
        return Answer(
            "NVML", driver=driver, problem="nvidia-no-devices", message="NVML knows no GPU", evidence=evidence
        )
    return Answer("NVML", tuple(devices), driver, evidence=evidence, lost=tuple(lost), unified=tuple(unified))


def _refused(data: dict[str, t.Any]) -> Answer:
    number, words = data["error"], string(data.get("message"))
    if isinstance(number, int) and number < 0:
        message = f"NVML crashed: {words or f'killed by signal {-number}'}"
        return Answer("NVML", problem=CRASHED, message=message, evidence=f"signal {-number}")
    number = integer(number)
    problem = PROBLEMS.get(999 if number is None else number, "nvml-failed")
    evidence = f"error {number}" if number is not None else f"error {data['error']!r}"
    message = f"{'The driver is silent' if problem == 'driver-silent' else 'NVML says'}: {words or number}"
    return Answer("NVML", problem=problem, message=message, evidence=evidence)


def _nvml_device(entry: dict[str, t.Any], index: int, stack: str, driver: str) -> GpuDevice:
    slices = [part for part in _list(entry.get("mig")) if isinstance(part, dict)]
    # As NVML groups it, in snapshots of other makers.
    memory = entry.get("memory") if isinstance(entry.get("memory"), dict) else {}
    return GpuDevice(
        stack=stack,
        vendor="nvidia",
        name=string(entry.get("name")) or "NVIDIA GPU",
        uuid=string(entry.get("uuid")),
        index=index,
        minor=integer(entry.get("minor")),
        bus_id=bus_id(string(entry.get("bus_id"))),
        memory_bytes=integer(entry.get("memory_total", memory.get("total"))),
        memory_free_bytes=integer(entry.get("memory_free", memory.get("free"))),
        driver=driver,
        compute_capability=string(entry.get("compute_capability")),
        mig_enabled=entry.get("mig_enabled") is True,
        mig=tuple(
            MigDevice(
                name=string(part.get("name")),
                uuid=string(part.get("uuid")),
                gpu_instance=integer(part.get("gpu_instance")),
                compute_instance=integer(part.get("compute_instance")),
                memory_bytes=integer(part.get("memory_total")),
                index=integer(part.get("index")),
            )
            for part in slices
        ),
    )


def _from_cuda(data: dict[str, t.Any] | None, stack: str, before: Answer | None) -> Answer | None:
    """What `libcuda.ask` returned, in place of a source that crashed or is missing. None: it does not help either."""
    entries = [entry for entry in _list((data or {}).get("devices")) if isinstance(entry, dict)]
    if not entries:
        return None
    devices = tuple(
        GpuDevice(
            stack=stack,
            vendor="nvidia",
            name=string(entry.get("name")) or "NVIDIA GPU",
            uuid=string(entry.get("uuid")),
            index=position,
            bus_id=bus_id(string(entry.get("bus_id"))),
            memory_bytes=integer(entry.get("memory_total")),
            compute_capability=string(entry.get("compute_capability")),
        )
        for position, entry in enumerate(entries)
    )
    evidence = f"cuInit: 0, cuDeviceGetCount: {len(devices)}"
    return Answer("libcuda", devices, evidence=evidence, crashed="" if before is None else before.message)


def crash(answer: Answer) -> Finding:
    """A source that died, where another answers all the same."""
    source = "nvidia-smi" if answer.crashed.startswith("nvidia-smi") else "NVML"
    text = f"{answer.crashed}; {answer.source} answers all the same"
    return finding(CRASHED, text, source, evidence=f"{answer.crashed}; {answer.evidence}")


def bus_id(text: str) -> str:
    """``00000000:01:00.0`` and ``0000:01:00.0`` are the same card; sysfs writes the short one in lower case."""
    found = re.fullmatch(r"(?:0000)?([0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-9a-f])", text.strip().lower())
    return found.group(1) if found else text.strip().lower()


def integer(value: t.Any) -> int | None:
    """A count or size as tools give them; None for anything else."""
    # NVML's «not available» for sizes is all ones, of 32 bits for numbers.
    good = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < (1 << 64) - 1
    return value if good and value != (1 << 32) - 1 else None


def number(text: str) -> int | None:
    return int(text) if re.fullmatch(r"[0-9]{1,9}", text) else None


def string(value: t.Any) -> str:
    return value if isinstance(value, str) else ""


def _list(value: t.Any) -> list[t.Any]:
    return value if isinstance(value, list) else []
