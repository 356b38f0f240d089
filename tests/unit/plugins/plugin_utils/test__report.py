"""What people read: every word of it, from registered results."""

from __future__ import annotations

import pytest

from ansible_collections.gpu_fleet.containers.plugins.plugin_utils import _report


def plan(*services, host="mainpc", gpu=None, **more):
    groups = [{"name": "core", "services": list(services)}]
    return {"hosts": {host: {"engine": "podman", "groups": groups, "gpu": gpu or {}}}, **more}


def service(name, **more):
    return {"name": name, "config": {"name": f"core-{name}-1", "image": "x:1"}, **more}


def planned(stack, mode="none", reason="", cpu_fallback=False):
    """What a fleet plan tells of one service's GPU (`_fleet/gpu.py`, `summary`)."""
    return {"stack": stack, "mode": mode, "reason": reason, "memory": 0, "uuids": [], "cpu_fallback": cpu_fallback}


def test_a_table_is_as_wide_as_its_widest_cells_and_ends_without_blanks():
    assert _report.table([["A", "B"], ["long", "x"], ["", "yy"]]) == ["A     B", "long  x", "      yy"]


def asked(**groups):
    return {"groups": {name.replace("_", "-"): {"status": status} for name, status in groups.items()}}


def test_a_deploy_per_host():
    lines = _report.deploy_lines(
        plan(plan_warnings=["core: port 80 is published on all addresses"]),
        {
            "mainpc": {
                **asked(core="unchanged", audio="would change", video="unchanged"),
                "left_behind": {"docker": ["a", "b"]},
            }
        },
        {"mainpc": {"audio": {"status": "changed"}}},
    )
    assert lines == [
        "mainpc (podman): changed: audio; unchanged: core, video",
        "  left behind on docker: volumes a, b (remove them there when their data is not needed)",
        "warning: core: port 80 is published on all addresses",
    ]


def test_a_deploy_that_did_nothing_or_never_asked():
    assert _report.deploy_lines(plan(), {"mainpc": asked()}, {"mainpc": None}) == ["mainpc (podman): no groups"]
    assert _report.deploy_lines(plan(), {"mainpc": None}, {}) == []
    assert _report.deploy_lines(plan(), {"mainpc": {"failed": True}}, {}) == []


def test_what_gpu_services_really_got():
    none = planned("cpu", reason="no GPU on this host", cpu_fallback=True)
    chosen = planned("cpu", reason="cpu was asked for")
    gpu = {"core/fast": planned("nvidia", "cdi"), "core/slow": none, "core/late": none, "core/odd": chosen}
    wish = plan(*(service(name) for name in ("plain", "fast", "slow", "late", "odd")), gpu=gpu)
    assert _report.deploy_lines(wish, {"mainpc": asked(core="changed")}, {})[1:] == [
        "  nvidia through cdi: core/fast",
        "  on the CPU, as the group allows (no GPU on this host): core/slow, core/late",
        "  cpu: core/odd",
    ]


def seen(verdict="seen", words="RTX seen", *findings):
    return {"verdict": verdict, "words": words, "findings": list(findings)}


CPU = {"level": "warning", "message": "only llvmpipe, which is software", "mend": "Put the driver into the image."}
BROKEN = {"level": "error", "message": "cuInit answered 803", "mend": "Reboot."}


def test_what_gpu_services_see():
    names = ("a", "b", "kept", "slow", "bare")
    wish = plan(*map(service, names), gpu={f"core/{name}": planned("nvidia", "cdi") for name in names})
    found = {
        "a": seen(),
        "b": seen(),
        "slow": seen("not seen", "not seen: only llvmpipe, which is software", CPU),
        "bare": seen("not verified", "not verified: the image has neither python3 nor sh"),
    }
    applied = {"mainpc": {"core": {"status": "changed", "gpu": found}}}
    assert _report.deploy_lines(wish, {"mainpc": asked(core="would change")}, applied)[1:] == [
        "  nvidia through cdi: core/a, core/b (RTX seen)",
        "  nvidia through cdi: core/kept",
        "  nvidia through cdi: core/slow (it sees none: on the CPU, as the group allows)",
        "  nvidia through cdi: core/bare (not verified: the image has neither python3 nor sh)",
        "  warning: core/slow: only llvmpipe, which is software. Put the driver into the image.",
    ]


