# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""NVIDIA GPUs with NVIDIA's driver on native Linux."""

from __future__ import annotations

import dataclasses
import re

from .findings import Finding, finding
from .model import DeviceNode, GpuDevice, Stack
from .nvidia_answers import Answer, ask, from_procfs, kernel_version
from .probe import Reader
from .view import NVIDIA, Card, Detected, HostView, device_node

NAME = "nvidia"
LIBRARIES = ("libnvidia-ml.so.1", "libcuda.so.1")
LIBRARY_DIRECTORIES = (
    "/usr/lib/x86_64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu",
    "/usr/lib64",
    "/usr/lib",
    "/usr/lib/x86_64-linux-gnu/nvidia/current",
)


def detect(view: HostView) -> Detected:
    """A stack with its reason; called where there is a sign of an NVIDIA GPU. WSL2 and Jetson have their own files."""
    if view.platform in ("wsl2", "wsl1", "jetson", "macos"):
        return Detected()
    cards = view.cards_of(NVIDIA)
    loaded = kernel_version(view.reader) is not None or view.reader.node("/dev/nvidiactl") is not None
    refused = _refused(view, cards, loaded)
    if refused is not None:
        return _not_ready(_from_cards(cards), refused)
    answer = ask(view.reader, NAME) or _without_tools(view.reader)
    if answer.problem:
        return _explain(view, cards, answer, loaded)
    return _check(view, cards, answer)


def _refused(view: HostView, cards: tuple[Card, ...], loaded: bool) -> Finding | None:
    """Reasons that need no question to the driver."""
    if view.platform == "container" and _control(view.reader) is None:
        # /proc and /sys show the outer host's driver and cards.
        return finding(
            "gpu-not-in-container",
            "The outer host has an NVIDIA GPU; this container was not given it",
            "/dev/nvidiactl",
        )
    card = next((card for card in cards if card.driver == "nouveau"), None)
    if card is None or loaded:
        return None
    return finding(
        "nouveau-in-use",
        f"The card at {card.bus_id} is driven by nouveau",
        f"/sys/bus/pci/devices/{card.bus_id}/driver",
    )


def _explain(view: HostView, cards: tuple[Card, ...], answer: Answer, loaded: bool) -> Detected:
    """The driver does not answer: say why, and name the cards all the same."""
    known = from_procfs(view.reader, NAME)
    devices = known.devices if known is not None and known.devices else _from_cards(cards)
    code = answer.problem
    if code in ("nvidia-smi-failed", "nvml-failed") and not _openable(view, [_control(view.reader)]):
        code = "no-permission"
    if (
        code in ("driver-not-loaded", "library-missing")
        and not loaded
        and not _libraries(view.reader)
        and answer.source != "nvidia-smi -q -x"
    ):
        code = "driver-missing"
    if code == "no-permission":
        return _not_ready(devices, _permission(view, [_control(view.reader), *_gpu_nodes(view.reader, devices)]))
    message = answer.message
    if code == "driver-library-mismatch" and known is not None and known.driver not in message:
        message = f"{message} (kernel module {known.driver})"
    return _not_ready(devices, finding(code, message, answer.source))


def _check(view: HostView, cards: tuple[Card, ...], answer: Answer) -> Detected:
    """The driver answers: are the nodes there, may they be opened, is every card alive?"""
    findings: list[Finding] = []
    devices = []
    control = _control(view.reader)
    for device in with_minors(view.reader, answer.devices):
        nodes = [control, *_gpu_nodes(view.reader, [device])]
        problem = _problem(view, device, nodes, answer)
        if problem is not None and problem not in findings:
            findings.append(problem)
        kept = tuple(node for node in [*nodes, *_shared(view.reader)] if node is not None)
        devices.append(dataclasses.replace(device, nodes=kept, ready=problem is None))
    ready = [device for device in devices if device.ready]
    if ready and device_node(view.reader, "/dev/nvidia-uvm") is None:
        findings.append(finding("nodes-lazy", "/dev/nvidia-uvm is not there yet; CUDA needs it", "/dev/nvidia-uvm"))
    if ready and all(device.memory_bytes is None for device in ready):
        findings.append(
            finding("memory-unknown", "Nothing on this host says how much memory its GPUs have", answer.source)
        )
    findings += _not_driven(cards, answer.devices)
    if ready:
        reason = f"driver {answer.driver or 'of unknown version'} answers for {len(ready)} of {len(devices)} GPUs ({answer.source})"
    else:
        reason = findings[0].message if findings else "the driver knows no GPU"
    return Detected(Stack(NAME, bool(ready), reason, tuple(devices)), tuple(findings))


