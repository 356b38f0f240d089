# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compose group files to GroupSpec. Start reading at `group.py`."""

from __future__ import annotations

from .group import load_group
from .profiles import enabled_services
from .spec import (
    STACKS,
    BuildExtensions,
    BuildVariant,
    GpuWish,
    GroupSpec,
    LinkWish,
    ServiceExtensions,
)

__all__ = [
    "STACKS",
    "BuildExtensions",
    "BuildVariant",
    "GpuWish",
    "GroupSpec",
    "LinkWish",
    "ServiceExtensions",
    "enabled_services",
    "load_group",
]
