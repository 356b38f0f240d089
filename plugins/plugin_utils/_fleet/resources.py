# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""CPU, memory and process limits, restart policy, health check: from Compose's two ways of writing them to one."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping

from ...module_utils._errors import InputError
from ...module_utils._group.config import Healthcheck, Ulimit
from .units import seconds, size

# Compose leaves these to Swarm: they say nothing about a container (compose-spec, deploy.md).
_SWARM_ONLY = {"labels", "placement", "update_config", "rollback_config", "endpoint_mode", "mode", "replicas"}
_CONDITIONS = {
    "none": "no",
    "on-failure": "on-failure",
    "any": "always",
    "always": "always",
    "unless-stopped": "unless-stopped",
}


def limits(service: Mapping[str, t.Any], where: str) -> dict[str, t.Any]:
    """Fields of ContainerConfig: cpus (cores), memory… (bytes), pids_limit. As in Compose, `deploy` wins."""
    deploy = service.get("deploy") or {}
    _check_deploy(deploy, where)
    resources = deploy.get("resources") or {}
    limit, reservation = resources.get("limits") or {}, resources.get("reservations") or {}
    return {
        "cpus": float(limit.get("cpus") or service.get("cpus") or _cpu_time(service)),
        "cpu_shares": int(service.get("cpu_shares") or 0),
        "cpuset": service.get("cpuset") or "",
        "memory": size(limit.get("memory") or service.get("mem_limit") or 0, where),
        "memory_reservation": size(reservation.get("memory") or service.get("mem_reservation") or 0, where),
        "memory_swap": size(service.get("memswap_limit") or 0, where),
        "memory_swappiness": None if service.get("mem_swappiness") is None else int(service["mem_swappiness"]),
        "pids_limit": int(limit.get("pids") or service.get("pids_limit") or 0),
        "shm_size": size(service.get("shm_size") or 0, where),
    }


def _cpu_time(service: Mapping[str, t.Any]) -> float:
    """`cpu_quota` microseconds in every `cpu_period`, as a number of cores; 0 is no limit.

    The kernel's default period is 100 ms (Documentation/scheduler/sched-bwc.rst).
    """
    return max(0.0, float(service.get("cpu_quota") or 0)) / float(service.get("cpu_period") or 100_000)


def _check_deploy(deploy: Mapping[str, t.Any], where: str) -> None:
    if deploy.get("mode") not in (None, "replicated", "global") or deploy.get("replicas") not in (None, 1):
        raise InputError(
            "a service has exactly one container here",
            f"{where}.deploy",
            "Leave mode and replicas out, and write the service under several names.",
        )
    unknown = sorted(set(deploy) - _SWARM_ONLY - {"resources", "restart_policy"})
    if unknown:
        raise InputError(f"«{unknown[0]}» is not supported", f"{where}.deploy.{unknown[0]}")


def restart(service: Mapping[str, t.Any], where: str) -> str:
    """no, always, unless-stopped, on-failure or on-failure:N."""
    policy = (service.get("deploy") or {}).get("restart_policy")
    if policy is None:
        return service.get("restart") or "no"
    condition = policy.get("condition") or "any"
    if condition not in _CONDITIONS:
        raise InputError(
            f"unknown condition {condition!r}", f"{where}.deploy.restart_policy", "Use none, on-failure or any."
        )
    name = _CONDITIONS[condition]
    attempts = int(policy.get("max_attempts") or 0)
    return f"{name}:{attempts}" if name == "on-failure" and attempts else name


def healthcheck(service: Mapping[str, t.Any], where: str) -> Healthcheck | None:
    """None: whatever the image says. Durations in seconds."""
    check = service.get("healthcheck")
    if not check:
        return None
    if check.get("disable"):
        return Healthcheck(test=("NONE",))
    values: dict[str, t.Any] = {
        key: seconds(check[key], f"{where}.healthcheck.{key}")
        for key in ("interval", "timeout", "start_period", "start_interval")
        if check.get(key) is not None
    }
    if check.get("retries") is not None:
        values["retries"] = int(check["retries"])
    return Healthcheck(test=tuple(check.get("test") or ()), **values)


def ulimits(service: Mapping[str, t.Any]) -> tuple[Ulimit, ...]:
    result = []
    for name, value in sorted((service.get("ulimits") or {}).items()):
        soft, hard = (value["soft"], value["hard"]) if isinstance(value, Mapping) else (value, value)
        result.append(Ulimit(name, int(soft), int(hard)))
    return tuple(result)
