# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The wsl role's variables as the keys that WSL reads. Pure.

Keys and defaults are those of microsoft/WSL 2.9: `WslCoreConfig.h` (.wslconfig), `WslDistributionConfig.cpp` (wsl.conf).
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass

from .._errors import FleetError, InputError, raise_all

Sections = dict[str, dict[str, t.Any]]

KEEP_ALIVE: Sections = {"general": {"instanceIdleTimeout": "-1"}, "wsl2": {"vmIdleTimeout": "-1"}}
"""Never stopped for being idle.

WSL stops a distribution 15 s after its last session ended, whatever services run in it, systemd's included: since 2.5.7
`vmIdleTimeout` alone does not help (microsoft/WSL issues 13014, 13291). `[general] instanceIdleTimeout` is what does;
-1 is what the «keep alive» switch of WSL's own settings program writes (microsoft/WSL pull request 41109), and the
machine is idle only when no distribution runs (`LxssUserSession.cpp`, _VmIsIdle). `vmIdleTimeout` is for releases
that do not know the other key; an unknown key is a warning there, no error (`configfile.cpp`).
"""

SYSTEMD: Sections = {"boot": {"systemd": True}}

AUTO = "auto"

NETWORKING = ("none", "nat", "bridged", "mirrored", "virtioproxy", "consomme")
SIZE = re.compile(r"\d+\s*(?:[KMGT]?B|[KMGT])?", re.IGNORECASE)


@dataclass(frozen=True)
class WslSettings:
    wsl_conf: Sections
    wslconfig: Sections
    wsl_conf_unless_set: list[str]
    """Dotted keys of `wsl_conf` that yield to what the file says."""
    wslconfig_unless_set: list[str]


def wanted(variables: t.Mapping[str, t.Any]) -> WslSettings:
    """variables: the role's, without its prefix: systemd, default_user, conf_settings, keep_alive, networking_mode,
    memory, processors, swap, settings. Unset (empty, none, 0 processors) means not touched. systemd and keep_alive may be
    `auto`: on, unless the file says something of them.

    A key in `settings` or `conf_settings` wins over the variable that would set it. Raises InputError(s).
    """
    errors: list[FleetError] = []
    machine: Sections = {}
    if _flag(variables.get("keep_alive"), "wsl_keep_alive", errors):
        machine = {section: dict(keys) for section, keys in KEEP_ALIVE.items()}
    for key, text in (
        ("networkingMode", _one_of(variables.get("networking_mode"), NETWORKING, "wsl_networking_mode", errors)),
        ("memory", _size(variables.get("memory"), "wsl_memory", errors)),
        ("processors", _count(variables.get("processors"), "wsl_processors", errors)),
        ("swap", _size(variables.get("swap"), "wsl_swap", errors)),
    ):
        if text:
            machine.setdefault("wsl2", {})[key] = text
    own: Sections = {}
    systemd = _flag(variables.get("systemd"), "wsl_systemd", errors)
    if systemd is not None:
        own = {section: dict.fromkeys(keys, systemd) for section, keys in SYSTEMD.items()}
    user = str(variables.get("default_user") or "")
    if user:
        own["user"] = {"default": user}
    wsl_conf = _with(own, variables.get("conf_settings"), "wsl_conf_settings", errors)
    wslconfig = _with(machine, variables.get("settings"), "wsl_settings", errors)
    raise_all(errors)
    return WslSettings(
        wsl_conf,
        wslconfig,
        _yielding(variables, "systemd", SYSTEMD, "conf_settings"),
        _yielding(variables, "keep_alive", KEEP_ALIVE, "settings"),
    )


def _yielding(variables: t.Mapping[str, t.Any], name: str, keys: Sections, said: str) -> list[str]:
    """The keys of a variable that is `auto`, without those that `said` sets."""
    if str(variables.get(name)).lower() != AUTO:
        return []
    explicit = {f"{section}.{key}".lower() for section, own in (variables.get(said) or {}).items() for key in own}
    dotted = (f"{section}.{key}" for section, own in keys.items() for key in own)
    return [each for each in dotted if each.lower() not in explicit]


def _with(sections: Sections, more: t.Any, path: str, errors: list[FleetError]) -> Sections:
    """`more` laid over; a name counts as the same in any case, as WSL reads it. What WSL cannot read is refused later,
    by the merge."""
    result = {section: dict(keys) for section, keys in sections.items()}
    if not isinstance(more or {}, dict) or not all(isinstance(keys, dict) for keys in (more or {}).values()):
        errors.append(InputError("must be a dictionary of sections, each with its keys", path=path))
        return result
    for section, keys in (more or {}).items():
        inside = result.setdefault(_known(str(section), result), {})
        inside.update({_known(str(key), inside): value for key, value in keys.items()})
    return result


def _known(name: str, names: t.Iterable[str]) -> str:
    return next((known for known in names if known.lower() == name.lower()), name)


def _flag(value: t.Any, path: str, errors: list[FleetError]) -> bool | None:
    """True, False, or None for unset."""
    if value is None or value == "":
        return None
    text = str(value).lower()
    if text not in ("true", "false", "yes", "no", AUTO):
        errors.append(InputError(f"must be true, false, auto or empty, not {value!r}", path=path))
    return text in ("true", "yes", AUTO)


def _one_of(value: t.Any, choices: t.Sequence[str], path: str, errors: list[FleetError]) -> str:
    text = str(value or "")
    if text and text.lower() not in choices:
        errors.append(InputError(f"must be one of {', '.join(choices)}, not {text!r}", path=path))
    return text.lower()


def _size(value: t.Any, path: str, errors: list[FleetError]) -> str:
    """Bytes with an optional unit: ``8GB``. A swap of 0 is a size, too."""
    text = "" if value is None else str(value)
    if text and not SIZE.fullmatch(text):
        errors.append(InputError(f"must be a size such as 8GB, not {text!r}", path=path))
    return text.replace(" ", "")


def _count(value: t.Any, path: str, errors: list[FleetError]) -> str:
    text = str(value or "")
    if text and not (text.isdigit() and int(text)):
        errors.append(InputError(f"must be a whole number above 0, not {text!r}", path=path))
    return text