def test_groups_that_leave_are_named():
    question = {"mainpc": {**asked(core="unchanged"), "leaving": ["audio"]}}
    assert _report.deploy_lines(plan(), question, {"mainpc": None}) == [
        "mainpc (podman): unchanged: core; would be removed: audio"
    ]
    assert _report.deploy_lines(plan(), question, {"mainpc": {}}) == [
        "mainpc (podman): removed: audio; unchanged: core"
    ]


def entry(**changes):
    return {
        "group": "core",
        "service": "twin",
        "engine": "podman",
        "state": "running",
        "health": "healthy",
        "image": "agent:1",
        "exit_code": None,
        "gpu": None,
        "ports": [],
        **changes,
    }


def test_status_is_a_row_for_each_container():
    ports = [{"address": "10.77.1.1", "host": 7000, "protocol": "tcp"}, {"address": "", "host": 53, "protocol": "udp"}]
    services = [
        entry(ports=ports),
        entry(service="gpu", engine="docker", gpu={"stack": "nvidia", "mode": "cdi"}),
        entry(service="cpu", gpu={"stack": "cpu", "mode": "none"}, state="exited"),
    ]
    assert _report.status_lines({"mainpc": {"services": services}, "pc2": None}) == [
        "HOST    ENGINE  GROUP  SERVICE  STATE    HEALTH   GPU           IMAGE    PORTS",
        "mainpc  podman  core   twin     running  healthy  -             agent:1  10.77.1.1:7000, :53",
        "mainpc  docker  core   gpu      running  healthy  nvidia (cdi)  agent:1  -",
        "mainpc  podman  core   cpu      exited   healthy  cpu           agent:1  -",
    ]
    assert _report.status_lines({"mainpc": {"services": []}, "pc2": None}) == ["nothing of this inventory runs"]


def test_status_says_what_containers_see():
    gpu = {"stack": "nvidia", "mode": "cdi"}
    services = [
        entry(gpu={**gpu, "seen": seen()}),
        entry(service="llm", gpu={**gpu, "seen": seen("not seen", "not seen: cuInit answered 803", BROKEN)}),
    ]
    assert _report.status_lines({"mainpc": {"services": services}, "pc2": None}) == [
        "HOST    ENGINE  GROUP  SERVICE  STATE    HEALTH   GPU                     IMAGE    PORTS",
        "mainpc  podman  core   twin     running  healthy  nvidia (cdi): seen      agent:1  -",
        "mainpc  podman  core   llm      running  healthy  nvidia (cdi): not seen  agent:1  -",
        "",
        "GPUs, as the containers see them:",
        "mainpc: core/twin: RTX seen",
        "mainpc: core/llm: not seen",
        "  cuInit answered 803. Reboot.",
    ]


@pytest.mark.parametrize(
    ("found", "failure"),
    [
        (seen(), ""),
        (seen("not verified", "not verified: it has no sh"), ""),
        (seen("not seen", "not seen: software", CPU), ""),
        (
            seen("not seen", "not seen: cuInit answered 803", BROKEN, CPU),
            "mainpc: core/twin: it does not see its GPU: cuInit answered 803. Reboot.",
        ),
    ],
)
def test_the_verdict_on_a_gpu(found, failure):
    gpu = {"stack": "nvidia", "mode": "cdi", "seen": found}
    result = _report.verdict(plan(service("twin")), {"mainpc": {"services": [entry(gpu=gpu)]}})
    assert result["failures"] == ([failure] if failure else [])
    assert f"mainpc: core/twin: {found['words'].partition(': ')[0]}" in result["text"]


