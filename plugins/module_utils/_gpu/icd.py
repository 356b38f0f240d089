# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Vulkan drivers (ICDs) installed on a host, by the names of their manifests, and which kernel driver each is for."""

from __future__ import annotations

import re

from .platform import environment
from .probe import Reader
from .view import INTEL, Card

DRIVERS = {
    "amdgpu": ("radeon",),
    "i915": ("intel",),
    "xe": ("intel",),
    "nouveau": ("nouveau",),
    "v3d": ("broadcom",),
    "panfrost": ("panfrost",),
    "panthor": ("panfrost",),
    "msm": ("freedreno",),
    "msm_dpu": ("freedreno",),
    "msm_mdp": ("freedreno",),
    "adreno": ("freedreno",),
    "asahi": ("asahi",),
    "powervr": ("powervr_mesa",),
    "pvrsrvkm": ("powervr_mesa",),
    "virtio_gpu": ("virtio",),
    "virtio-pci": ("virtio",),
}
"""Kernel driver → names of Mesa's ICDs for it (Mesa, src/*/vulkan/meson.build; fact sheet E)."""

WITHOUT_VULKAN = {
    "radeon": "GCN and newer cards have one under amdgpu",
    "vc4": "VideoCore IV",
    "vc4-drm": "VideoCore IV",
    "lima": "Mali-400 and 450",
    "etnaviv": "Vivante",
    "vmwgfx": "VMware's virtual GPU",
}
"""Kernel drivers of real or virtual GPUs for which Mesa has OpenGL and no Vulkan (docs.mesa3d.org, «drivers»)."""

HASVK = re.compile(r"0x(015[2567a]|016[26a]|0[4cd][0-3][0-9a-f]|0a[0-3][0-9a-f]|0f3[0-3]|16[0-3][0-9a-f]|22b[0-3])")
"""Intel's Gen7 and Gen8 (Ivy Bridge to Broadwell and Cherryview): `intel_hasvk` (Mesa include/pci_ids/crocus_pci_ids.h)."""

OLDER = re.compile(r"0x(004[26]|01[012][26a]|2[5-9ae][0-9a-f]{2}|a0[01][0-9a-f])")
"""Intel's Gen3 to Gen6 (until Sandy Bridge): no Vulkan (the same lists)."""

SOFTWARE = "lvp"
DOZEN = "dzn"

DIRECTORIES = (
    "/etc/xdg/vulkan/icd.d",
    "/etc/vulkan/icd.d",
    "/usr/local/share/vulkan/icd.d",
    "/usr/share/vulkan/icd.d",
    "/run/opengl-driver/share/vulkan/icd.d",
)
"""Where the loader looks (Vulkan-Loader, docs/LoaderDriverInterface.md); the last one is NixOS'."""

FOREIGN = re.compile(r"\.i[3-6]86\.json$")


def installed(reader: Reader) -> dict[str, str]:
    """Name → path of the manifest: ``radeon_icd.x86_64.json`` and ``radeon_icd.json`` are both ``radeon``.

    A 64-bit x86 host often has the 32-bit drivers, too (Steam, Wine): those count for nothing here.
    """
    found: dict[str, str] = {}
    for directory in (*_own_directories(reader), *DIRECTORIES):
        for name in reader.directory(directory) or ():
            driver, icd, rest = name.partition("_icd")
            if not icd or not rest.endswith(".json") or (reader.machine() == "x86_64" and FOREIGN.search(name)):
                continue
            found.setdefault(driver, f"{directory}/{name}")
    return found


def _own_directories(reader: Reader) -> list[str]:
    """The user's: the loader reads them before the system's."""
    told = environment(reader.file("/proc/self/environ"))
    home = told.get("HOME", "")
    bases = [
        told.get("XDG_CONFIG_HOME") or (f"{home}/.config" if home else ""),
        told.get("XDG_DATA_HOME") or (f"{home}/.local/share" if home else ""),
    ]
    return [f"{base.rstrip('/')}/vulkan/icd.d" for base in bases if base.startswith("/")]


def names(card: Card) -> tuple[str, ...]:
    """Names of Mesa's ICDs for a card; empty where Mesa has no Vulkan for its kernel driver."""
    if card.vendor == INTEL and OLDER.fullmatch(card.device):
        return ()
    if card.vendor == INTEL and card.driver == "i915" and HASVK.fullmatch(card.device):
        return ("intel_hasvk",)
    return DRIVERS.get(card.driver, ())
