"""What doctor.yml says, for hosts that snapshots describe and for one that could not be asked."""

from __future__ import annotations

import json
import pathlib

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._access.facts import gather
from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu.snapshot import ReplayReader
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._doctor import doctor_data, doctor_lines

HOSTS = pathlib.Path(__file__).resolve().parents[3] / "fixtures" / "hosts"
NAMES = sorted(path.stem for path in HOSTS.glob("*.json") if not path.stem.endswith(".expected"))


def facts(name):
    snapshot = json.loads((HOSTS / f"{name}.json").read_text(encoding="utf-8"))
    return {"gpu": gather(ReplayReader(snapshot), ["docker", "podman"])}


def finding(level, code, **more):
    return {"level": level, "code": code, "message": "m", "probe": "/p", "mend": "do", "evidence": "e\n e", **more}


GPU = {
    "platform": "linux",
    "stack": "cpu",
    "stacks": [{"name": "cpu", "ready": True, "reason": "always", "rank": "last"}],
    "devices": [],
    "engines": {"docker": {"ready": False, "version": "", "reason": "not installed"}},
    "access": {"docker": {"cpu": {"gpu": {"mode": "none", "reason": "x"}}}},
    "findings": [],
}


def lines(**more):
    return doctor_lines(doctor_data({"pc2": {"gpu": {**GPU, **more}}}))


def test_a_host_without_a_gpu():
    assert lines() == [
        "pc2: platform linux, best stack cpu",
        "  STACK  READY  WHY     RANK",
        "  cpu    yes    always  last",
        "  ENGINE  VERSION  STACK  GIVES  WHY",
        "  docker  -        -      -      not installed",
        "  nothing is wrong",
        "",
        "1 host, findings: 0 error, 0 warning, 0 info",
    ]


def test_errors_come_first_with_what_was_seen_and_the_mend():
    text = lines(findings=[finding("info", "a"), finding("error", "b"), finding("warning", "c")])
    assert [line for line in text if line.endswith(": m")] == ["  error b: m", "  warning c: m", "  info a: m"]
    at = text.index("  error b: m")
    assert text[at + 1 : at + 3] == ["      seen: /p: e e", "      mend: do"]
    assert text[-1] == "1 host, findings: 1 error, 1 warning, 1 info"


@pytest.mark.parametrize("stack", ["nvidia", "metal"])
def test_an_engine_that_cannot_give_a_stack_gives_nothing(stack):
    plans = {stack: {"gpu": {"mode": "none", "reason": "no toolkit"}}, "cpu": {"gpu": {"mode": "none", "reason": ""}}}
    text = lines(engines={"docker": {"ready": True, "version": "28.2", "reason": ""}}, access={"docker": plans})
    assert f"  docker  28.2     {stack:5}  nothing  no toolkit" in text
    assert not [line for line in text if line.startswith("  docker") and "cpu" in line]


def test_an_engine_of_a_host_without_a_gpu_gives_the_cpu():
    text = lines(
        engines={"podman": {"ready": True, "version": "5.4.2", "reason": ""}},
        access={"podman": {"cpu": {"gpu": {"mode": "none", "reason": "x"}}}},
    )
    assert "  podman  5.4.2    -      the CPU  no GPU stack of this host is ready" in text


@pytest.mark.parametrize("result", [None, {"msg": "no route"}])
def test_a_host_that_could_not_be_asked_is_named(result):
    data = doctor_data({"pc2": result})
    assert data["hosts"]["pc2"]["error"] == (result["msg"] if result else data["hosts"]["pc2"]["error"])
    assert doctor_lines(data)[-1].endswith("; 1 could not be asked")


@pytest.mark.parametrize("name", NAMES)
def test_every_snapshot_can_be_told(name):
    gpu = facts(name)["gpu"]
    text = "\n".join(doctor_lines(doctor_data({name: {"gpu": gpu}})))
    for found in gpu["findings"]:
        assert found["code"] in text and found["mend"] in text
    for device in gpu["devices"]:
        assert device["name"] in text
