# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Texts and lists for the playbooks: what was deployed, what runs, what was verified."""

from __future__ import annotations

import typing as t
from collections.abc import Iterable, Mapping, Sequence

from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._report import (
    deploy_lines,
    link_wishes,
    status_lines,
    teardown_lines,
    verdict,
)


def _registered(hostvars: Mapping[str, t.Any], hosts: Iterable[str], name: str) -> dict[str, t.Any]:
    return {host: hostvars[host].get(name) for host in hosts}


def deploy_summary(plan: Mapping[str, t.Any], hostvars: Mapping[str, t.Any], hosts: Sequence[str]) -> str:
    asked, applied = (_registered(hostvars, hosts, name) for name in ("fleet_asked", "fleet_results"))
    return "\n".join(deploy_lines(plan, asked, applied))


def status_table(hostvars: Mapping[str, t.Any], hosts: Sequence[str]) -> str:
    return "\n".join(status_lines(_registered(hostvars, hosts, "fleet_status")))


def teardown_summary(hostvars: Mapping[str, t.Any], hosts: Sequence[str]) -> str:
    return "\n".join(teardown_lines(_registered(hostvars, hosts, "fleet_removed")))


def verify_verdict(plan: Mapping[str, t.Any], hostvars: Mapping[str, t.Any], hosts: Sequence[str]) -> dict[str, t.Any]:
    return verdict(plan, _registered(hostvars, hosts, "fleet_verified"))


class FilterModule:
    def filters(self) -> dict[str, t.Any]:
        return {
            "deploy_summary": deploy_summary,
            "plan_links": link_wishes,
            "status_table": status_table,
            "teardown_summary": teardown_summary,
            "verify_verdict": verify_verdict,
        }
