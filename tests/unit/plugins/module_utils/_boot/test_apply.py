from __future__ import annotations

import contextlib
import json
import os
import pathlib
from dataclasses import replace

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._boot.apply import boot_of, start_states
from ansible_collections.gpu_fleet.containers.plugins.module_utils._errors import EngineError

from .examples import CORE, MEMORY, FakeSystemd

UNITS = ["gpu-fleet-mainpc-core.service", "gpu-fleet-mainpc-memory.service"]


@pytest.fixture
def host(tmp_path):
    return Host(tmp_path)


class Host:
    def __init__(self, path: pathlib.Path, name: str = "mainpc", fake: FakeSystemd | None = None) -> None:
        self.path, self.name = path, name
        self.fake = fake or FakeSystemd(path)

    def boot(self, *groups, engine="docker", supervisor="systemd", boot_wait=300.0):
        state = str(self.path / "state")
        return boot_of(self.name, groups, engine, supervisor, state, boot_wait, self.fake.systemd, "/srv/docker.sock")

    def apply(self, *groups, **settings) -> list:
        boot = self.boot(*groups, **settings)
        names = [group.name for group in groups]
        changes = boot.changes(names)
        boot.apply(names, changes)
        return changes

    def files(self) -> set[str]:
        roots = (self.path / "units", self.path / "state")
        return {entry.name for root in roots for entry in root.rglob("*") if not entry.is_dir()}


def test_written_once_and_unchanged_after_without_asking_systemd(host):
    assert len(host.apply(CORE, MEMORY)) == 12, "a unit, its link, a group's file and three of the script, each"
    assert host.fake.told() == [("daemon-reload",), ("start", "--no-block", *UNITS)]
    assert sorted(os.listdir(host.path / "run")) == [f"{unit}.adopt" for unit in UNITS]
    host.fake.calls.clear()
    boot = host.boot(CORE, MEMORY)
    assert boot.changes(["core", "memory"]) == [] and boot.problems([]) == []
    assert host.fake.calls == []
    link = host.path / "units/docker.service.wants" / UNITS[0]
    assert link.is_symlink() and link.resolve() == (host.path / "units" / UNITS[0]).resolve()


def test_what_changed_is_written_and_a_unit_that_is_up_is_not_started(host):
    host.apply(CORE, MEMORY)
    for unit in UNITS:
        (host.path / "run" / f"{unit}.adopt").unlink()
    host.fake.calls.clear()
    changes = host.apply(CORE, replace(MEMORY, awaits=()))
    assert [(change.group, os.path.basename(change.path)) for change in changes] == [("memory", "mainpc-memory.json")]
    assert host.fake.told() == [("daemon-reload",)]
    assert os.listdir(host.path / "run") == [], "nothing is adopted that is up: it would be at the next crash"


@pytest.mark.parametrize("spoil", ["unlink", "edit", "script", "link"])
def test_drift_is_seen_and_mended(host, spoil):
    host.apply(CORE)
    unit = host.path / "units" / UNITS[0]
    script = next((host.path / "state/boot").glob("*/boot.py"))
    if spoil == "edit":
        unit.write_text(unit.read_text().replace("Restart=on-failure", "Restart=no"))
    else:
        {"unlink": unit, "script": script, "link": host.path / "units/docker.service.wants" / UNITS[0]}[spoil].unlink()
    assert len(host.apply(CORE)) == 1
    assert host.boot(CORE).changes(["core"]) == []


def test_podman_has_drop_ins_and_a_change_of_engine_takes_them_away(host):
    host.apply(CORE, engine="podman")
    drop_in = host.path / "units/core-twin-1.service.d/50-gpu-fleet-order.conf"
    other = host.path / "units/core-twin-1.service.d/mine.conf"
    assert drop_in.exists()
    other.write_text("[Unit]\n")
    host.apply(CORE, engine="docker")
    assert not drop_in.exists() and other.exists(), "what others put there stays"
    assert not (host.path / "units/multi-user.target.wants" / UNITS[0]).is_symlink()
    assert (host.path / "units/docker.service.wants" / UNITS[0]).is_symlink()


def test_the_engine_as_supervisor_again_takes_all_away_and_stops_nothing(host):
    host.apply(CORE, MEMORY)
    host.fake.calls.clear()
    changes = host.apply(CORE, MEMORY, supervisor="engine")
    assert {change.after for change in changes} == {None}
    assert host.files() == set()
    told = host.fake.told()
    assert told == [("daemon-reload",), ("stop", *UNITS), ("reset-failed", *UNITS)], (
        "stopped when they have no ExecStop"
    )


