# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Podman's containers after a boot: it has no daemon, so a unit of its own starts those with a restart policy.

Which policies it starts depends on the version: Debian 13's Podman 5.4 has `--filter restart-policy=always` there and
leaves `unless-stopped` down; newer ones have `--filter should-start-on-boot=true`, which is both, without those that were
stopped by hand (containers/podman, contrib/systemd/system/podman-restart.service.in).
"""

from __future__ import annotations

import re

from .._group.labels import SCHEMA

UNIT = "podman-restart.service"
DROP_IN = f"{UNIT}.d/50-gpu-fleet.conf"


def drop_in(unit: str) -> str:
    """What the unit lacks to start `unless-stopped` too, as a drop-in's text; empty when it lacks nothing.

    unit: the text of the packaged unit. An ExecStart of a drop-in comes after those of the unit (Type=oneshot). Only
    containers of ours: this Podman leaves those of others down, and their owners may rely on it. Filters of different
    kinds have to fit all (podman-start(1)).
    """
    start = re.search(r"^ExecStart=(?P<podman>\S+).* start .*--filter restart-policy=always\s*$", unit, re.MULTILINE)
    if start is None:
        return ""
    program, ours = start.group("podman"), f"--all --filter restart-policy=unless-stopped --filter label={SCHEMA}"
    return (
        "# Written by gpu_fleet.containers: this Podman's own unit starts containers with the policy always only.\n"
        f"[Service]\nExecStart={program} start {ours}\nExecStop={program} stop {ours}\n"
    )
