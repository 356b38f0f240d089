"""What runs: health asked for now, commands, and links from the consumer's side."""

from __future__ import annotations

import json
import socket
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.gpu_fleet.containers.plugins.module_utils._errors import EngineError
from ansible_collections.gpu_fleet.containers.plugins.module_utils._group.config import (
    GpuPromise,
    GpuRequest,
    Healthcheck,
    Service,
    to_dict,
)
from ansible_collections.gpu_fleet.containers.plugins.module_utils._group.links import Answer
from ansible_collections.gpu_fleet.containers.plugins.module_utils._module import engines
from ansible_collections.gpu_fleet.containers.plugins.modules import container_groups_info
from ansible_collections.gpu_fleet.containers.plugins.modules.container_groups_info import _figures, percentiles

from ..module_utils._group.examples import fill, group, service, stranger
from ..module_utils._group.memory_engine import MemoryEngine
from .calling import call

CHECK = Healthcheck(("CMD", "agent-health"))
CORE = group("core", service("b"), service("a", healthcheck=CHECK), service("sick", image="sick:1", healthcheck=CHECK))


@pytest.fixture
def engine(monkeypatch):
    engine = MemoryEngine()
    fill(engine, CORE)
    engine.containers["redis"] = stranger("redis")
    engine.unhealthy.add("sick:1")
    engine.answers = {}

    def run_in(name, argv, timeout):
        answer = engine.answers[" ".join(argv)]
        if isinstance(answer, Exception):
            raise answer
        return answer

    engine.run_in = run_in
    there = {"podman": engine}
    engine.there = there

    def open_engine(name, url="", tls=None):
        if name not in there:
            raise EngineError(f"{name} is not installed")
        return there[name]

    for place in (container_groups_info, engines):
        monkeypatch.setattr(place, "open_engine", open_engine)
    monkeypatch.setattr(engines, "is_installed", lambda name: name in there)
    return engine


def info(**arguments):
    result = call(container_groups_info, check=True, host="mainpc", **arguments)
    assert result["rc"] == 0 and result["changed"] is False
    return result


def test_only_ours_sorted_and_as_the_engine_saw_them(engine):
    result = info()
    assert [entry["container"] for entry in result["services"]] == ["core-a-1", "core-b-1", "core-sick-1"]
    assert {entry["health"] for entry in result["services"]} == {"starting"}
    assert engine.changes() == [] and not any(call[0] == "health" for call in engine.calls)
    assert (result["commands"], result["links"], result["volumes"]) == ([], [], [])


@pytest.mark.parametrize("installed", [True, False])
def test_what_runs_on_the_other_engine_is_seen_and_asked_there(engine, installed):
    if installed:
        engine.there["docker"] = MemoryEngine("docker")
        fill(engine.there["docker"], group("audio", service("mic", group="audio", healthcheck=CHECK)))
    result = info(engine="docker", health=True, commands=[{"group": "core", "service": "a", "argv": ["ok"]}])
    seen = [(entry["engine"], entry["container"], entry["health"]) for entry in result["services"]]
    expected = [
        ("podman", "core-a-1", "healthy"),
        ("podman", "core-b-1", "none"),
        ("podman", "core-sick-1", "unhealthy"),
    ]
    assert seen == [("docker", "audio-mic-1", "healthy")] * installed + expected
    assert result["commands"][0]["output"] == "the container does not run", "commands are for the engine asked for"


PROMISE = GpuPromise("vulkan", ("/dev/dri/renderD128",))


def gpu_service(name: str, promise: GpuPromise | None) -> Service:
    made = service(name, group="ai", gpu=GpuRequest("vulkan", "explicit"))
    return replace(made, promise=promise)


@pytest.fixture
def gpu_engine(engine):
    services = [
        gpu_service("llm", PROMISE),
        gpu_service("old", None),
        gpu_service("down", PROMISE),
        service("web", group="ai"),
    ]
    fill(engine, group("ai", *services))
    engine.containers["ai-down-1"] = replace(engine.containers["ai-down-1"], state="exited")
    engine.run_in = lambda name, argv, timeout: (
        0,
        f"gpu-probe|1\nnode|{'opened' if argv[-1] == '/dev/dri/renderD128' else 'absent'}|{argv[-1]}|||",
    )
    return engine


