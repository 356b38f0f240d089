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

WITHOUT_SYSTEMD = ("macos", "wsl1")
_FLAVOURS = {"desktop": "Docker Desktop", "podman": "Podman under Docker's name"}


def check_supervisor(host: Host, facts: GpuHost) -> None:
    """Raises InputError where systemd cannot keep this host's groups up. An engine that is not there yet is not judged."""
    if host.supervisor != "systemd" or not host.groups:
        return
    where, mend = f"{host.name}: container_supervisor", "Set container_supervisor: engine."
    if facts.platform in WITHOUT_SYSTEMD:
        raise InputError(f"there is no systemd on {facts.platform}", where, mend)
    engine = facts.engines.get(host.engine)
    if engine is None or not engine.version:
        return
    if host.engine == "docker" and engine.flavour != "engine":
        raise InputError(
            f"Docker is {_FLAVOURS.get(engine.flavour, engine.flavour)} here, which no unit of this host starts or stops",
            where,
            mend,
        )
    numbers = re.match(r"(\d+)\.(\d+)", engine.version)
    if host.engine == "podman" and numbers and tuple(map(int, numbers.groups())) < OLDEST_PODMAN:
        raise InputError(too_old(engine.version), where, f"Install a newer Podman. Or: {mend}")
