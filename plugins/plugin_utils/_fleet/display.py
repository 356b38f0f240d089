# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The display of each service: its wish against the facts of the host it runs on."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping

from ...module_utils._access.display import DisplayPlan, Process, plan_display
from ...module_utils._access.plan import AccessPlan
from ...module_utils._gpu.model import EngineFacts, GpuHost
from .placement import Placement

_CAPABILITIES = ("cap_drop", "cap_add")


def _lacks_override(content: Mapping[str, t.Any]) -> bool:
    """Whether root in the container is without DAC_OVERRIDE, which engines give unless told otherwise."""
    dropped, added = (
        {str(name).upper().removeprefix("CAP_") for name in content.get(key) or ()} for key in _CAPABILITIES
    )
    every = {"ALL", "DAC_OVERRIDE"}
    return bool(dropped & every) and not added & every


def plan_service(placement: Placement, service: str, access: AccessPlan, facts: GpuHost) -> DisplayPlan:
    """What one service is given to draw on; empty where it asks for no display. Raises InputError where none will do."""
    extensions = placement.extensions(service)
    if extensions.display is None:
        return DisplayPlan()
    content = placement.services[service]
    process = Process(
        user=str(content.get("user") or ""),
        userns=content.get("userns_mode") or "",
        confined_root=_lacks_override(content),
        gpu=access.gpu if extensions.gpu is not None else None,
    )
    engine = facts.engines.get(placement.host.engine) or EngineFacts(name=placement.host.engine)
    return plan_display(facts, engine, extensions.display, process, placement.where("services", service, "x-display"))
