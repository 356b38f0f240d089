# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names: which CDI kind stands for a stack, what its devices are called, which files are ours and which a tool's.

The access planner takes names from here; nothing else is imported.
"""

from __future__ import annotations

import re
import typing as t

KINDS = {
    "nvidia": "nvidia.com/gpu",
    "nvidia-wsl": "nvidia.com/gpu",
    "nvidia-tegra": "nvidia.com/gpu",
    "rocm": "amd.com/gpu",
    "intel": "intel.com/gpu",
    "intel-npu": "intel.com/npu",
    # No vendor has a kind for «any render node»; these are this collection's own.
    "vulkan": "gpu-fleet.org/dri",
    "videocore": "gpu-fleet.org/videocore",
}
"""Kind by stack (and by ``intel-npu``, which is no GPU stack). A stack that is not here is given without CDI."""

ALL = "all"
"""The device of every kind that stands for all of its devices together."""

PREFIX = "gpu-fleet-"
"""Names of our files begin with it."""


class Tool(t.NamedTuple):
    """A vendor's program that writes CDI specs."""

    program: str
    package: str
    files: tuple[str, ...]
    """Names of the files that it, or its vendor's documentation, writes to a directory of CDI specs."""


NVIDIA_CTK = Tool("nvidia-ctk", "nvidia-container-toolkit", ("nvidia.yaml", "nvidia.json"))
AMD_CTK = Tool("amd-ctk", "amd-container-toolkit", ("amd.json",))
INTEL = Tool("intel-cdi-specs-generator", "intel-cdi-specs-generator", ("intel.com-gpu.yaml", "intel.com-npu.yaml"))

TOOLS = {
    "nvidia": NVIDIA_CTK,
    "nvidia-wsl": NVIDIA_CTK,
    "nvidia-tegra": NVIDIA_CTK,
    "rocm": AMD_CTK,
    "intel": INTEL,
    "intel-npu": INTEL,
}

WITHOUT_TOOL = ("nvidia-wsl", "rocm", "intel", "intel-npu", "vulkan", "videocore")
"""What we can describe ourselves. For the others the driver's files have to be found, which is their tool's work."""


def file_name(kind: str) -> str:
    """Name of our file for a kind: ``gpu-fleet-nvidia.com-gpu.json``. One file a kind, whatever the stack."""
    return f"{PREFIX}{kind.replace('/', '-')}.json"


def is_ours(path: str) -> bool:
    """Whether a file is one that `cdi_spec` writes: by its whole name, for anybody may take the prefix."""
    return path.rpartition("/")[2] in _OURS


_OURS = frozenset(map(file_name, KINDS.values()))


def qualified(kind: str, name: str) -> str:
    """``nvidia.com/gpu=0``, as engines take it."""
    return f"{kind}={name}"


def node_name(nodes: t.Iterable[str]) -> str:
    """What a device without an index is called: ``card0`` before ``renderD128`` before ``accel0``; empty without such a node.

    For intel.com/gpu (as Intel's own generator names them) and intel.com/npu.
    """
    return _first(nodes, (r"card\d+", r"renderD\d+", r"accel\d+"))


def render_name(nodes: t.Iterable[str]) -> str:
    """What a device of gpu-fleet.org is called: its render node, e.g. ``renderD128``."""
    return _first(nodes, (r"renderD\d+", r"card\d+"))


def _first(nodes: t.Iterable[str], patterns: tuple[str, ...]) -> str:
    names = sorted(node.rpartition("/")[2] for node in nodes)
    return next((name for pattern in patterns for name in names if re.fullmatch(pattern, name)), "")
