# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a host can have systemd as its supervisor, as far as its facts tell; the rest is asked on the host."""

from __future__ import annotations

import re

from ...module_utils._engine.quadlet_systemd import OLDEST_PODMAN, too_old
from ...module_utils._errors import InputError
from ...module_utils._gpu.model import GpuHost
from .inventory import Host


def check_supervisor(host: Host, facts: GpuHost) -> None:
    """Raises InputError for a Podman that is too old. One that is not installed yet is not judged."""
    if (host.engine, host.supervisor) != ("podman", "systemd"):
        return
    engine = facts.engines.get("podman")
    numbers = re.match(r"(\d+)\.(\d+)", engine.version) if engine else None
    if engine and numbers and tuple(map(int, numbers.groups())) < OLDEST_PODMAN:
        raise InputError(
            too_old(engine.version),
            f"{host.name}: container_supervisor",
            "Install a newer Podman, or set container_supervisor: engine.",
        )
