# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a container draws on a display of its host: pure functions.

Only the sockets it needs are given to it, never a directory, the host's network or `xhost +`. X11 admits it by
the server's cookie, which the host reads itself when it deploys (`_group/xauthority.py`). Wayland admits whoever
may open the socket.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from .._errors import InputError
from .._gpu.findings import CODES
from .._gpu.model import Display, EngineFacts, GpuHost
from .._group.config import COOKIE, GpuRequest, Mount, SecretFile

FOLDER = "/run/display"
"""Where a container finds what has no fixed place of its own."""

WSL_DRIVER = "/usr/lib/wsl"


@dataclass(frozen=True)
class DisplayPlan:
    """What a container configuration needs besides its GPU to draw on a display. Empty: it has none."""

    display: Display | None = None
    reason: str = ""
    """Why it has none, where it wanted one and may go without."""
    mounts: tuple[Mount, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    secrets: tuple[SecretFile, ...] = ()
    security_opt: tuple[str, ...] = ()


@dataclass(frozen=True)
class Process:
    """Who runs in the container, as its service says it."""

    user: str = ""
    """``uid[:gid]`` or a name; empty: the image's."""
    userns: str = ""
    """`userns_mode`, e.g. ``keep-id``."""
    confined_root: bool = False
    """Without the capability DAC_OVERRIDE, so that root may open only what its mode allows."""
    gpu: GpuRequest | None = None
    """How it gets its GPU; None: it asked for none."""

    @property
    def uid(self) -> int | None:
        """None: the image says it, or only the image knows the name."""
        name = self.user.partition(":")[0]
        return int(name) if name.isdigit() else 0 if name == "root" else None

    @property
    def gid(self) -> int:
        name = self.user.partition(":")[2]
        return int(name) if name.isdigit() else 0


def plan_display(host: GpuHost, engine: EngineFacts, wish: t.Any, process: Process, where: str = "") -> DisplayPlan:
    """The first display of the wish (`DisplayWish` of a group file) that this container can be given.

    Raises InputError (path `where`) when there is none and the wish is not optional.
    """
    refused = [_out_of_reach(host, engine)]
    for kind in () if refused[0] else wish.kinds:
        found = [display for display in host.displays if _offers(display, kind)]
        candidates = [display for display in found if _is_meant(display, kind, wish.display)]
        for display in candidates:
            problem = _not_admitted(display, engine, process) if kind == "wayland" and display.kind == kind else ""
            if not problem:
                return _plan(display, kind, engine, process)
            refused.append(problem)
        if not candidates:
            refused.append(_missing(kind, found, wish.display))
    reason = "; ".join(filter(None, refused))
    if wish.optional:
        return DisplayPlan(reason=reason)
    raise InputError(f"a display is wanted and none can be used ({reason})", where, CODES["display-missing"][1])


def _out_of_reach(host: GpuHost, engine: EngineFacts) -> str:
    """Why this engine's containers cannot be given any socket of this host; empty when they can."""
    if engine.url.startswith(("tcp://", "ssh://", "http")):
        return f"{engine.name} runs on another machine ({engine.url.partition('://')[0]}://)"
    if engine.flavour == "desktop" and host.platform != "wsl2":
        # Its virtual machine shares files with this host, and no sockets but its own.
        return "Docker Desktop's virtual machine does not reach this host's displays"
    return ""


def _offers(display: Display, kind: str) -> bool:
    """WSLg is an X server and a Wayland compositor, too."""
    if display.kind == "wslg":
        return kind in ("wslg", "x11") or (kind == "wayland" and bool(_wayland_of(display)))
    return display.kind == kind


def _is_meant(display: Display, kind: str, name: str) -> bool:
    """Without a name, a login manager's own display is nobody's wish: its user is one of the system's."""
    if not name:
        return not (display.uid and display.uid < 1000)
    if display.kind == "wslg":
        return name == (_wayland_of(display).rpartition("/")[2] if name.startswith("wayland") else display.name)
    return name == display.name


def _missing(kind: str, found: list[Display], name: str) -> str:
    if not found:
        return f"{kind}: not on this host"
    shown = ", ".join(f"{display.name} of uid {'unknown' if display.uid is None else display.uid}" for display in found)
    return f"{kind}: there is {shown}, not {name}" if name else f"{kind}: {shown} is the login screen's"


def _not_admitted(display: Display, engine: EngineFacts, process: Process) -> str:
    """Why a container's user may not open a compositor's socket (mode 0755, in a directory of mode 0700)."""
    uid, text = process.uid, f"wayland: {display.name} belongs to uid {display.uid}"
    if engine.rootless:
        # The engine's user is root inside; any other number is a subordinate uid outside.
        if process.userns.startswith("keep-id") or uid in (None, 0):
            return ""
        return f"{text}, and uid {uid} of a rootless container is another one: write userns_mode: keep-id or user: '0'"
    if uid == 0 and process.confined_root and display.uid:
        return f"{text}, and the container's root lacks DAC_OVERRIDE: write user: '{display.uid}'"
    if uid in (None, 0, display.uid) or display.uid is None:
        return ""
    return f"{text}, and the container runs as uid {uid}: write user: '{display.uid}'"


def _plan(display: Display, kind: str, engine: EngineFacts, process: Process) -> DisplayPlan:
    environment: dict[str, str] = {}
    mounts: list[Mount] = []
    secrets: tuple[SecretFile, ...] = ()
    if kind != "wayland":
        number = display.name[1:]
        # Clients know the socket by this path only.
        mounts.append(_socket(display.socket, f"/tmp/.X11-unix/X{number}"))
        environment["DISPLAY"] = display.name
        if display.kind == "x11":
            secrets = (_cookie(number, engine, process),)
            environment["XAUTHORITY"] = secrets[0].target
    for source in _others(display, kind):
        name = source.rpartition("/")[2]
        mounts.append(_socket(source, f"{FOLDER}/{name}"))
        if name == "PulseServer":
            environment["PULSE_SERVER"] = f"unix:{FOLDER}/{name}"
        else:
            # An absolute path needs libwayland 1.15 (2018). Some clients make their buffers in the runtime directory,
            # so it has to be one that every user can write; /tmp is in every image.
            environment |= {"WAYLAND_DISPLAY": f"{FOLDER}/{name}", "XDG_RUNTIME_DIR": "/tmp"}
    drawing = _drawing(display, process.gpu)
    return DisplayPlan(
        display,
        mounts=(*mounts, *drawing.mounts),
        environment={**environment, **drawing.environment},
        secrets=secrets,
        # SELinux refuses sockets of the host to a confined container, as it does device nodes.
        security_opt=("label=disable",) if engine.selinux else (),
    )


def _others(display: Display, kind: str) -> tuple[str, ...]:
    """Sockets besides the X server's that this kind of wish is for."""
    if display.kind == "wslg":
        return {"wslg": display.more, "x11": (), "wayland": (_wayland_of(display),)}[kind]
    return (display.socket,) if kind == "wayland" else ()


def _wayland_of(display: Display) -> str:
    return next((path for path in display.more if path.rpartition("/")[2].startswith("wayland-")), "")


def _socket(source: str, target: str) -> Mount:
    """A read-only mount keeps a socket from being replaced, not from being used (tried on Podman 4.3 and Docker 20.10)."""
    return Mount("bind", target=target, source=source, read_only=True, create_host_path=False)


def _cookie(number: str, engine: EngineFacts, process: Process) -> SecretFile:
    """Tight where we know who reads it; otherwise the image's user, whoever that is, must be able to.

    Outside the container only the engine's user gets as far as the file. A rootless container's users but root are
    subordinate uids, to which that user cannot give a file.
    """
    known = process.uid is not None and not (engine.rootless and (process.uid or process.userns))
    mode = 0o400 if known else 0o444
    return SecretFile(f"{COOKIE}{number}", f"{FOLDER}/Xauthority", process.uid or 0, process.gid, mode)


def _drawing(display: Display, gpu: GpuRequest | None) -> DisplayPlan:
    """What a GPU that was planned for computing lacks for drawing."""
    if gpu is None or gpu.mode == "none":
        return DisplayPlan()
    if gpu.stack in ("nvidia-wsl", "rocm-wsl") and display.kind == "wslg":
        # Mesa draws through Windows' Direct3D 12, whose libraries CDI specs for CUDA leave out
        # (microsoft/wslg, samples/container/Containers.md; docs.mesa3d.org, «d3d12»). Not tried on hardware.
        adapter = {"nvidia-wsl": "NVIDIA", "rocm-wsl": "AMD"}[gpu.stack]
        return DisplayPlan(
            mounts=(Mount("bind", target=WSL_DRIVER, source=WSL_DRIVER, read_only=True, create_host_path=False),),
            environment={
                "LD_LIBRARY_PATH": f"{WSL_DRIVER}/lib",
                "GALLIUM_DRIVER": "d3d12",
                "MESA_D3D12_DEFAULT_ADAPTER_NAME": adapter,
            },
        )
    if gpu.mode == "nvidia-runtime":
        # Its default is compute,utility: a program would draw by software unawares (NVIDIA's container documentation).
        return DisplayPlan(environment={"NVIDIA_DRIVER_CAPABILITIES": "compute,utility,graphics,display"})
    return DisplayPlan()
