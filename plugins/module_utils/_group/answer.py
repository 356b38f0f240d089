# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What one call for one host answers, as data: what would be done, what was done, what a user needs to read of a failure."""

from __future__ import annotations

import typing as t

from .actions import Action, GroupActions, action_as_data
from .config import Group
from .diff import as_ansible_diff
from .elsewhere import Elsewhere
from .execute import CHANGED, UNCHANGED, GroupResult, is_due

if t.TYPE_CHECKING:
    from .._boot.apply import Change


def describe(
    plans: t.Sequence[GroupActions],
    leaving: t.Sequence[Action],
    elsewhere: t.Sequence[Elsewhere],
    selected: t.Sequence[Group],
    units: t.Sequence[Change],
) -> dict[str, t.Any]:
    """What would be done, as data: the result of check mode and the head of every other."""
    changing = [action for plan in plans for action in plan.changing]
    moving = {group.name: other.engine.name for group in selected for other in elsewhere if other.moves(group.name)}
    booting = {change.group for change in units}
    would = {plan.group.name for plan in plans if plan.changed} | set(moving) | booting
    return {
        "changed": bool(changing or leaving or would),
        "due": [plan.group.name for plan in plans if is_due(plan) or plan.group.name in {*moving, *booting}],
        "leaving": sorted({action.group for action in leaving} | booting - {group.name for group in selected}),
        "actions": [action_as_data(action) for action in (*changing, *leaving)],
        "networks": [network.name for plan in plans for network in (*plan.networks, *plan.changed_networks)],
        "volumes": [volume.name for plan in plans for volume in plan.volumes],
        "moving": moving,
        "warnings": [text for plan in plans for text in plan.warnings],
        "left_behind": {other.engine.name: other.volumes() for other in elsewhere if other.volumes()},
        "groups": {
            plan.group.name: {"status": "would change" if plan.group.name in would else UNCHANGED} for plan in plans
        },
        "boot_units": {
            # The script is every group's.
            "written": list(dict.fromkeys(change.path for change in units if change.after is not None)),
            "removed": [change.path for change in units if change.after is None],
        },
        "diff": [
            as_ansible_diff(f"{action.group}/{action.service} ({action.kind})", action.changes)
            if action.changes
            else {"prepared": f"{action}\n"}
            for action in (*changing, *leaving)
        ]
        + [change.as_ansible_diff() for change in units if not change.script],
    }


def group_result(result: GroupResult) -> dict[str, t.Any]:
    data: dict[str, t.Any] = {"status": result.status, "services": result.services}
    if result.error:
        data["error"] = result.error
    if result.rolled_back:
        data["rolled_back"] = result.rolled_back
    if result.gpu:
        data["gpu"] = {service: seen.as_data() for service, seen in sorted(result.gpu.items())}
    return data


def gpu_warnings(groups: dict[str, t.Any]) -> list[str]:
    """What was found about GPUs inside containers and failed nothing."""
    return [
        f"{group}/{service}: {found['message']}. {found['mend']}"
        for group, entry in groups.items()
        for service, seen in entry.get("gpu", {}).items()
        for found in seen["findings"]
        if found["level"] == "warning"
    ]


def finish(result: dict[str, t.Any]) -> dict[str, t.Any]:
    """The result as it is, or, when groups failed, what a user needs to read about them."""
    failed = {name: entry for name, entry in result["groups"].items() if entry["status"] not in (UNCHANGED, CHANGED)}
    if not failed:
        return result
    texts = []
    for name, entry in failed.items():
        texts.append(f"{name}: {entry['status']}: {entry.pop('error', '')}")
        if entry.get("rolled_back"):
            texts.append(f"  {entry['rolled_back']}")
    return {
        "failed": True,
        "msg": "\n".join(texts),
        "changed": result["changed"],
        "groups": result["groups"],
        "warnings": result["warnings"],
    }
