# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is known about a host's GPUs and engines: plain frozen values with a JSON form.

Sizes are bytes; None means «the host did not say».
"""

from __future__ import annotations

import dataclasses
import typing as t
from dataclasses import dataclass, field

from .findings import Finding


@dataclass(frozen=True)
class DeviceNode:
    path: str
    major: int | None = None
    minor: int | None = None
    mode: str = ""
    """Permission bits in octal, e.g. ``0660``."""
    uid: int = 0
    gid: int = 0


@dataclass(frozen=True)
class MigDevice:
    """One slice of a GPU in MIG mode; containers get slices, never the parent."""

    name: str
    uuid: str = ""
    gpu_instance: int | None = None
    compute_instance: int | None = None
    memory_bytes: int | None = None
    index: int | None = None
    """Number within the parent: CDI calls it ``<parent index>:<index>``."""
    nodes: tuple[DeviceNode, ...] = ()
    """Nodes of its two instances (/dev/nvidia-caps/…), which a container needs beside the parent's."""


@dataclass(frozen=True)
class GpuDevice:
    stack: str
    vendor: str
    name: str
    uuid: str = ""
    index: int | None = None
    """Number by which the vendor's tools and CDI names count (NVML index), not the node's minor."""
    minor: int | None = None
    """N of /dev/nvidiaN."""
    bus_id: str = ""
    memory_bytes: int | None = None
    memory_free_bytes: int | None = None
    nodes: tuple[DeviceNode, ...] = ()
    driver: str = ""
    """Driver version; under WSL2 the Windows driver's."""
    integrated: bool = False
    compute_capability: str = ""
    architecture: str = ""
    """The vendor's name for the chip's instruction set where images are built for it, e.g. ``gfx1100``."""
    ready: bool = True
    mig: tuple[MigDevice, ...] = ()
    mig_enabled: bool = False


@dataclass(frozen=True)
class Stack:
    name: str
    ready: bool
    reason: str
    """Why it is ready or not, one sentence."""
    devices: tuple[GpuDevice, ...] = ()
    rank: str = ""
    """Why it stands where it does among the host's stacks, in words."""
    library: str = ""
    """rocm-wsl: path of ROCm's library for WSL on this host, which containers get from here; empty where there is none."""


@dataclass(frozen=True)
class Display:
    """A display server of this host that containers could draw on. Holds no cookie."""

    kind: str
    """x11, wayland or wslg."""
    name: str
    """``:0`` or ``wayland-0``."""
    socket: str
    """Absolute path of its socket on the host."""
    uid: int | None = None
    """Whose session it is."""
    authority: str = ""
    """X11: path of the file with the cookie; empty where the server was found and no such file."""
    more: tuple[str, ...] = ()
    """WSLg: paths of its other sockets, ``…/wayland-0`` and ``…/PulseServer``."""


@dataclass(frozen=True)
class EngineFacts:
    name: str
    installed: bool = False
    ready: bool = False
    reason: str = ""
    """Why it is not ready; empty when it is."""
    version: str = ""
    id: str = ""
    """Equal on two inventory hosts that share one engine."""
    rootless: bool = False
    flavour: str = "engine"
    """engine, desktop, or podman: a Podman that answers at Docker's socket."""
    url: str = ""
    cdi_dirs: tuple[str, ...] = ()
    """Directories it reads CDI specs from; empty: it does not use CDI."""
    cdi_devices: tuple[str, ...] = ()
    """CDI names that it can resolve, e.g. ``nvidia.com/gpu=all``."""
    cdi_nodes: dict[str, list[str]] = field(default_factory=dict)
    """CDI name → device nodes that a container gets by it under the path they have on the host, where that is known."""
    cdi_groups: dict[str, list[int]] = field(default_factory=dict)
    """CDI name → gids that its spec gives a container's process; names without any are left out."""
    runtimes: tuple[str, ...] = ()
    selinux: bool = False
    """Containers are confined by SELinux, which keeps device nodes from them."""
    declared: dict[str, int] = field(default_factory=dict)
    """GPU memory by uuid that running containers of ours declared."""


