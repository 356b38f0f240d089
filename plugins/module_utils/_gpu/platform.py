# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What kind of machine this is. One detector, used by everything that needs to know.

Order matters: a container inherits its host's kernel name (so WSL2's string proves
nothing there), and a WSL2 kernel may be custom and carry neither word.
"""

from __future__ import annotations

import re

from .probe import Reader

CONTAINER_CGROUP = re.compile(r"/(docker|kubepods|libpod|containerd|lxc)[/.-]")


def detect(reader: Reader) -> str:
    """linux, wsl2, wsl1, macos, raspberry-pi, jetson or container."""
    if reader.system() == "Darwin":
        return "macos"
    if _in_container(reader):
        return "container"
    wsl = _wsl(reader)
    if wsl:
        return wsl
    if _jetson(reader):
        return "jetson"
    if _model(reader).startswith("Raspberry Pi"):
        return "raspberry-pi"
    return "linux"


def environment(text: str | None) -> dict[str, str]:
    """Variables of /proc/PID/environ."""
    pairs = (entry.partition("=") for entry in (text or "").split("\0"))
    return {name: value for name, equals, value in pairs if equals}


def _in_container(reader: Reader) -> bool:
    if reader.file("/.dockerenv") is not None or reader.file("/run/.containerenv") is not None:
        return True
    # systemd and WSL's init set «wsl» in some versions; that is a machine for our purposes.
    named = (
        reader.file("/run/systemd/container") or environment(reader.file("/proc/1/environ")).get("container", "")
    ).strip()
    if named:
        return named != "wsl"
    return bool(CONTAINER_CGROUP.search(reader.file("/proc/1/cgroup") or ""))


def _wsl(reader: Reader) -> str:
    """wsl2, wsl1 or empty. Sources: microsoft/WSL (init), systemd src/basic/virt.c."""
    release = (reader.file("/proc/sys/kernel/osrelease") or "").strip()
    if reader.node("/dev/dxg") is not None:
        return "wsl2"
    if any(name.endswith("_interop") for name in reader.directory("/run/WSL") or ()):
        return "wsl2"
    if re.search(r"microsoft-standard|WSL2", release):
        return "wsl2"
    if release.endswith("-Microsoft"):
        return "wsl1"
    if reader.directory("/usr/lib/wsl/lib") or "microsoft" in release.lower() or "WSL" in release:
        return "wsl2"
    hints = environment(reader.file("/proc/self/environ"))
    return "wsl2" if "WSL_DISTRO_NAME" in hints or "WSL_INTEROP" in hints else ""


def _jetson(reader: Reader) -> bool:
    if reader.file("/etc/nv_tegra_release") is not None:
        return True
    return (reader.file("/sys/devices/soc0/family") or "").strip().lower().startswith("tegra")


def _model(reader: Reader) -> str:
    for path in ("/proc/device-tree/model", "/sys/firmware/devicetree/base/model"):
        text = reader.file(path)
        if text:
            return text.rstrip("\0\n")
    return ""
