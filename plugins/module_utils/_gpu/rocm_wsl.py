# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AMD GPUs under WSL2: Windows' driver, reached through /dev/dxg and a library of ROCm's.

There is no amdgpu, no /dev/kfd and nothing in sysfs. What shows an AMD GPU is its driver's directory
among Windows' (Windows keeps the directories of earlier drivers, too), a library that only serves AMD
GPUs under WSL, or rocminfo. Unlike rocm, the library is a matter of the host: it has to match Windows'
driver, and containers get it from here (ROCm, «Use ROCm on Radeon and Ryzen», WSL; ROCm/librocdxg).
"""

from __future__ import annotations

import re

from .findings import Finding, finding
from .model import DeviceNode, GpuDevice, Stack
from .probe import Reader
from .render import refused
from .rocminfo import Agent, Opinion, ask
from .view import Card, Detected, HostView, device_node

NAME = "rocm-wsl"
DXG = "/dev/dxg"
DRIVERS = "/usr/lib/wsl/drivers"
WINDOWS_LIBRARIES = "/usr/lib/wsl/lib"

AMD_DRIVER = re.compile(r"(?:u0|c0|cu0)\d{6}\.inf_amd64_[0-9a-f]+", re.I)
"""Adrenalin's display driver, e.g. ``u0198633.inf_amd64_f6ca42135bb94c90``; c0… are PC makers' (a guess).

Other directories with «amd» in their names are chipset drivers, or say only the processor's architecture.
"""

ROCDXG = "librocdxg.so"
"""ROCm 7.1 and newer (ROCm/librocdxg)."""

HSA = "libhsa-runtime64.so"
"""Up to ROCm 6.4 this one has a build of its own for WSL, in a package of its own."""

HSA_PACKAGE = "/var/lib/dpkg/info/hsa-runtime-rocr4wsl-amdgpu.list"

PLACES = ("/opt/rocm/lib", "/opt/rocm/lib64", "/opt/rocm-wsl/lib", "/usr/lib", "/usr/local/lib")


def detect(view: HostView) -> Detected:
    """Nothing where nothing shows an AMD GPU, as on every WSL2 host with another vendor's."""
    if view.platform not in ("wsl2", "container"):
        return Detected()
    dxg = device_node(view.reader, DXG)
    opinion = ask(view.reader) if dxg is not None else Opinion()
    drivers = view.reader.directory(DRIVERS) or ()
    shown = bool(opinion.agents) or any(AMD_DRIVER.match(name) for name in drivers)
    if drivers and not shown:
        return Detected()
    places = _places(view.reader)
    rocdxg, hsa = _find(view.reader, places, ROCDXG), _wsl_hsa(view.reader, places)
    if not shown and (_has_nvidia(view.reader) or not (rocdxg or hsa)):
        return Detected()
    if dxg is None:
        # nvidia_wsl.py says so of every WSL2 host, whose GPU ever it would be.
        text = f"{DXG} is not there: Windows gives this distribution no GPU"
        return Detected(Stack(NAME, False, text)) if view.platform == "wsl2" else Detected()
    problem = _problem(view, rocdxg or hsa, opinion)
    devices = _devices(view, dxg, opinion, problem is None)
    findings = [problem] if problem is not None else []
    if problem is None and all(device.memory_bytes is None for device in devices):
        text = "Under WSL2 only rocminfo knows how much memory AMD GPUs have, and it was not asked"
        findings.append(finding("memory-unknown", text, "rocminfo", "no answer of rocminfo"))
    proof = f"{rocdxg or hsa} are there" if rocdxg or hsa else "rocminfo's GPUs are there"
    reason = problem.message if problem is not None else f"{DXG} and {proof}"
    return Detected(Stack(NAME, problem is None, reason, devices, library=rocdxg or hsa), tuple(findings))


def _has_nvidia(reader: Reader) -> bool:
    return any(name.startswith("libcuda.so") for name in reader.directory(WINDOWS_LIBRARIES) or ())


def _problem(view: HostView, library: str, opinion: Opinion) -> Finding | None:
    closed = refused(view, DXG)
    if closed is not None:
        return closed
    if not library and not opinion.agents:
        names = [name for name in view.reader.directory(DRIVERS) or () if AMD_DRIVER.match(name)]
        text = "Windows has a driver for an AMD GPU; ROCm's library for WSL is not installed here"
        shown = f"{', '.join(names[:3]) or 'no driver directory'}; no {ROCDXG} in {PLACES[0]}"
        return finding("rocm-wsl-library-missing", text, f"{PLACES[0]}/{ROCDXG}", shown)
    if opinion.asked and not opinion.agents:
        text = "ROCm's library for WSL is there and finds no GPU"
        return finding("rocm-wsl-without-gpu", text, "rocminfo", f"rocminfo: {opinion.said}")
    return None


def _devices(view: HostView, dxg: DeviceNode, opinion: Opinion, ready: bool) -> tuple[GpuDevice, ...]:
    """What rocminfo lists. Without it how many there are is not known: one stands for all, named so."""
    if not opinion.agents:
        return (_device(view, dxg, Agent("", "AMD GPU of this PC"), 0, ready),)
    return tuple(_device(view, dxg, agent, number, ready) for number, agent in enumerate(opinion.agents))


def _device(view: HostView, dxg: DeviceNode, agent: Agent, number: int, ready: bool) -> GpuDevice:
    from .amd import APUS  # this file is loaded on every WSL2 host, that one only where a GPU was shown

    return GpuDevice(
        NAME,
        "amd",
        agent.marketing_name or f"AMD GPU {agent.device or agent.name}",
        agent.uuid or view.own_uuid(Card("", f"rocm-wsl-{number}", "")),
        number,
        None,
        "",
        agent.memory_bytes,
        None,
        (dxg,),
        integrated=agent.integrated or bool(APUS.fullmatch(agent.name)),
        architecture=agent.name,
        ready=ready,
    )


def _places(reader: Reader) -> tuple[str, ...]:
    versions = [name for name in reader.directory("/opt") or () if re.fullmatch(r"rocm-\d[\w.]*", name)]
    cores = [name for name in reader.directory("/opt/rocm") or () if name.startswith("core-")]
    return (*PLACES, *(f"/opt/{name}/lib" for name in versions), *(f"/opt/rocm/{name}/lib" for name in cores))


def _find(reader: Reader, places: tuple[str, ...], library: str) -> str:
    """Path of a library, also of one that has only its versioned name."""
    for place in places:
        name = next((name for name in reader.directory(place) or () if name.startswith(library)), "")
        if name:
            return f"{place}/{name}"
    return ""


def _wsl_hsa(reader: Reader, places: tuple[str, ...]) -> str:
    """The runtime of ROCm up to 6.4 built for WSL. One of 7 or later needs librocdxg and is none."""
    own = tuple(place for place in places if place.startswith("/opt/"))
    path = _find(reader, own, HSA)
    if not path or reader.file(HSA_PACKAGE) is not None:
        return path
    version = re.match(r"\d{1,3}(?!\d)", reader.file("/opt/rocm/.info/version") or "")
    return "" if version and int(version.group()) >= 7 else path
