# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One container brought to what is wanted, kept reversible until its group is healthy."""

from __future__ import annotations

import contextlib
import threading
import time
import typing as t
from dataclasses import dataclass, field

from .._engine.base import UNIT_EDITED, UNIT_GONE, Engine, ObservedContainer
from .._errors import EngineError, FleetError
from .actions import CHECK, CREATE, KEEP, NEVER_STARTED, RECREATE, RESTART, START, Action
from .config import ContainerConfig, Healthcheck
from .order import Key
from .owned import PREVIOUS, Owned, deployed_config, stop_grace
from .resolve import Wanted
from .stage import bind_sources

LOG_LINES = 20
_LOG_HEADER = "\n  last log lines of "
_CHECK_SAID = ("its health check fails", "the last check")
_MAX_ENDINGS = 3
_MAX_DOWN = 5.0
"""A container that its restart policy brings back is given up after so many endings, or so many seconds down."""

_IN_USE = "address already in use"
_PORTS_FREE_AFTER = 3.0
"""Seconds in which ports of a container that was stopped have to be free."""


class NotReady(FleetError):
    """A container did not become what it has to be; the message says how, the log tail is part of it."""


class Cancelled(Exception):
    """Its group failed meanwhile."""


@dataclass
class Place:
    """Where containers are brought up: an engine, for one inventory host. Keeps what a way back needs."""

    engine: Engine
    host: str
    state_dir: str
    owned: Owned
    parcels: dict[str, bytes] | None = None
    """Content that is put into containers, by source (`_engine/delivery.py`), where the engine sees no file of this
    machine; else None."""
    created: dict[Key, str] = field(default_factory=dict)
    """Names of the containers that this run made (or began to make)."""
    retired: dict[Key, str] = field(default_factory=dict)
    """Names that containers put aside had before; they stand by, stopped, under that name with `PREVIOUS`."""
    removed: dict[Key, ObservedContainer] = field(default_factory=dict)
    """Containers that could not stand by, because their network was made anew."""
    made_way: set[Key] = field(default_factory=set)
    """Services whose container stands by already, because another one takes over its port, address or name."""
    _freed: set[tuple[int | None, str]] = field(default_factory=set)
    """(host port, protocol) that containers held which this run stopped."""
    # Many containers are brought up at once, but an engine that makes more than a few at the same time gets slower.
    _slots: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(6))

    def __post_init__(self) -> None:
        # What a killed run put aside was good; it stands by for this run as well.
        self.retired.update({key: entry.name[: -len(PREVIOUS)] for key, entry in self.owned.previous.items()})

    def apply(self, action: Action, wanted: Wanted) -> None:
        """Do what `action` says; returns as soon as the container is started."""
        current = self.owned.current.get(action.key)
        grace = wanted.config.stop_grace_period
        with self._slots:
            if action.kind == START and current is not None:
                self.engine.start_container(current.name)
            elif action.kind == RESTART and current is not None:
                self._stop(current, grace)
                self._start(wanted.config)
            elif action.kind in (CREATE, RECREATE):
                if current is not None and action.key not in self.removed and action.key not in self.made_way:
                    self._put_aside(action.key, current, grace)
                self.created[action.key] = wanted.config.name
                self._create(wanted.config, wanted.labels)
            elif action.kind not in (KEEP, CHECK):
                raise ValueError(f"{action.kind} is not for a wanted container")

    def _create(self, config: ContainerConfig, labels: dict[str, str]) -> None:
        if self.parcels is None:
            self.engine.create_container(config, labels, bind_sources(self.state_dir, self.host, config))
        else:
            self.engine.create_container(config, labels, {}, self.parcels)
        self._start(config)

    def _keep_parcels(self, name: str, container: ObservedContainer) -> None:
        """Of a container that may have to be made again: what was put into it is nowhere else."""
        config = deployed_config(container)
        if self.parcels is not None and config is not None:
            self.parcels = {**self.engine.contents(name, config), **self.parcels}

    def _start(self, config: ContainerConfig) -> None:
        """Start; where it takes over the ports of one that this run stopped, as soon as those are really free.

        A container that Podman just starts again holds its ports for a moment after it was stopped, and one that
        was stopped between two of its lives comes up once more (seen with Podman 4.3): it is stopped again.
        """
        deadline = time.monotonic() + _PORTS_FREE_AFTER
        while True:
            try:
                return self.engine.start_container(config.name)
            except EngineError as error:
                theirs = {(port.host, port.protocol) for port in config.ports} & self._freed
                if not theirs or _IN_USE not in error.message or time.monotonic() >= deadline:
                    raise
            self._keep_down()
            time.sleep(0.2)

    def _keep_down(self) -> None:
        for name in [name + PREVIOUS for name in self.retired.values()]:
            container = self.engine.container(name)
            if container is not None and container.state == "running":
                self.engine.stop_container(name, 1.0)

    def _stop(self, current: ObservedContainer, grace: float) -> None:
        config = deployed_config(current)
        self._freed.update((port.host, port.protocol) for port in (config.ports if config else ()) if port.host)
        self.engine.stop_container(current.name, grace)

    def _put_aside(self, key: Key, current: ObservedContainer, grace: float) -> None:
        self._stop(current, grace)
        if key in self.retired or current.state in NEVER_STARTED:
            # A killed run put the good one aside already, or made this one: it never was good.
            self.engine.remove_container(current.name)
        elif current.state in (UNIT_GONE, UNIT_EDITED):
            # Nothing that was good is left to stand by; the way back makes it again from its labels.
            self.engine.remove_container(current.name)
            self.removed[key] = current
        else:
            self.engine.rename_container(current.name, current.name + PREVIOUS)
            self.retired[key] = current.name

    def make_way(self, key: Key) -> None:
        """Put a container aside before its own turn, or before it is removed."""
        if key in self.made_way or key in self.removed:
            return
        current = self.owned.current[key]
        self._put_aside(key, current, stop_grace(current))
        self.made_way.add(key)

    def remove_for_good(self, key: Key) -> None:
        """Take a service off a network that is about to go, with what stands by for it.

        A way back makes the good one of them again, from its own label.
        """
        current, standing_by = self.owned.current.get(key), self.retired.pop(key, None)
        if current is not None and key not in self.made_way:
            self._stop(current, stop_grace(current))
            self._keep_parcels(current.name, current)
            self.engine.remove_container(current.name)
        if standing_by is not None:
            self._keep_parcels(standing_by + PREVIOUS, self.owned.previous.get(key) or self.owned.current[key])
            self.engine.remove_container(standing_by + PREVIOUS)
        self.made_way.discard(key)
        good = self.owned.previous.get(key, current)
        if good is not None:
            self.removed[key] = good

    def drop_retired(self, keys: t.Iterable[Key]) -> None:
        """The new ones are good: remove what stood by, of this run or of one that was killed."""
        for key in keys:
            name = self.retired.pop(key, None)
            if name is not None:
                self.engine.remove_container(name + PREVIOUS)

    def take_new_away(self, key: Key) -> None:
        """Remove the container in a service's place, if it is new."""
        name = self.created.pop(key, None)
        if name is None and key in self.retired and key in self.owned.current:
            name = self.owned.current[key].name
        if name is not None:
            self.engine.remove_container(name)

    def bring_back(self, key: Key) -> bool:
        """Put what was there before in its place again and start it. False: there was nothing."""
        name = self.retired.pop(key, None)
        if name is not None:
            self.engine.rename_container(name + PREVIOUS, name)
            config = deployed_config(self.owned.previous.get(key) or self.owned.current[key])
            if config is None:
                self.engine.start_container(name)
            else:
                self._start(config)
            return True
        before = self.removed.pop(key, None)
        config = deployed_config(before) if before is not None else None
        if before is None or config is None:
            return False
        self._create(config, before.labels)
        return True


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
            _wait_for_its_words(engine, name, patience)
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
    checked = wanted.config.healthcheck
    asks = checked is None or checked.test[:1] != ("NONE",)
    life = _Life(patience.clock())
    answer, pause = "it was never asked", 0.1
    while True:
        container = _there(engine, wanted)
        life.see(container, patience.clock())
        if life.keeps_ending:
            raise _not_ready(engine, wanted, life.ending(container))
        if not life.runs:
            if _is_final_exit(wanted, container) or life.is_down_for_long(patience.clock()):
                raise _not_ready(engine, wanted, life.ending(container))
        else:
            health = engine.check_health(wanted.config.name, checked) if asks else None
            if health is None:
                if patience.clock() - life.since >= wanted.service.settle:
                    return
            elif health.healthy:
                return
            else:
                answer = health.output.strip()[-400:] or "the check failed without a word"
                if patience.clock() - life.begin > _grace(checked):
                    raise _not_ready(engine, wanted, f"its health check fails: {answer}")
        if patience.over:
            raise _not_ready(engine, wanted, f"it did not become healthy in time; the last check: {answer}")
        patience.pause(pause)
        pause = min(1.0, pause * 1.4)


