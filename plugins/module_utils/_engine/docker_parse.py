# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the Docker API answers, as observed values: pure."""

from __future__ import annotations

import re
import typing as t

from .._errors import InputError
from .base import ObservedContainer, ObservedImage, ObservedNetwork, ObservedVolume
from .reference import parse_reference

_EXITED = re.compile(r"^Exited \((-?\d+)\)")
_HEALTH = re.compile(r"\((?:health: )?(healthy|unhealthy|starting)\)\s*$")
_DEFAULT_SHELL = ["/bin/sh", "-c"]


def container(entry: dict[str, t.Any]) -> ObservedContainer:
    """One entry of GET /containers/json. Exit code and health stand in its Status text only."""
    names = [name.lstrip("/") for name in entry.get("Names") or () if name.count("/") == 1]
    status = entry.get("Status") or ""
    exited, health = _EXITED.match(status), _HEALTH.search(status)
    networks = (entry.get("NetworkSettings") or {}).get("Networks") or {}
    ports = {
        (_address(port.get("IP")), port["PublicPort"], port.get("Type") or "tcp")
        for port in entry.get("Ports") or ()
        if port.get("PublicPort")
    }
    return ObservedContainer(
        name=names[0] if names else "",
        id=entry["Id"],
        image=entry.get("Image") or "",
        image_id=entry.get("ImageID") or "",
        state=(entry.get("State") or "").lower(),
        exit_code=int(exited.group(1)) if exited else None,
        health=health.group(1) if health else "none",
        labels=dict(entry.get("Labels") or {}),
        networks=tuple(sorted(networks)),
        ports=tuple(sorted(ports)),
    )


def _address(text: str | None) -> str:
    """All addresses are the empty text, as in `config.Port`; Docker lists them as 0.0.0.0 and ::."""
    return "" if text in (None, "0.0.0.0", "::") else text or ""


def network(entry: dict[str, t.Any]) -> ObservedNetwork:
    return ObservedNetwork(entry["Name"], entry["Id"], dict(entry.get("Labels") or {}))


def volume(entry: dict[str, t.Any]) -> ObservedVolume:
    return ObservedVolume(entry["Name"], dict(entry.get("Labels") or {}))


def image(entry: dict[str, t.Any]) -> ObservedImage:
    """One entry of GET /images/json; names are written in full."""
    return ObservedImage(
        id=entry["Id"],
        tags=tuple(_full(name) for name in entry.get("RepoTags") or () if "<none>" not in name),
        digests=tuple(sorted(_full(name) for name in entry.get("RepoDigests") or () if "<none>" not in name)),
        labels=dict(entry.get("Labels") or {}),
        created=int(entry.get("Created") or 0),
    )


def _full(name: str) -> str:
    try:
        return str(parse_reference(name))
    except InputError:  # a name we do not understand is nobody's we look for
        return name


def health_test(config: dict[str, t.Any]) -> tuple[list[str], float] | None:
    """The command and timeout (s) of a container's health check, from the Config of its inspection; None: it has none."""
    healthcheck = config.get("Healthcheck") or {}
    test = list(healthcheck.get("Test") or ())
    if len(test) < 2:
        return None
    timeout = (healthcheck.get("Timeout") or 0) / 1e9 or 30.0
    if test[0] == "CMD-SHELL":
        return [*(config.get("Shell") or _DEFAULT_SHELL), " ".join(test[1:])], timeout
    return test[1:], timeout


def api_version(text: str) -> tuple[int, int]:
    """``1.41`` → (1, 41)."""
    major, _dot, minor = text.partition(".")
    return int(major), int(minor or 0)


def podman_version(answer: dict[str, t.Any]) -> tuple[int, int] | None:
    """From GET /version: the version of a Podman that answers in Docker's place, None for Docker."""
    for component in answer.get("Components") or ():
        if component.get("Name") == "Podman Engine":
            found = re.match(r"(\d+)\.(\d+)", component.get("Version") or "")
            return (int(found.group(1)), int(found.group(2))) if found else (0, 0)
    return None
