# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AMD GPUs with the kernel's amdgpu driver and its compute interface, /dev/kfd.

ROCm's libraries live in images, so only the kernel's side counts: amdgpu is bound, /dev/kfd and
the GPU's render node can be opened, and KFD's topology has a node for the GPU. All of that is in
files; no process is started.
"""

from __future__ import annotations

import dataclasses
import re

from .amd import Entry, device, entries
from .findings import Finding, finding
from .kfd import TOPOLOGIES, gpu_nodes
from .model import GpuDevice, Stack
from .render import refused
from .rocminfo import Opinion, ask
from .view import AMD, RENDER, Card, Detected, HostView, device_node

NAME = "rocm"
KFD = "/dev/kfd"
BMC_CHIPS = ("0x515e", "0x5969", "0x4752", "0x4759")
"""ATI ES1000 and Rage XL, which draw the console of servers (pci.ids); no GPUs for containers."""


def detect(view: HostView) -> Detected:
    """A stack with its reason; called where there is a card of AMD's or /dev/kfd. WSL2 has its own file."""
    if view.platform in ("wsl2", "wsl1", "macos"):
        return Detected()
    cards = tuple(card for card in view.cards_of(AMD) if card.device not in BMC_CHIPS)
    opinion = ask(view.reader)
    known = entries(cards, gpu_nodes(view.reader), opinion.agents)
    if not known:
        return _nodes_only(view)
    return _check(view, _with_render_nodes(view, _given(view, known)), opinion)


def _nodes_only(view: HostView) -> Detected:
    """/dev/kfd is there as soon as the module is, also for a card given to a virtual machine: it shows no GPU.

    Beside a render node of which nothing tells whose it is, it is worth a word.
    """
    names = [name for name in view.reader.directory("/dev/dri") or () if RENDER.fullmatch(name)]
    if view.cards or not names or view.reader.node(KFD) is None:
        return Detected()
    text = f"{KFD} and a render node are there, and nothing shows an AMD GPU"
    shown = f"/dev/dri holds {', '.join(names)}; no card in sysfs, no GPU node in {TOPOLOGIES[0]}"
    found = finding("kfd-without-gpu", text, TOPOLOGIES[0], shown)
    return Detected(Stack(NAME, False, found.message), (found,))


def _given(view: HostView, known: tuple[Entry, ...]) -> tuple[Entry, ...]:
    """In a container sysfs shows the outer host's cards: those count of which it was given the node, if any was."""
    if view.platform != "container":
        return known
    given = tuple(entry for entry in known if entry.render and view.reader.node(entry.render) is not None)
    return given or known


def _with_render_nodes(view: HostView, known: tuple[Entry, ...]) -> tuple[Entry, ...]:
    """Where only rocminfo names GPUs, the render nodes are given out in order, if there are as many."""
    names = [name for name in view.reader.directory("/dev/dri") or () if RENDER.fullmatch(name)]
    if any(entry.render or entry.card for entry in known) or len(names) != len(known):
        return known
    names.sort(key=lambda name: (len(name), name))
    return tuple(dataclasses.replace(entry, render=f"/dev/dri/{name}") for entry, name in zip(known, names))


def _check(view: HostView, known: tuple[Entry, ...], opinion: Opinion) -> Detected:
    findings: list[Finding] = []
    devices = []
    for entry in known:
        problem = _problem(view, entry, opinion)
        if problem is not None and problem not in findings:
            findings.append(problem)
        devices.append(_device(view, entry, problem is None))
    ready = [each for each in devices if each.ready]
    if ready and all(each.memory_bytes is None for each in ready):
        text = "Nothing on this host says how much memory its AMD GPUs have"
        base = "/sys/class/drm"
        findings.append(finding("memory-unknown", text, base, "no file mem_info_vram_total and no bank of KFD's"))
    if ready:
        # A GPU that cannot be used beside one that can: the reason says how many, the findings say why.
        reason = f"amdgpu and {KFD} answer for {len(ready)} of {len(devices)} GPUs ({_source(known)})"
    else:
        reason = findings[0].message
    return Detected(Stack(NAME, bool(ready), reason, tuple(devices)), tuple(findings))


