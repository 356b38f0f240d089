# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What kind of machine this is. One detector, used by everything that needs to know.

Order matters: a container inherits its host's kernel, name and command line (so WSL2's string proves
nothing there), and a WSL2 kernel may be custom and carry neither word. Nothing depends on root, PATH
or variables of the environment, which sudo, ssh and systemd strip; those are hints at the end.
"""

from __future__ import annotations

import re

from .probe import Reader

CONTAINER_CGROUP = re.compile(r"/(docker|kubepods|libpod|containerd|crio|ecs|garden|lxc)[/.-]|/\.lxc\b")

POD_FILES = ("/dev/termination-log", "/run/secrets/kubernetes.io/serviceaccount/namespace")
"""What Kubernetes puts into every container, and into most; with cgroup version 2 a pod's own cgroup is «/»."""

MANAGERS = ("/run/systemd/container", "/run/host/container-manager")
"""Where systemd and container managers leave the kind of container (systemd, «Container Interface»)."""


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
    return "raspberry-pi" if _raspberry(reader) else "linux"


def environment(text: str | None) -> dict[str, str]:
    """Variables of /proc/PID/environ."""
    pairs = (entry.partition("=") for entry in (text or "").split("\0"))
    return {name: value for name, equals, value in pairs if equals}


def device_tree(reader: Reader, entry: str) -> str:
    """Text of an entry of the device tree (``model``, ``compatible``), its strings parted by a space."""
    for base in ("/proc/device-tree", "/sys/firmware/devicetree/base"):
        text = reader.file(f"{base}/{entry}")
        if text:
            return text.replace("\0", " ").strip()
    return ""


def _in_container(reader: Reader) -> bool:
    if any(reader.entry(path) is not None for path in ("/.dockerenv", "/run/.containerenv")):
        return True
    # systemd calls WSL a container, too (virt.c): that is a machine for our purposes.
    named = [(reader.file(path) or "").strip() for path in MANAGERS]
    named += [environment(reader.file(f"/proc/{pid}/environ")).get("container", "") for pid in ("1", "self")]
    if any(name not in ("", "wsl", "none") for name in named):
        return True
    if CONTAINER_CGROUP.search(reader.file("/proc/1/cgroup") or ""):
        return True
    return any(reader.entry(path) is not None for path in POD_FILES)


def _wsl(reader: Reader) -> str:
    """wsl2, wsl1 or empty. Sources: microsoft/WSL (init), systemd src/basic/virt.c."""
    if reader.node("/dev/dxg") is not None:
        return "wsl2"
    release = (reader.file("/proc/sys/kernel/osrelease") or "").strip() or _release(reader)
    if re.search(r"microsoft-standard|WSL2", release):
        return "wsl2"
    if release.endswith("-Microsoft"):
        return "wsl1"  # its kernel is Windows' own and cannot be another one
    if "microsoft" in release.lower() or "WSL" in release or _wsl_traces(reader):
        return "wsl2"
    if (reader.file(MANAGERS[0]) or "").strip() == "wsl":
        return "wsl2"
    hints = {name for pid in ("self", "1") for name in environment(reader.file(f"/proc/{pid}/environ"))}
    return "wsl2" if hints & {"WSL_DISTRO_NAME", "WSL_INTEROP"} else ""


def _release(reader: Reader) -> str:
    """The kernel's name from /proc/version, where its own file was not read."""
    found = re.match(r"Linux version (\S+)", reader.file("/proc/version") or "")
    return found.group(1) if found else ""


def _wsl_traces(reader: Reader) -> bool:
    """What WSL's init leaves in a distribution, whatever its kernel is called."""
    if any(name.endswith("_interop") for name in reader.directory("/run/WSL") or ()):
        return True
    if "WSL_ROOT_INIT" in (reader.file("/proc/cmdline") or ""):
        return True
    handlers = ("/proc/sys/fs/binfmt_misc/WSLInterop", "/proc/sys/fs/binfmt_misc/WSLInterop-late")
    if any(reader.file(path) is not None for path in handlers):
        return True
    # A mount of Windows' libraries, and the line for the loader that is written when they are there.
    if reader.directory("/usr/lib/wsl/lib") or reader.directory("/usr/lib/wsl/drivers"):
        return True
    return "/usr/lib/wsl" in (reader.file("/etc/ld.so.conf.d/ld.wsl.conf") or "")


def _jetson(reader: Reader) -> bool:
    if reader.file("/etc/nv_tegra_release") is not None:
        return True
    if (reader.file("/sys/devices/soc0/family") or "").strip().lower().startswith("tegra"):
        return True
    return "nvidia,tegra" in device_tree(reader, "compatible") or "Jetson" in device_tree(reader, "model")


def _raspberry(reader: Reader) -> bool:
    if device_tree(reader, "model"):
        return device_tree(reader, "model").startswith("Raspberry Pi")
    return bool(re.search(r"^Model\s*: Raspberry Pi", reader.file("/proc/cpuinfo") or "", re.M))
