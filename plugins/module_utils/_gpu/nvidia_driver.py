# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""NVIDIA's driver as files show it: the user-space libraries, whether they fit the kernel module, what hides them."""

from __future__ import annotations

import re

from .findings import Finding, finding
from .nvidia_answers import Answer
from .nvidia_procfs import VERSION, from_procfs
from .platform import environment
from .probe import Reader

LIBRARIES = ("libnvidia-ml.so.1", "libcuda.so.1")
LIBRARY_DIRECTORIES = (
    "/usr/lib/x86_64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu",
    "/usr/lib64",
    "/usr/lib",
    "/usr/lib/x86_64-linux-gnu/nvidia/current",
    "/usr/lib/aarch64-linux-gnu/nvidia/current",
    "/run/opengl-driver/lib",
)


def without_tools(reader: Reader, stack: str) -> Answer:
    """Neither NVML nor nvidia-smi: the kernel module's own list, if the user-space library matches it."""
    known = from_procfs(reader, stack)
    if known is None:
        text = "The NVIDIA kernel module is not loaded"
        return Answer(VERSION, problem="driver-not-loaded", message=text, evidence=f"{VERSION}: no such file")
    versions = libraries(reader)
    if not versions and not _installed(reader):
        text = f"The kernel module {known.driver} is loaded, its libraries are not installed"
        missing = f"no {LIBRARIES[0]} in {', '.join(LIBRARY_DIRECTORIES[:4])}"
        return Answer("/usr/lib", problem="library-missing", message=text, evidence=missing)
    if known.driver and versions and known.driver not in versions:
        path, version = next((path, version) for version, path in sorted(versions.items()))
        text = f"The kernel module is {known.driver}, the libraries are {', '.join(sorted(versions))}"
        return Answer(path, problem="driver-library-mismatch", message=text, evidence=f"{path} → {version}")
    if not known.devices:
        text = "The kernel module is loaded and lists no GPU"
        return Answer(known.source, problem="nvidia-no-devices", message=text, evidence=known.evidence)
    return known


def libraries(reader: Reader) -> dict[str, str]:
    """Version → path of the installed user-space libraries, from the links that the loader follows.

    Where only a link's name is known, the versions that lie beside it have to do.
    """
    versions: dict[str, str] = {}
    for path in _installed(reader):
        directory, _slash, library = path.rpartition("/")
        stem = library.rpartition(".")[0]
        beside = [name for name in reader.directory(directory) or () if name.startswith(f"{stem}.")]
        for name in [follow(reader, path)] if reader.link(path) else beside:
            found = re.search(r"\.so\.(\d+\.\d+(?:\.\d+)?)$", name)
            if found:
                versions.setdefault(found.group(1), path)
    return versions


def _installed(reader: Reader) -> list[str]:
    """Paths of the names that programs load."""
    paths = (f"{directory}/{library}" for directory in LIBRARY_DIRECTORIES for library in LIBRARIES)
    return [path for path in paths if reader.link(path) is not None or reader.entry(path) is not None]


def follow(reader: Reader, path: str) -> str:
    """Where a chain of links ends (Debian goes through /etc/alternatives)."""
    for _step in range(8):
        target = reader.link(path)
        if target is None:
            break
        path = target if target.startswith("/") else f"{path.rpartition('/')[0]}/{target}"
    return path


def shadows(reader: Reader) -> list[Finding]:
    """LD_LIBRARY_PATH with a libcuda of its own: CUDA's compat package (error 803 or 804 on most hosts) or its stubs."""
    value = environment(reader.file("/proc/self/environ")).get("LD_LIBRARY_PATH", "")
    wrong = [entry for entry in value.split(":") if re.search(r"/(compat|stubs)(/|$)", entry)]
    return [
        finding(
            "cuda-shadowed",
            f"LD_LIBRARY_PATH puts {entry} before the driver's own libcuda",
            "/proc/self/environ",
            evidence=f"LD_LIBRARY_PATH={value}",
            path=entry,
        )
        for entry in wrong[:1]
    ]
