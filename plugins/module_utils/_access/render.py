# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stacks whose user space lives in the image, so that nodes are all a container needs: rocm, intel, vulkan, videocore, venus.

No variable is forced on any of them. Mesa's and oneAPI's loaders take whatever GPUs they can open, and a container can
open the chosen ones only; `VK_DRIVER_FILES` and the like name files of the image, which the plan does not know.
"""

from __future__ import annotations

import re
from dataclasses import replace

from .._cdi.kinds import KINDS
from .._gpu.model import GpuDevice
from .._group.config import Mount
from .case import AccessPlan, Case, elsewhere
from .choose import everything

_RENDER = re.compile(r"/dev/dri/renderD\d+")
_PRIMARY = re.compile(r"/dev/dri/card\d+")

KFD = "/dev/kfd"


def plain(case: Case) -> AccessPlan:
    """The chosen GPUs' nodes: by CDI names where the engine has names for exactly these, else one by one."""
    nodes = _nodes(case)
    missing = next((device.name for device in case.devices if not _own_nodes(device, case)), "")
    if missing or not nodes:
        return case.none(f"no device node of {missing or 'the GPU'} is known")
    names = _cdi_names(case, nodes)
    if names:
        return case.cdi(names)
    return case.explicit("the GPU's device nodes; its libraries are the image's", nodes)


def venus(case: Case) -> AccessPlan:
    """On a Mac the nodes are those of Podman's machine (libkrun), not of the host; elsewhere like any other GPU."""
    if case.host.platform != "macos":
        return plain(case)
    if case.engine.name != "podman":
        return case.none("only a Podman machine with libkrun has this GPU; Docker on a Mac has none")
    nodes = tuple(path for path in case.nodes if _RENDER.fullmatch(path)) or ("/dev/dri/renderD128",)
    plan = case.explicit("the node of Podman's machine; the image needs Mesa with Venus", ("/dev/dri",))
    return AccessPlan(plan.gpu, devices=plan.devices, promise=case.promise(nodes)) if plan.promise else plan


def rocm_wsl(case: Case) -> AccessPlan:
    """Windows' driver by /dev/dxg. ROCm 7.1 and newer talks to it through librocdxg, older ones by their own HSA library.

    Source: ROCm's documentation for WSL («Run in Docker»), librocdxg's README.
    """
    if case.engine.flavour == "desktop":
        return case.none(elsewhere(case.engine))
    # rocminfo may show the GPU where nobody found its library: then it is where ROCm puts it.
    library = case.stack.library or "/opt/rocm/lib/librocdxg.so"
    dxcore = _library("/usr/lib/wsl/lib/libdxcore.so", "/usr/lib/libdxcore.so")
    if "libhsa" in library:
        mounts, environment = (dxcore, _library(library, "/opt/rocm/lib/libhsa-runtime64.so.1")), {}
    else:
        # The variable is not needed from ROCm 7.13 on, and harmless there.
        mounts = (dxcore, _library(library, "/usr/lib/librocdxg.so"))
        environment = {"HSA_ENABLE_DXG_DETECTION": "1"}
    return case.explicit("/dev/dxg with Windows' and ROCm's libraries for it", ("/dev/dxg",), mounts, environment)


def metal(case: Case) -> AccessPlan:
    """Never in a container; a program on the Mac may lend it to containers over the network."""
    service = case.host.metal_service
    if service:
        reason = f"no GPU in the container: {service['variable']} names the program on the Mac that uses Metal, {service['url']}"
        # Its memory is that program's business.
        request = replace(case.request("network", reason), memory=0, uuids=())
        return AccessPlan(request, environment={service["variable"]: service["url"]})
    return case.none("Metal is not reachable from containers: they run in a Linux virtual machine, which has no Metal")


def _library(source: str, target: str) -> Mount:
    return Mount(type="bind", source=source, target=target, read_only=True, create_host_path=False)


def _own_nodes(device: GpuDevice, case: Case) -> tuple[str, ...]:
    """A GPU's render node; its primary node where there is no other, or for a display."""
    paths = [node.path for node in device.nodes]
    render = tuple(path for path in paths if _RENDER.fullmatch(path))
    primary = tuple(path for path in paths if _PRIMARY.fullmatch(path))
    return (*render, *primary) if case.wants_display or not render else render


def _nodes(case: Case) -> tuple[str, ...]:
    """All nodes the container gets; for rocm /dev/kfd as well, by which it sees nothing but the GPUs it can open."""
    shared = (KFD,) if case.stack.name == "rocm" else ()
    own = [path for device in case.devices for path in _own_nodes(device, case)]
    return tuple(dict.fromkeys((*shared, *own))) if own else ()


def _cdi_names(case: Case, nodes: tuple[str, ...]) -> tuple[str, ...]:
    """CDI names that together give the chosen GPUs and no other, or ().

    What a name stands for is told by its nodes, not by its number: vendors count in orders of their own.
    """
    kinds = [KINDS[name] for name in (case.stack.name, "vulkan") if name in KINDS]
    own = [name for kind in kinds for name in case.engine.cdi_devices if name.startswith(f"{kind}=")]
    if everything(case.stack, case.devices, case.wish) and not case.engine.cdi_nodes and f"{kinds[0]}=all" in own:
        # A daemon elsewhere tells names only.
        return (f"{kinds[0]}=all",)
    others = _gpu_nodes(case.host.devices) - _gpu_nodes(case.devices)
    whole = everything(case.stack, case.devices, case.wish)
    found = {}
    for name in sorted(own, key=lambda name: (name.endswith("=all") != whole, len(name), name)):
        given = set(case.engine.cdi_nodes.get(name, ()))
        if given and not given & others and (KFD not in nodes or KFD in given):
            found[name] = given & set(nodes)
    exact = next((name for name, given in found.items() if given == set(nodes)), "")
    if exact:
        return (exact,)
    each = [_name_of(device, found, case) for device in case.devices]
    return tuple(each) if all(each) else ()


def _name_of(device: GpuDevice, found: dict[str, set[str]], case: Case) -> str:
    wanted = set(_own_nodes(device, case))
    return next((name for name, given in found.items() if given - {KFD} == wanted), "")


def _gpu_nodes(devices: tuple[GpuDevice, ...]) -> set[str]:
    paths = [node.path for device in devices for node in device.nodes]
    return {path for path in paths if _RENDER.fullmatch(path) or _PRIMARY.fullmatch(path)}
