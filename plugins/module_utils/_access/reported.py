# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Access where only the engine was asked (`_gpu/reported.py`): by a CDI name it told of, or by nodes the inventory vouches for."""

from __future__ import annotations

from .._cdi.kinds import KINDS
from .._gpu.reported import DECLARABLE
from .case import AccessPlan, Case


def plain(case: Case) -> AccessPlan:
    """For stacks whose user space lives in the image."""
    name = f"{KINDS.get(case.stack.name, '')}=all"
    if name in case.engine.cdi_devices:
        return case.cdi((name,))
    _vendor, devices, nodes = DECLARABLE[case.stack.name]
    request = case.request("explicit", f"device nodes of the far side, taken on trust: {case.stack.reason}")
    return AccessPlan(request, devices=devices, promise=case.promise(nodes))
