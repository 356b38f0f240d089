# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How services refer to other things: secrets and configs, extra hosts, other services."""

from __future__ import annotations

from .context import Data
from .problems import Problems
from .spec import Path


def file_reference(entry: str | Data, kind: str) -> Data:
    """A secret or config of a service. Compose fills in the target of a service's secret only."""
    result = {"source": entry} if isinstance(entry, str) else {k: v for k, v in entry.items() if v != ""}
    if kind == "secrets":
        result.setdefault("target", f"/run/secrets/{result['source']}")
    return result


def linked(service: Data) -> list[str]:
    """The services that `links` names, ``service[:alias]``."""
    return [entry.partition(":")[0] for entry in service.get("links") or ()]


def mounted_from(service: Data) -> list[str]:
    """The services that `volumes_from` names, ``service[:ro|:rw]``; not ``container:name``."""
    return [name for entry in service.get("volumes_from") or () if (name := entry.partition(":")[0]) != "container"]


def extra_hosts(value: Data | list[str], path: Path, problems: Problems) -> list[str]:
    """``name=address`` entries, sorted by name."""
    pairs: list[tuple[str, str]] = []
    if isinstance(value, dict):
        for name, addresses in value.items():
            pairs += [(name, address) for address in ([addresses] if isinstance(addresses, str) else addresses)]
    else:
        for index, entry in enumerate(value):
            name, separator, address = entry.partition("=" if "=" in entry else ":")
            if not separator or not name or not address:
                problems.error((*path, index), f"{entry!r} is not name=address")
            pairs.append((name, address))
    entries = [f"{name}={_no_brackets(address)}" for name, address in sorted(pairs)]
    return list(dict.fromkeys(entries))


def _no_brackets(address: str) -> str:
    return address[1:-1] if address.startswith("[") and address.endswith("]") else address
