# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""NVIDIA GPUs with NVIDIA's driver on native Linux."""

from __future__ import annotations

import dataclasses
import re

from .findings import Finding, finding
from .model import DeviceNode, GpuDevice, Stack
from .nvidia_answers import Answer, ask, crash
from .nvidia_procfs import GPUS, VERSION, excluded, from_procfs, kernel_version, slice_nodes
from .probe import Reader
from .render import closed
from .view import NVIDIA, Card, Detected, HostView, device_node

NAME = "nvidia"
CONTROL, UVM = "/dev/nvidiactl", "/dev/nvidia-uvm"


def detect(view: HostView) -> Detected:
    """A stack with its reason; called where there is a sign of an NVIDIA GPU. WSL2 and a Jetson's own GPU have their files."""
    if view.platform in ("wsl2", "wsl1", "macos"):
        return Detected()
    if view.platform == "container" and view.reader.node("/dev/dxg") is not None and not _is_native(view.reader):
        return Detected()  # a container of a WSL2 host, whose nvidia-smi speaks of Windows' driver
    cards = view.cards_of(NVIDIA)
    if view.platform == "jetson":
        from .nvidia_tegra import discrete

        cards = discrete(view, cards)
        if not cards:
            return Detected()
    loaded = _is_native(view.reader)
    refused = _refused(view, cards, loaded)
    if refused is not None:
        return _not_ready(_from_cards(view, cards), refused)
    answer = ask(view.reader, NAME)
    if answer is None:
        from .nvidia_driver import without_tools

        answer = without_tools(view.reader, NAME)
    if view.platform == "jetson":
        from .nvidia_tegra import without_own

        answer = answer._replace(devices=without_own(answer.devices))
    found = _explain(view, cards, answer, loaded) if answer.problem else _check(view, cards, answer)
    return dataclasses.replace(found, findings=(*found.findings, *_beside(view, found)))


def _is_native(reader: Reader) -> bool:
    return kernel_version(reader) is not None or _node(reader, CONTROL) is not None


def _beside(view: HostView, found: Detected) -> list[Finding]:
    """What does not decide whether a program here can use the GPU, but whether containers can, or CUDA programs do."""
    if found.stack is None or not found.stack.ready:
        return []
    from .nvidia_driver import shadows

    if view.platform == "container":
        return shadows(view.reader)
    from .toolkit import look

    return [*shadows(view.reader), *look(view)]


def _refused(view: HostView, cards: tuple[Card, ...], loaded: bool) -> Finding | None:
    """Reasons that need no question to the driver."""
    if view.platform == "container" and _node(view.reader, CONTROL) is None:
        # /proc and /sys show the outer host's driver and cards.
        return finding(
            "gpu-not-in-container",
            "The outer host has an NVIDIA GPU; this container was not given it",
            CONTROL,
            evidence=f"{CONTROL}: no such device node",
        )
    card = next((card for card in cards if card.driver == "nouveau"), None)
    if card is None or loaded:
        return None
    text = f"The card at {card.bus_id} is driven by nouveau"
    return finding("nouveau-in-use", text, f"{card.base}/driver", evidence=f"driver {card.driver}")


def _explain(view: HostView, cards: tuple[Card, ...], answer: Answer, loaded: bool) -> Detected:
    """The driver does not answer: say why, and name the cards all the same."""
    known = from_procfs(view.reader, NAME)
    devices = known.devices if known is not None and known.devices else _from_cards(view, cards)
    nodes = [_node(view.reader, CONTROL), *_gpu_nodes(view.reader, devices)]
    code, source, message, evidence = answer.problem, answer.source, answer.message, answer.evidence
    if code in ("nvidia-smi-failed", "nvml-failed"):
        if not _openable(view, nodes[:1]):
            code = "no-permission"
        elif view.platform == "container" and nodes[0] is not None:
            # «Failed to initialize NVML: Unknown Error»: systemd took the devices away again (NVIDIA's
            # container-toolkit documentation, troubleshooting).
            code = "gpu-blocked"
    if code in ("driver-not-loaded", "library-missing") and not loaded and answer.source != "nvidia-smi -q -x":
        from .nvidia_driver import libraries

        code = code if libraries(view.reader) else "driver-missing"
    if code == "driver-missing" and cards:
        source, evidence = cards[0].base, f"vendor {cards[0].vendor}, driver {cards[0].driver or 'none'}"
    if code == "no-permission":
        return _not_ready(devices, _permission(view, nodes, answer))
    if code == "driver-library-mismatch" and known is not None and known.driver not in message:
        from .nvidia_driver import libraries

        installed = ", ".join(sorted(libraries(view.reader))) or "of unknown version"
        message = f"{message} (kernel module {known.driver}, libraries {installed})"
        evidence = f"{evidence}; {VERSION}: {known.driver}; libraries: {installed}"
    found = [finding(code, message, source, evidence=evidence or message)]
    if code == "nvidia-smi-crashed":
        found.append(
            finding("gpu-unproven", "Nothing on this host proves that its GPU works", source, evidence=evidence)
        )
    return _not_ready(devices, *found)