def test_one_group_is_removed_and_the_other_stays(host):
    host.apply(CORE, MEMORY)
    host.boot(CORE).remove(["memory", "unknown"])
    assert UNITS[1] not in host.files() and {UNITS[0], "boot.py", "mainpc-core.json"} <= host.files()
    host.fake.calls.clear()
    host.boot(CORE).remove(["memory"])
    assert host.fake.calls == []


def test_a_unit_that_is_removed_is_forgotten_after_its_file_is_gone(host):
    """Stopped with its file still known, it would run what stops the group."""
    host.apply(CORE, MEMORY)
    host.fake.calls.clear()
    host.boot(CORE).remove(["memory"])
    assert host.fake.told() == [("daemon-reload",), ("stop", UNITS[1]), ("reset-failed", UNITS[1])]
    assert {path.name for path in (host.path / "run").iterdir()} == {f"{UNITS[0]}.adopt"}
    host.boot().remove(["core"])
    assert not (host.path / "run").exists()


def test_hosts_that_share_a_machine_leave_each_other_s_files(host, tmp_path):
    other = Host(tmp_path, "pc2", host.fake)
    host.apply(CORE)
    other.apply(CORE)
    assert set(host.boot().there()) == {"core"} and set(other.boot().there()) == {"core"}
    host.apply(CORE, supervisor="engine")
    assert "gpu-fleet-pc2-core.service" in host.files() and "boot.py" in host.files(), "pc2 needs the script"
    other.apply(CORE, supervisor="engine")
    assert host.files() == set()


def test_names_that_make_one_unit_are_refused(host, tmp_path):
    host.apply(replace(CORE, name="a-b"))
    other = Host(tmp_path, "mainpc-a", host.fake).boot(replace(CORE, name="b"))
    errors = other.problems(other.changes(["b"]))
    assert "is the unit of group a-b of mainpc" in str(errors[0])


def test_an_older_script_goes_when_nobody_names_it(host):
    host.apply(CORE)
    old = host.path / "state/boot/0123456789ab"
    old.mkdir()
    (old / "boot.py").write_text("")
    host.apply(replace(CORE, timeout=5.0))
    assert not old.exists() and len(list((host.path / "state/boot").glob("*/boot.py"))) == 1


def test_a_group_that_waits_since_boot_is_taken_over_and_one_that_is_up_is_left(host):
    host.apply(CORE, MEMORY)
    host.fake.active = {UNITS[0]: "active", UNITS[1]: "activating"}
    host.fake.calls.clear()
    host.boot(CORE, MEMORY).take_over(["core", "memory", "new"])
    assert host.fake.told() == [("stop", UNITS[1])]


def test_how_far_each_group_is_since_boot(host):
    assert start_states("mainpc", host.fake.systemd) == {} and host.fake.calls == []
    host.apply(CORE, MEMORY)
    host.fake.active[UNITS[1]] = "activating"
    assert start_states("mainpc", host.fake.systemd) == {"core": "active", "memory": "activating"}
    assert start_states("pc2", host.fake.systemd) == {}
    host.fake.refuses = "show"
    assert start_states("mainpc", host.fake.systemd) == {"core": "unknown", "memory": "unknown"}


class Killed(BaseException):
    """Nothing may catch it."""


@pytest.mark.parametrize("supervisor", ["systemd", "engine"])
def test_killed_at_any_step_the_next_run_ends_it(tmp_path, monkeypatch, supervisor):
    """Steps: each file that is written or removed, each call of systemctl."""
    for step in range(100):
        host = Host(tmp_path / str(step))
        host.apply(CORE, engine="podman")
        countdown = Countdown(step)
        with monkeypatch.context() as patched:
            patched.setattr(os, "replace", countdown.before(os.replace))
            patched.setattr(os, "unlink", countdown.before(os.unlink))
            host.fake.kill = countdown.tick
            with contextlib.suppress(Killed):
                host.apply(replace(CORE, timeout=5.0), MEMORY, engine="podman", supervisor=supervisor)
        host.fake.kill = lambda: None
        if countdown.left > 0:
            break
        host.apply(replace(CORE, timeout=5.0), MEMORY, engine="podman", supervisor=supervisor)
        assert host.boot(replace(CORE, timeout=5.0), MEMORY, engine="podman", supervisor=supervisor).there().keys() == (
            {"core", "memory"} if supervisor == "systemd" else set()
        )
        assert not [name for name in host.files() if name.endswith("unfinished.json")], step
        left = {name for name in host.files() if not name.startswith(".new-")}
        assert supervisor == "systemd" or left == set(), step
        assert host.fake.stale is False, f"step {step}: systemd was not told of the files that are there"
        up = {unit for unit, state in host.fake.active.items() if state == "active"}
        assert up == (set(UNITS) if supervisor == "systemd" else set()), step
    assert step > 10


