# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""NVIDIA's stacks: native, under WSL2, on Jetson."""

from __future__ import annotations

import typing as t
from dataclasses import replace

from .._gpu.model import EngineFacts, GpuDevice
from .._group.config import Mount
from .case import AccessPlan, Case, elsewhere
from .choose import ALL, everything, wanted_ids

KIND = "nvidia.com/gpu"
RUNTIME = "nvidia"

DRIVER = ("compute", "utility", "graphics", "video", "display", "ngx", "compat32", "all")


def native(case: Case) -> AccessPlan:
    names = cdi_names(case, case.engine.cdi_devices)
    if names:
        return _with_slices(case.cdi(names), case)
    if has_runtime(case.engine):
        return _with_slices(_gpus(case, "the nvidia runtime is registered and no CDI spec can be used"), case)
    names = cdi_names(case, case.carried) if case.engine.ready else ()
    if names:
        return _with_slices(case.expanded(names), case)
    return case.none(no_toolkit(case.engine))


def wsl(case: Case) -> AccessPlan:
    """The spec of nvidia-ctk's wsl mode has one device, «all»; CUDA selects among the GPUs.

    Source: nvidia-container-toolkit, pkg/nvcdi/*-wsl.go.
    """
    environment = {}
    if len(case.devices) < len(case.stack.devices):
        chosen = [device.uuid or str(device.index or 0) for device in case.devices]
        environment["CUDA_VISIBLE_DEVICES"] = ",".join(chosen)
    if case.engine.flavour == "desktop":
        # Docker Desktop's daemon lives in a distribution of its own and does not see this one's CDI specs,
        # libraries or toolkit (docker/desktop-feedback 501); --gpus all is what it supports.
        # Versions before 4.34 do so without listing the runtime (docker/for-win 14331).
        return _runtime(case, "Docker Desktop gives GPUs by --gpus", environment, count=ALL)
    if f"{KIND}=all" in case.engine.cdi_devices:
        return case.cdi((f"{KIND}=all",), environment)
    if has_runtime(case.engine):
        return _runtime(case, "the nvidia runtime is registered and no CDI spec can be used", environment, count=ALL)
    # Microsoft's own form (wslg docs/Containers.md): whole directories survive a Windows driver update.
    driver = Mount(type="bind", source="/usr/lib/wsl", target="/usr/lib/wsl", read_only=True, create_host_path=False)
    environment = {"LD_LIBRARY_PATH": "/usr/lib/wsl/lib", **environment}
    return case.explicit(
        "no CDI spec that can be used: /dev/dxg and the driver's directory", ("/dev/dxg",), (driver,), environment
    )


def tegra(case: Case) -> AccessPlan:
    """A Jetson's toolkit refuses --gpus and wants its runtime named (error text of nvidia-container-runtime-hook)."""
    names = cdi_names(case, case.engine.cdi_devices)
    if names:
        return case.cdi(names)
    if has_runtime(case.engine):
        wanted = "all" if everything(case.stack, case.devices, case.wish) else ",".join(map(_selector, case.devices))
        environment = {"NVIDIA_VISIBLE_DEVICES": wanted, **_capabilities(case, "all")}
        request = case.request("nvidia-runtime", "on a Jetson the nvidia runtime itself gives the GPU", runtime=RUNTIME)
        return AccessPlan(request, environment=environment, promise=case.promise(case.nodes))
    names = cdi_names(case, case.carried) if case.engine.ready else ()
    if names:
        return case.expanded(names)
    return case.none(no_toolkit(case.engine))


def has_runtime(engine: EngineFacts) -> bool:
    """Docker's --gpus. Podman may have an OCI runtime of that name and has no such request, on either of its APIs."""
    return engine.name == "docker" and engine.flavour != "podman" and RUNTIME in engine.runtimes


def cdi_names(case: Case, known: t.Collection[str]) -> tuple[str, ...]:
    """CDI names for the chosen GPUs, or () where `known` does not have all of them."""
    if everything(case.stack, case.devices, case.wish) and f"{KIND}=all" in known:
        return (f"{KIND}=all",)
    names = []
    for device in case.devices:
        candidates = _slices(device, case.wish) if device.mig_enabled else [(device.uuid, str(device.index))]
        for pair in candidates:
            name = next((f"{KIND}={each}" for each in pair if each and f"{KIND}={each}" in known), "")
            if not name:
                return ()
            names.append(name)
    return tuple(names)


