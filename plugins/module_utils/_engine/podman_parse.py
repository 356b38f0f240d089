# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ``podman … --format json`` prints, as observed values: pure.

Field names are those of Podman 4.3 to 5.x; the few that differ are looked up under both.
"""

from __future__ import annotations

import json
import re
import typing as t

from .._errors import EngineError
from .base import ObservedContainer, ObservedImage, ObservedNetwork, ObservedVolume

_HEALTH = re.compile(r"\((healthy|unhealthy|starting)\)\s*$")
# Podman's states in the words of base.ObservedContainer (libpod/define/containerstate.go).
_STATES = {"configured": "created", "initialized": "created", "stopped": "exited", "stopping": "running"}
_NOISE = re.compile(r'^time="|^failed to connect to syslog')


def documents(text: str, command: str) -> list[dict[str, t.Any]]:
    """The list that a command printed; Podman prints ``null`` or nothing for an empty one."""
    try:
        value = json.loads(text) if text.strip() else []
    except ValueError:
        raise EngineError(f"podman {command} printed no JSON: {text[:200]!r}") from None
    return value or []


def container(entry: dict[str, t.Any]) -> ObservedContainer:
    """One entry of ``podman ps --all --format json``."""
    state = str(entry.get("State", "")).lower()
    state = _STATES.get(state, state)
    health = _HEALTH.search(entry.get("Status") or "")
    return ObservedContainer(
        name=(entry.get("Names") or [""])[0],
        id=entry["Id"],
        image=entry.get("Image") or "",
        image_id=_image_id(entry.get("ImageID") or ""),
        state=state,
        exit_code=entry.get("ExitCode") if state == "exited" else None,
        health=health.group(1) if health and state == "running" else "none",
        labels=dict(entry.get("Labels") or {}),
        networks=tuple(sorted(entry.get("Networks") or ())),
        ports=_ports(entry.get("Ports") or ()) if state == "running" else (),
        started_at=_life(entry) if state == "running" else "",
    )


def _life(entry: dict[str, t.Any]) -> str:
    """StartedAt counts whole seconds, and a life can be shorter; each has a process of its own."""
    return f"{entry.get('StartedAt')} {entry['Pid']}" if entry.get("Pid") else ""


def _ports(entries: t.Iterable[dict[str, t.Any]]) -> tuple[tuple[str, int, str], ...]:
    ports = []
    for entry in entries:
        address = entry.get("host_ip") or ""
        for offset in range(entry.get("range") or 1):
            if entry.get("host_port"):
                for protocol in (entry.get("protocol") or "tcp").split(","):
                    ports.append((address, entry["host_port"] + offset, protocol))
    return tuple(sorted(ports))


def network(entry: dict[str, t.Any]) -> ObservedNetwork:
    """One entry of ``podman network ls --format json``."""
    return ObservedNetwork(entry["name"], entry["id"], dict(entry.get("labels") or {}))


def volume(entry: dict[str, t.Any]) -> ObservedVolume:
    """One entry of ``podman volume ls --format json``."""
    return ObservedVolume(entry["Name"], dict(entry.get("Labels") or {}))


def image(entry: dict[str, t.Any]) -> ObservedImage:
    """One entry of ``podman images --format json``; `Names` holds the tags (RepoTags is null in 4.3)."""
    names = entry.get("Names") or entry.get("RepoTags") or ()
    # Podman lists the digest of the platform's manifest too; `Digest` is that of what the tag named, an index or not.
    pulled_by = f"@{entry.get('Digest')}"
    return ObservedImage(
        id=_image_id(entry["Id"]),
        tags=tuple(name for name in names if "<none>" not in name and "@" not in name),
        digests=tuple(sorted(entry.get("RepoDigests") or (), key=lambda name: (not name.endswith(pulled_by), name))),
        labels=dict(entry.get("Labels") or {}),
        created=int(entry.get("Created") or 0),
    )


def images(entries: t.Iterable[dict[str, t.Any]]) -> tuple[ObservedImage, ...]:
    """``podman images --format json``; an image is listed once for each of its tags, with all of them each time."""
    return tuple({entry["Id"]: image(entry) for entry in entries}.values())


def _image_id(text: str) -> str:
    return f"sha256:{text}" if text and not text.startswith("sha256:") else text


def version(text: str) -> tuple[str, tuple[int, int]]:
    """``podman version 4.3.1`` → ("4.3.1", (4, 3))."""
    match = re.search(r"(\d+)\.(\d+)[\w.+~-]*", text)
    if not match:
        raise EngineError(f"podman --version printed {text.strip()!r}")
    return match.group(0), (int(match.group(1)), int(match.group(2)))


def complaint(stderr: str) -> str:
    """The engine's own words: its log lines (about syslog, systemd, CNI files) are left out unless they are all there is."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    spoken = [line for line in lines if not _NOISE.match(line)] or lines
    return "\n".join(line[len("Error: ") :] if line.startswith("Error: ") else line for line in spoken)
