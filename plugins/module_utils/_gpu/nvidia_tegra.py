# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""NVIDIA's Jetson modules: an integrated GPU with the Tegra driver.

The GPU has no memory of its own (it uses the processor's), and its driver's version is the release of
Jetson Linux (L4T), which brings kernel, driver and libraries as one. Containers get the nodes and
libraries that the lists in host-files-for-container.d name (nvidia-container-toolkit, csv mode).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from .findings import Finding, finding
from .model import DeviceNode, GpuDevice, Stack
from .nvidia_answers import from_nvml
from .platform import device_tree
from .probe import Reader
from .render import refused
from .view import Card, Detected, HostView, device_node

NAME = "nvidia-tegra"
RELEASE = "/etc/nv_tegra_release"
NVMAP = "/dev/nvmap"
LISTS = "/etc/nvidia-container-runtime/host-files-for-container.d"
SPECS = ("/etc/cdi", "/var/run/cdi")

CHIPS = (
    # in the device tree, in models' names, name, compute capability (developer.nvidia.com/cuda-gpus; Thor: CUDA 13)
    ("tegra264", r"Thor", "Thor", "11.0"),
    ("tegra234", r"Orin", "Orin", "8.7"),
    ("tegra194", r"Xavier", "Xavier", "7.2"),
    ("tegra186", r"TX2", "Tegra X2", "6.2"),
    ("tegra210", r"Nano|TX1", "Tegra X1", "5.3"),
)

LIBRARIES = (
    # To R35; R36; since R38 also the open driver's; Yocto and NixOS.
    "/usr/lib/aarch64-linux-gnu/tegra",
    "/usr/lib/aarch64-linux-gnu/nvidia",
    "/opt/nvidia/l4t-gpu-libs/openrm",
    "/run/opengl-driver/lib",
)

HOST1X = ("nvhost-ctrl-gpu", "nvhost-gpu", "nvhost-as-gpu")
"""To R35 the nodes of the driver; later releases keep them beside the new ones."""

NVGPU = ("ctrl", "as", "channel")
"""Below /dev/nvgpu/igpu0 since R36, on Thor below /dev/nvgpu/igpu-0000:01:00.0."""

OPEN_DRIVER = ("nvidiactl", "nvidia0")
"""Thor's driver is NVIDIA's ordinary one. Orin has these nodes, too, for its display; they compute nothing there."""

FURTHER = ("nvhost-ctrl", "nvhost-tsg-gpu", "nvhost-power-gpu", "host1x-fence", "nvidia-uvm", "nvidia-uvm-tools")
"""Given to containers where they are there."""

INTEGRATED = re.compile(r"\(nvgpu\)$|^(?:NVIDIA )?(?:Tegra )?Thor\b")
"""How NVML and nvidia-smi name these GPUs: ``Orin (nvgpu)``, ``NVIDIA Thor`` (NVIDIA/go-nvlib, pkg/nvlib/info)."""


@dataclass(frozen=True)
class Nodes:
    needed: tuple[DeviceNode, ...]
    further: tuple[DeviceNode, ...]
    missing: str
    """What keeps the driver from working, as a sentence; empty where all is there."""


def detect(view: HostView) -> Detected:
    """A stack with its reason on every Jetson, and in a container that was given its nodes."""
    if view.platform not in ("jetson", "container"):
        return Detected()
    nodes = _nodes(view.reader)
    problem = _problem(view, nodes)
    device = _device(view, nodes, problem is None)
    findings = [problem] if problem is not None else _for_containers(view)
    reason = problem.message if problem is not None else f"the driver of {device.driver or 'Jetson Linux'} is there"
    return Detected(Stack(NAME, problem is None, reason, (device,)), tuple(findings))


def release(text: str | None) -> str:
    """``# R36 (release), REVISION: 4.7, GCID: …`` → ``R36.4.7``; empty for anything else."""
    found = re.search(r"\bR(\d{1,3})\b.*?REVISION:\s*(\d{1,3}(?:\.\d{1,3})*)", text or "")
    return f"R{found.group(1)}.{found.group(2)}" if found else ""


def discrete(view: HostView, cards: tuple[Card, ...]) -> tuple[Card, ...]:
    """A Jetson's cards in slots. Thor's own GPU also stands on the PCI bus, with its address in its nodes' directory."""
    own = [name[len("igpu-") :].lower() for name in view.reader.directory("/dev/nvgpu") or () if name[:5] == "igpu-"]
    if not own and _chip(view.reader)[0] == "tegra264":
        own = ["0000:01:00.0"]
    return tuple(card for card in cards if card.driver == "nvidia" and card.bus_id not in own)


def _for_containers(view: HostView) -> list[Finding]:
    """What a program here does without and nvidia-ctk needs: the lists, as long as no CDI spec was made of them."""
    specs = [name for directory in SPECS for name in view.reader.directory(directory) or () if "nvidia" in name]
    lists = [name for name in view.reader.directory(LISTS) or () if name.endswith(".csv")]
    if view.platform != "jetson" or specs or lists:
        return []
    text = f"{LISTS} holds no list of the driver's files: nvidia-ctk cannot give this GPU to containers"
    return [finding("tegra-lists-missing", text, LISTS, f"no *.csv in {LISTS}, no NVIDIA spec in {' or '.join(SPECS)}")]


def without_own(devices: tuple[GpuDevice, ...]) -> tuple[GpuDevice, ...]:
    """What NVIDIA's tools list on a Jetson, without the integrated GPU."""
    return tuple(device for device in devices if not INTEGRATED.search(device.name))


def _problem(view: HostView, nodes: Nodes) -> Finding | None:
    if nodes.missing:
        listed = [
            name for name in view.reader.directory("/dev") or () if name.startswith(("nvhost", "nvgpu", "nvidia"))
        ]
        shown = f"of the driver's nodes /dev holds {', '.join(listed) or 'none'}"
        return finding("tegra-nodes-missing", nodes.missing, NVMAP, shown)
    closed = [refused(view, node.path) for node in nodes.needed]
    first = next((found for found in closed if found is not None), None)
    if first is not None:
        return first
    if not _library(view.reader):
        text = "The driver's nodes are there, libcuda of Jetson Linux is not"
        return finding("tegra-library-missing", text, LIBRARIES[0], f"no libcuda.so in {', '.join(LIBRARIES)}")
    return None


def _nodes(reader: Reader) -> Nodes:
    def found(*paths: str) -> tuple[DeviceNode, ...]:
        return tuple(node for node in (device_node(reader, path) for path in paths) if node is not None)

    nvmap = found(NVMAP)
    host1x = found(*(f"/dev/{name}" for name in HOST1X))
    bases = [f"/dev/nvgpu/{name}" for name in reader.directory("/dev/nvgpu") or ()]
    nvgpu = found(*(f"{base}/{name}" for base in bases for name in NVGPU))
    own = found(*(f"/dev/{name}" for name in OPEN_DRIVER)) if _open_driver(reader) else ()
    further = found(
        *(f"/dev/{name}" for name in FURTHER), *(f"{base}/{name}" for base in bases for name in ("tsg", "power"))
    )
    missing = ""
    if not (host1x or nvgpu or len(own) == len(OPEN_DRIVER)):
        missing = "The GPU driver of Jetson Linux made no nodes"
    elif not nvmap and not own:
        missing = f"{NVMAP}, the driver's memory manager, is not there"
    return Nodes((*nvmap, *host1x, *nvgpu, *own), further, missing)


def _open_driver(reader: Reader) -> bool:
    """Whether CUDA works over /dev/nvidia0: on Thor, and since R39 on Orin (JetPack 7)."""
    number = re.match(r"R(\d+)", release(reader.file(RELEASE)))
    return _chip(reader)[0] == "tegra264" or bool(number and int(number.group(1)) >= 38)


def _library(reader: Reader) -> bool:
    listed = [reader.directory(base) for base in LIBRARIES]
    if any(name.startswith("libcuda.so") for names in listed for name in names or ()):
        return True
    plain = [f"/usr/lib/aarch64-linux-gnu/libcuda.so{end}" for end in ("", ".1")] + ["/usr/lib/libcuda.so.1"]
    if any(reader.link(path) is not None for path in plain):
        return True
    # A snapshot may hold none of these directories; what nobody looked for counts as there.
    return all(names is None for names in listed) and any(reader.exists(path) for path in plain)


def _device(view: HostView, nodes: Nodes, ready: bool) -> GpuDevice:
    told = _told(view.reader)
    total, free = _memory(view.reader)
    model = device_tree(view.reader, "model")
    _tree, chip, capability = _chip(view.reader)
    return GpuDevice(
        NAME,
        "nvidia",
        model or (told.name if told else "") or (f"NVIDIA {chip}" if chip else "NVIDIA Tegra GPU"),
        (told.uuid if told else "") or view.own_uuid(Card("", "tegra", "")),
        0,
        None,
        "",
        (told.memory_bytes if told else None) or total,
        (told.memory_free_bytes if told else None) or free,
        (*nodes.needed, *nodes.further),
        release(view.reader.file(RELEASE)),
        integrated=True,
        compute_capability=(told.compute_capability if told else "") or capability,
        ready=ready,
    )


def _told(reader: Reader) -> GpuDevice | None:
    """What NVML, or nvidia-smi, says about this GPU. Before JetPack 6 there is neither; its memory they never tell."""
    answers = reader.nvml()
    devices = from_nvml(answers, NAME).devices if answers is not None else ()
    xml = reader.known(("nvidia-smi", "-q", "-x"))
    if xml is not None and "<gpu" in xml.stdout:
        from .nvidia_smi import from_smi

        devices += from_smi(xml, NAME, lambda: None).devices
    smi = reader.known(("nvidia-smi", "-L"))
    listed = re.findall(r"^GPU \d+: (.+) \(UUID: ([^)]*)\)", smi.stdout if smi is not None else "", re.M)
    devices += tuple(GpuDevice(NAME, "nvidia", name, uuid) for name, uuid in listed)
    return next((device for device in devices if INTEGRATED.search(device.name)), None)


def _chip(reader: Reader) -> tuple[str, str, str]:
    """Its name in the device tree, its name and compute capability; empty where nothing tells."""
    tree = device_tree(reader, "compatible") + (reader.file("/sys/devices/soc0/family") or "")
    model = device_tree(reader, "model")
    known = [chip for chip in CHIPS if chip[0] in tree.lower()] or [chip for chip in CHIPS if re.search(chip[1], model)]
    return (known[0][0], *known[0][2:]) if known else ("", "", "")


def _memory(reader: Reader) -> tuple[int | None, int | None]:
    """The system's memory, all of which the GPU may use (CUDA for Tegra, «Memory Management»); bytes in all and free."""
    text = reader.file("/proc/meminfo") or ""
    total, free = (re.search(rf"^{key}:\s+(\d{{1,12}}) kB$", text, re.M) for key in ("MemTotal", "MemAvailable"))
    return (int(total.group(1)) * 1024 if total else None), (int(free.group(1)) * 1024 if free else None)
