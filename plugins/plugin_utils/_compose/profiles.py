# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which services of a group run, given the active profiles."""

from __future__ import annotations

from collections.abc import Collection

from ...module_utils._errors import InputError
from .spec import GroupSpec


def enabled_services(spec: GroupSpec, active_profiles: Collection[str] = ()) -> tuple[str, ...]:
    """The services without profiles and those with an active one, in the file's order; ``*`` activates all.

    As in Compose, a service that runs must not need one whose profile is not active: InputError.
    """
    names = [
        name
        for name, service in spec.services.items()
        if not service.get("profiles") or "*" in active_profiles or set(service["profiles"]) & set(active_profiles)
    ]
    for name in names:
        for target, dependency in spec.services[name].get("depends_on", {}).items():
            if target not in names and dependency.get("required", True):
                raise InputError(
                    f"the service {name} needs {target}, whose profiles are not active",
                    path=spec.where(("services", name, "depends_on", target)),
                    mend=f"Activate one of {', '.join(spec.services[target]['profiles'])}, or write required: false.",
                )
    return tuple(names)
