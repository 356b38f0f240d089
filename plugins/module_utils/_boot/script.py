# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs on the host at boot, from a group's systemd unit: brings one container group up in plan order, or down.

    boot.py start GROUP.json    waits for other hosts and for needed groups, then starts each service when what it
                                depends on is up. Exit status 1: not all of it came up; systemd tries again.
    boot.py stop GROUP.json     stops what is up, the last first

GROUP.json is `units.group_file`'s. This file is installed beside `links.py` and `engines.py` and needs nothing but
Python 3.9. What it prints goes to the journal; ``<4>`` in front makes a line a warning (sd-daemon(3)).
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
import typing as t
from concurrent.futures import ThreadPoolExecutor

try:
    from .._group import links
    from . import engines
except ImportError:  # installed on a host, where it is no package
    import engines  # type: ignore[no-redef]
    import links  # type: ignore[no-redef]

REMIND = 15.0
"""Seconds between two lines about the same wait."""

STARTED, HEALTHY, COMPLETED = "started", "healthy", "completed"

Plan = dict[str, t.Any]


class NotUp(Exception):
    """Something did not come up; the message says what."""


def _to_stdout(line: str) -> None:
    """systemd hands it on to the journal."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


class Log:
    """Lines for the journal, each with the group's name."""

    def __init__(self, group: str, write: t.Callable[[str], None] | None = None) -> None:
        self._group = group
        self._write = write or _to_stdout

    def say(self, text: str) -> None:
        self._write(f"{self._group}: {text}")

    def warn(self, text: str) -> None:
        self._write(f"<4>{self._group}: {text}")


# -- waiting for other hosts


def wait_for_hosts(plan: Plan, log: Log, clock: t.Callable[[], float] = time.monotonic, pause: float = 1.0) -> None:
    """Until everything answers that the group wants of other hosts, or for `boot_wait` seconds: then without."""
    silent = {entry["url"]: entry for entry in plan["awaits"]}
    if not silent:
        return
    begin = clock()
    log.say(f"waiting at most {plan['boot_wait']:g} s for " + "; ".join(map(_name, silent.values())))
    reminded, reasons = begin, {}
    with ThreadPoolExecutor(max_workers=min(16, len(silent))) as pool:
        while True:
            urls = list(silent)
            for url, answer in zip(urls, pool.map(links.ask, urls)):
                reasons[url] = answer.reason
                if answer.answered:
                    log.say(f"{_name(silent.pop(url))} answers after {clock() - begin:.1f} s")
            if not silent:
                return
            waited = clock() - begin
            what = "; ".join(f"{_name(entry)}: {reasons[url]}" for url, entry in silent.items())
            if waited >= plan["boot_wait"]:
                log.warn(f"starting without {what}, after {waited:.0f} s")
                return
            if clock() - reminded >= REMIND:
                reminded = clock()
                log.say(f"still waiting after {waited:.0f} s for {what}")
            time.sleep(pause)


def _name(entry: dict[str, str]) -> str:
    return f"{entry['to']} on {entry['host']} ({entry['url']})"


# -- bringing a group up


class Members:
    """The services of one group: each in a thread of its own, held back until what it waits for is reached."""

    def __init__(self, plan: Plan, engine: engines.Engine, log: Log, clock: t.Callable[[], float] = time.monotonic):
        self.plan = plan
        self.engine = engine
        self.log = log
        self.clock = clock
        self.deadline = 0.0
        self.services = plan["services"]
        self.reached = {
            (service["name"], state): threading.Event()
            for service in self.services
            for state in (STARTED, HEALTHY, COMPLETED)
        }
        self.failed = threading.Event()

    def bring_up(self) -> None:
        """Raises NotUp when a service is not up within the group's timeout."""
        self.deadline = self.clock() + self.plan["timeout"]
        with ThreadPoolExecutor(max_workers=max(1, len(self.services))) as pool:
            jobs = [pool.submit(self._guarded, service) for service in self.services]
        texts = [text for text in (job.result() for job in jobs) if text]
        if texts:
            raise NotUp("; ".join(texts))

    def _guarded(self, service: dict[str, t.Any]) -> str:
        """What went wrong with one service; empty: it is up, or another one failed first."""
        try:
            self._bring(service)
        except _Cancelled:
            return ""
        except (NotUp, engines.EngineFailure) as error:
            self.failed.set()
            return f"{service['name']}: {error}"
        except BaseException:
            self.failed.set()  # a bug: nobody may wait for it
            raise
        return ""

    def _bring(self, service: dict[str, t.Any]) -> None:
        for wait in service["after"]:
            self._wait_for(wait)
        seen = self.engine.look(service)
        if not (seen.running or (service["one_shot"] and seen.completed)):
            self.log.say(f"starting {service['name']}")
            self.engine.start(service)
        if service["one_shot"]:
            self._until(service, lambda look: look.completed, fails=lambda look: look.ended)
            self._reach(service, STARTED, HEALTHY, COMPLETED)
            return
        self._until(service, lambda look: look.running, fails=lambda look: False)
        self._reach(service, STARTED)
        healthy = self.engine.health(service, self.clock)
        self._until(service, healthy, fails=lambda look: look.ended and not look.comes_back)
        self._reach(service, HEALTHY)
        if seen.life != self.engine.look(service).life:
            self.log.say(f"{service['name']} is up")

    def _reach(self, service: dict[str, t.Any], *states: str) -> None:
        for state in states:
            self.reached[service["name"], state].set()

    def _wait_for(self, wait: dict[str, str]) -> None:
        """That one's own patience ends, too: then it has failed."""
        event = self.reached[wait["service"], wait["state"]]
        while not event.wait(0.1):
            if self.failed.is_set():
                raise _Cancelled

    def _until(
        self,
        service: dict[str, t.Any],
        good: t.Callable[[engines.Look], bool],
        fails: t.Callable[[engines.Look], bool],
    ) -> None:
        pause = 0.1
        while True:
            look = self.engine.look(service)
            if good(look):
                return
            if fails(look):
                raise NotUp(f"it ended with exit status {look.exit_code}")
            if self.clock() >= self.deadline:
                raise NotUp(f"it is not up after {self.plan['timeout']:g} s: {look.words}")
            if self.failed.wait(pause):
                raise _Cancelled
            pause = min(1.0, pause * 1.4)

    def bring_down(self, only: t.Collection[str] | None = None) -> None:
        """Stop services, each when those that wait for it are down. only: their names; None: all."""
        waited_for = {
            service["name"]: [
                other["name"]
                for other in self.services
                if any(wait["service"] == service["name"] for wait in other["after"])
            ]
            for service in self.services
        }
        down = {service["name"]: threading.Event() for service in self.services}

        def stop(service: dict[str, t.Any]) -> None:
            try:
                for name in waited_for[service["name"]]:
                    down[name].wait()
                if only is None or service["name"] in only:
                    self.engine.stop(service)
            except engines.EngineFailure as error:
                self.log.warn(f"{service['name']}: {error}")
            finally:
                down[service["name"]].set()

        with ThreadPoolExecutor(max_workers=max(1, len(self.services))) as pool:
            list(pool.map(stop, self.services))


