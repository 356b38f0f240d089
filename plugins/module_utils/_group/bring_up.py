# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One container brought to what is wanted, kept reversible until its group is healthy."""

from __future__ import annotations

import threading
import time
import typing as t
from dataclasses import dataclass, field

from .._engine.base import Engine, ObservedContainer
from .._errors import EngineError, FleetError
from .actions import CHECK, CREATE, KEEP, RECREATE, RESTART, START, Action
from .config import Healthcheck
from .order import Key
from .owned import PREVIOUS, Owned
from .resolve import Wanted
from .stage import bind_sources

LOG_LINES = 20
_MAX_EXITS = 3
"""A container whose restart policy brings it back is given up after so many exits."""


class NotReady(FleetError):
    """A container did not become what it has to be; the message says how, the log tail is part of it."""


class Cancelled(Exception):
    """Its group failed meanwhile."""


@dataclass
class Place:
    """Where containers are brought up: an engine, for one inventory host."""

    engine: Engine
    host: str
    state_dir: str
    owned: Owned
    created: set[Key] = field(default_factory=set)
    retired: dict[Key, ObservedContainer] = field(default_factory=dict)
    """What stands by, stopped, under its name with `PREVIOUS`."""
    # Many containers are brought up at once, but an engine that makes more than a few at the same time gets slower.
    _slots: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(6))

    def apply(self, action: Action, wanted: Wanted) -> None:
        """Do what `action` says; returns as soon as the container is started."""
        current = self.owned.current.get(action.key)
        grace = wanted.config.stop_grace_period
        with self._slots:
            if action.kind == START and current is not None:
                self.engine.start_container(current.name)
            elif action.kind == RESTART and current is not None:
                self.engine.stop_container(current.name, grace)
                self.engine.start_container(current.name)
            elif action.kind in (CREATE, RECREATE):
                if current is not None:
                    self._retire(action.key, current, grace)
                elif action.key in self.owned.previous:
                    self.retired[action.key] = self.owned.previous[action.key]
                self.created.add(action.key)
                sources = bind_sources(self.state_dir, self.host, wanted.config)
                self.engine.create_container(wanted.config, wanted.labels, sources)
                self.engine.start_container(wanted.config.name)
            elif action.kind not in (KEEP, CHECK):
                raise ValueError(f"{action.kind} is not for a wanted container")

    def _retire(self, key: Key, current: ObservedContainer, grace: float) -> None:
        """Put the container in place aside. What a run before us put aside stays: it was good, this one never was."""
        self.engine.stop_container(current.name, grace)
        if key in self.owned.previous:
            self.engine.remove_container(current.name)
            self.retired[key] = self.owned.previous[key]
        else:
            self.retired[key] = current
            self.engine.rename_container(current.name, current.name + PREVIOUS)

    def drop_retired(self, keys: t.Iterable[Key]) -> None:
        """The new ones are good: remove what stood by, of this run or of one that was killed."""
        for key in keys:
            for container in (self.retired.pop(key, None), self.owned.previous.get(key)):
                if container is not None:
                    self.engine.remove_container(_previous_name(container))

    def restore(self, key: Key) -> bool:
        """Take a new container away and bring the one before it back. False: there was none before."""
        if key in self.created:
            self.created.discard(key)
            for container in self._now(key):
                self.engine.remove_container(container)
        before = self.retired.pop(key, None)
        if before is None:
            return False
        name = before.name[: -len(PREVIOUS)] if before.name.endswith(PREVIOUS) else before.name
        self.engine.rename_container(name + PREVIOUS, name)
        self.engine.start_container(name)
        return True

    def _now(self, key: Key) -> list[str]:
        """Names of the containers in place for a service, by asking: creation may have failed halfway."""
        name = self._wanted_names.get(key, "")
        return [name] if name and self.engine.container(name) is not None else []

    _wanted_names: dict[Key, str] = field(default_factory=dict)

    def know(self, wanted: dict[Key, Wanted]) -> None:
        """Learn the names of what is wanted, so that a rollback finds what was made."""
        self._wanted_names.update({key: entry.config.name for key, entry in wanted.items()})


