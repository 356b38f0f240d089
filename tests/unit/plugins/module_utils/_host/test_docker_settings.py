"""What a running daemon needs to take its daemon.json, and what is held back for the sake of containers."""

from __future__ import annotations

import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.gpu_fleet.containers.plugins.module_utils._host.docker_settings import (
    MODES,
    RELOADED,
    Decision,
    Need,
    Running,
    after_reload,
    decide,
    foreseen,
    hosts_clash,
    needed,
    unit_flags,
)

Settings = dict[str, t.Any]

NVIDIA = {"nvidia": {"path": "nvidia-container-runtime", "args": []}}
OURS = Running("core-services-registry-1", "core-services")
OTHER = Running("portainer", "")


@pytest.mark.parametrize(
    ("loaded", "wanted", "expected"),
    [
        ({}, {}, Need()),
        ({"debug": True}, {"debug": True}, Need()),
        ({}, {"debug": True}, Need(("debug",))),
        ({"debug": True}, {"debug": False}, Need(("debug",))),
        pytest.param({"debug": True}, {}, Need((), ("debug",)), id="a reload does not take debug back"),
        pytest.param({"max-concurrent-downloads": 9}, {}, Need(("max-concurrent-downloads",)), id="but this"),
        ({}, {"runtimes": NVIDIA}, Need(("runtimes",))),
        ({}, {"log-driver": "journald"}, Need((), ("log-driver",))),
        ({"log-driver": "journald"}, {}, Need((), ("log-driver",))),
        ({}, {"features": {"cdi": True}}, Need((), ("features.cdi",))),
        ({"features": {"cdi": True}}, {"features": {"cdi": True, "buildkit": False}}, Need(("features.buildkit",))),
        ({"features": {"cdi": True, "buildkit": True}}, {"features": {"cdi": True}}, Need(("features.buildkit",))),
        ({}, {"log-driver": "journald", "debug": True}, Need(("debug",), ("log-driver",))),
        (None, {"debug": True, "features": {"cdi": True}}, Need((), ("debug", "features.cdi"), unknown=True)),
        (None, {}, Need((), ("what was taken out",), unknown=True)),
    ],
)
def test_needed(loaded: Settings | None, wanted: Settings, expected: Need) -> None:
    assert needed(loaded, wanted) == expected


RELOAD, RESTART = Need(("debug",)), Need((), ("log-driver",))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("running", [[], [OURS, OTHER]])
def test_a_reload_is_done_whatever_runs(mode: str, running: list[Running]) -> None:
    assert decide(RELOAD, mode, False, running) == Decision(reload=True)
    assert decide(Need(), mode, False, running) == Decision()


@pytest.mark.parametrize(
    ("need", "mode", "live", "running", "expected"),
    [
        (RESTART, "idle", False, [], (False, True)),
        (RESTART, "idle", True, [OURS], (False, True)),
        (RESTART, "idle", False, [OURS], (False, False)),
        (RESTART, "always", False, [OURS], (False, True)),
        (RESTART, "never", False, [], (False, False)),
        (RESTART, "never", True, [OURS], (False, False)),
        pytest.param(
            Need(("debug",), ("log-driver",)), "idle", False, [OURS], (True, False), id="what a reload takes is taken"
        ),
        pytest.param(
            Need(("live-restore",), ("log-driver",)), "idle", True, [OURS], (True, True), id="live restore comes first"
        ),
        pytest.param(Need(("debug",), ("log-driver",)), "idle", False, [], (False, True), id="a restart takes it all"),
        pytest.param(
            Need((), ("data-root",)), "idle", True, [OURS], (False, False), id="live restore cannot move them"
        ),
    ],
)
def test_decide(need: Need, mode: str, live: bool, running: list[Running], expected: tuple[bool, bool]) -> None:
    decision = decide(need, mode, live, running)
    assert (decision.reload, decision.restart) == expected
    assert bool(decision.due) is (not decision.restart)


@pytest.mark.parametrize(
    ("need", "mode", "running", "words"),
    [
        (
            RESTART,
            "idle",
            [OURS, OURS, OTHER],
            "the running daemon does not have log-driver as daemon.json says, and a restart would stop 3 containers of the "
            "group core-services and of others (portainer). Run again with -e docker_restart=always",
        ),
        (RESTART, "never", [], "docker_restart is never"),
        (Need((), ("bip",), unknown=True), "idle", [OTHER], "daemon.json (bip) changed after the daemon started"),
    ],
)
def test_what_is_held_back_is_said(need: Need, mode: str, running: list[Running], words: str) -> None:
    assert words in decide(need, mode, False, running).due


def test_check_mode_foresees_by_the_keys() -> None:
    keys = ["debug", "log-opts.max-size", "runtimes.nvidia.path", "features.cdi"]
    assert foreseen(keys) == Need(("debug", "runtimes"), ("features.cdi", "log-opts"))


VALUES = st.one_of(st.booleans(), st.integers(0, 9), st.text("ab", max_size=2), st.lists(st.text("ab", max_size=2)))
FILES = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(["debug", "labels", "live-restore", "max-concurrent-uploads", "log-driver", "bip"], VALUES),
        "features": st.dictionaries(st.sampled_from(["cdi", "buildkit"]), st.booleans()),
    },
)


@given(FILES, FILES)
def test_after_its_reload_a_daemon_lacks_only_what_needs_a_restart(loaded: Settings, wanted: Settings) -> None:
    need = needed(loaded, wanted)
    again = needed(after_reload(loaded, wanted, need), wanted)
    assert again == Need((), need.by_restart)
    assert set(need.by_reload) <= RELOADED


UNIT = (
    "{ path=/usr/sbin/dockerd ; argv[]=/usr/sbin/dockerd -H fd:// --containerd=/run/containerd/containerd.sock $DOCKER_OPTS"
    " ; ignore_errors=no ; start_time=[n/a] ; pid=0 }"
)


@pytest.mark.parametrize(
    ("shown", "flags", "clash"),
    [
        (UNIT, ["-H", "fd://", "--containerd=/run/containerd/containerd.sock"], True),
        (UNIT.replace("-H fd:// ", "--host=unix:///run/docker.sock "), None, True),
        (UNIT.replace("-H fd:// ", ""), ["--containerd=/run/containerd/containerd.sock"], False),
        ("", [], False),
    ],
)
def test_hosts_and_the_units_flags(shown: str, flags: list[str] | None, clash: bool) -> None:
    found = unit_flags(shown)
    if flags is not None:
        assert found == flags
    assert hosts_clash({"hosts": ["tcp://10.0.0.1:2376"]}, found) is clash
    assert not hosts_clash({"debug": True}, found)


def test_a_file_that_came_late_is_a_restart_too() -> None:
    need = Need(("runtimes",), late=("/usr/bin/hook",))
    assert decide(need, "idle", False, []) == Decision(restart=True)
    held = decide(need, "idle", False, [OTHER])
    assert held.reload and not held.restart
    assert held.due.startswith(
        "Docker is to be restarted: /usr/bin/hook came after the daemon, which looks for it at its start only, and a restart"
    )
    both = decide(Need((), ("log-driver",), late=("/usr/bin/hook",)), "never", False, [])
    assert "does not have log-driver as daemon.json says, and /usr/bin/hook came after" in both.due
