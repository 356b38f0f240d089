"""One container: made, put aside, brought back; and when it counts as healthy, on a clock that tests turn."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._engine.base import Health
from ansible_collections.gpu_fleet.containers.plugins.module_utils._errors import EngineError
from ansible_collections.gpu_fleet.containers.plugins.module_utils._group import bring_up
from ansible_collections.gpu_fleet.containers.plugins.module_utils._group.actions import (
    CHECK,
    CREATE,
    KEEP,
    RECREATE,
    REMOVE,
    RESTART,
    START,
    Action,
)
from ansible_collections.gpu_fleet.containers.plugins.module_utils._group.bring_up import (
    Cancelled,
    NotReady,
    Patience,
    Place,
    headline,
    wait_completed,
    wait_healthy,
)
from ansible_collections.gpu_fleet.containers.plugins.module_utils._group.config import (
    Healthcheck,
    NetworkConfig,
    Port,
)
from ansible_collections.gpu_fleet.containers.plugins.module_utils._group.owned import PREVIOUS, owned_by

from .examples import HOST, group, running, service, wanted
from .memory_engine import MemoryEngine

KEY = ("core", "a")
OLD = wanted(group("core", service("a", image="agent:1")))[KEY]
NEW = wanted(group("core", service("a", image="agent:2")))[KEY]


@pytest.fixture
def engine():
    engine = MemoryEngine()
    engine.create_network(NetworkConfig("core_default"), {})
    return engine


def place(engine) -> Place:
    engine.calls.clear()
    return Place(engine, HOST, "/state", owned_by(HOST, engine.observe()))


def deploy(engine, entry):
    engine.create_container(entry.config, entry.labels, {})
    engine.start_container(entry.config.name)


def act(where: Place, kind: str, entry) -> None:
    where.apply(Action(kind, *KEY, name=entry.config.name), entry)


def images(engine) -> dict[str, tuple[str, str]]:
    return {name: (entry.image, entry.state) for name, entry in engine.containers.items()}


# --- doing and undoing ----------------------------------------------------------------------------------------------


def test_create_and_take_away(engine):
    where = place(engine)
    act(where, CREATE, OLD)
    assert images(engine) == {"core-a-1": ("agent:1", "running")}
    where.take_new_away(KEY)
    assert images(engine) == {} and not where.bring_back(KEY)


def test_recreate_keeps_the_old_one_until_the_new_is_good(engine):
    deploy(engine, OLD)
    where = place(engine)
    act(where, RECREATE, NEW)
    assert images(engine) == {"core-a-1": ("agent:2", "running"), f"core-a-1{PREVIOUS}": ("agent:1", "exited")}
    where.drop_retired([KEY])
    assert images(engine) == {"core-a-1": ("agent:2", "running")}


def test_recreate_and_back(engine):
    deploy(engine, OLD)
    where = place(engine)
    act(where, RECREATE, NEW)
    where.take_new_away(KEY)
    assert where.bring_back(KEY)
    assert images(engine) == {"core-a-1": ("agent:1", "running")}


def test_a_create_that_fails_half_way_can_be_taken_back(engine):
    deploy(engine, OLD)
    where = place(engine)
    engine.fail_on = lambda call: EngineError("no space left") if call == ("start", "core-a-1") else None
    with pytest.raises(EngineError):
        act(where, RECREATE, NEW)
    engine.fail_on = lambda call: None
    where.take_new_away(KEY)
    assert where.bring_back(KEY) and images(engine) == {"core-a-1": ("agent:1", "running")}


def test_after_a_kill_the_good_one_still_stands_by(engine):
    """A killed run left the good one aside and a doubtful one in its place: the doubtful one goes."""
    deploy(engine, OLD)
    act(place(engine), RECREATE, NEW)
    where = place(engine)
    newest = wanted(group("core", service("a", image="agent:3")))[KEY]
    act(where, RECREATE, newest)
    assert images(engine) == {"core-a-1": ("agent:3", "running"), f"core-a-1{PREVIOUS}": ("agent:1", "exited")}
    where.take_new_away(KEY)
    assert where.bring_back(KEY) and images(engine) == {"core-a-1": ("agent:1", "running")}


def test_after_a_kill_a_doubtful_one_that_was_not_touched_is_taken_away_too(engine):
    deploy(engine, OLD)
    act(place(engine), RECREATE, NEW)
    where = place(engine)
    where.take_new_away(KEY)
    assert where.bring_back(KEY) and images(engine) == {"core-a-1": ("agent:1", "running")}


def test_removed_for_its_network_and_made_again_from_its_own_label(engine):
    deploy(engine, OLD)
    before = engine.containers["core-a-1"]
    where = place(engine)
    where.remove_for_good(KEY)
    act(where, RECREATE, NEW)
    assert list(images(engine)) == ["core-a-1"], "nothing stands by"
    where.take_new_away(KEY)
    assert where.bring_back(KEY)
    assert engine.containers["core-a-1"].labels == before.labels
    assert images(engine) == {"core-a-1": ("agent:1", "running")}


@pytest.mark.parametrize(
    ("kind", "calls"),
    [
        (KEEP, []),
        (CHECK, []),
        (START, [("start", "core-a-1")]),
        (RESTART, [("stop", "core-a-1"), ("start", "core-a-1")]),
    ],
)
def test_what_keeps_the_container(engine, kind, calls):
    deploy(engine, OLD)
    where = place(engine)
    act(where, kind, OLD)
    assert engine.changes() == calls


def test_a_removal_is_not_for_a_wanted_container(engine):
    with pytest.raises(ValueError, match="remove is not for a wanted container"):
        act(place(engine), REMOVE, OLD)


BUSY = "podman start: cannot listen on the TCP port: listen tcp4 :7000: bind: address already in use"
LISTENS = wanted(group("core", service("a", image="agent:1", ports=(Port(7000, 7000),))))[KEY]
LISTENS_TOO = wanted(group("core", service("a", image="agent:2", ports=(Port(7000, 7000),))))[KEY]
ELSEWHERE = wanted(group("core", service("a", image="agent:2", ports=(Port(7000, 7001),))))[KEY]


def busy_times(engine, times: int, words: str = BUSY) -> None:
    """The next starts fail."""
    answers = [EngineError(words)] * times
    engine.fail_on = lambda call: answers.pop() if call[0] == "start" and answers else None


@pytest.fixture
def at_once(monkeypatch):
    monkeypatch.setattr(bring_up.time, "sleep", lambda seconds: None)


@pytest.mark.parametrize("kind", [RECREATE, RESTART])
def test_ports_of_the_one_put_aside_are_waited_for(engine, at_once, kind):
    deploy(engine, LISTENS)
    where = place(engine)
    busy_times(engine, 2)
    act(where, kind, LISTENS_TOO)
    assert engine.containers["core-a-1"].state == "running"
    assert [call[0] for call in engine.changes()].count("start") == 3


def test_one_put_aside_that_comes_up_once_more_is_stopped_again(engine, at_once):
    """`podman stop` can strike between two lives of a container that ends all the time."""
    deploy(engine, LISTENS)
    where = place(engine)
    answers = [EngineError(BUSY)]

    def fail(call):
        if call != ("start", "core-a-1") or not answers:
            return None
        aside = engine.containers["core-a-1.previous"]
        engine.containers["core-a-1.previous"] = replace(aside, state="running")
        return answers.pop()

    engine.fail_on = fail
    act(where, RECREATE, LISTENS_TOO)
    assert images(engine)["core-a-1.previous"] == ("agent:1", "exited")
    assert images(engine)["core-a-1"] == ("agent:2", "running")


def test_on_the_way_back_ports_are_waited_for_too(engine, at_once):
    deploy(engine, LISTENS)
    where = place(engine)
    act(where, RECREATE, LISTENS_TOO)
    where.take_new_away(KEY)
    busy_times(engine, 2)
    assert where.bring_back(KEY) and images(engine) == {"core-a-1": ("agent:1", "running")}


@pytest.mark.parametrize(
    ("new", "words"),
    [(ELSEWHERE, BUSY), (LISTENS_TOO, "podman start: no space left")],
    ids=["a port of somebody else", "another reason"],
)
def test_what_does_not_pass_is_not_waited_for(engine, at_once, new, words):
    deploy(engine, LISTENS)
    where = place(engine)
    busy_times(engine, 1, words)
    with pytest.raises(EngineError, match=words):
        act(where, RECREATE, new)


def test_ports_that_stay_busy_are_given_up(engine, monkeypatch):
    monkeypatch.setattr(bring_up, "_PORTS_FREE_AFTER", 0.3)
    deploy(engine, LISTENS)
    where = place(engine)
    busy_times(engine, 100)
    with pytest.raises(EngineError, match="address already in use"):
        act(where, RECREATE, LISTENS_TOO)
    assert 1 < [call[0] for call in engine.changes()].count("start") < 5


# --- waiting --------------------------------------------------------------------------------------------------------


class Script:
    """An engine whose one container shows one state after another; the last one stays.

    ``running b`` is the second life of one that was «running a» before.
    """

    def __init__(self, *states: str, health: tuple[bool | None, ...] = (None,), exit_code: int | None = None):
        self.states, self.health, self.exit_code = list(states), list(health), exit_code
        self.asked = 0

    def container(self, name):
        state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        if state == "gone":
            return None
        state, _space, started_at = state.partition(" ")
        exit_code = self.exit_code if state == "exited" else None
        return replace(running(OLD), state=state, exit_code=exit_code, started_at=started_at)

    def check_health(self, name, healthcheck=None):
        self.asked += 1
        healthy = self.health.pop(0) if len(self.health) > 1 else self.health[0]
        return None if healthy is None else Health(healthy, "" if healthy else "port 7000 is closed\n")

    def logs(self, name, lines):
        return "starting up\nready soon\n"


class Turned(Patience):
    """Patience whose pauses turn the clock instead of waiting."""

    def __init__(self, seconds: float):
        self.now = 100.0
        super().__init__(self.now + seconds, threading.Event(), lambda: self.now)

    def pause(self, seconds):
        if self.cancelled.is_set():
            raise Cancelled
        self.now += max(0.0, min(seconds, self.deadline - self.now))

    @property
    def passed(self) -> float:
        return self.now - 100.0


CHECKED = Healthcheck(("CMD", "true"), interval=5.0, timeout=5.0, retries=2, start_period=10.0)


def entry(restart="no", check=CHECKED, settle=1.0):
    found = wanted(group("core", service("a", restart=restart, healthcheck=check)))[KEY]
    return replace(found, service=replace(found.service, settle=settle))


TRACEBACK = 'Traceback (most recent call last):\n  File "check.py", line 1\nConnectionRefusedError: refused\n'
LOG = "\n  last log lines of core-a-1:\n    Listening on 7000"


@pytest.mark.parametrize(
    ("message", "line"),
    [
        (f"its health check fails: {TRACEBACK}{LOG}", "its health check fails: ConnectionRefusedError: refused"),
        (
            f"it did not become healthy in time; the last check: {TRACEBACK}{LOG}",
            "it did not become healthy in time; the last check: ConnectionRefusedError: refused",
        ),
        (f"its health check fails: port 7000 is closed{LOG}", "its health check fails: port 7000 is closed"),
        (f"it ended (exit status 1){LOG}", "it ended (exit status 1)"),
        ("podman refused: no space\nmore words of it", "podman refused: no space"),
    ],
)
def test_the_headline_of_an_error(message, line):
    assert headline(message) == line


def test_healthy_at_once():
    patience = Turned(60)
    wait_healthy(Script("running", health=(True,)), entry(), patience)
    assert patience.passed == 0


def test_healthy_after_some_time_is_asked_often():
    patience, engine = Turned(60), Script("running", health=(False, False, False, True))
    wait_healthy(engine, entry(), patience)
    assert engine.asked == 4 and patience.passed < 1


def test_a_failing_check_is_final_when_its_own_time_is_over():
    patience = Turned(600)
    with pytest.raises(NotReady) as raised:
        wait_healthy(Script("running", health=(False,)), entry(), patience)
    assert str(raised.value) == (
        "core/a: its health check fails: port 7000 is closed\n"
        "  last log lines of core-a-1:\n    starting up\n    ready soon"
    )
    # start_period + retries × (interval + timeout): 10 + 2 × 10
    assert 30 < patience.passed < 32


def test_the_groups_time_is_over_first():
    patience = Turned(3)
    with pytest.raises(NotReady, match="it did not become healthy in time; the last check: port 7000 is closed"):
        wait_healthy(Script("running", health=(False,)), entry(), patience)
    assert patience.passed == 3


@pytest.mark.parametrize("check", [None, Healthcheck(("NONE",))])
def test_without_a_check_it_must_run_for_its_settling_time(check):
    patience = Turned(60)
    wait_healthy(Script("running"), entry(check=check, settle=5.0), patience)
    assert 5.0 <= patience.passed < 6.1


def test_settling_begins_anew_when_it_was_down():
    patience = Turned(60)
    wait_healthy(Script("running", "restarting", "running"), entry("always", None, settle=5.0), patience)
    assert patience.passed > 5.1


@pytest.mark.parametrize(
    "between", [(), ("exited",), ("running",)], ids=["no look sees it down", "seen down", "a look that cannot tell"]
)
def test_settling_begins_anew_with_every_life(between):
    settled = Turned(60)
    wait_healthy(Script("running a"), entry("always", None, settle=5.0), settled)
    patience = Turned(60)
    wait_healthy(Script(*["running a"] * 7, *between, "running b"), entry("always", None, settle=5.0), patience)
    assert patience.passed > settled.passed + 1


@pytest.mark.parametrize("settle", [0.5, 1.0, 5.0])
def test_one_that_ends_between_every_two_looks_without_a_check_is_never_healthy(settle):
    with pytest.raises(NotReady, match="it keeps ending"):
        wait_healthy(Script(*(f"running {life}" for life in range(20))), entry("always", None, settle), Turned(60))


@pytest.mark.parametrize(
    ("restart", "states", "code", "message"),
    [
        ("no", ("exited",), 3, "it ended (exit status 3)"),
        ("no", ("running", "exited"), 0, "it ended (exit status 0)"),
        ("on-failure:3", ("exited",), 0, "it ended (exit status 0)"),
        ("always", ("exited",), 1, "it ended (exit status 1)"),
        ("always", ("exited", "running") * 2 + ("exited",), 1, "it keeps ending (exit status 1)"),
        ("always", ("running a", "running b", "running c", "running d"), None, "it keeps ending"),
        ("always", ("running a", "exited", "running b", "running c", "running d"), 3, "it keeps ending"),
        ("unless-stopped", ("restarting",), None, "it ended"),
        ("always", ("gone",), None, "container core-a-1 disappeared"),
    ],
)
def test_a_container_that_does_not_stay(restart, states, code, message):
    patience = Turned(60)
    with pytest.raises(NotReady) as raised:
        wait_healthy(Script(*states, health=(False,), exit_code=code), entry(restart), patience)
    assert raised.value.message.splitlines()[0] == message and raised.value.path == "core/a"
    assert patience.passed < 6.1, "without waiting for the group's time"


def test_a_policy_that_waits_before_it_starts_again_is_waited_for():
    engine = Script("running", *["restarting"] * 5, "running", health=(False, True))
    wait_healthy(engine, entry("always"), Turned(60))


def test_one_exit_is_forgiven_where_the_policy_brings_it_back():
    engine = Script("running", "restarting", "running", health=(False, True))
    wait_healthy(engine, entry("always"), Turned(60))


def test_a_log_that_cannot_be_read_does_not_hide_the_failure():
    engine = Script("exited", exit_code=1)

    def logs(name, lines):
        raise EngineError("logs are not available with this driver")

    engine.logs = logs
    with pytest.raises(NotReady, match=r"it ended \(exit status 1\)\n.*\n    \(no log: logs are not available"):
        wait_healthy(engine, entry(), Turned(60))
    engine.logs = lambda name, lines: ""
    with pytest.raises(NotReady, match=r"\(it wrote nothing\)"):
        wait_healthy(engine, entry(), Turned(60))


def test_completed():
    patience = Turned(60)
    wait_completed(Script("created", "running", "running", "exited", exit_code=0), entry(), patience)
    assert patience.passed > 0


@pytest.mark.parametrize(
    ("states", "code", "message"),
    [
        (("running", "exited"), 2, "it ended with exit status 2"),
        (("running",), None, "core-a-1 did not end in time"),
        (("gone",), None, "container core-a-1 disappeared"),
    ],
)
def test_not_completed(states, code, message):
    with pytest.raises(NotReady, match=message):
        wait_completed(Script(*states, exit_code=code), entry(), Turned(5))


def test_cancelled_while_waiting():
    patience = Turned(60)
    patience.cancelled.set()
    with pytest.raises(Cancelled):
        wait_healthy(Script("running", health=(False,)), entry(), patience)


def test_real_patience_ends_early_when_cancelled():
    patience = Patience(deadline=1e9, cancelled=threading.Event(), clock=lambda: 0.0)
    threading.Timer(0.05, patience.cancelled.set).start()
    with pytest.raises(Cancelled):
        patience.pause(30.0)
    assert not patience.over
    assert Patience(0.0, threading.Event(), lambda: 0.0).over