def _source(known: tuple[Entry, ...]) -> str:
    return "KFD topology" if any(entry.node for entry in known) else "rocminfo"


def _device(view: HostView, entry: Entry, ready: bool) -> GpuDevice:
    # The primary node, /dev/dri/cardN, is no part of `ready`: compute and rendering need the other two. It comes
    # last, for containers that draw on a display; a partition has none of its own.
    primary = entry.card.node if entry.card and not entry.part else ""
    paths = [path for path in (KFD, entry.render, primary) if path]
    nodes = tuple(node for node in (device_node(view.reader, path) for path in paths) if node is not None)
    return dataclasses.replace(device(view, NAME, entry), nodes=nodes, ready=ready)


def _problem(view: HostView, entry: Entry, opinion: Opinion) -> Finding | None:
    """The first thing that keeps this GPU from being used, None where nothing does."""
    label = _label(entry)
    if entry.agent is not None and view.reader.directory("/dev") is None:
        return None  # a snapshot without /dev: rocminfo lists no GPU whose nodes it could not open
    if view.platform == "container" and view.reader.node(KFD) is None:
        text = f"The outer host has an AMD GPU; this container was not given {KFD}"
        return finding("gpu-not-in-container", text, KFD, f"no {KFD}, and a card of AMD's in sysfs")
    if entry.card is not None and not _driven(view, entry):
        return _not_bound(entry.card, label)
    if view.reader.node(KFD) is None:
        return _no_kfd(view)
    closed = refused(view, KFD)
    if closed is not None:
        return closed
    if entry.node is None and entry.agent is None:
        said = f"; rocminfo: {opinion.said}" if opinion.asked else ""
        text = f"KFD does not offer the {label} for compute"
        shown = f"{TOPOLOGIES[0]} has no GPU node for it{said}"
        return finding("kfd-without-gpu", text, TOPOLOGIES[0], shown)
    if not entry.render or view.reader.node(entry.render) is None:
        return _no_render_node(view, entry, label)
    return refused(view, entry.render)


def _driven(view: HostView, entry: Entry) -> bool:
    """Whether amdgpu has the card: by its driver, else by what only amdgpu makes."""
    if entry.node is not None or entry.agent is not None or entry.card is None:
        return True
    if entry.card.driver:
        return entry.card.driver == "amdgpu"
    return view.reader.file(f"{entry.card.base}/mem_info_vram_total") is not None


def _not_bound(card: Card, label: str) -> Finding:
    where = f"{card.base}/driver"
    if card.driver == "radeon":
        return finding("radeon-in-use", f"The {label} is driven by radeon, which knows no ROCm", where, "driver radeon")
    shown = f"driver {card.driver}" if card.driver else "no driver is bound"
    return finding("amdgpu-not-bound", f"The {label} is not driven by amdgpu ({shown})", where, shown)


def _no_kfd(view: HostView) -> Finding:
    nodes = next((base for base in TOPOLOGIES if view.reader.directory(base)), "")
    why = (
        f"the kernel has KFD ({nodes}), its node was not made" if nodes else "the kernel shows no KFD in /sys/class/kfd"
    )
    text = f"{KFD} is not there, so ROCm cannot use this host's AMD GPUs"
    return finding("kfd-missing", text, KFD, f"no {KFD}; {why}")


def _no_render_node(view: HostView, entry: Entry, label: str) -> Finding:
    path = entry.render or "/dev/dri"
    names = ", ".join(view.reader.directory("/dev/dri") or ()) or "nothing"
    missing = f"{entry.render} is not there" if entry.render else "Its render node is not known"
    return finding("render-node-missing", f"{missing} for the {label}", path, f"/dev/dri holds {names}")


def _label(entry: Entry) -> str:
    chip = re.sub(r"[^0-9a-zA-Z]", "", entry.architecture) or entry.device
    return " ".join(part for part in ("AMD GPU", chip, f"at {entry.bus_id}" if entry.bus_id else "") if part)
