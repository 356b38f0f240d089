# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""NVIDIA's container toolkit on a host: is it there, is it new enough, is something old in its way?

Files tell what they can; `nvidia-ctk --version` is asked only where that costs nothing. Which features came when is
from the toolkit's changelog: CDI 1.12, CDI under WSL2 1.13, the device `all` 1.14, devices by UUID 1.15, the service
that renews the spec 1.18, the same under WSL2 1.19.1.
"""

from __future__ import annotations

import re

from .findings import Finding, finding
from .probe import Reader
from .view import HostView

PROGRAM = "nvidia-ctk"
SPECS = ("/etc/cdi", "/var/run/cdi")
HOOKS = (
    "/usr/share/containers/oci/hooks.d/oci-nvidia-hook.json",
    "/etc/containers/oci/hooks.d/oci-nvidia-hook.json",
)
LIBRARIES = tuple(
    f"{directory}/libnvidia-container.so.1"
    for directory in ("/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64")
)
"""Same package version as the tool; its link carries it in the file's name."""
UNITS = tuple(
    f"{directory}/nvidia-cdi-refresh.path"
    for directory in ("/usr/lib/systemd/system", "/lib/systemd/system", "/etc/systemd/system")
)

FEATURES = (
    # (since, what, only there: `linux` or `wsl`)
    ((1, 12, 0), "CDI specs", "linux"),
    ((1, 13, 0), "CDI specs under WSL2", "wsl"),
    ((1, 14, 0), "the device «all»", ""),
    # Under WSL2 a spec has no other device than «all».
    ((1, 15, 0), "devices by UUID", "linux"),
)
REFRESH, WSL_REFRESH = (1, 18, 0), (1, 19, 1)


def look(view: HostView) -> list[Finding]:
    """Findings about the host; what a single engine makes of it is the access plan's business."""
    reader, wsl = view.reader, view.platform == "wsl2"
    specs = [f"{directory}/{name}" for directory in SPECS for name in _specs(reader, directory)]
    program = reader.program(PROGRAM)
    if program is None and not specs:
        # Under WSL2 containers get the GPU without it, too: /dev/dxg and one directory.
        return [] if wsl or reader.program("nvidia-container-runtime") else [_missing()]
    version, probe, evidence = installed(reader)
    found = [] if version is None else _too_old(version, probe, evidence, wsl)
    if specs:
        found += _conflicts(reader, specs)
        if program is not None and not found and reader.directory("/run/systemd/system"):
            found += _not_renewed(reader, specs[0], version, wsl)
    return found


def installed(reader: Reader) -> tuple[tuple[int, int, int] | None, str, str]:
    """(version, probe, evidence) of the toolkit; the version is None where nothing tells it."""
    answer = reader.known((PROGRAM, "--version"))
    if answer is not None and answer.rc == 0:
        version = _version(answer.stdout)
        if version is not None:
            return version, f"{PROGRAM} --version", answer.stdout.strip().splitlines()[0]
    for path in LIBRARIES:
        target = reader.link(path)
        version = _version(target or "")
        if version is not None:
            return version, path, f"{path} → {target}"
    return None, "", ""


def _version(text: str) -> tuple[int, int, int] | None:
    found = re.search(r"(\d{1,4})\.(\d{1,4})\.(\d{1,4})", text)
    return None if found is None else (int(found.group(1)), int(found.group(2)), int(found.group(3)))


def _specs(reader: Reader, directory: str) -> list[str]:
    names = reader.directory(directory) or ()
    return [name for name in names if "nvidia" in name and name.endswith((".yaml", ".json"))]


def _missing() -> Finding:
    text = "The NVIDIA container toolkit is not installed: containers cannot get the GPU"
    return finding(
        "toolkit-missing",
        text,
        PROGRAM,
        evidence=f"no {PROGRAM} on PATH or beside it, no NVIDIA spec in {' or '.join(SPECS)}",
    )


def _too_old(version: tuple[int, int, int], probe: str, evidence: str, wsl: bool) -> list[Finding]:
    lacking = [
        (since, what) for since, what, where in FEATURES if version < since and where in ("", "wsl" if wsl else "linux")
    ]
    if not lacking:
        return []
    shown = ", ".join(f"{what} ({_text(since)})" for since, what in lacking)
    text = f"The NVIDIA container toolkit {_text(version)} lacks {shown}"
    return [finding("toolkit-too-old", text, probe, evidence=evidence, version=_text(lacking[-1][0]))]


def _not_renewed(reader: Reader, spec: str, version: tuple[int, int, int] | None, wsl: bool) -> list[Finding]:
    """A spec that goes stale with the next update of the driver. The service comes with the toolkit."""
    since = WSL_REFRESH if wsl else REFRESH
    if version is None:
        works, evidence = any(reader.exists(path) for path in UNITS), f"{UNITS[0]}: no such file"
    else:
        works, evidence = version >= since, f"nvidia-ctk {_text(version)}"
    if works:
        return []
    text = f"Nothing renews {spec} after an update of the driver"
    return [finding("cdi-refresh-missing", text, UNITS[0], evidence=evidence, version=_text(since))]


def _text(version: tuple[int, int, int]) -> str:
    return ".".join(str(part) for part in version)


def _conflicts(reader: Reader, specs: list[str]) -> list[Finding]:
    found = []
    for path in HOOKS:
        text = reader.file(path)
        if text is not None:
            program = re.search(r'"path"\s*:\s*"([^"]+)"', text)
            message = f"The old OCI hook {path} acts beside the CDI spec {specs[0]}"
            evidence = f"path: {program.group(1)}" if program else f"{len(text)} characters"
            found.append(finding("oci-hook-conflict", message, path, evidence=evidence, path=path))
    return found
