# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is known of an Intel GPU or NPU by its PCI id and address: its name, as far as a product has one of its own.

GPUs: intel/compute-runtime, shared/source/dll/devices/devices_base.inl. NPUs: Linux, drivers/accel/ivpu/ivpu_drv.h.
"""

from __future__ import annotations

import re

from .view import Card

GPUS = {
    "0x5690": "Intel Arc A770M",
    "0x5691": "Intel Arc A730M",
    "0x5692": "Intel Arc A550M",
    "0x5693": "Intel Arc A370M",
    "0x5694": "Intel Arc A350M",
    "0x5696": "Intel Arc A570M",
    "0x5697": "Intel Arc A530M",
    "0x56a0": "Intel Arc A770",
    "0x56a1": "Intel Arc A750",
    "0x56a2": "Intel Arc A580",
    "0x56a5": "Intel Arc A380",
    "0x56a6": "Intel Arc A310",
    "0x56b0": "Intel Arc Pro A30M",
    "0x56b1": "Intel Arc Pro A40/A50",
    "0x56b2": "Intel Arc Pro A60M",
    "0x56b3": "Intel Arc Pro A60",
    "0x56c0": "Intel Data Center GPU Flex 170",
    "0x56c1": "Intel Data Center GPU Flex 140",
    "0xe20b": "Intel Arc B580",
    "0xe20c": "Intel Arc B570",
}

NPUS = {
    "0x7d1d": "Meteor Lake",
    "0xad1d": "Arrow Lake",
    "0x643e": "Lunar Lake",
    "0xb03e": "Panther Lake",
    "0xfd3e": "Wildcat Lake",
}


def name(card: Card) -> str:
    """sysfs has no names: the product's where the id is known, else the id."""
    return GPUS.get(card.device) or f"Intel GPU {card.device}".strip()


def is_integrated(card: Card) -> bool:
    """A processor's own GPU is always device 2 on bus 0 (Linux, drivers/gpu/drm/i915; Mesa, anv).

    Where the address is not known: what is no card that we know by name (a guess; most are not).
    """
    if ":" not in card.bus_id:
        return card.device not in GPUS
    return bool(re.search(r":00:02\.[0-7]$", card.bus_id))