class Countdown:
    def __init__(self, steps: int) -> None:
        self.left = steps

    def tick(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise Killed

    def before(self, function):
        def counted(*args, **keywords):
            self.tick()
            return function(*args, **keywords)

        return counted


def test_what_systemd_refused_is_tried_again(host):
    host.fake.refuses = "daemon-reload"
    with pytest.raises(EngineError):
        host.apply(CORE)
    host.fake.refuses = ""
    host.fake.calls.clear()
    assert host.boot(CORE).changes(["core"]), "it is not done, whatever the files say"
    host.apply(CORE)
    assert host.fake.told() == [("daemon-reload",), ("start", "--no-block", UNITS[0])]
    assert host.boot(CORE).changes(["core"]) == []


def test_a_start_that_was_ended_goes_on_where_the_group_was_not_brought_up(host):
    host.apply(CORE, MEMORY)
    host.fake.active = dict.fromkeys(UNITS, "activating")
    boot = host.boot(CORE, MEMORY)
    boot.take_over(["core", "memory"])
    assert {change.group for change in host.boot(CORE, MEMORY).changes(["core", "memory"])} == {"core", "memory"}, (
        "a run that is killed here leaves it to the next"
    )
    boot.apply(["core"], [])
    host.fake.calls.clear()
    boot.give_back()
    assert host.fake.told() == [("start", "--no-block", UNITS[1])]
    assert host.boot(CORE, MEMORY).changes(["core", "memory"]) == []


def test_whether_there_are_units_of_groups_is_known_without_asking(host):
    assert not host.fake.systemd.has_groups(), "not even the directory"
    host.apply(CORE)
    assert host.fake.systemd.has_groups()
    host.apply(CORE, supervisor="engine")
    assert (host.path / "units").is_dir() and not host.fake.systemd.has_groups()


def test_systemd_s_refusal_is_carried(host):
    host.fake.refuses = "daemon-reload"
    with pytest.raises(EngineError, match="systemctl daemon-reload: Failed to daemon-reload"):
        host.apply(CORE)


def test_where_nothing_can_be_written_it_says_so_and_what_to_do(host):
    (host.path / "units").write_text("")
    with pytest.raises(EngineError, match="boot units cannot be written") as caught:
        host.apply(CORE)
    assert "container_supervisor: engine" in caught.value.mend


@pytest.mark.parametrize(
    ("user", "version", "manager", "words"),
    [
        (False, 257, True, ""),
        (False, 243, True, "systemd 243 is too old"),
        (False, 257, False, "systemd does not run here"),
        (True, 257, False, "no systemd of this user runs here"),
    ],
)
def test_where_no_unit_can_work(tmp_path, user, version, manager, words):
    host = Host(tmp_path, fake=FakeSystemd(tmp_path, user, version))
    if not manager:
        (tmp_path / "systemd").rmdir()
    boot = host.boot(CORE)
    errors = [str(error) for error in boot.problems(boot.changes(["core"]))]
    assert (words in errors[0]) if words else not errors


@pytest.mark.parametrize(
    ("user", "socket", "refused"),
    [
        (True, "/var/run/docker.sock", True),
        (True, "/run/user/1000/docker.sock", False),
        (False, "/var/run/docker.sock", False),
    ],
)
def test_a_user_s_systemd_is_not_ordered_behind_the_system_s_docker(tmp_path, user, socket, refused):
    fake = FakeSystemd(tmp_path, user)
    boot = boot_of("mainpc", [CORE], "docker", "systemd", str(tmp_path), 300.0, fake.systemd, socket)
    errors = boot.problems(boot.changes(["core"]))
    assert bool(errors) is refused and (not errors or "ansible_become" in errors[0].mend)


def test_a_user_without_lingering_is_told(tmp_path):
    fake = FakeSystemd(tmp_path, user=True)
    fake.systemd = replace(fake.systemd, lingers=False)
    host = Host(tmp_path, fake=fake)
    assert "enable-linger" in host.boot(CORE).warnings()[0]
    assert host.boot(CORE, supervisor="engine").warnings() == []


def test_files_are_readable_and_json_is_whole(host):
    host.apply(CORE)
    path = host.path / "state/boot/mainpc-core.json"
    assert path.stat().st_mode & 0o777 == 0o644 and json.loads(path.read_text())["host"] == "mainpc"
