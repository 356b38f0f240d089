# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``vulkaninfo --summary``: what Vulkan programs on a host really see. A second opinion, never asked for without need."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .probe import Reader
from .view import NVIDIA

COMMAND = ("vulkaninfo", "--summary")

SOFTWARE_NAMES = re.compile(r"llvmpipe|lavapipe|swiftshader|softpipe|basic render driver", re.I)
NOTHING = re.compile(
    r"ERROR_INCOMPATIBLE_DRIVER|failed to find a compatible Vulkan|no (physical )?devices? found", re.I
)


@dataclass(frozen=True)
class VulkanDevice:
    name: str = ""
    vendor: str = ""
    """PCI vendor id as sysfs writes it, ``0x8086``; software has Mesa's own, ``0x10005``, and so have some real GPUs."""
    device: str = ""
    kind: str = ""
    """discrete, integrated, virtual, cpu, other; empty where it was not said."""
    driver_id: str = ""
    driver: str = ""
    """Driver's name and version, e.g. ``Mesa 25.2.8``."""
    api: str = ""

    @property
    def software(self) -> bool:
        """The device's type tells; a name where the type is missing. A vendor id alone tells nothing."""
        return self.kind == "cpu" or (self.kind in ("", "other") and bool(SOFTWARE_NAMES.search(self.name)))

    @property
    def windows(self) -> bool:
        """Mesa's driver over Direct3D 12 (WSL2)."""
        return "DOZEN" in self.driver_id or self.name.startswith("Microsoft Direct3D12")

    @property
    def proprietary_nvidia(self) -> bool:
        if self.driver_id:
            return self.driver_id == "DRIVER_ID_NVIDIA_PROPRIETARY"
        return self.vendor == NVIDIA and "NVK" not in self.name and "Mesa" not in self.driver

    @property
    def venus(self) -> bool:
        return "VENUS" in self.driver_id or "Virtio-GPU Venus" in self.name


@dataclass(frozen=True)
class Opinion:
    devices: tuple[VulkanDevice, ...]

    @property
    def hardware(self) -> tuple[VulkanDevice, ...]:
        """GPUs of Mesa's drivers on Linux: no rasteriser, not NVIDIA's own driver, nothing over Direct3D."""
        return tuple(each for each in self.devices if not (each.software or each.windows or each.proprietary_nvidia))

    @property
    def said(self) -> str:
        """For a finding's evidence."""
        shown = "; ".join(f"deviceName = {each.name or 'unknown'} ({each.kind or 'no type'})" for each in self.devices)
        return shown or "no device"


def ask(reader: Reader) -> Opinion | None:
    """What vulkaninfo said; None where it was not asked, is not installed, or failed for reasons of its own."""
    answer = reader.known(COMMAND)
    if answer is None:
        return None
    devices = parse(answer.stdout)
    if devices or NOTHING.search(answer.stdout + answer.stderr):
        return Opinion(devices)
    return None


def parse(text: str) -> tuple[VulkanDevice, ...]:
    """The devices of a summary. Unknown lines are skipped, whatever they hold."""
    blocks: list[dict[str, str]] = []
    for line in text.splitlines():
        if re.fullmatch(r"\s*GPU\d+:\s*", line):
            blocks.append({})
            continue
        key, equals, value = line.partition("=")
        if blocks and equals:
            blocks[-1].setdefault(key.strip(), value.strip())
    return tuple(_device(block) for block in blocks if block.get("deviceName") or block.get("deviceType"))


def _device(block: dict[str, str]) -> VulkanDevice:
    kind = re.match(r"PHYSICAL_DEVICE_TYPE_([A-Z]+)", block.get("deviceType", "").replace("VK_", "", 1))
    info = block.get("driverInfo", "")
    driver = info if info.startswith("Mesa") else " ".join(part for part in (block.get("driverName", ""), info) if part)
    return VulkanDevice(
        block.get("deviceName", ""),
        _id(block.get("vendorID", "")),
        _id(block.get("deviceID", "")),
        kind.group(1).lower() if kind else "",
        block.get("driverID", "").replace("VK_", "", 1),
        driver,
        _version(block.get("apiVersion", "")),
    )


def _id(text: str) -> str:
    """``0x8086``, however it was written: sysfs has at least four lower-case digits."""
    found = re.match(r"(0x[0-9a-fA-F]{1,8}|[0-9]{1,10})\b", text)
    return f"0x{int(found.group(1), 0):04x}" if found and not re.match(r"0[0-9]", text) else ""


def _version(text: str) -> str:
    """Both forms: ``1.3.251`` and, before 2022, ``4206843 (1.3.251)``."""
    found = re.search(r"\d+\.\d+(?:\.\d+)*", text)
    return found.group(0) if found else ""
