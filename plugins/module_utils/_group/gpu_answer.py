# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a look at the GPU from inside a container came to, as values, and how they are read from the Python program.

The image may be anybody's, so nothing of the text is taken for granted: what is not of the expected shape is left out.
"""

from __future__ import annotations

import json
import re
import typing as t
from dataclasses import dataclass, field

from .._gpu import vulkaninfo


@dataclass(frozen=True)
class Node:
    """One device node, as the container's user could use it."""

    path: str
    opened: bool
    error: str = ""
    number: int = 0
    """errno of the failed opening; 0 where there is none."""
    mode: str = ""
    """Permission bits in octal, ``0660``; empty where the node is not there."""
    uid: int | None = None
    gid: int | None = None


@dataclass(frozen=True)
class Device:
    name: str
    uuid: str = ""
    """Lower case with dashes, without the vendor's prefix; a MIG slice's own."""
    parent: str = ""
    """UUID of the GPU that a MIG slice is cut from; of a whole GPU its own."""
    memory_bytes: int | None = None
    vendor: int = 0
    """PCI vendor id; 0 where it was not said."""
    software: bool = False
    """Drawn and computed by the CPU, such as llvmpipe."""

    @property
    def sliced(self) -> bool:
        return self.parent not in ("", self.uuid)

    @property
    def full_uuid(self) -> str:
        """As the vendor's tools write it; empty where it is not known."""
        return f"{'MIG' if self.sliced else 'GPU'}-{self.uuid}" if self.uuid else ""


@dataclass(frozen=True)
class Library:
    """What one library or tool said."""

    api: str
    """cuda, vulkan, hip, hsa, level-zero, nvidia-smi, rocminfo or vulkaninfo."""
    probe: str
    """How it is called: ``libcuda.so.1``, ``nvidia-smi -L``."""
    there: bool = True
    """Whether it is in the image and could be loaded."""
    devices: tuple[Device, ...] = ()
    call: str = ""
    """The call that was refused."""
    code: int = 0
    """What that call answered."""
    error: str = ""
    hung: bool = False
    lies_at: str = ""
    """Where its file is, though the loader does not find it."""
    version: int = 0
    """CUDA's version as it counts it: 12080 is 12.8."""


@dataclass(frozen=True)
class Torch:
    """PyTorch as it is installed in the image."""

    version: str = ""
    built_for: str = ""
    """``CUDA 12.1``, ``ROCm 6.2``; empty: for the CPU alone."""
    available: bool | None = None
    """``torch.cuda.is_available()``; None where it was not asked, or did not answer in time."""


@dataclass(frozen=True)
class Answer:
    asked_by: str
    """python3, sh, or the tool that was run by itself."""
    nodes: tuple[Node, ...] = ()
    libraries: tuple[Library, ...] = ()
    user: str = ""
    groups: str = ""
    """Numbers, the user's own group included, space-separated and sorted."""
    first_user: str = ""
    """User of the container's first process, of the workload as a rule; empty where that cannot be seen."""
    first_groups: str = ""
    environment: dict[str, str] = field(default_factory=dict)
    """Variables that hide GPUs, as far as they are set."""
    musl: bool = False
    """The image's C library is not the one that vendors' libraries are made for."""
    torch: Torch | None = None
    nodes_hung: bool = False


NO_DEVICE_NODE = "it is no device node"
"""What both programs say of a path that is something else."""

_LIBRARIES = {
    "cuda": "libcuda.so.1",
    "vulkan": "libvulkan.so.1",
    "hip": "libamdhip64.so",
    "hsa": "libhsa-runtime64.so.1",
    "level-zero": "libze_loader.so.1",
}
"""What is meant where a library crashed or hung before it was named."""

_VULKAN_KINDS = ("integrated", "discrete", "virtual", "cpu", "other")


def from_python(output: str) -> Answer | None:
    """The answer of `PYTHON_PROGRAM`; None where the output holds none."""
    for line in reversed(output.splitlines()):
        if not line.startswith('{"gpu_probe"'):
            continue
        try:
            data = json.loads(line)
        except (ValueError, RecursionError):
            return None
        return _python_answer(data)
    return None


def _python_answer(data: dict[str, t.Any]) -> Answer:
    nodes, libraries = data.get("nodes"), _mapping(data.get("libraries"))
    user, groups = _pair(data.get("self"))
    return Answer(
        "python3",
        tuple(_python_node(entry) for entry in nodes if isinstance(entry, dict)) if isinstance(nodes, list) else (),
        tuple(_python_library(str(api), _mapping(said)) for api, said in libraries.items()),
        user,
        groups,
        *_pair(data.get("first")),
        {str(name): plain(value) for name, value in _mapping(data.get("environment")).items()},
        data.get("musl") is True,
        _torch(_mapping(data.get("torch"))),
        _mapping(nodes).get("hung") is True,
    )


def _python_node(entry: dict[str, t.Any]) -> Node:
    return Node(
        plain(entry.get("path")),
        entry.get("opened") is True,
        plain(entry.get("error")),
        _number(entry.get("errno")) or 0,
        plain(entry.get("mode")),
        _number(entry.get("uid")),
        _number(entry.get("gid")),
    )


def _python_library(api: str, said: dict[str, t.Any]) -> Library:
    devices = said.get("devices")
    return Library(
        api,
        plain(said.get("probe")) or _LIBRARIES.get(api, api),
        # One that crashed or hung was there.
        said.get("there") is not False,
        tuple(_device(entry) for entry in devices if isinstance(entry, dict)) if isinstance(devices, list) else (),
        plain(said.get("call")),
        _number(said.get("code")) or 0,
        plain(said.get("error")),
        said.get("hung") is True,
        plain(said.get("lies_at")),
        _number(said.get("version")) or 0,
    )


def _device(entry: dict[str, t.Any]) -> Device:
    name, vendor = plain(entry.get("name")), _number(entry.get("vendor")) or 0
    kind = plain(entry.get("kind"))
    software = kind in _VULKAN_KINDS and vulkaninfo.VulkanDevice(name=name, kind=kind).software
    return Device(
        name,
        bare_uuid(plain(entry.get("uuid"))),
        bare_uuid(plain(entry.get("parent"))),
        _number(entry.get("memory_bytes")),
        vendor,
        software,
    )


def _torch(data: dict[str, t.Any]) -> Torch | None:
    if not data or "version" not in data:
        return None
    cuda, rocm, available = plain(data.get("cuda")), plain(data.get("hip")), data.get("available")
    built_for = f"CUDA {cuda}" if cuda else f"ROCm {rocm}" if rocm else ""
    return Torch(plain(data["version"]), built_for, available if isinstance(available, bool) else None)


# -- small readers of what may be anything


def bare_uuid(text: str) -> str:
    """The UUID in ``GPU-…``, ``MIG-…`` or the older ``MIG-GPU-…/1/0`` (the parent's there); empty where there is none."""
    found = re.search(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", text.lower())
    return found.group(0) if found else ""


def plain(value: t.Any) -> str:
    """A text as it may be shown: one line, not endless, nothing that a terminal would obey."""
    if not isinstance(value, str):
        return ""
    return "".join(letter if letter.isprintable() else " " for letter in value[:400]).strip()


def _number(value: t.Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _mapping(value: t.Any) -> dict[str, t.Any]:
    return value if isinstance(value, dict) else {}


def _pair(value: t.Any) -> tuple[str, str]:
    return (plain(value[0]), plain(value[1])) if isinstance(value, list) and len(value) == 2 else ("", "")
