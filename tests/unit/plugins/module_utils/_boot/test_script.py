from __future__ import annotations

import json
import pathlib
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.gpu_fleet.containers.plugins.module_utils._boot import script
from ansible_collections.gpu_fleet.containers.plugins.module_utils._boot.install import script_files, script_texts
from ansible_collections.gpu_fleet.containers.plugins.module_utils._boot.script import (
    Log,
    Members,
    NotUp,
    read_lives,
    start,
    too_early,
    wait_for_groups,
    wait_for_hosts,
)
from ansible_collections.gpu_fleet.containers.plugins.module_utils._group.links import Answer

from .examples import FakeEngine


def entry(name: str, *after: str, one_shot: bool = False, state: str = "healthy") -> dict:
    return {
        "name": name,
        "container": f"core-{name}-1",
        "one_shot": one_shot,
        "settle": 0.0,
        "checked": True,
        "grace": 1.0,
        "after": [{"service": other, "state": state} for other in after],
    }


REMOTE = {"url": "tcp://10.0.0.2:7140", "to": "remote/answer:7140", "host": "pc2"}


@pytest.fixture
def plan(tmp_path):
    def make(*services: dict, **others) -> dict:
        return {
            "group": "core",
            "engine": "docker",
            "user": False,
            "boot_wait": 20.0,
            "timeout": 1.0,
            "adopt": str(tmp_path / "core.adopt"),
            "lives": str(tmp_path / "run" / "core.json"),
            "awaits": [],
            "needs": [],
            "services": list(services),
            **others,
        }

    return make


class Journal(list):
    def log(self) -> Log:
        return Log("core", self.append)


CHAIN = (entry("base"), entry("twin", "base"), entry("router", "twin"))
NAMES = ["core-base-1", "core-twin-1", "core-router-1"]


def test_nothing_runs_after_a_clean_stop_and_all_is_started_in_order(plan):
    engine, journal = FakeEngine(*NAMES), Journal()
    start(plan(*CHAIN), engine, journal.log())
    assert engine.calls == [("start", name) for name in NAMES]
    assert journal[-1] == "core: all 3 services are up"


def test_what_the_engine_started_by_itself_is_stopped_the_last_first_and_started_in_its_turn(plan):
    engine, journal = FakeEngine(*NAMES), Journal()
    engine.run(*NAMES)
    start(plan(*CHAIN), engine, journal.log())
    assert engine.calls == [
        ("stop", "core-router-1"),
        ("stop", "core-twin-1"),
        ("start", "core-twin-1"),
        ("start", "core-router-1"),
    ], "the first waits for nothing and may stay"
    assert "stopping twin, router: started by the engine" in journal[0]


def test_a_group_that_a_deploy_has_just_brought_up_is_not_touched(plan):
    engine, journal, wanted = FakeEngine(*NAMES), Journal(), plan(*CHAIN, awaits=[REMOTE])
    engine.run("core-twin-1", "core-base-1", "core-router-1")
    open(wanted["adopt"], "w").close()
    start(wanted, engine, journal.log())
    assert engine.calls == [] and journal == ["core: all 3 services are up"], "nor does it wait for other hosts"
    start(wanted, engine, journal.log())
    assert engine.calls == [], "it is known from now on"
    engine.run("core-router-1")
    start(wanted, engine, journal.log())
    assert engine.calls == [("stop", "core-router-1"), ("start", "core-router-1")], "another life is not"


def test_on_a_second_try_what_came_in_its_turn_stays(plan):
    engine, wanted = FakeEngine(*NAMES), plan(*CHAIN)
    engine.run(*NAMES[:2])
    engine.refuses.add("core-router-1")
    with pytest.raises(NotUp, match="router: docker: no such device"):
        start(wanted, engine, Journal().log())
    engine.refuses.clear()
    engine.calls.clear()
    start(wanted, engine, Journal().log())
    assert engine.calls == [("start", "core-router-1")]


@pytest.mark.parametrize("lack", [{}, {"awaits": [REMOTE]}, {"needs": ["/none/needed.json"]}])
def test_which_containers_came_too_early(plan, lack):
    engine = FakeEngine(*NAMES)
    engine.run(*NAMES)
    known = {name: engine.looks[name].life for name in NAMES}
    gated = ["base", "twin", "router"] if lack else ["twin", "router"]
    assert too_early(plan(*CHAIN, **lack), engine, {}) == gated
    assert too_early(plan(*CHAIN, **lack), engine, known) == []
    del known["core-twin-1"]
    assert too_early(plan(*CHAIN, **lack), engine, known) == ["twin", "router"], "and what came behind one that did"


def test_a_service_that_does_not_become_healthy_fails_the_group_and_starts_nobody_behind_it(plan):
    engine = FakeEngine(*NAMES)
    engine.never_healthy.add("core-twin-1")
    with pytest.raises(NotUp, match=r"twin: it is not up after 1 s: running"):
        start(plan(*CHAIN), engine, Journal().log())
    assert engine.calls == [("start", "core-base-1"), ("start", "core-twin-1")]


@pytest.mark.parametrize(("code", "error"), [(0, ""), (3, "setup: it ended with exit status 3")])
def test_a_one_shot_is_up_when_it_has_ended_well(plan, code, error):
    engine = FakeEngine("core-setup-1", "core-web-1")
    engine.ends["core-setup-1"] = code
    wanted = plan(entry("setup", one_shot=True), entry("web", "setup", state="completed"))
    if error:
        with pytest.raises(NotUp, match=error):
            start(wanted, engine, Journal().log())
        assert ("start", "core-web-1") not in engine.calls
        return
    start(wanted, engine, Journal().log())
    assert engine.calls == [("start", "core-setup-1"), ("start", "core-web-1")]
    engine.calls.clear()
    engine.stop(wanted["services"][1])
    start(wanted, engine, Journal().log())
    assert ("start", "core-setup-1") not in engine.calls, "what was done is not done again at the next boot"