def _check(view: HostView, cards: tuple[Card, ...], answer: Answer) -> Detected:
    """The driver answers: are the nodes there, may they be opened, is every card alive?"""
    findings: list[Finding] = []
    devices: list[GpuDevice] = []
    for device in _completed(view, answer):
        nodes = [_node(view.reader, CONTROL), *_gpu_nodes(view.reader, [device])]
        problem = _problem(view, device, nodes, answer)
        if problem is not None and problem not in findings:
            findings.append(problem)
        kept = tuple(node for node in [*nodes, *_shared(view.reader)] if node is not None)
        devices.append(dataclasses.replace(device, nodes=kept, ready=problem is None))
    ready = [device for device in devices if device.ready]
    if ready:
        findings += _later(view, ready, answer)
    if view.platform != "container":
        findings += _not_driven(view, cards, answer)
    if answer.crashed:
        findings.append(crash(answer))
    if ready:
        driver = answer.driver or ready[0].driver or "of unknown version"
        reason = f"driver {driver} answers for {len(ready)} of {len(devices)} GPUs ({answer.source})"
    else:
        reason = findings[0].message if findings else "the driver knows no GPU"
    return Detected(Stack(NAME, bool(ready), reason, tuple(devices)), tuple(findings))


def _completed(view: HostView, answer: Answer) -> list[GpuDevice]:
    """The devices with what their source did not tell: minor, address, driver, unified memory, slices' nodes."""
    known = from_procfs(view.reader, NAME)
    same = _matched(answer.devices, known.devices if known is not None else ())
    devices = []
    for device in answer.devices:
        changes: dict[str, object] = {}
        if device.index in same:
            other, names = same[device.index], ("uuid", "minor", "bus_id", "driver")
            changes = {name: getattr(other, name) for name in names if getattr(device, name) in (None, "")}
            changes.update({} if device.uuid else {"name": other.name})
        if device.index in answer.unified:
            changes.update(unified_memory(view.reader))
        devices.append(dataclasses.replace(device, **changes))
    devices = [_with_slice_nodes(view.reader, device) for device in _with_minors(view.reader, devices)]
    if view.platform == "container" and answer.source == GPUS:
        # procfs shows the outer host's GPUs; this container has those whose nodes it was given.
        given = [device for device in devices if None not in _gpu_nodes(view.reader, [device])]
        return [dataclasses.replace(device, index=index) for index, device in enumerate(given)] or devices
    return devices


def _with_minors(reader: Reader, devices: list[GpuDevice]) -> list[GpuDevice]:
    """Minors that nothing told, where nodes and GPUs are equally many. A guess: both are counted in the bus's order."""
    lacking = [device for device in devices if device.minor is None]
    if not lacking:
        return devices
    there = [minor for minor in range(64) if _node(reader, f"/dev/nvidia{minor}") is not None]
    left = [minor for minor in there if minor not in {device.minor for device in devices}]
    if len(left) != len(lacking):
        return devices
    return [
        device if device.minor is not None else dataclasses.replace(device, minor=left.pop(0)) for device in devices
    ]


def _with_slice_nodes(reader: Reader, device: GpuDevice) -> GpuDevice:
    minor = device.minor
    if minor is None or not device.mig:
        return device
    parts = tuple(dataclasses.replace(part, nodes=slice_nodes(reader, minor, part)[0]) for part in device.mig)
    return dataclasses.replace(device, mig=parts)


def _matched(told: tuple[GpuDevice, ...], known: tuple[GpuDevice, ...]) -> dict[int | None, GpuDevice]:
    """Index → the same GPU in procfs, by UUID or address; one that is lost tells neither, and is the one left over."""
    by_key = {key: each for each in known for key in (each.uuid, each.bus_id) if key}
    same = {device.index: by_key.get(device.uuid) or by_key.get(device.bus_id) for device in told}
    found = {index: each for index, each in same.items() if each is not None}
    left = [each for each in known if each not in found.values()]
    nameless = [device.index for device in told if not device.uuid and not device.bus_id]
    return {**found, **dict(zip(nameless, left))} if len(left) == len(nameless) else found


def unified_memory(reader: Reader) -> dict[str, object]:
    """Changes for a GPU without memory of its own: it uses the machine's."""
    sizes = dict(re.findall(r"^(MemTotal|MemAvailable):\s+(\d{1,15}) kB", reader.file("/proc/meminfo") or "", re.M))
    total, free = (int(sizes[name]) << 10 if name in sizes else None for name in ("MemTotal", "MemAvailable"))
    return {"memory_bytes": total, "memory_free_bytes": free, "integrated": True}