@dataclass(frozen=True)
class GpuHost:
    platform: str
    stacks: tuple[Stack, ...] = ()
    """Best first; `cpu` is always there and last."""
    engines: dict[str, EngineFacts] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    npus: tuple[GpuDevice, ...] = ()
    """Neural accelerators: no GPUs, given to containers that ask for the capability ``npu``."""
    displays: tuple[Display, ...] = ()
    cdi: dict[str, t.Any] = field(default_factory=dict)
    """What CDI specs of this host say, for engines that cannot read them (`_access/expand.py`):
    kind → ``{"edits": edits for every device, "devices": {name: edits}}``."""
    architecture: str = ""
    """What images must be made for here, in OCI's words (``amd64``); empty where nobody said."""
    reported: str = ""
    """URL of the engine from whose words alone all this is known (`_gpu/reported.py`); empty: the host was looked at."""
    metal_service: dict[str, str] = field(default_factory=dict)
    """Set by the plan: where containers reach a program of this Mac that uses Metal, as ``url`` and ``variable``."""

    @property
    def best(self) -> str:
        return next((stack.name for stack in self.stacks if stack.ready), "cpu")

    @property
    def devices(self) -> tuple[GpuDevice, ...]:
        return tuple(device for stack in self.stacks for device in stack.devices)

    def stack(self, name: str) -> Stack | None:
        return next((stack for stack in self.stacks if stack.name == name), None)

    def to_dict(self) -> dict[str, t.Any]:
        """The form that `gpu_facts` returns (its `access` is added by the module)."""
        return {
            "platform": self.platform,
            "architecture": self.architecture,
            "stack": self.best,
            "stacks": [plain(stack) for stack in self.stacks],
            "devices": [plain(device) for device in self.devices],
            "engines": {name: plain(engine) for name, engine in sorted(self.engines.items())},
            "findings": [plain(finding) for finding in self.findings],
            "npus": [plain(device) for device in self.npus],
            "displays": [plain(display) for display in self.displays],
            "cdi": plain(self.cdi),
            "reported": self.reported,
        }

    @classmethod
    def from_dict(cls, data: dict[str, t.Any]) -> GpuHost:
        """The host that `to_dict` described. Unknown keys are ignored: facts may come from a newer release."""
        return cls(
            platform=data.get("platform", "linux"),
            architecture=data.get("architecture", ""),
            stacks=tuple(_make(Stack, entry) for entry in data.get("stacks", ())),
            engines={
                name: _make(EngineFacts, {"name": name, **entry}) for name, entry in data.get("engines", {}).items()
            },
            findings=tuple(_make(Finding, entry) for entry in data.get("findings", ())),
            npus=tuple(_make(GpuDevice, entry) for entry in data.get("npus", ())),
            displays=tuple(_make(Display, entry) for entry in data.get("displays", ())),
            cdi=dict(data.get("cdi") or {}),
            reported=data.get("reported", ""),
        )


# OCI's names (GOARCH) by the kernel's: opencontainers/image-spec, «image index», and Go's list of ports.
_OCI_ARCHITECTURES = {
    "x86_64": "amd64",
    "aarch64": "arm64",
    "armv6l": "arm",
    "armv7l": "arm",
    "i386": "386",
    "i686": "386",
    "loongarch64": "loong64",
}


def oci_architecture(machine: str) -> str:
    """``amd64`` for ``x86_64`` (`uname -m`, and `Architecture` of `docker info`)."""
    return _OCI_ARCHITECTURES.get(machine, machine)


_NESTED: dict[str, type] = {"devices": GpuDevice, "nodes": DeviceNode, "mig": MigDevice}

T = t.TypeVar("T")


def _make(kind: type[T], data: dict[str, t.Any]) -> T:
    values: dict[str, t.Any] = {}
    for item in dataclasses.fields(kind):  # type: ignore[arg-type]
        if item.name not in data:
            continue
        content = data[item.name]
        if item.name in _NESTED:
            content = tuple(_make(_NESTED[item.name], entry) for entry in content)
        elif isinstance(content, list):
            content = tuple(content)
        values[item.name] = content
    return kind(**values)


def plain(value: t.Any) -> t.Any:
    """JSON form with every field present, so that templates need no defaults."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {item.name: plain(getattr(value, item.name)) for item in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {key: plain(content) for key, content in sorted(value.items())}
    if isinstance(value, (list, tuple)):
        return [plain(content) for content in value]
    return value
