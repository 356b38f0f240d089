# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The docker_desktop role's variables as the keys of its files. Pure.

The user's keys are not documented (docker/docs issue 23706): those below were seen in files that Desktop has written
(docker/for-win issues 11574, 12820) and keep their names since. The administrator's are (docs.docker.com, «Configure
Settings Management with a JSON file»).
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from .._errors import FleetError, InputError, raise_all

ADMIN_VERSION = {"configurationFileVersion": 2}


@dataclass(frozen=True)
class DesktopSettings:
    user: dict[str, t.Any]
    admin: dict[str, t.Any]


CONVENIENT: tuple[tuple[str, str, type], ...] = (
    # variable, key of settings-store.json, kind
    ("cpus", "Cpus", int),
    ("memory_mib", "MemoryMiB", int),
    ("swap_mib", "SwapMiB", int),
    ("auto_start", "AutoStart", bool),
    ("expose_tcp", "ExposeDockerAPIOnTCP2375", bool),
    ("wsl_default_integration", "EnableIntegrationWithDefaultWslDistro", bool),
)


def wanted(variables: t.Mapping[str, t.Any], host: t.Mapping[str, t.Any]) -> DesktopSettings:
    """variables: the role's, without its prefix: those of `CONVENIENT`, wsl_integration, wsl_distribution, settings,
    admin_settings. host: what `docker_desktop_info` returned. Unset (empty, none, 0) means not touched.

    A key in `settings` wins over the variable that would set it. In the file of before 4.35 names begin with a small
    letter: the variables' keys are written so there, `settings` as it was given. Raises InputError(s).
    """
    errors: list[FleetError] = []
    user: dict[str, t.Any] = {}
    for variable, key, kind in CONVENIENT:
        value = _value(variables.get(variable), kind, f"docker_desktop_{variable}", errors)
        if value is not None:
            user[key] = value
    if host.get("platform") == "wsl2":
        if _value(variables.get("wsl_integration"), bool, "docker_desktop_wsl_integration", errors):
            user["IntegratedWslDistros"] = [_distribution(variables, host, errors)]
    else:
        for key in ("EnableIntegrationWithDefaultWslDistro", "ExposeDockerAPIOnTCP2375"):
            user.pop(key, None)  # Windows only
    if host.get("older"):
        user = {key[0].lower() + key[1:]: value for key, value in user.items()}
    user.update(_mapping(variables.get("settings"), "docker_desktop_settings", errors))
    admin = _mapping(variables.get("admin_settings"), "docker_desktop_admin_settings", errors)
    raise_all(errors)
    return DesktopSettings(user, {**ADMIN_VERSION, **admin} if admin else {})


def _distribution(variables: t.Mapping[str, t.Any], host: t.Mapping[str, t.Any], errors: list[FleetError]) -> str:
    name = str(variables.get("wsl_distribution") or host.get("distribution") or "")
    if not name:
        errors.append(
            InputError(
                "nothing here tells this distribution's name in Windows",
                path="docker_desktop_wsl_integration",
                mend="Set docker_desktop_wsl_distribution to its name in `wsl --list`.",
            )
        )
    return name


def _value(value: t.Any, kind: type, path: str, errors: list[FleetError]) -> t.Any:
    """The value as JSON has it, or None for unset."""
    text = "" if value is None else str(value).lower()
    if text == "" or (kind is int and text == "0"):
        return None
    if kind is int and text.isdigit():
        return int(text)
    if kind is bool and text in ("true", "yes", "false", "no"):
        return text in ("true", "yes")
    errors.append(
        InputError(f"must be {'a whole number' if kind is int else 'true or false'}, not {value!r}", path=path)
    )
    return None


def _mapping(value: t.Any, path: str, errors: list[FleetError]) -> dict[str, t.Any]:
    if isinstance(value or {}, dict):
        return dict(value or {})
    errors.append(InputError("must be a dictionary of keys", path=path))
    return {}