def seen_of(result):
    return {
        entry["service"]: (entry["gpu"] or {}).get("seen") for entry in result["services"] if entry["group"] == "ai"
    }


def test_gpus_are_asked_for_only_when_that_is_wanted(gpu_engine):
    assert set(seen_of(info()).values()) == {None}


def test_what_containers_see_by_the_promise_they_were_made_with(gpu_engine):
    found = seen_of(info(gpu=True))
    assert {name: entry and entry["words"] for name, entry in found.items()} == {
        "llm": "/dev/dri/renderD128 opened",
        "old": "not verified: what it was promised is not known: it was made by an earlier release, or by hand",
        "down": "not verified: it does not run",
        "web": None,
    }


def test_what_the_plan_promises_now_counts(gpu_engine):
    other = GpuPromise("vulkan", ("/dev/dri/renderD129",))
    plan = [to_dict(group("ai", gpu_service("llm", other), gpu_service("old", PROMISE)))]
    found = seen_of(info(gpu=True, groups=plan))
    assert (found["llm"]["verdict"], found["old"]["verdict"]) == ("not seen", "seen")
    assert found["llm"]["findings"][0]["code"] == "gpu-node-missing"


def test_one_that_goes_while_it_is_asked(gpu_engine):
    def gone(name, argv, timeout):
        gpu_engine.containers.pop(name, None)
        raise EngineError("no such container")

    gpu_engine.run_in = gone
    assert seen_of(info(gpu=True))["llm"]["verdict"] == "not verified"


def test_an_engine_that_is_not_there_is_an_error_where_the_other_has_nothing(engine):
    engine.containers.clear()
    result = call(container_groups_info, host="mainpc", engine="docker")
    assert result["rc"] == 1 and "docker is not installed" in result["msg"]


def test_a_container_that_goes_meanwhile_is_one_unhealthy_service(engine):
    engine.fail_on = lambda call: EngineError("no such container") if call == ("health", "core-a-1") else None
    gone, *others = info(health=True)["services"]
    assert (gone["health"], gone["health_output"]) == ("unhealthy", "no such container")
    assert [entry["health"] for entry in others] == ["none", "unhealthy"]


def test_health_asked_for_now(engine):
    engine.stop_container("core-a-1", 0)
    services = {entry["service"]: entry for entry in info(health=True)["services"]}
    assert services["b"]["health"] == "none"
    assert (services["sick"]["health"], services["sick"]["health_output"]) == ("unhealthy", "no answer on port 7000")
    assert services["a"]["state"] == "exited" and ("health", "core-a-1") not in engine.calls


def test_commands(engine):
    engine.answers = {"ok": (0, "fine\n"), "bad": (3, "no"), "broken": EngineError("no such program")}
    wishes = [{"group": "core", "service": "a", "argv": [word]} for word in engine.answers]
    wishes.append({"group": "core", "service": "gone", "argv": ["ok"]})
    answers = [(entry["rc"], entry["output"]) for entry in info(commands=wishes)["commands"]]
    assert answers == [(0, "fine\n"), (3, "no"), (None, "no such program"), (None, "the container does not run")]


def link(**changes):
    return {"group": "core", "service": "a", "variable": "URL", "url": "tcp://127.0.0.1:1", **changes}


def test_a_link_with_a_check_is_asked_in_its_container(engine):
    figures = json.dumps({"p50_ms": 0.4, "p99_ms": 2, "count": 100})
    engine.answers = {"ping ok": (0, f"asking\n{figures}\n"), "ping bad": (1, "Connection refused\n")}
    good, bad = info(links=[link(check=["ping", "ok"]), link(check=["ping", "bad"])])["links"]
    assert (good["answered"], good["p50_ms"], good["p99_ms"]) == (True, 0.4, 2.0)
    assert (bad["answered"], bad["reason"]) == (False, "Connection refused") and "p50_ms" not in bad


