# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""CDI names: ``vendor/class=name``, by the grammar of the CDI libraries (pkg/parser/parser.go)."""

from __future__ import annotations

import re

_LABEL = r"[A-Za-z](?:[A-Za-z0-9_.-]*[A-Za-z0-9])?"
_DEVICE = r"[A-Za-z0-9](?:[A-Za-z0-9_.:-]*[A-Za-z0-9])?"

KIND = re.compile(rf"{_LABEL}/{_LABEL}")
DEVICE = re.compile(_DEVICE)
QUALIFIED = re.compile(rf"{_LABEL}/{_LABEL}={_DEVICE}")


def is_cdi_name(text: str) -> bool:
    """Whether a device is asked for by its CDI name. A path never is: it starts with a slash."""
    return QUALIFIED.fullmatch(text) is not None


def split(name: str) -> tuple[str, str]:
    """``nvidia.com/gpu=0`` → (``nvidia.com/gpu``, ``0``)."""
    kind, _equals, device = name.partition("=")
    return kind, device
