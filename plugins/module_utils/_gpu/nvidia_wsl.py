# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""NVIDIA GPUs under WSL2: Windows' driver, reached through /dev/dxg and the libraries in /usr/lib/wsl/lib.

There is no kernel module and no /dev/nvidia*; the driver version is Windows' and never
part of a library's file name (NVIDIA «CUDA on WSL» guide; microsoft/WSL).
"""

from __future__ import annotations

import dataclasses
import re

from .findings import Finding, finding
from .model import DeviceNode, GpuDevice, Stack
from .nvidia_answers import Answer, ask, crash
from .nvidia_driver import libraries, shadows
from .probe import Reader
from .render import closed
from .view import Detected, HostView, device_node

NAME = "nvidia-wsl"
DXG = "/dev/dxg"
LIBRARIES = "/usr/lib/wsl/lib"
SMI = (f"{LIBRARIES}/nvidia-smi", "nvidia-smi")
"""The absolute path first: neither root's nor Ansible's PATH has the directory."""


def detect(view: HostView) -> Detected:
    """Nothing outside WSL2 (or a container that was given its device)."""
    dxg = device_node(view.reader, DXG)
    if view.platform != "wsl2" and not (view.platform == "container" and dxg is not None):
        return Detected()
    names = view.reader.directory(LIBRARIES) or ()
    nvidia = [name for name in names if re.match(r"nvidia-smi$|libcuda\.so|libnvidia-ml\.so", name)]
    if dxg is None:
        text = f"{DXG} is not there: Windows gives this distribution no GPU"
        found = finding("wsl-no-dxg", text, DXG, evidence=f"{DXG}: no such device node")
        return Detected(_no(found) if nvidia else None, (found,))
    if not nvidia and view.platform == "wsl2" and not _told(view.reader):
        text, evidence = f"{LIBRARIES} holds no NVIDIA library", f"it holds {', '.join(names[:8]) or 'nothing'}"
        return Detected(None, (finding("wsl-no-nvidia", text, LIBRARIES, evidence=evidence),))
    node = view.reader.node(DXG)
    if node is None or not view.user.may_open(node):
        found = closed(view, DXG)
        return Detected(_no(found), (found,))
    return _asked(view, dxg)


def _told(reader: Reader) -> bool:
    """A snapshot may hold answers and not where they came from."""
    known = (reader.known((program, *words)) for program in SMI for words in (("-q", "-x"), ("-L",)))
    return any(known) or (reader.directory(LIBRARIES) is None and bool(reader.nvml()))


def _asked(view: HostView, dxg: DeviceNode) -> Detected:
    answer = ask(view.reader, NAME, SMI)
    if answer is None:
        text = f"Neither nvidia-smi nor NVML of {LIBRARIES} answers"
        evidence = f"no answer of {SMI[0]} or libnvidia-ml.so.1"
        found = finding("wsl-driver-silent", text, LIBRARIES, evidence=evidence)
        return Detected(_no(found), (found, *_warnings(view)))
    if answer.problem:
        problems = _problems(answer, dxg)
        return Detected(_no(problems[0]), (*problems, *_warnings(view)))
    return _checked(view, answer, dxg)


def _problems(answer: Answer, dxg: DeviceNode) -> list[Finding]:
    values = {"group": str(dxg.gid)} if answer.problem == "no-permission" else {}
    evidence = answer.evidence or answer.message
    found = [finding(answer.problem, answer.message, answer.source, evidence=evidence, **values)]
    if answer.problem == "nvidia-smi-crashed":
        text = "Neither NVML nor CUDA proves that the GPU works"
        found.append(finding("gpu-unproven", text, "libcuda.so.1", evidence=f"{evidence}; no answer of libcuda"))
    return found


def _checked(view: HostView, answer: Answer, dxg: DeviceNode) -> Detected:
    # Windows' driver has no minor numbers; what NVML says for one means nothing here.
    devices = tuple(
        dataclasses.replace(device, nodes=(dxg,), minor=None, ready=device.index not in answer.lost)
        for device in answer.devices
    )
    found = [
        finding(
            "gpu-lost",
            f"The GPU {device.name} no longer answers",
            answer.source,
            evidence=f"GPU {device.index}: GPU is lost",
        )
        for device in devices
        if not device.ready
    ]
    if answer.crashed:
        found.append(crash(answer))
    ready = [device for device in devices if device.ready]
    if ready and all(device.memory_bytes is None for device in ready):
        text = "Nothing on this host says how much memory its GPUs have"
        evidence = answer.evidence or f"{len(ready)} GPUs without a size"
        found.append(finding("memory-unknown", text, answer.source, evidence=evidence))
    driver = f"Windows driver {answer.driver}" if answer.driver else "Windows' driver"
    reason = f"{driver} answers for {len(ready)} of {len(devices)} GPUs ({answer.source})"
    stack = Stack(NAME, bool(ready), reason if ready else found[0].message, devices)
    return Detected(stack, (*found, *_warnings(view), *_containers(view, ready)))


def _containers(view: HostView, ready: list[GpuDevice]) -> list[Finding]:
    if not ready or view.platform != "wsl2":
        return []
    from .toolkit import look

    return look(view)


def _no(found: Finding) -> Stack:
    return Stack(NAME, False, found.message)


def _warnings(view: HostView) -> list[Finding]:
    """What makes CUDA programs fail although nvidia-smi works."""
    if view.platform != "wsl2":
        return shadows(view.reader)
    warnings = []
    for version, path in libraries(view.reader).items():
        if version.startswith("1."):
            continue  # a link to Windows' own libcuda.so.1.1, as people make them
        text = f"{path} is a Linux driver's library ({version})"
        remove = "apt-get purge 'libcuda1*' 'cuda-drivers*' 'nvidia-driver-*'"
        warnings.append(finding("wsl-linux-driver", text, path, evidence=f"{path} → {version}", remove=remove))
    listed = view.reader.directory("/etc/ld.so.conf.d")
    if listed is not None and "ld.wsl.conf" not in listed:
        text, path = f"The loader does not know {LIBRARIES}", "/etc/ld.so.conf.d/ld.wsl.conf"
        evidence = f"not among {', '.join(listed[:8]) or 'no entries'}"
        warnings.append(finding("wsl-loader-path", text, path, evidence=evidence))
    return [*warnings, *shadows(view.reader)]
