# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Carry out the actions of all groups of one host: concurrently, in order, each group all or nothing.

One loop decides, workers do: every change of state happens in `Run.loop`, so nothing
here needs a lock. A worker brings one container up, waits for it, and reports.
"""

from __future__ import annotations

import queue
import threading
import time
import typing as t
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from .._engine.base import ObservedContainer, ObservedNetwork
from .._errors import FleetError
from . import labels as names
from .actions import CHANGING, CHECK, KEEP, Action, GroupActions
from .bring_up import Cancelled, Patience, Place, headline, wait_completed, wait_healthy
from .config import GpuPromise
from .elsewhere import Elsewhere
from .order import COMPLETED, HEALTHY, STARTED, Key, Wait, waits
from .owned import dependents_first, deployed_network, stop_grace, with_sharers
from .resolve import Wanted, marker, network_labels, volume_labels
from .takeover import in_the_way

if t.TYPE_CHECKING:
    from .gpu_check import Seen

Emit = t.Callable[..., None]
"""emit(event, group, service="", text="")"""

UNCHANGED, CHANGED, FAILED, BLOCKED = "unchanged", "changed", "failed", "blocked"


@dataclass
class GroupResult:
    status: str = ""
    error: str = ""
    services: dict[str, str] = field(default_factory=dict)
    """service → what happened to it."""
    rolled_back: str = ""
    gpu: dict[str, Seen] = field(default_factory=dict)
    """service → what it sees of its GPU, for those that were asked in this run."""


@dataclass
class _GroupRun:
    plan: GroupActions
    deadline: float = 0.0
    cancelled: threading.Event = field(default_factory=threading.Event)
    open: dict[Key, Action] = field(default_factory=dict)
    """Not yet handed to a worker."""
    working: set[Key] = field(default_factory=set)
    errors: list[str] = field(default_factory=list)
    result: GroupResult = field(default_factory=GroupResult)
    networks_gone: list[ObservedNetwork] = field(default_factory=list)
    """Networks that were made anew, as they were before."""


class Run:
    """One execution. `plans` holds the groups of this call; `ready` what is up already outside of it."""

    def __init__(
        self,
        place: Place,
        plans: t.Sequence[GroupActions],
        wanted: dict[Key, Wanted],
        elsewhere: t.Sequence[Elsewhere],
        emit: Emit,
        clock: t.Callable[[], float] = time.monotonic,
    ) -> None:
        self.place = place
        self.wanted = wanted
        self.elsewhere = elsewhere
        self.emit = emit
        self.clock = clock
        self.groups = {plan.group.name: _GroupRun(plan, open=dict(plan.services)) for plan in plans}
        self.waits = waits([plan.group for plan in plans])
        self.reached: dict[Key, set[str]] = {key: set() for key in wanted}
        self.messages: queue.Queue = queue.Queue()
        self.told: set[Key] = set()
        self.bugs: list[BaseException] = []

    def loop(self) -> dict[str, GroupResult]:
        """Run until every group is good, failed or blocked. Engine failures end in results, bugs raise."""
        with ThreadPoolExecutor(max_workers=max(4, min(32, len(self.wanted)))) as pool:
            for run in self.groups.values():
                self._finish_if_done(run)
            self._advance(pool)
            while any(run.working for run in self.groups.values()):
                self._take(*self.messages.get())
                self._advance(pool)
        if self.bugs:
            raise self.bugs[0]
        for run in self.groups.values():
            if not run.result.status:
                run.result.status = BLOCKED
                run.result.error = run.result.error or "what it needs did not become healthy"
        return {name: run.result for name, run in self.groups.items()}

    # -- deciding ---------------------------------------------------------------------------------

    def _advance(self, pool: ThreadPoolExecutor) -> None:
        """Hand every service whose waits are over to a worker; say what the others wait for."""
        for run in self.groups.values():
            if run.result.status or run.cancelled.is_set():
                continue
            for key, action in list(run.open.items()):
                missing = tuple(wait for wait in self.waits[key] if wait.state not in self.reached[wait.key])
                if missing:
                    if action.kind != KEEP:
                        self._tell_waiting(key, missing)
                    continue
                if not self._open_group(run):
                    break
                del run.open[key]
                run.working.add(key)
                pool.submit(self._work, action, self.wanted[key], run)

    def _tell_waiting(self, key: Key, missing: tuple[Wait, ...]) -> None:
        """Said once for each service; other groups are named as a whole."""
        if key in self.told:
            return
        self.told.add(key)
        whole = [wait.key[0] if wait.key[0] != key[0] else f"{wait.key[1]} ({wait.state})" for wait in missing]
        self.emit("waiting", *key, text="for " + ", ".join(dict.fromkeys(whole)))

    def _open_group(self, run: _GroupRun) -> bool:
        """Networks, volumes and what stands in the way, before a group's first service. False: it failed."""
        if run.deadline:
            return True
        run.deadline = self.clock() + run.plan.group.timeout
        try:
            self._prepare(run)
        except FleetError as error:
            self._fail(run, str(error))
            return False
        return True

    def _prepare(self, run: _GroupRun) -> None:
        group, engine = run.plan.group, self.place.engine
        for other in self.elsewhere:
            if other.stop(group.name):
                self.emit("stopped", group.name, text=f"on {other.engine.name}, it moves to {engine.name}")
        for network in run.plan.changed_networks:
            self._clear_network(run, network.name)
            run.networks_gone.append(self.place.owned.networks[network.name])
            engine.remove_network(network.name)
        for key in in_the_way(group.name, [each.plan for each in self.groups.values()], self.wanted, self.place.owned):
            self.place.make_way(key)
        for container in self._leaving(run):
            engine.stop_container(container.name, stop_grace(container))
        for network in (*run.plan.changed_networks, *run.plan.networks):
            engine.create_network(network, network_labels(self.place.host, group, network))
        for volume in run.plan.volumes:
            engine.create_volume(volume, volume_labels(self.place.host, group, volume))

    def _clear_network(self, run: _GroupRun, name: str) -> None:
        """Containers on a network that is made anew are made anew too, with who shares their namespaces."""
        mine = {
            container.name: key
            for key, container in self.place.owned.current.items()
            if key[0] == run.plan.group.name and key not in self.place.removed
        }
        current = [self.place.owned.current[key] for key in mine.values()]
        attached = [container.name for container in current if name in container.networks]
        for level in dependents_first(with_sharers(attached, current)):
            for container in level:
                self.place.remove_for_good(mine[container.name])
        for key, container in self.place.owned.previous.items():
            # A killed run put it aside and made nothing in its place.
            if key[0] == run.plan.group.name and key not in self.place.removed and name in container.networks:
                self.place.remove_for_good(key)

    def _leaving(self, run: _GroupRun) -> list[ObservedContainer]:
        """Containers of services that left the definition, as far as they still stand in their place."""
        owned, gone = self.place.owned, {*self.place.made_way, *self.place.removed}
        leaving = {action.name for action in run.plan.removals if action.key not in gone}
        return [container for container in (*owned.current.values(), *owned.extra) if container.name in leaving]

    def _take(self, event: str, key: Key, said: t.Any) -> None:
        """said: what was seen for «gpu», else a text."""
        run = self.groups[key[0]]
        if event == "gpu":
            run.result.gpu[key[1]] = said
            return
        if event in (STARTED, HEALTHY, COMPLETED):
            self.reached[key].add(event)
            if event != STARTED:
                self.reached[key] |= {STARTED, HEALTHY}
            return
        run.working.discard(key)
        if event == "failed":
            self._fail(run, said)
        elif run.cancelled.is_set():
            self._roll_back_when_idle(run)
        else:
            self._finish_if_done(run)

    # -- working ----------------------------------------------------------------------------------

    def _work(self, action: Action, wanted: Wanted, run: _GroupRun) -> None:
        """In a worker: one container from its action to healthy. Always ends with one message."""
        engine, key = self.place.engine, action.key
        patience = Patience(run.deadline, run.cancelled, self.clock)
        end, text = "cancelled", ""
        try:
            if action.kind in CHANGING:
                self.emit(action.kind, *key, text=action.reason)
            self.place.apply(action, wanted)
            self.messages.put((STARTED, key, ""))
            if wanted.service.promise is not None and self._has_to_prove_its_gpu(action, wanted, run):
                self._look_for_gpu(wanted, wanted.service.promise)
            if wanted.service.one_shot:
                if action.kind != KEEP:
                    wait_completed(engine, wanted, patience)
                self.messages.put((COMPLETED, key, ""))
            else:
                if action.kind != KEEP:
                    wait_healthy(engine, wanted, patience)
                self.messages.put((HEALTHY, key, ""))
            if action.kind != KEEP:
                self.emit("completed" if wanted.service.one_shot else "healthy", *key)
            end = "done"
        except FleetError as error:
            end, text = "failed", str(error)
            self.emit("failed", *key, text=headline(error.message))
        except Cancelled:
            pass
        except BaseException as error:
            # A bug: the group must not stay half changed, and the traceback must not get lost.
            self.bugs.append(error)
            end, text = "failed", f"{type(error).__name__}: {error}"
        finally:
            # Whatever happened: the loop waits for it.
            self.messages.put((end, key, text))

    def _has_to_prove_its_gpu(self, action: Action, wanted: Wanted, run: _GroupRun) -> bool:
        """One that starts now, and one that a killed run made for a revision that was never good."""
        if action.kind in CHANGING:
            return True
        current = self.place.owned.current.get(action.key)
        _volume, labels = marker(self.place.host, run.plan.group, self.wanted)
        return (
            current is not None
            and current.labels.get(names.REVISION) == wanted.labels[names.REVISION]
            and not self.place.owned.is_good(wanted.group, labels[names.CONFIG])
        )

    def _look_for_gpu(self, wanted: Wanted, promise: GpuPromise) -> None:
        """Before its health: a GPU that is not there is known at once, and nothing else would tell. Raises GpuNotSeen."""
        # Here, as most runs have nothing to ask and the import takes as long as some of them.
        from .gpu_check import NOT_SEEN
        from .gpu_look import GpuNotSeen, complaint, look

        seen = look(self.place.engine, wanted.config.name, promise, with_torch=True)
        self.messages.put(("gpu", wanted.key, seen))
        if seen.failed:
            raise GpuNotSeen(complaint(promise, seen), f"{wanted.group}/{wanted.service.name}")
        allowed = " (its group allows the CPU)" if seen.verdict == NOT_SEEN else ""
        self.emit("gpu", *wanted.key, text=f"{seen.words}{allowed}")

    # -- ending a group ---------------------------------------------------------------------------

    def _finish_if_done(self, run: _GroupRun) -> None:
        if run.open or run.working or run.result.status:
            return
        plan, group = run.plan, run.plan.group
        try:
            self._commit(run)
        except FleetError as error:
            run.result.status = FAILED
            run.result.error = f"{group.name}: it is healthy, but not everything old could be removed: {error}"
            return
        moved = any(other.moves(group.name) for other in self.elsewhere)
        run.result.status = CHANGED if plan.changed or moved else UNCHANGED
        run.result.services = {action.service: action.kind for action in plan.services.values()}
        if run.result.status == CHANGED:
            self.emit("ready", group.name)

    def _commit(self, run: _GroupRun) -> None:
        """First say that this revision is good, then forget the one before: a kill in between loses neither."""
        plan, group, engine = run.plan, run.plan.group, self.place.engine
        volume, labels = marker(self.place.host, group, self.wanted)
        markers = self.place.owned.good.get(group.name, ())
        if volume.name not in [entry.name for entry in markers]:
            engine.create_volume(volume, labels)
        for action in plan.removals:
            self.emit("remove", *action.key, text=action.reason)
        # Before what stands by: one of them may live in a namespace of it.
        self._remove(self._leaving(run))
        retired = [key for key in {**plan.services, **self.place.retired} if key[0] == group.name]
        self.place.drop_retired(reversed(retired))
        for entry in markers:
            if entry.name != volume.name:
                engine.remove_volume(entry.name)
        for other in self.elsewhere:
            other.remove(group.name)

    def _fail(self, run: _GroupRun, text: str) -> None:
        run.errors.append(text)
        run.cancelled.set()
        self._roll_back_when_idle(run)

    def _roll_back_when_idle(self, run: _GroupRun) -> None:
        if run.working or run.result.status:
            return
        run.result.status = FAILED
        run.result.error = "\n".join(run.errors)
        try:
            run.result.rolled_back = self._roll_back(run)
        except FleetError as error:
            run.result.rolled_back = f"the way back failed too: {error}"
        self.emit("rolled back", run.plan.group.name, text=run.result.rolled_back)

    def _roll_back(self, run: _GroupRun) -> str:
        """Back to the last good revision; to nothing when there never was one. Says in words what came of it."""
        group, owned = run.plan.group, self.place.owned
        _volume, labels = marker(self.place.host, group, self.wanted)
        if owned.is_good(group.name, labels[names.CONFIG]) and not self._made(run):
            return "this revision was healthy before, so there is nothing to go back to; it is left as it is"
        for key in reversed(list(run.plan.services)):
            self.place.take_new_away(key)
        was_good = self._was_good(run)
        if was_good:
            self._take_unknown_away(run)
        else:
            self._take_all_away(run)
        self._bring_networks_back(run)
        keys = dict.fromkeys([*run.plan.services, *(action.key for action in run.plan.removals)])
        restored = [key[1] for key in keys if self.place.bring_back(key)]
        restored += self._start_removals_again(run, restored)
        back = [other.engine.name for other in self.elsewhere if other.start_again(group.name)]
        if back:
            return f"the group runs again on {back[0]}"
        if restored:
            return "brought back as it was: " + ", ".join(sorted(restored))
        if was_good:
            return "nothing that ran was changed"
        return "the group was new: everything of it was taken away again, volumes stay"

    def _was_good(self, run: _GroupRun) -> bool:
        """Whether there is something to go back to.

        Where no marker tells it, that all of a revision is up does; but not of one whose containers, untouched by
        this run, lack their GPU: a run that was killed between their start and the question left them.
        """
        name, plan = run.plan.group.name, run.plan
        lacking = [service for service, seen in run.result.gpu.items() if seen.failed]
        untouched = any(plan.services[name, service].kind not in CHANGING for service in lacking)
        return name in self.place.owned.good or (self.place.owned.was_good(name) and not untouched)

    def _made(self, run: _GroupRun) -> bool:
        return any(key in self.place.created or key in self.place.removed for key in run.plan.services)

    def _take_unknown_away(self, run: _GroupRun) -> None:
        """Containers of services that the last good revision does not have: a killed run made them."""
        known = self.place.owned.good_services(run.plan.group.name)
        self._remove(
            container
            for key, container in self.place.owned.current.items()
            if key in run.plan.services and key[1] not in known
        )

    def _remove(self, containers: t.Iterable[ObservedContainer]) -> None:
        for level in dependents_first(containers):
            for container in level:
                self.place.engine.remove_container(container.name)

    def _take_all_away(self, run: _GroupRun) -> None:
        """A group that was never good leaves no container behind, of this run or of one that was killed."""
        mine = [
            container
            for key, container in self.place.owned.current.items()
            if key[0] == run.plan.group.name and key not in self.place.retired
        ]
        self._remove(mine)
        observed = self.place.engine.observe()
        unused = {network.name for network in observed.networks}
        unused -= {name for container in observed.containers for name in container.networks}
        for network in run.plan.group.networks:
            if not network.external and not network.group and network.name in unused:
                self.place.engine.remove_network(network.name)

    def _bring_networks_back(self, run: _GroupRun) -> None:
        for network in run.networks_gone:
            self.place.engine.remove_network(network.name)
            config = deployed_network(network)
            if config is not None:
                self.place.engine.create_network(config, network.labels)

    def _start_removals_again(self, run: _GroupRun, restored: t.Collection[str]) -> list[str]:
        """Services that were to go, and were stopped for it, belong to the last good revision."""
        known = self.place.owned.good_services(run.plan.group.name)
        back = [
            action
            for action in run.plan.removals
            if action.service in known and action.key not in run.plan.services and action.service not in restored
        ]
        for action in back:
            self.place.engine.start_container(action.name)
        return [action.service for action in back]


def is_due(plan: GroupActions) -> bool:
    """False when a run would only confirm what is there: no change, no health to ask for, its revision marked."""
    return plan.changed or plan.marker_due or any(action.kind == CHECK for action in plan.services.values())
