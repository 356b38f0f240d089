# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Boot files within a run of `reconcile`: what would change, and what is done with them before and after the groups."""

from __future__ import annotations

import contextlib
import typing as t

from .._errors import FleetError
from .._group.execute import CHANGED, FAILED, UNCHANGED, Emit

if t.TYPE_CHECKING:
    from .apply import Boot, Change


def concerned(boot: Boot | None, known: t.Collection[str], selected: t.Iterable[str], prune: bool) -> list[str]:
    """Groups whose boot files are this call's business: its own, and those that this host no longer runs.

    known: all groups of the host. boot None: the host can have no boot files.
    """
    gone = sorted(set(boot.there()) - set(known)) if boot is not None and prune else []
    return [*selected, *gone]


@contextlib.contextmanager
def starts_ended(boot: Boot | None, groups: t.Iterable[str], emit: Emit) -> t.Iterator[None]:
    """While a run looks at groups and works on them, their starts that still wait since boot are ended: two would work
    on the same containers. Those that the run did not bring up go on afterwards, or they would stay down."""
    if boot is None:
        yield
        return
    boot.take_over(groups)
    try:
        yield
    finally:
        left = sorted(boot.taken)
        try:
            boot.give_back()
        except FleetError as error:
            for name in left:
                emit("failed", name, text=f"its start since boot does not go on: {error}")


def settle(
    boot: Boot | None, changes: t.Sequence[Change], known: t.Collection[str], groups: dict[str, t.Any], emit: Emit
) -> tuple[bool, list[str]]:
    """After the groups: the boot files of those that are good, and of those that are gone. What did not work is put into
    `groups`. Returns whether something changed, and warnings.

    A group that failed keeps what it had: that belongs to the one it went back to.
    """
    if boot is None:
        return False, []
    differ = {change.group for change in changes}
    good = [name for name, entry in groups.items() if entry["status"] in (UNCHANGED, CHANGED)]
    due = [name for name in good if name in differ or name in boot.taken or groups[name]["status"] == CHANGED]
    gone = sorted(differ - set(known))
    changed, warnings = False, []
    try:
        boot.apply(gone, changes)
        changed = bool(gone)
    except FleetError as error:
        warnings = [f"boot units of {', '.join(gone)} could not be removed, the next run tries again: {error}"]
    try:
        boot.apply(due, changes)
    except FleetError as error:
        for name in due:
            groups[name].update(status=FAILED, error=f"it is healthy, but does not start by itself at boot: {error}")
        return changed, warnings
    if changed:
        for name in gone:
            emit("removed", name, text="its boot units")
    for name in due:
        if name in differ:
            emit("boot units", name, text="written" if name in boot.wanted else "removed")
            groups[name]["status"] = CHANGED
    return changed or bool(differ & set(due)), warnings
