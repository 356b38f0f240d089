# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of a service decides about its display."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._access.display import DisplayPlan
from ansible_collections.gpu_fleet.containers.plugins.module_utils._access.plan import AccessPlan
from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu.model import Display, EngineFacts, GpuHost
from ansible_collections.gpu_fleet.containers.plugins.module_utils._group.config import GpuRequest
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._compose.spec import (
    DisplayWish,
    GpuWish,
    ServiceExtensions,
)
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._fleet.display import plan_service

from .examples import group, host, placed, service

WAYLAND = Display("wayland", "wayland-0", "/run/user/1000/wayland-0", 1000)
X11 = Display("x11", ":0", "/tmp/.X11-unix/X0", 1000)


def plan(
    extensions: ServiceExtensions, display: Display = WAYLAND, rootless: bool = False, **keys: t.Any
) -> DisplayPlan:
    placement = placed(host(), group("core", {"web": service(**keys)}, extensions={"web": extensions}))
    facts = GpuHost("linux", displays=(display,), engines={"podman": EngineFacts("podman", rootless=rootless)})
    return plan_service(placement, "web", AccessPlan(GpuRequest("nvidia", "nvidia-runtime")), facts)


WISH = DisplayWish(optional=True)


def test_nothing_is_given_that_was_not_asked_for() -> None:
    assert plan(ServiceExtensions()) == DisplayPlan()


@pytest.mark.parametrize(
    ("keys", "given"),
    [
        ({}, True),
        ({"user": "1001"}, False),
        ({"user": "0", "cap_drop": ["ALL"]}, False),
        ({"user": "0", "cap_drop": ["CAP_DAC_OVERRIDE"]}, False),
        ({"user": "0", "cap_drop": ["all"], "cap_add": ["dac_override"]}, True),
        ({"user": "0", "cap_drop": ["NET_RAW"]}, True),
        ({"user": "1000", "cap_drop": ["ALL"]}, True),
        ({"user": "1000", "rootless": True}, False),
        ({"user": "1000", "rootless": True, "userns_mode": "keep-id"}, True),
    ],
)
def test_user_and_rights_of_a_service_count(keys: dict[str, t.Any], given: bool) -> None:
    assert (plan(ServiceExtensions(display=WISH), **keys).display is not None) == given


def test_a_gpu_counts_where_it_was_asked_for() -> None:
    name = "NVIDIA_DRIVER_CAPABILITIES"
    assert name in plan(ServiceExtensions(gpu=GpuWish(), display=WISH), X11).environment
    assert name not in plan(ServiceExtensions(display=WISH), X11).environment