def test_teardown_says_what_stays():
    removed = {"containers": ["a", "b"], "networks": ["n"], "volumes": []}
    results = {
        "mainpc": {"removed": removed, "kept": {"volumes": {"podman": ["data", "models"]}}},
        "moved": {"removed": removed, "kept": {"volumes": {"docker": ["data"], "podman": ["data", "models"]}}},
        "pc2": {"removed": removed, "kept": {"volumes": {}}},
        "failed": None,
        "odd": {"msg": "x"},
    }
    assert _report.teardown_lines(results) == [
        "mainpc: removed 2 containers, 1 networks, 0 volumes",
        "  kept volumes: data, models",
        "moved: removed 2 containers, 1 networks, 0 volumes",
        "  kept volumes: on podman: data, models; on docker: data",
        "pc2: removed 2 containers, 1 networks, 0 volumes",
    ]
    assert _report.teardown_lines({"mainpc": results["mainpc"]}, check=True) == [
        "mainpc: would remove 2 containers, 1 networks, 0 volumes",
        "  would keep volumes: data, models",
    ]


@pytest.mark.parametrize(
    ("found", "one_shot", "problem"),
    [
        (entry(), False, ""),
        (entry(health="none"), False, ""),
        (None, False, "it is missing"),
        (entry(engine="docker"), False, "it runs on docker"),
        (entry(engine="docker", state="exited", exit_code=0), True, "it is on docker"),
        (entry(state="exited"), False, "it is exited"),
        (entry(health="starting"), False, "it is starting: no words"),
        (entry(health="unhealthy", health_output="port closed"), False, "it is unhealthy: port closed"),
        (entry(state="exited", exit_code=0, health="none"), True, ""),
        (entry(state="exited", exit_code=2), True, "it is exited with exit status 2"),
        (entry(state="running"), True, "it is running with exit status None"),
    ],
)
def test_the_verdict_on_a_service(found, one_shot, problem):
    result = _report.verdict(
        plan(service("twin", one_shot=one_shot)), {"mainpc": {"services": [found] if found else []}}
    )
    assert result["failures"] == ([f"mainpc: core/twin: {problem}"] if problem else [])
    assert result["text"] == f"{0 if problem else 1} of 1 services are healthy\nno links"


def test_what_an_engine_was_left_with_does_not_count():
    services = [entry(), entry(engine="docker", state="exited")]
    assert _report.verdict(plan(service("twin")), {"mainpc": {"services": services}})["failures"] == []


def test_the_verdict_on_links():
    link = {"group": "core", "service": "twin", "variable": "URL", "url": "tcp://x:1"}
    links = [
        {**link, "answered": True, "p50_ms": 0.123, "p99_ms": 12.0},
        {**link, "variable": "SILENT", "answered": False, "reason": "Connection refused"},
        {**link, "variable": "INNER", "answered": None, "reason": "no check"},
    ]
    result = _report.verdict(plan(service("twin")), {"mainpc": {"services": [entry()], "links": links}})
    assert result["failures"] == ["mainpc: link core/twin SILENT to tcp://x:1 does not answer: Connection refused"]
    assert result["text"].splitlines() == [
        "1 of 1 services are healthy",
        "HOST    LINK              ADDRESS    ANSWERED  P50 ms  P99 ms",
        "mainpc  core/twin URL     tcp://x:1  yes       0.12    12.00",
        "mainpc  core/twin SILENT  tcp://x:1  no        -       -",
        "mainpc  core/twin INNER   tcp://x:1  unknown   -       -",
    ]


def test_a_host_that_gave_no_answer_has_no_healthy_service():
    result = _report.verdict(plan(service("twin")), {"mainpc": None})
    assert result["failures"] == ["mainpc: core/twin: it is missing"]


def test_status_says_which_groups_still_wait_since_boot():
    results = {"mainpc": {"services": [], "boot": {"core": "active", "memory": "activating"}}, "pc2": {"services": []}}
    assert _report.status_lines(results)[-2:] == [
        "Starts at boot that are not done:",
        "mainpc: memory: its unit is activating; journalctl -t gpu-fleet says what it waits for",
    ]
    assert "boot" not in "\n".join(_report.status_lines({"pc2": {"services": [], "boot": {"core": "active"}}}))
