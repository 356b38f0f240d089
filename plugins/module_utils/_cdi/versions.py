# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lowest version of CDI that carries what a spec uses, and what can be left out for an older one.

An engine drops a file whose version its library does not know, as a whole and nearly silently, so a spec never
claims a newer version than it needs. What needs which is taken from `specs-go/version.go` and `config.go` of
cncf-tags/container-device-interface (main, where 1.2.0 is in preparation).

A spec is here the mapping that its file holds. What is of the wrong type is passed over: `schema.py` names it.
"""

from __future__ import annotations

import copy
import re
import typing as t

from .._errors import InputError

Spec = dict[str, t.Any]

VERSIONS = ("0.3.0", "0.4.0", "0.5.0", "0.6.0", "0.7.0", "0.8.0", "1.0.0", "1.1.0")
"""Released versions that libraries of today read, oldest first. Nothing needs less than the first."""

FORMER = ("0.1.0", "0.2.0")
"""Known to libraries, too."""


def number(version: str) -> tuple[int, int]:
    """``(0, 5)`` of ``0.5.0``, ``0.5`` or ``v0.5.0``. Raises ValueError for anything else."""
    found = re.fullmatch(r"v?([0-9]{1,4})\.([0-9]{1,4})(?:\.[0-9]{1,4})?", version)
    if found is None:
        raise ValueError(f"{version!r} is no version of CDI")
    return int(found.group(1)), int(found.group(2))


def text_of(version: tuple[int, int]) -> str:
    """``0.5.0`` of ``(0, 5)``."""
    return f"{version[0]}.{version[1]}.0"


def full(version: str) -> str:
    """The released version that a user's ``0.5`` or ``v0.5.0`` means; InputError where there is none."""
    try:
        wanted = text_of(number(version.strip()))
    except ValueError:
        wanted = ""
    if wanted not in VERSIONS:
        raise InputError(f"{version!r} is no version of CDI", "max_version", f"Choose one of {', '.join(VERSIONS)}.")
    return wanted


def minimum(spec: Spec) -> str:
    """The lowest version that carries the spec."""
    return next((version for version, needs, _why in reversed(_NEEDS) if needs(spec)), VERSIONS[0])


def edits_of(spec: Spec) -> t.Iterator[Spec]:
    """The edits for all devices and those of each."""
    for holder in (spec, *_devices(spec)):
        if isinstance(holder.get("containerEdits"), dict):
            yield holder["containerEdits"]


def lower(spec: Spec, limit: str | None) -> tuple[Spec, list[str]]:
    """The spec at its lowest version, and what had to be left out so that `limit` carries it.

    Left out are only groups (access plans give containers the numeric groups of their nodes) and annotations of
    the spec itself (which change no container). Raises ValueError where more would have to go.
    """
    changed = copy.deepcopy(spec)
    removed = []
    if limit is not None and number(limit) < (0, 7):
        dropped = [edits.pop("additionalGids") for edits in edits_of(changed) if edits.get("additionalGids")]
        if dropped:
            removed.append(f"additionalGids {', '.join(map(str, sorted({gid for gids in dropped for gid in gids})))}")
    if limit is not None and number(limit) < (0, 6):
        holders = [holder for holder in (changed, *_devices(changed)) if holder.pop("annotations", None)]
        removed += ["annotations"] if holders else []
    needed = minimum(changed)
    if limit is not None and number(needed) > number(limit):
        why = next(words for version, _needs, words in _NEEDS if version == needed)
        raise ValueError(f"it needs CDI {needed} for {why}, and {limit} is the newest allowed")
    changed["cdiVersion"] = needed
    return changed, removed


def _list(value: t.Any) -> list[t.Any]:
    return value if isinstance(value, list) else []


def _devices(spec: Spec) -> list[Spec]:
    return [device for device in _list(spec.get("devices")) if isinstance(device, dict)]


def _any_edit(spec: Spec, key: str) -> bool:
    return any(edits.get(key) for edits in edits_of(spec))


def _entries(spec: Spec, key: str) -> t.Iterator[Spec]:
    for edits in edits_of(spec):
        yield from (entry for entry in _list(edits.get(key)) if isinstance(entry, dict))


def _needs_110(spec: Spec) -> bool:
    rdt = [edits["intelRdt"] for edits in edits_of(spec) if isinstance(edits.get("intelRdt"), dict)]
    return _any_edit(spec, "netDevices") or any(
        each.get("schemata") is not None or each.get("enableMonitoring") for each in rdt
    )


def _needs_070(spec: Spec) -> bool:
    return _any_edit(spec, "additionalGids") or any(edits.get("intelRdt") is not None for edits in edits_of(spec))


def _needs_060(spec: Spec) -> bool:
    annotated = bool(spec.get("annotations")) or any(device.get("annotations") for device in _devices(spec))
    return annotated or "." in str(spec.get("kind", "")).partition("/")[2]


def _needs_050(spec: Spec) -> bool:
    names = [str(device.get("name", "")) for device in _devices(spec)]
    return any(name and not re.match("[A-Za-z]", name) for name in names) or any(
        node.get("hostPath") for node in _entries(spec, "deviceNodes")
    )


def _needs_040(spec: Spec) -> bool:
    return any(mount.get("type") for mount in _entries(spec, "mounts"))


_NEEDS: tuple[tuple[str, t.Callable[[Spec], bool], str], ...] = (
    # 0.8.0 and 1.0.0 changed the Go library only.
    ("0.4.0", _needs_040, "the type of a mount"),
    ("0.5.0", _needs_050, "a device name that begins with a digit, or a node with another path on the host"),
    ("0.6.0", _needs_060, "annotations, or a dot in the class of its kind"),
    ("0.7.0", _needs_070, "additionalGids or intelRdt"),
    ("1.1.0", _needs_110, "netDevices or new settings of intelRdt"),
)