class _Cancelled(Exception):
    """Another service of the group failed."""


def wait_for_groups(plan: Plan, engine: engines.Engine, log: Log) -> None:
    """Until all services of the groups that this one needs on this host are up. Raises NotUp after its timeout."""
    judges = {}
    for path in plan["needs"]:
        try:
            needed = load(path)
        except FileNotFoundError:
            log.warn(f"nothing is known here of a needed group ({path} is missing)")
            continue
        for service in needed["services"]:
            healthy = engine.health(service, time.monotonic)
            judges[needed["group"], service["name"]] = (service, healthy)
    deadline = time.monotonic() + plan["timeout"]
    words: dict[str, str] = {}
    while judges:
        for (group, name), (service, healthy) in list(judges.items()):
            look = engine.look(service)
            if look.completed if service["one_shot"] else healthy(look):
                del judges[group, name]
            words[f"{group}/{name}"] = look.words
        if judges and time.monotonic() >= deadline:
            names = [f"{group}/{name}" for group, name in judges]
            raise NotUp("it needs " + ", ".join(f"{name} ({words[name]})" for name in names))
        if judges:
            time.sleep(0.3)


# -- which containers came too early


def too_early(plan: Plan, engine: engines.Engine, known: dict[str, str]) -> list[str]:
    """Services that run and waited for nothing: the engine started them by itself, all at once.

    known: container → the life it had when it was known to have come in its turn.
    """
    gated = bool(plan["awaits"] or plan["needs"])
    early: list[str] = []
    for service in plan["services"]:
        look = engine.look(service)
        behind = any(wait["service"] in early for wait in service["after"])
        in_turn = known.get(service["container"]) == look.life and not behind
        if look.running and not in_turn and (gated or service["after"]):
            early.append(service["name"])
    return early


def read_lives(path: str) -> dict[str, str]:
    try:
        with open(path, encoding="utf-8") as file:
            return t.cast("dict[str, str]", json.load(file))
    except (OSError, ValueError):
        return {}


def write_lives(path: str, lives: dict[str, str]) -> None:
    os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
    with open(f"{path}.new", "w", encoding="utf-8") as file:
        json.dump(lives, file)
    os.replace(f"{path}.new", path)


def _lives(plan: Plan, engine: engines.Engine) -> dict[str, str]:
    return {
        service["container"]: look.life
        for service in plan["services"]
        for look in [engine.look(service)]
        if look.running
    }


# -- the two commands


def start(plan: Plan, engine: engines.Engine, log: Log) -> None:
    """All of a unit's start. Raises NotUp or EngineFailure."""
    engine.wait_until_there()
    members = Members(plan, engine, log)
    if engine.starts_by_itself:
        if os.path.exists(plan["adopt"]):
            # A deploy has just brought the group up, in order.
            write_lives(plan["lives"], _lives(plan, engine))
            os.unlink(plan["adopt"])
        early = too_early(plan, engine, read_lives(plan["lives"]))
        if early:
            log.say(f"stopping {', '.join(early)}: started by the engine before what comes first was up")
            members.bring_down(early)
    # Whoever runs has waited already: nobody waits again on a second try, nor right after a deploy.
    if not any(engine.look(service).running for service in plan["services"]):
        wait_for_hosts(plan, log)
    wait_for_groups(plan, engine, log)
    try:
        members.bring_up()
    finally:
        if engine.starts_by_itself:
            write_lives(plan["lives"], _lives(plan, engine))
    log.say(f"all {len(plan['services'])} services are up")


def load(path: str) -> Plan:
    with open(path, encoding="utf-8") as file:
        return t.cast("Plan", json.load(file))


def main(arguments: t.Sequence[str]) -> int:
    command, path = arguments
    plan = load(path)
    log = Log(plan["group"])
    engine = engines.open_engine(plan)
    try:
        if command == "start":
            start(plan, engine, log)
        elif not engine.is_there():
            log.say("the engine does not answer: its containers are left as they are")
        elif engine.outlived():
            # All of it is in order until now; since this unit was started, a deploy or an end may have brought new lives.
            write_lives(plan["lives"], _lives(plan, engine))
            log.say("the engine is restarted, and its containers outlive it (live-restore)")
        else:
            Members(plan, engine, log).bring_down()
    except (NotUp, engines.EngineFailure) as error:
        log.warn(f"not all of it is up: {error}")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