def _problem(view: HostView, device: GpuDevice, nodes: list[DeviceNode | None], answer: Answer) -> Finding | None:
    label = f"{device.name} at {device.bus_id}" if device.bus_id else device.name
    if device.index in answer.lost:
        evidence = f"GPU {device.index}: GPU is lost"
        return finding("gpu-lost", f"The GPU {label} fell off the bus", answer.source, evidence=evidence)
    if None in nodes and view.reader.directory("/dev") is not None:
        # A snapshot of tools' answers alone shows no nodes, and the tools could open them.
        minor = "<minor>" if device.minor is None else device.minor
        missing = CONTROL if nodes[0] is None else f"/dev/nvidia{minor}"
        evidence = f"{missing}: no such device node"
        return finding("nodes-missing", f"The driver runs, but {missing} is not there", missing, evidence=evidence)
    if not _openable(view, nodes):
        return _permission(view, nodes, answer)
    if device.mig_enabled and not device.mig:
        text = f"{label} is in MIG mode and has no instance"
        return finding(
            "mig-without-instances", text, answer.source, evidence=f"GPU {device.index}: MIG on, 0 instances"
        )
    return None


def _permission(view: HostView, nodes: list[DeviceNode | None], answer: Answer) -> Finding:
    node = next((node for node in nodes if node is not None and not _openable(view, [node])), None)
    if node is None:
        text = "The driver refuses this user"
        return finding("no-permission", text, answer.source, evidence=answer.evidence, group="that owns /dev/nvidia*")
    return closed(view, node.path)


def _later(view: HostView, ready: list[GpuDevice], answer: Answer) -> list[Finding]:
    """What is not there yet although the GPU works: nodes made on first use, and sizes that nothing tells."""
    found = []
    if _node(view.reader, UVM) is None and view.reader.directory("/dev") is not None:
        evidence = f"{UVM}: no such device node"
        found.append(finding("nodes-lazy", f"{UVM} is not there yet; CUDA needs it", UVM, evidence=evidence))
    missing = [
        path
        for device in ready
        for part in device.mig
        if device.minor is not None
        for path in slice_nodes(view.reader, device.minor, part)[1]
    ]
    if missing:
        text = "Nodes of MIG slices are not there yet; containers need them"
        found.append(
            finding("mig-nodes-missing", text, missing[0], evidence=f"no such device node: {', '.join(missing)}")
        )
    if all(device.memory_bytes is None for device in ready):
        text = "Nothing on this host says how much memory its GPUs have"
        evidence = answer.evidence or f"{len(ready)} GPUs without a size"
        found.append(finding("memory-unknown", text, answer.source, evidence=evidence))
    return found


def _not_driven(view: HostView, cards: tuple[Card, ...], answer: Answer) -> list[Finding]:
    """Cards on the bus that the driver does not list: excluded by an administrator, or given up."""
    kept_out = excluded(view.reader)
    found = [
        finding(
            "gpu-excluded",
            f"The driver is told to leave out {name} at {bus}",
            f"/proc/driver/nvidia/gpus/{bus}/information",
            evidence="GPU Excluded: Yes",
        )
        for bus, name in sorted(kept_out.items())
    ]
    known = from_procfs(view.reader, NAME)
    seen = {device.bus_id for device in (*answer.devices, *(known.devices if known else ()))} | set(kept_out)
    if "" in {device.bus_id for device in answer.devices} and known is None:
        return found
    for card in cards:
        if card.bus_id not in seen:
            driver = card.driver or "no driver"
            text = f"The card at {card.bus_id} is there ({driver}), the driver does not list it"
            found.append(finding("gpu-not-driven", text, card.base, evidence=f"driver: {driver}"))
    return found


def _not_ready(devices: tuple[GpuDevice, ...], *found: Finding) -> Detected:
    unusable = tuple(dataclasses.replace(device, ready=False) for device in devices)
    return Detected(Stack(NAME, False, found[0].message, unusable), found)


def _from_cards(view: HostView, cards: tuple[Card, ...]) -> tuple[GpuDevice, ...]:
    """GPUs that nothing describes: the cards on the bus, else the nodes that are left of them."""
    if cards:
        return tuple(GpuDevice(NAME, "nvidia", "NVIDIA GPU", bus_id=card.bus_id) for card in cards)
    return tuple(
        GpuDevice(NAME, "nvidia", "NVIDIA GPU", minor=minor)
        for minor in range(16)
        if _node(view.reader, f"/dev/nvidia{minor}") is not None
    )


_node = device_node


def _gpu_nodes(reader: Reader, devices: list[GpuDevice] | tuple[GpuDevice, ...]) -> list[DeviceNode | None]:
    # The N of /dev/nvidiaN is the minor, not NVML's index (nvidia-container-toolkit, pkg/nvcdi).
    return [None if device.minor is None else _node(reader, f"/dev/nvidia{device.minor}") for device in devices]


def _shared(reader: Reader) -> list[DeviceNode | None]:
    return [_node(reader, path) for path in (UVM, "/dev/nvidia-uvm-tools")]


def _openable(view: HostView, nodes: list[DeviceNode | None]) -> bool:
    found = [view.reader.node(node.path) for node in nodes if node is not None]
    return all(node is not None and view.user.may_open(node) for node in found)
