# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host of which only the engine can be asked, from the control node: its GPUs as far as `docker info` tells of them.

Nothing of the machine that asks is looked at: its GPUs are not that host's. What is believed here is proved, or not,
inside the containers that get a GPU (`_group/gpu_check.py`).
"""

from __future__ import annotations

import re
import typing as t

from .._cdi.kinds import KINDS
from .engines import docker_facts
from .findings import Finding, finding
from .host import rank
from .model import DeviceNode, EngineFacts, GpuDevice, GpuHost, Stack, oci_architecture

INFO = "docker info"

_DRI = ("/dev/dri/renderD128",)
_KFD = ("/dev/kfd", *_DRI)

DECLARABLE: dict[str, tuple[str, tuple[str, ...], tuple[str, ...]]] = {
    # stack: (vendor, devices that a container gets, nodes that it must then see). A directory stands for all in it.
    "nvidia": ("nvidia", (), ()),
    "nvidia-wsl": ("nvidia", (), ()),
    "nvidia-tegra": ("nvidia", (), ()),
    "rocm": ("amd", ("/dev/kfd", "/dev/dri"), _KFD),
    "intel": ("intel", ("/dev/dri",), _DRI),
    "vulkan": ("", ("/dev/dri",), _DRI),
    "videocore": ("broadcom", ("/dev/dri",), _DRI),
    "venus": ("virtio", ("/dev/dri",), _DRI),
}
"""Stacks that an inventory may say a host has (container_gpu_stacks). That renderD128 is the node is a guess: the first
render node of a Linux kernel (drivers/gpu/drm/drm_drv.c, minors from 128 on)."""


def describe(info: dict[str, t.Any], url: str) -> GpuHost:
    """The host behind an engine. info: what GET /info answered (the JSON of `docker info`)."""
    import dataclasses

    engine = dataclasses.replace(docker_facts(info), url=url)
    platform = _platform(info, engine)
    stacks, findings = _stacks(info, engine, platform)
    known = rank([*stacks, Stack("cpu", True, "always there")])
    engines = {"docker": engine, "podman": _not_asked(url)}
    architecture = oci_architecture(_text(info.get("Architecture")))
    return GpuHost(platform, known, engines, tuple(findings), architecture=architecture, reported=url)


def declared(host: GpuHost, names: t.Sequence[str]) -> GpuHost:
    """The host with stacks that its inventory says it has, in place of what was found about them."""
    import dataclasses

    if not host.reported or not names:
        return host
    said = [_stack(name, "container_gpu_stacks says so; its containers are asked") for name in names]
    others = [stack for stack in host.stacks if stack.name not in names]
    return dataclasses.replace(host, stacks=rank([*said, *others]))


def _not_asked(url: str) -> EngineFacts:
    return EngineFacts("podman", reason=f"only the engine at {url} is reached of this host")


def _platform(info: dict[str, t.Any], engine: EngineFacts) -> str:
    """Docker Desktop's kernel is Microsoft's under WSL2, and LinuxKit's on a Mac, on Linux and on Hyper-V.

    Its label says which: the address of its socket on the machine outside. Older ones have none; then an ARM is a Mac's
    (a guess: Windows on ARM has WSL2 only).
    """
    kernel = _text(info.get("KernelVersion")).lower()
    if "microsoft" in kernel:
        return "wsl2"
    if engine.flavour == "desktop":
        address = _desktop_address(info)
        if address.startswith("unix:///Users/"):
            return "macos"
        return "macos" if not address and _text(info.get("Architecture")) in ("aarch64", "arm64") else "linux"
    return "jetson" if "tegra" in kernel else "linux"


def _desktop_address(info: dict[str, t.Any]) -> str:
    labels = info.get("Labels")
    texts = [label for label in labels if isinstance(label, str)] if isinstance(labels, list) else []
    return next((text.partition("=")[2] for text in texts if text.startswith("com.docker.desktop.address=")), "")


def _stacks(info: dict[str, t.Any], engine: EngineFacts, platform: str) -> tuple[list[Stack], list[Finding]]:
    kernel = f"KernelVersion {_text(info.get('KernelVersion'))}"
    runtimes = f"Runtimes {', '.join(engine.runtimes) or 'none'}"
    if engine.flavour == "desktop" and platform == "wsl2":
        return _windows(engine, f"{kernel}; {runtimes}")
    if engine.flavour == "desktop":
        return _desktop_without(info, platform, kernel)
    nvidia = {"wsl2": "nvidia-wsl", "jetson": "nvidia-tegra"}.get(platform, "nvidia")
    stacks = []
    for name in (nvidia, "rocm", "intel"):
        cdi = sorted(each for each in engine.cdi_devices if each.startswith(f"{KINDS[name]}="))
        if cdi:
            stacks.append(_stack(name, f"the engine resolves {', '.join(cdi[:4])}", _count(cdi)))
        elif name == nvidia and "nvidia" in engine.runtimes and engine.flavour == "engine":
            stacks.append(_stack(name, "the engine has NVIDIA's runtime"))
    if stacks:
        return stacks, []
    text = f"The engine at {engine.url} tells of no GPU, and only the engine is reached of this host"
    return [], [finding("gpu-not-told", text, INFO, f"{runtimes}; CDI devices none")]


def _windows(engine: EngineFacts, shown: str) -> tuple[list[Stack], list[Finding]]:
    if "nvidia" in engine.runtimes:
        return [_stack("nvidia-wsl", "Docker Desktop under WSL2 has NVIDIA's runtime: CUDA by --gpus")], []
    text = "Docker Desktop under WSL2 lists no runtime of NVIDIA's, so it gives containers no GPU"
    return [Stack("nvidia-wsl", False, text)], [finding("desktop-no-nvidia", text, INFO, shown)]


def _desktop_without(info: dict[str, t.Any], platform: str, kernel: str) -> tuple[list[Stack], list[Finding]]:
    """Docker Desktop in a virtual machine of its own: no GPU in containers (docs.docker.com/desktop/features/gpu)."""
    address = _desktop_address(info)
    shown = f"{kernel}; {address}" if address else kernel
    if address.startswith("npipe:"):
        text = "Docker Desktop runs on Hyper-V, which gives containers no GPU"
        return [], [finding("desktop-hyper-v", text, INFO, shown)]
    if platform != "macos":
        return [], [finding("desktop-no-gpu", "Docker Desktop gives containers no GPU here", INFO, shown)]
    text = "Docker Desktop on a Mac gives containers no GPU"
    stacks = [
        Stack("metal", False, f"{text}; a program on the Mac can have it (container_metal_service)"),
        Stack("venus", False, f"{text}; a Podman machine with libkrun does"),
    ]
    return stacks, [finding("desktop-no-gpu", text, INFO, shown)]


def _stack(name: str, reason: str, count: int = 1) -> Stack:
    """A ready stack with GPUs of which no more is known than that they are there."""
    vendor, _devices, nodes = DECLARABLE[name]
    device = {"stack": name, "vendor": vendor, "name": f"GPU of {name}", "nodes": tuple(map(DeviceNode, nodes))}
    return Stack(name, True, reason, tuple(GpuDevice(index=number, **device) for number in range(count)))


def _count(names: t.Sequence[str]) -> int:
    """How many GPUs CDI names stand for: they are numbered. One at least."""
    return max(1, sum(1 for name in names if re.fullmatch(r"[^=]+=\d+", name)))


def _text(value: t.Any) -> str:
    return value if isinstance(value, str) else ""