def _problem(view: HostView, device: GpuDevice, nodes: list[DeviceNode | None], answer: Answer) -> Finding | None:
    label = f"{device.name} at {device.bus_id}" if device.bus_id else device.name
    if device.index in answer.lost:
        return finding("gpu-lost", f"The GPU {label} fell off the bus", answer.source)
    if None in nodes:
        minor = "<minor>" if device.minor is None else device.minor
        missing = "/dev/nvidiactl" if nodes[0] is None else f"/dev/nvidia{minor}"
        return finding("nodes-missing", f"The driver runs, but {missing} is not there", missing)
    if not _openable(view, nodes):
        return _permission(view, nodes)
    if device.mig_enabled and not device.mig:
        return finding("mig-without-instances", f"{label} is in MIG mode and has no instance", answer.source)
    return None


def _permission(view: HostView, nodes: list[DeviceNode | None]) -> Finding:
    node = next((node for node in nodes if node is not None and not _openable(view, [node])), None)
    if node is None:
        return finding("no-permission", "The driver refuses this user", "NVML", group="that owns /dev/nvidia*")
    text = f"{node.path} has mode {node.mode} and group {node.gid}; user {view.user.uid} may not open it"
    return finding("no-permission", text, node.path, group=str(node.gid))


def _not_driven(cards: tuple[Card, ...], devices: tuple[GpuDevice, ...]) -> list[Finding]:
    seen = {device.bus_id for device in devices}
    if "" in seen:
        return []
    return [
        finding(
            "gpu-not-driven",
            f"The card at {card.bus_id} is there ({card.driver or 'no driver'}), the driver does not list it",
            f"/sys/bus/pci/devices/{card.bus_id}",
        )
        for card in cards
        if card.bus_id not in seen
    ]


def _not_ready(devices: tuple[GpuDevice, ...], found: Finding) -> Detected:
    unusable = tuple(dataclasses.replace(device, ready=False) for device in devices)
    return Detected(Stack(NAME, False, found.message, unusable), (found,))


def _from_cards(cards: tuple[Card, ...]) -> tuple[GpuDevice, ...]:
    return tuple(GpuDevice(NAME, "nvidia", "NVIDIA GPU", bus_id=card.bus_id) for card in cards)


def _control(reader: Reader) -> DeviceNode | None:
    return device_node(reader, "/dev/nvidiactl")


def _gpu_nodes(reader: Reader, devices: list[GpuDevice] | tuple[GpuDevice, ...]) -> list[DeviceNode | None]:
    # The N of /dev/nvidiaN is the minor, not NVML's index (nvidia-container-toolkit, pkg/nvcdi).
    return [None if device.minor is None else device_node(reader, f"/dev/nvidia{device.minor}") for device in devices]


def _shared(reader: Reader) -> list[DeviceNode | None]:
    return [device_node(reader, path) for path in ("/dev/nvidia-uvm", "/dev/nvidia-uvm-tools")]


def _openable(view: HostView, nodes: list[DeviceNode | None]) -> bool:
    found = [view.reader.node(node.path) for node in nodes if node is not None]
    return all(node is not None and view.user.may_open(node) for node in found)


def with_minors(reader: Reader, devices: tuple[GpuDevice, ...]) -> tuple[GpuDevice, ...]:
    """Minors that the tool did not tell, from procfs by UUID or bus address."""
    if all(device.minor is not None for device in devices):
        return devices
    known = from_procfs(reader, NAME)
    minors = {key: each.minor for each in (known.devices if known else ()) for key in (each.uuid, each.bus_id) if key}
    return tuple(
        device
        if device.minor is not None
        else dataclasses.replace(device, minor=minors.get(device.uuid, minors.get(device.bus_id)))
        for device in devices
    )


def _without_tools(reader: Reader) -> Answer:
    """Neither NVML's binding nor nvidia-smi: the kernel module's own list, if the user-space library matches it."""
    known = from_procfs(reader, NAME)
    if known is None:
        return Answer(
            "/proc/driver/nvidia/version", problem="driver-not-loaded", message="The NVIDIA kernel module is not loaded"
        )
    versions = _libraries(reader)
    if not versions:
        return Answer(
            "/usr/lib",
            problem="library-missing",
            message=f"The kernel module {known.driver} is loaded, its libraries are not installed",
        )
    if known.driver and known.driver not in versions:
        text = f"The kernel module is {known.driver}, the libraries are {', '.join(sorted(versions))}"
        return Answer("/usr/lib", problem="driver-library-mismatch", message=text)
    if not known.devices:
        return Answer(known.source, problem="nvidia-no-devices", message="The kernel module is loaded and lists no GPU")
    return known


def _libraries(reader: Reader) -> set[str]:
    """Versions of the installed user-space libraries, from the links that the loader follows."""
    versions = set()
    for directory in LIBRARY_DIRECTORIES:
        for library in LIBRARIES:
            target = follow(reader, f"{directory}/{library}")
            found = re.search(r"\.so\.(\d+\.\d+(?:\.\d+)?)$", target)
            if found:
                versions.add(found.group(1))
    return versions


def follow(reader: Reader, path: str) -> str:
    """Where a chain of links ends (Debian goes through /etc/alternatives)."""
    for _step in range(8):
        target = reader.link(path)
        if target is None:
            break
        path = target if target.startswith("/") else f"{path.rpartition('/')[0]}/{target}"
    return path
