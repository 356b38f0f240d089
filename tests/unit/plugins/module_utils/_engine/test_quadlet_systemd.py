from __future__ import annotations

import concurrent.futures
import stat
import time

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._engine import quadlet_systemd
from ansible_collections.gpu_fleet.containers.plugins.module_utils._engine.quadlet_systemd import (
    Systemd,
    Unit,
    parse_units,
)
from ansible_collections.gpu_fleet.containers.plugins.module_utils._errors import EngineError

SHOWN = """Id=web.service
LoadState=loaded
ActiveState=active
SubState=running
ExecMainCode=0
ExecMainStatus=0
ExecMainStartTimestampMonotonic=123
Job=0
SourcePath=/etc/containers/systemd/web.container

Id=bad.service
LoadState=loaded
ActiveState=activating
SubState=auto-restart
ExecMainCode=2
ExecMainStatus=9
ExecMainStartTimestampMonotonic=123
Job=77

Id=gone.service
LoadState=not-found
ActiveState=inactive
SubState=dead
ExecMainCode=0
ExecMainStatus=0
ExecMainStartTimestampMonotonic=0

Id=never.service
LoadState=masked
ActiveState=active
SubState=running
"""


def test_what_systemd_shows():
    assert parse_units(SHOWN) == {
        "web.service": Unit(True, "active", "running", 0, True, False, "/etc/containers/systemd/web.container"),
        "bad.service": Unit(True, "activating", "auto-restart", 137, True, True),
        "gone.service": Unit(False, "inactive", "dead"),
        "never.service": Unit(False, "active", "running", masked=True),
    }
    assert parse_units("") == parse_units("Failed to connect to bus") == {}


@pytest.fixture
def programs(tmp_path):
    """Stand-ins for systemctl and journalctl; calls are kept."""

    def make(**code):
        for name, text in code.items():
            program = tmp_path / name
            program.write_text(f'#!/bin/sh\necho "$*" >>{tmp_path}/calls\n{text}\n')
            program.chmod(program.stat().st_mode | stat.S_IXUSR)
        return Systemd({"PATH": f"{tmp_path}:/usr/bin:/bin"})

    make.calls = lambda: (tmp_path / "calls").read_text().splitlines()
    return make


def test_reloads_that_are_asked_for_meanwhile_are_one(programs):
    systemd = programs(systemctl="sleep 0.3")
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        first = pool.submit(systemd.reload)
        time.sleep(0.1)
        for later in [pool.submit(systemd.reload) for _later in range(7)]:
            later.result()
        first.result()
    assert len(programs.calls()) == 2, "the one under way may have read the files too early"


def test_what_systemctl_refuses(programs):
    systemd = programs(systemctl="echo no bus >&2; exit 1")
    for call in (systemd.reload, lambda: systemd.start("a.service"), lambda: systemd.stop("a.service")):
        with pytest.raises(EngineError, match="no bus"):
            call()


def test_a_unit_that_is_not_known_is_stopped(programs):
    systemd = programs(systemctl='case "$*" in *stop*) echo "Unit a.service not loaded." >&2; exit 5;; esac')
    systemd.stop("a.service")
    assert programs.calls()[-1].endswith("reset-failed a.service")


def test_the_journal_without_noise(programs):
    identity = "0123456789abcdef" * 4
    text = f"old\\n{identity}\\nweb.service: Killing process 7 (podman) with signal SIGKILL.\\n\\none\\ntwo"
    systemd = programs(systemctl="echo InactiveExitTimestamp=@17", journalctl=f"printf '{text}\\n'")
    assert systemd.journal("web.service", "web", 2) == "one\ntwo"
    assert "--since=@17" in programs.calls()[-1] and "CONTAINER_NAME=web" in programs.calls()[-1]


UNFIT = [
    ((4, 9), 0, {"/run/systemd/system", "/usr/libexec/podman/quadlet"}, "need Podman 5.0"),
    ((5, 0), 0, {"/usr/libexec/podman/quadlet"}, "not what this host was booted with"),
    ((5, 0), 0, {"/run/systemd/system"}, "without Quadlet"),
    (
        (5, 0),
        65534,
        {"/run/systemd/system", "/usr/libexec/podman/quadlet", "/run/user/65534/systemd"},
        "without a login",
    ),
    (
        (5, 0),
        65534,
        {"/run/systemd/system", "/usr/libexec/podman/quadlet", "/var/lib/systemd/linger/nobody"},
        "a login",
    ),
]


@pytest.mark.parametrize(("numbers", "uid", "there", "message"), UNFIT)
def test_hosts_where_no_unit_can_be(monkeypatch, numbers, uid, there, message):
    monkeypatch.setattr(quadlet_systemd.os, "geteuid", lambda: uid)
    with pytest.raises(EngineError, match=message) as caught:
        Systemd({}).refuse_unfit("4.9.3", numbers, there.__contains__)
    assert caught.value.path == "container_supervisor" and caught.value.mend


@pytest.mark.parametrize("uid", [0, 65534])
def test_hosts_where_units_can_be(monkeypatch, uid):
    monkeypatch.setattr(quadlet_systemd.os, "geteuid", lambda: uid)
    Systemd({}).refuse_unfit("5.4.2", (5, 4), lambda _path: True)