def _previous_name(container: ObservedContainer) -> str:
    return container.name if container.name.endswith(PREVIOUS) else container.name + PREVIOUS


@dataclass
class Patience:
    """How long to wait, and when to stop waiting early."""

    deadline: float
    cancelled: threading.Event
    clock: t.Callable[[], float] = time.monotonic

    def pause(self, seconds: float) -> None:
        if self.cancelled.wait(min(seconds, max(0.0, self.deadline - self.clock()))):
            raise Cancelled

    @property
    def over(self) -> bool:
        return self.clock() >= self.deadline


def wait_completed(engine: Engine, wanted: Wanted, patience: Patience) -> None:
    """Until a one-shot has exited 0. Raises NotReady when it failed or took too long."""
    name, pause = wanted.config.name, 0.05
    while True:
        container = _there(engine, wanted)
        if container.state in ("exited", "dead"):
            if container.exit_code == 0:
                return
            raise _not_ready(engine, wanted, f"it ended with exit status {container.exit_code}")
        if patience.over:
            raise _not_ready(engine, wanted, f"{name} did not end in time")
        patience.pause(pause)
        pause = min(1.0, pause * 1.5)


def wait_healthy(engine: Engine, wanted: Wanted, patience: Patience) -> None:
    """Until its health check passes, or, without one, until it has run for its settling time.

    The check is run here and now instead of waiting for the engine's interval. A failing
    check is only final when the time of its start period and retries is over.
    """
    begin = patience.clock()
    checked = wanted.config.healthcheck
    exits, pause, since = 0, 0.1, begin
    answer = "it was never asked"
    while True:
        container = _there(engine, wanted)
        if container.state != "running":
            exits += 1
            since = patience.clock()
            if _is_final_exit(wanted, container) or exits >= _MAX_EXITS:
                raise _not_ready(engine, wanted, _exit_text(container, exits))
        elif checked is not None and checked.test[:1] == ("NONE",):
            if patience.clock() - since >= wanted.service.settle:
                return
        else:
            health = engine.check_health(wanted.config.name, checked)
            if health is None:
                if patience.clock() - since >= wanted.service.settle:
                    return
            elif health.healthy:
                return
            else:
                answer = health.output.strip()[-400:] or "the check failed without a word"
                if patience.clock() - begin > _grace(checked):
                    raise _not_ready(engine, wanted, f"its health check fails: {answer}")
        if patience.over:
            raise _not_ready(engine, wanted, f"it did not become healthy in time; the last check: {answer}")
        patience.pause(pause)
        pause = min(1.0, pause * 1.4)


def _there(engine: Engine, wanted: Wanted) -> ObservedContainer:
    container = engine.container(wanted.config.name)
    if container is None:
        raise NotReady(f"container {wanted.config.name} disappeared", f"{wanted.group}/{wanted.service.name}")
    return container


def _is_final_exit(wanted: Wanted, container: ObservedContainer) -> bool:
    if container.state not in ("exited", "dead"):
        return False
    policy = wanted.config.restart.partition(":")[0]
    return policy == "no" or (policy == "on-failure" and container.exit_code == 0)


def _exit_text(container: ObservedContainer, exits: int) -> str:
    status = "" if container.exit_code is None else f" (exit status {container.exit_code})"
    return f"it ended{status}" if exits == 1 else f"it keeps ending{status}, {exits} times so far"


def _grace(check: Healthcheck | None) -> float:
    """Seconds after which a failing check is final: what Docker would wait before «unhealthy»."""
    check = check or Healthcheck(())
    return check.start_period + check.retries * (check.interval + check.timeout)


def _not_ready(engine: Engine, wanted: Wanted, what: str) -> NotReady:
    try:
        tail = engine.logs(wanted.config.name, LOG_LINES).strip()
    except EngineError as error:
        tail = f"(no log: {error})"
    log = f"\n  last log lines of {wanted.config.name}:\n" + "\n".join(
        f"    {line}" for line in (tail or "(it wrote nothing)").splitlines()
    )
    return NotReady(f"{what}{log}", f"{wanted.group}/{wanted.service.name}")
