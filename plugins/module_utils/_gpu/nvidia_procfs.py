# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What NVIDIA's kernel module says about itself in procfs (formats: open-gpu-kernel-modules, nv-procfs.c)."""

from __future__ import annotations

import re
import typing as t

from .model import DeviceNode, GpuDevice, MigDevice
from .nvidia_answers import Answer, bus_id, number
from .probe import Reader
from .view import device_node

GPUS = "/proc/driver/nvidia/gpus"
VERSION = "/proc/driver/nvidia/version"
CAPABILITIES = "/proc/driver/nvidia/capabilities"
MINORS = "/proc/driver/nvidia-caps/mig-minors"


def kernel_version(reader: Reader) -> str | None:
    """Version of the loaded kernel module, open or not; empty if it is not understood, None when it is not loaded."""
    text = reader.file(VERSION)
    if text is None:
        return None
    found = re.search(r"Kernel Module(?: for \S+)?\s+(\d+\.\d+(?:\.\d+)?)", text)
    return found.group(1) if found else ""


def from_procfs(reader: Reader, stack: str) -> Answer | None:
    """Names, UUIDs and minors, no memory. None when the module is not loaded. Excluded GPUs are none."""
    version = kernel_version(reader)
    if version is None:
        return None
    devices: list[GpuDevice] = []
    for address, values in information(reader):
        if values.get("GPU Excluded", "").lower() == "yes":
            continue
        uuid, minor = values.get("GPU UUID", ""), number(values.get("Device Minor", ""))
        slices = _slices(reader, minor)
        devices.append(
            GpuDevice(
                stack=stack,
                vendor="nvidia",
                name=values.get("Model") or "NVIDIA GPU",
                uuid="" if "?" in uuid else uuid,
                index=len(devices),
                minor=minor,
                bus_id=bus_id(values.get("Bus Location") or address),
                driver=version,
                mig=slices,
                mig_enabled=bool(slices),
            )
        )
    return Answer(GPUS, tuple(devices), version, evidence=f"{len(devices)} entries")


def information(reader: Reader) -> t.Iterator[tuple[str, dict[str, str]]]:
    """(address, its information file's values) of every GPU that the module took, in bus order."""
    for address in reader.directory(GPUS) or ():
        text = reader.file(f"{GPUS}/{address}/information") or ""
        pairs = (line.partition(":") for line in text.splitlines())
        yield address, {key.strip(): value.strip() for key, _colon, value in pairs}


def excluded(reader: Reader) -> dict[str, str]:
    """Bus address → name of GPUs that an administrator keeps from the driver (NVreg_ExcludedGpus)."""
    return {
        bus_id(values.get("Bus Location") or address): values.get("Model") or "NVIDIA GPU"
        for address, values in information(reader)
        if values.get("GPU Excluded", "").lower() == "yes"
    }


def _slices(reader: Reader, minor: int | None) -> tuple[MigDevice, ...]:
    """Instances of a GPU in MIG mode; which UUID they have only NVML knows."""
    if minor is None:
        return ()
    base = f"{CAPABILITIES}/gpu{minor}/mig"
    found = []
    for instance in _numbered(reader, base, "gi"):
        for compute in _numbered(reader, f"{base}/gi{instance}", "ci"):
            found.append(MigDevice("MIG", gpu_instance=instance, compute_instance=compute, index=len(found)))
    return tuple(found)


def _numbered(reader: Reader, directory: str, prefix: str) -> list[int]:
    names = [re.fullmatch(rf"{prefix}(\d{{1,6}})", name) for name in reader.directory(directory) or ()]
    return sorted(int(name.group(1)) for name in names if name)


def slice_nodes(reader: Reader, minor: int, part: MigDevice) -> tuple[tuple[DeviceNode, ...], tuple[str, ...]]:
    """The nodes a slice needs beside its GPU's, and the paths of those that are not there.

    mig-minors names them by the GPU's minor: ``gpu0/gi1/access 12``, ``gpu0/gi1/ci0/access 13`` (nvidia-container-toolkit,
    internal/nvcaps). Both are empty where it does not list the slice.
    """
    minors = dict(line.rpartition(" ")[::2] for line in (reader.file(MINORS) or "").splitlines())
    gpu = f"gpu{minor}/gi{part.gpu_instance}"
    wanted = [minors.get(name, "") for name in (f"{gpu}/access", f"{gpu}/ci{part.compute_instance}/access")]
    paths = [f"/dev/nvidia-caps/nvidia-cap{each}" for each in wanted if each]
    nodes = [(path, device_node(reader, path)) for path in paths]
    there = tuple(node for _path, node in nodes if node is not None)
    return there, tuple(path for path, node in nodes if node is None)