def _gpus(case: Case, reason: str) -> AccessPlan:
    """Docker's --gpus: ``all``, or the UUIDs (an index could mean another GPU after a reboot)."""
    if everything(case.stack, case.devices, case.wish):
        return _runtime(case, reason, {}, count=ALL)
    ids = tuple(name for device in case.devices for name in _selectors(device, case.wish))
    return _runtime(case, reason, {}, device_ids=ids)


def _runtime(case: Case, reason: str, environment: dict[str, str], **selection: t.Any) -> AccessPlan:
    request = case.request("nvidia-runtime", reason, capabilities=("gpu",), **selection)
    capabilities = _capabilities(case)
    wanted = capabilities.get("NVIDIA_DRIVER_CAPABILITIES", "compute").split(",")
    nodes = case.nodes
    if not {"compute", "all"} & set(wanted):
        # libnvidia-container gives the nodes of unified memory with compute only (src/nvc_mount.c).
        nodes = tuple(path for path in nodes if not path.startswith("/dev/nvidia-uvm"))
    return AccessPlan(request, environment={**environment, **capabilities}, promise=case.promise(nodes))


def _capabilities(case: Case, default: str = "") -> dict[str, str]:
    """NVIDIA_DRIVER_CAPABILITIES for what was asked for; the toolkit's default is utility,compute.

    Docker would set it from the request, too, but before 20.10 it refuses most names there, and «all» and «ngx» in
    every version (moby daemon/nvidia_linux.go, allNvidiaCaps). By CDI everything is given, whatever is asked for.
    """
    wanted = ",".join(name for name in DRIVER if name in case.wish.capabilities) or default
    return {"NVIDIA_DRIVER_CAPABILITIES": wanted} if wanted else {}


def _selectors(device: GpuDevice, wish: t.Any) -> list[str]:
    if device.mig_enabled:
        return [uuid or index for uuid, index in _slices(device, wish)]
    return [_selector(device)]


def _selector(device: GpuDevice) -> str:
    return device.uuid or str(device.index or 0)


def _slices(device: GpuDevice, wish: t.Any) -> list[tuple[str, str]]:
    pairs = [(mig.uuid, f"{device.index}:{mig.index}") for mig in device.mig]
    ids = set(wanted_ids(wish)) - {"all"}
    return [pair for pair in pairs if not ids or ids & set(pair) or device.uuid in ids or str(device.index) in ids]


def _with_slices(plan: AccessPlan, case: Case) -> AccessPlan:
    """A GPU in MIG mode gives its slices: what the container sees are they, not their parent."""
    if plan.promise is None or not any(device.mig_enabled for device in case.devices):
        return plan
    uuids: list[str] = []
    count = 0
    for device in case.devices:
        pairs = _slices(device, case.wish) if device.mig_enabled else [(device.uuid, "")]
        uuids += [uuid for uuid, _index in pairs if uuid]
        count += len(pairs)
    return replace(plan, promise=replace(plan.promise, uuids=tuple(uuids), count=count))


def no_toolkit(engine: EngineFacts) -> str:
    if engine.flavour == "desktop":
        return elsewhere(engine)
    if not engine.ready and engine.name == "docker":
        return f"what docker can give is not known ({engine.reason or 'it was not asked'})"
    if engine.flavour == "podman" and not engine.cdi_dirs:
        return (
            f"Docker's socket is answered by Podman {engine.version}, which drops GPU requests in silence: use podman"
        )
    if engine.name == "docker" and not engine.cdi_dirs:
        return "docker neither reads CDI specs nor has the nvidia runtime: install nvidia-container-toolkit and register it"
    return (
        f"{engine.name} finds no usable CDI spec for {KIND}: where a finding names one, mend that; "
        "else install nvidia-container-toolkit and run nvidia-ctk cdi generate"
    )
