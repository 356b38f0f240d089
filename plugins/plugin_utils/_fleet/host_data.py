# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One host's part of the plan, as the playbooks get it (docs/architecture.md)."""

from __future__ import annotations

import typing as t
from collections.abc import Sequence

from ...module_utils._group.config import to_dict
from .links import links_to_ask
from .needs import Node, needed_hosts

if t.TYPE_CHECKING:
    from .plan import Fleet, HostPlan


def nodes(plan: HostPlan) -> list[Node]:
    return [(plan.host.name, group.name) for group in plan.groups]


def made_elsewhere(plan: HostPlan) -> list[dict[str, t.Any]]:
    """Its images that another host builds."""
    return [spec for spec in plan.images.values() if spec.get("builder")]


def _images_of(plan: HostPlan, groups: Sequence[str]) -> list[str]:
    """Keys of the images that these of its groups use."""
    names = {service.config.image for group in plan.groups if group.name in groups for service in group.services}
    return [key for key in plan.images if key in names or f"build:{key}" in names]


def host_data(plan: HostPlan, fleet: Fleet, selected: list[Node]) -> dict[str, t.Any]:
    """A host's part of the plan. selected: groups of all hosts that may be changed."""
    inside = {placement.host.name for placement in fleet.placements if placement.host.inside}
    groups = [group for host, group in selected if host == plan.host.name]
    return {
        "engine": plan.host.engine,
        "engine_url": plan.host.engine_url,
        "engine_tls": dict(plan.host.engine_tls) or None,
        "adopt": plan.host.adopt,
        "engine_key": plan.engine_key,
        "architecture": plan.architecture,
        "state_dir": plan.host.state_dir,
        "cache_dir": plan.host.cache_dir,
        "supervisor": plan.host.supervisor,
        "boot_wait": plan.host.boot_wait,
        "groups": [to_dict(group) for group in plan.groups],
        "images": plan.images,
        "files": plan.files,
        "secrets": plan.secrets,
        "selected": groups,
        "selected_images": _images_of(plan, groups),
        "gpu": plan.gpu,
        "displays": plan.displays,
        "links": links_to_ask(plan.groups),
        "needs_hosts": {
            group: hosts
            for host, group in nodes(plan)
            if (hosts := sorted(needed_hosts(fleet.graph, (host, group)) & inside))
        },
    }