def test_a_needed_group_that_is_not_up_is_waited_for_and_then_named(plan, tmp_path):
    needed = plan(entry("base"), entry("setup", one_shot=True), group="first")
    (tmp_path / "first.json").write_text(json.dumps(needed))
    engine = FakeEngine("core-base-1", "core-setup-1")
    engine.ends["core-setup-1"] = 0
    mine = plan(entry("web"), needs=[str(tmp_path / "first.json"), str(tmp_path / "gone.json")], timeout=0.1)
    journal = Journal()
    with pytest.raises(NotUp, match=r"it needs first/base \(exited\), first/setup \(exited\)"):
        wait_for_groups(mine, engine, journal.log())
    assert len(journal) == 1 and journal[0].startswith("<4>core: nothing is known here of a needed group")
    for service in needed["services"]:
        engine.start(service)
    wait_for_groups(mine, engine, Journal().log())


class Clock:
    """Time passes only while somebody sleeps."""

    def __init__(self, monkeypatch) -> None:
        self.now = 0.0
        monkeypatch.setattr(script.time, "sleep", self.pass_)

    def pass_(self, seconds: float) -> None:
        self.now += seconds

    def __call__(self) -> float:
        return self.now


def test_it_says_at_once_whom_it_waits_for_and_every_15_seconds(plan, monkeypatch):
    clock, journal = Clock(monkeypatch), Journal()
    monkeypatch.setattr(script.links, "ask", lambda url: Answer(clock() >= 33, "no answer within 2 s"))
    wait_for_hosts(plan(awaits=[REMOTE], boot_wait=300), journal.log(), clock)
    name = "remote/answer:7140 on pc2 (tcp://10.0.0.2:7140)"
    assert journal == [
        f"core: waiting at most 300 s for {name}",
        f"core: still waiting after 15 s for {name}: no answer within 2 s",
        f"core: still waiting after 30 s for {name}: no answer within 2 s",
        f"core: {name} answers after 33.0 s",
    ]


def test_after_its_patience_it_warns_and_goes_on(plan, monkeypatch):
    clock, journal = Clock(monkeypatch), Journal()
    monkeypatch.setattr(script.links, "ask", lambda url: Answer(False, "No route to host"))
    wait_for_hosts(plan(awaits=[REMOTE], boot_wait=10), journal.log(), clock)
    assert journal[1:] == [
        "<4>core: starting without remote/answer:7140 on pc2 (tcp://10.0.0.2:7140): No route to host, after 10 s"
    ]


def test_nobody_to_wait_for_is_not_mentioned(plan):
    journal = Journal()
    wait_for_hosts(plan(), journal.log())
    assert journal == []


@pytest.mark.parametrize("text", [None, "", "{", "[1"])
def test_a_record_that_is_damaged_is_none(tmp_path, text):
    path = tmp_path / "lives.json"
    if text is not None:
        path.write_text(text)
    assert read_lives(str(path)) == {}


def test_what_outlives_docker_is_known_to_be_in_order_when_it_is_back(tmp_path, monkeypatch, plan):
    """A deploy, or an end of its own, may have given it another life since its unit was started."""
    engine = FakeEngine("core-store-1", "core-app-1")
    engine.run("core-store-1", "core-app-1")
    engine.outlived = lambda: True
    path = tmp_path / "core.json.plan"
    path.write_text(json.dumps(plan(entry("store"), entry("app", "store"))))
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "core.json").write_text(json.dumps({"core-store-1": "older", "core-app-1": "older"}))
    monkeypatch.setattr(script.engines, "open_engine", lambda _plan: engine)
    assert script.main(["stop", str(path)]) == script.main(["start", str(path)]) == 0
    assert engine.calls == []


@given(st.data())
def test_each_starts_behind_what_it_waits_for_and_stops_before_it(data):
    services = []
    for number in range(data.draw(st.integers(1, 6))):
        before = [each["name"] for each in services]
        after = data.draw(st.lists(st.sampled_from(before), unique=True)) if before else []
        services.append(entry(f"s{number}", *after))
    containers = [each["container"] for each in services]
    engine = FakeEngine(*containers)
    members = Members({"services": services, "timeout": 5.0}, engine, Journal().log())
    members.bring_up()
    up = [name for _what, name in engine.calls]
    engine.calls.clear()
    members.bring_down()
    down = [name for _what, name in engine.calls]
    assert sorted(up) == sorted(down) == sorted(containers)
    for each in services:
        for wait in each["after"]:
            other = f"core-{wait['service']}-1"
            assert up.index(other) < up.index(each["container"])
            assert down.index(other) > down.index(each["container"])


def test_it_runs_alone_as_it_is_installed(tmp_path, plan):
    """As a file, by a bare Python: a Docker that does not answer is not stopped, and that is said."""
    path, texts = script_files(str(tmp_path / "boot"))
    assert set(script_texts()) == {"boot.py", "engines.py", "links.py"}
    for name, text in texts.items():
        pathlib.Path(name).parent.mkdir(parents=True, exist_ok=True)
        pathlib.Path(name).write_text(text, encoding="utf-8")
    (tmp_path / "core.json").write_text(json.dumps(plan(entry("web"), socket=str(tmp_path / "none.sock"))))
    done = subprocess.run(
        [sys.executable, path, "stop", str(tmp_path / "core.json")], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "core: the engine does not answer: its containers are left as they are\n"