class _Life:
    """How often a container was seen to end, and since when it runs or not (seconds of the caller's clock)."""

    def __init__(self, now: float) -> None:
        self.begin = self.since = now
        self.runs = True
        self.started_at = ""
        self.endings = 0

    def see(self, container: ObservedContainer, now: float) -> None:
        runs, started_at = container.state == "running", container.started_at
        # Podman starts one that ended again within milliseconds: it runs at every look, but never for long.
        another = runs and self.runs and bool(self.started_at and started_at) and self.started_at != started_at
        if runs != self.runs or another:
            self.since = now
            self.endings += another or not runs
        self.runs, self.started_at = runs, started_at or self.started_at

    @property
    def keeps_ending(self) -> bool:
        """Its restart policy had chances enough."""
        return self.endings >= _MAX_ENDINGS

    def is_down_for_long(self, now: float) -> bool:
        """One look can miss short lives, so being down for long counts too."""
        return now - self.since >= _MAX_DOWN

    def ending(self, container: ObservedContainer) -> str:
        status = "" if container.exit_code is None else f" (exit status {container.exit_code})"
        return f"it keeps ending{status}" if self.keeps_ending else f"it ended{status}"


def _wait_for_its_words(engine: Engine, name: str, patience: Patience) -> None:
    """On a busy machine Podman 4.3 once showed an exit before it had stored what the program wrote."""
    with contextlib.suppress(EngineError):
        if not engine.logs(name, 1):
            patience.pause(0.5)


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


def _grace(check: Healthcheck | None) -> float:
    """Seconds after which a failing check is final: what Docker would wait before «unhealthy»."""
    check = check or Healthcheck(())
    return check.start_period + check.retries * (check.interval + check.timeout)


def headline(message: str) -> str:
    """The line of an error that says most: of what a health check wrote the last one (a traceback ends with its cause)."""
    first, *more = message.partition(_LOG_HEADER)[0].strip().splitlines()
    head, _colon, _answer = first.partition(": ")
    return f"{head}: {more[-1].strip()}" if more and head.endswith(_CHECK_SAID) else first


def _not_ready(engine: Engine, wanted: Wanted, what: str) -> NotReady:
    try:
        tail = engine.logs(wanted.config.name, LOG_LINES).strip()
    except EngineError as error:
        tail = f"(no log: {error})"
    log = f"{_LOG_HEADER}{wanted.config.name}:\n" + "\n".join(
        f"    {line}" for line in (tail or "(it wrote nothing)").splitlines()
    )
    return NotReady(f"{what}{log}", f"{wanted.group}/{wanted.service.name}")
