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
from .model import GpuDevice, Stack
from .nvidia import follow
from .nvidia_answers import ask
from .view import Detected, HostView, device_node

NAME = "nvidia-wsl"
DXG = "/dev/dxg"
LIBRARIES = "/usr/lib/wsl/lib"
SMI = (f"{LIBRARIES}/nvidia-smi", "nvidia-smi")
"""The absolute path first: neither root's nor Ansible's PATH has the directory."""
SHADOWS = (
    "/usr/lib/x86_64-linux-gnu/libcuda.so.1",
    "/usr/lib64/libcuda.so.1",
    "/usr/lib/aarch64-linux-gnu/libcuda.so.1",
)


def detect(view: HostView) -> Detected:
    """Nothing outside WSL2 (or a container that was given its device)."""
    dxg = device_node(view.reader, DXG)
    if view.platform != "wsl2" and not (view.platform == "container" and dxg is not None):
        return Detected()
    names = view.reader.directory(LIBRARIES) or ()
    nvidia = any(re.match(r"nvidia-smi$|libcuda\.so|libnvidia-ml\.so", name) for name in names)
    if dxg is None:
        found = finding("wsl-no-dxg", f"{DXG} is not there: Windows gives this distribution no GPU", DXG)
        return Detected(_no(found, ()) if nvidia else None, (found,))
    if not nvidia and view.platform == "wsl2":
        return Detected(None, (finding("wsl-no-nvidia", f"{LIBRARIES} holds no NVIDIA library", LIBRARIES),))
    node = view.reader.node(DXG)
    if node is None or not view.user.may_open(node):
        text = f"{DXG} has mode {dxg.mode} and group {dxg.gid}; user {view.user.uid} may not open it"
        found = finding("no-permission", text, DXG, group=str(dxg.gid))
        return Detected(_no(found, ()), (found,))
    return _asked(view)


def _asked(view: HostView) -> Detected:
    answer = ask(view.reader, NAME, SMI)
    warnings = tuple(_warnings(view))
    if answer is None:
        found = finding("library-missing", f"Neither nvidia-smi nor NVML is in {LIBRARIES}", LIBRARIES)
        return Detected(_no(found, ()), (found, *warnings))
    if answer.problem:
        found = finding(
            answer.problem,
            answer.message,
            answer.source,
            **({"group": "of /dev/dxg"} if answer.problem == "no-permission" else {}),
        )
        return Detected(_no(found, ()), (found, *warnings))
    dxg = device_node(view.reader, DXG)
    nodes = (dxg,) if dxg is not None else ()
    devices = tuple(
        dataclasses.replace(device, nodes=nodes, minor=None, ready=device.index not in answer.lost)
        for device in answer.devices
    )
    lost = tuple(
        finding("gpu-lost", f"The GPU {device.name} no longer answers", answer.source)
        for device in devices
        if not device.ready
    )
    ready = sum(device.ready for device in devices)
    reason = f"Windows driver {answer.driver or 'of unknown version'} answers for {ready} of {len(devices)} GPUs ({answer.source})"
    return Detected(Stack(NAME, ready > 0, reason if ready else lost[0].message, devices), (*lost, *warnings))


def _no(found: Finding, devices: tuple[GpuDevice, ...]) -> Stack:
    return Stack(NAME, False, found.message, devices)


def _warnings(view: HostView) -> list[Finding]:
    """What makes CUDA programs fail although nvidia-smi works."""
    if view.platform != "wsl2":
        return []
    warnings = []
    for path in SHADOWS:
        target = follow(view.reader, path)
        if re.search(r"libcuda\.so\.\d+\.\d+", target):
            text = f"{path} is a Linux driver's library ({target.rpartition('/')[2]})"
            warnings.append(
                finding(
                    "wsl-linux-driver", text, path, remove="apt-get purge 'libcuda1*' 'cuda-drivers*' 'nvidia-driver-*'"
                )
            )
    listed = view.reader.directory("/etc/ld.so.conf.d")
    if listed is not None and "ld.wsl.conf" not in listed:
        warnings.append(
            finding("wsl-loader-path", f"The loader does not know {LIBRARIES}", "/etc/ld.so.conf.d/ld.wsl.conf")
        )
    return warnings