def test_a_published_link_is_asked_from_the_host(engine):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    (silent,) = info(links=[link(url=f"tcp://127.0.0.1:{port}", published=True)])["links"]
    assert (silent["answered"], silent["reason"]) == (False, "20 of 20 tries: Connection refused")


def test_some_tries_that_fail_are_a_failure(engine, monkeypatch):
    answers = iter([Answer(False, "Connection refused"), *[Answer(True, "", 0.001)] * 19])
    monkeypatch.setattr(container_groups_info, "ask", lambda url: next(answers))
    (answer,) = info(links=[link(published=True)])["links"]
    assert answer["answered"] is False and answer["reason"] == "1 of 20 tries: Connection refused"


def test_round_trips_of_a_published_link(engine, monkeypatch):
    times = iter(range(20, 0, -1))
    monkeypatch.setattr(container_groups_info, "ask", lambda url: Answer(True, "the peer spoke", next(times) / 1000))
    (good,) = info(links=[link(published=True)])["links"]
    assert (good["answered"], good["p50_ms"], good["p99_ms"]) == (True, 10.0, 20.0)


def test_a_silent_link_is_asked_once_and_has_no_round_trips(engine):
    """Each further question would take the whole patience and tell nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        (silent,) = info(links=[link(url=f"tcp://127.0.0.1:{server.getsockname()[1]}", published=True)])["links"]
        server.settimeout(0)
        server.accept()
        with pytest.raises(BlockingIOError):
            server.accept()
    assert (silent["answered"], silent["reason"]) == (True, "the connection stays open")
    assert "p50_ms" not in silent


def test_a_silent_answer_hides_no_failure_before_it(engine, monkeypatch):
    answers = iter([Answer(False, "Connection refused"), Answer(True, "", 0.001, silent=True)])
    monkeypatch.setattr(container_groups_info, "ask", lambda url: next(answers))
    (answer,) = info(links=[link(published=True)])["links"]
    assert answer["answered"] is False and answer["reason"] == "1 of 2 tries: Connection refused"


def test_nobody_asks_an_address_of_udp():
    (answer,) = info(links=[link(url="udp://127.0.0.1:9", published=True)])["links"]
    assert answer["answered"] is None and "UDP" in answer["reason"]


def test_a_link_nobody_can_ask_is_unknown(engine):
    (answer,) = info(links=[link()])["links"]
    assert answer["answered"] is None and answer["reason"].startswith("it has no check")


@pytest.mark.parametrize(
    ("output", "figures"),
    [
        ("", {}),
        ("no json", {}),
        ('{"p50_ms": 1}', {"p50_ms": 1.0}),
        ('{"p50_ms": 1, "p99_ms": 2.5}\nlater words', {"p50_ms": 1.0, "p99_ms": 2.5}),
        ('{"p50_ms": 1}\n{"p50_ms": 2}', {"p50_ms": 2.0}),
        ('{"p50_ms": "fast"}', {}),
        ("[1, 2]\n17", {}),
    ],
)
def test_figures_of_a_check(output, figures):
    assert _figures(output) == figures


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=200).map(sorted))
def test_percentiles_are_measured_values_that_enough_others_do_not_exceed(ordered):
    found = percentiles(ordered)
    for name, share in (("p50_ms", 0.5), ("p99_ms", 0.99)):
        within = sum(1 for value in ordered if round(value, 3) <= found[name])
        assert found[name] in {round(value, 3) for value in ordered}
        assert within >= share * len(ordered)
    assert found["p50_ms"] <= found["p99_ms"]


def test_an_engine_that_does_not_answer(monkeypatch):
    def open_engine(name, url="", tls=None):
        raise EngineError("cannot connect", "mainpc: docker", "Start it.")

    monkeypatch.setattr(container_groups_info, "open_engine", open_engine)
    monkeypatch.setattr(engines, "is_installed", lambda name: False)
    result = call(container_groups_info, host="mainpc")
    assert result["rc"] == 1 and result["msg"] == "mainpc: docker: cannot connect. Start it."
