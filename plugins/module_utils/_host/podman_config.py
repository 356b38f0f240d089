# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which of Podman's defaults cannot work on a host, and the settings that work there.

On an ordinary host the answer is «none», and then no file is written. Every setting
has its reason, which goes into the file as a comment.
"""

from __future__ import annotations

import os
import resource
from dataclasses import dataclass
from typing import NamedTuple

PODMAN_LIMIT = 1048576
"""What rootful Podman sets for RLIMIT_NOFILE and RLIMIT_NPROC in a container unless told otherwise
(podman, pkg/specgen/generate/oci_linux.go and libpod/define: RLimitDefaultValue)."""

DROP_IN = "containers/containers.conf.d/50-gpu-fleet.conf"
"""Our file, below /etc or a user's ~/.config. Podman reads these folders by name, later ones win (containers.conf(5))."""

CAP_SYS_RESOURCE = 24
"""Bit number in CapEff, see capabilities(7): without it no process may raise a hard limit."""


@dataclass(frozen=True)
class HostLimits:
    """What is read of a host. The hard limits are counts; -1 means unlimited, as in `resource.RLIM_INFINITY`."""

    cgroups: str
    """unified, hybrid, legacy or none."""
    systemd: bool
    root: bool
    may_raise_limits: bool
    hard_nofile: int
    hard_nproc: int


class Setting(NamedTuple):
    table: str
    line: str
    reason: str


def cgroup_layout(mountinfo: str) -> str:
    """Tell the layout from the text of /proc/self/mountinfo: unified, hybrid, legacy or none.

    The type of a file system stands after the separator ` - `, see proc_pid_mountinfo(5).
    """
    types = [line.split(" - ", 1)[1].split()[0] for line in mountinfo.splitlines() if " - " in line]
    has_v1, has_v2 = "cgroup" in types, "cgroup2" in types
    if has_v1 and has_v2:
        return "hybrid"
    if has_v1:
        return "legacy"
    return "unified" if has_v2 else "none"


def may_raise_limits(status: str) -> bool:
    """Whether CapEff in the text of /proc/self/status holds CAP_SYS_RESOURCE."""
    for line in status.splitlines():
        if line.startswith("CapEff:"):
            return bool(int(line.split()[1], 16) >> CAP_SYS_RESOURCE & 1)
    return False


def read_host() -> HostLimits:
    """Read this host; what cannot be read raises OSError."""
    with open("/proc/self/mountinfo", encoding="utf-8") as file:
        mountinfo = file.read()
    with open("/proc/self/status", encoding="utf-8") as file:
        status = file.read()
    return HostLimits(
        cgroups=cgroup_layout(mountinfo),
        systemd=os.path.isdir("/run/systemd/system"),  # as sd_booted(3) tells it
        root=os.geteuid() == 0,
        may_raise_limits=may_raise_limits(status),
        hard_nofile=resource.getrlimit(resource.RLIMIT_NOFILE)[1],
        hard_nproc=_hard_nproc(),
    )


def _hard_nproc() -> int:
    """The hard limit of processes, at most kernel.pid_max.

    Tried with Podman 4.3.1 and runc where CAP_SYS_RESOURCE is missing: one more than pid_max is «operation not permitted».
    """
    with open("/proc/sys/kernel/pid_max", encoding="utf-8") as file:
        pid_max = int(file.read())
    hard = resource.getrlimit(resource.RLIMIT_NPROC)[1]
    return pid_max if hard < 0 else min(hard, pid_max)


def runtime_for(host: HostLimits) -> str:
    """The OCI runtime to install: crun refuses hybrid cgroups («cgroups in hybrid mode not supported»)."""
    return "runc" if host.cgroups == "hybrid" else "crun"


def settings_for(host: HostLimits) -> list[Setting]:
    """The settings this host needs beyond Podman's defaults, in the order of the file."""
    settings = []
    limits = _limits(host)
    if limits:
        listed = ", ".join(f'"{name}={count}:{count}"' for name, count in limits)
        reason = (
            "The hard limits here are below Podman's defaults, and nothing here may raise them (no CAP_SYS_RESOURCE)."
        )
        settings.append(Setting("containers", f"default_ulimits = [{listed}]", reason))
    if host.cgroups == "hybrid":
        settings.append(
            Setting("engine", 'runtime = "runc"', "cgroups v1 and v2 are mounted side by side: crun refuses.")
        )
    if host.cgroups in ("hybrid", "legacy"):
        settings.append(
            Setting(
                "engine", 'env = ["PODMAN_IGNORE_CGROUPSV1_WARNING=1"]', "Podman 5 warns of cgroups v1 at every call."
            )
        )
    if not host.systemd:
        reason = "systemd is not PID 1: nobody makes scopes, and there is no journal."
        settings.append(Setting("engine", 'cgroup_manager = "cgroupfs"', reason))
        settings.append(Setting("engine", 'events_logger = "file"', reason))
    elif host.cgroups == "hybrid":
        settings.append(
            Setting("engine", 'cgroup_manager = "cgroupfs"', "runc makes no systemd scopes on hybrid cgroups.")
        )
    return settings


def render(settings: list[Setting]) -> str:
    """The drop-in file's text; empty when nothing is needed."""
    if not settings:
        return ""
    lines = ["# Written by gpu_fleet.containers: what this host needs beyond Podman's defaults."]
    table = reason = ""
    for setting in settings:
        if setting.table != table:
            lines += ["", f"[{setting.table}]"]
            table = setting.table
        if setting.reason != reason:
            lines.append(f"# {setting.reason}")
            reason = setting.reason
        lines.append(setting.line)
    return "\n".join(lines) + "\n"


def _limits(host: HostLimits) -> list[tuple[str, int]]:
    # Rootless Podman takes the user's own limits by itself.
    if host.may_raise_limits or not host.root:
        return []
    # A power of two, because RLIMIT_NPROC follows the memory's size and differs a little from boot to boot.
    both = (("nofile", host.hard_nofile), ("nproc", host.hard_nproc))
    if not any(0 <= hard < PODMAN_LIMIT for _name, hard in both):
        return []
    return [(name, _power_of_two(PODMAN_LIMIT if hard < 0 else min(hard, PODMAN_LIMIT))) for name, hard in both]


def _power_of_two(count: int) -> int:
    return 1 << (count.bit_length() - 1) if count else 0
