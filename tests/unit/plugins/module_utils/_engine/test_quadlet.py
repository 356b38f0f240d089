"""The adapter over a stand-in podman and a stand-in systemd. On real hosts: tests/hosts/test_quadlet.py."""

from __future__ import annotations

import dataclasses
import json
import pathlib
import stat

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._engine.base import UNIT_EDITED, UNIT_GONE, Health
from ansible_collections.gpu_fleet.containers.plugins.module_utils._engine.quadlet import QuadletEngine
from ansible_collections.gpu_fleet.containers.plugins.module_utils._engine.quadlet_files import UnitFolder
from ansible_collections.gpu_fleet.containers.plugins.module_utils._engine.quadlet_systemd import Unit
from ansible_collections.gpu_fleet.containers.plugins.module_utils._errors import EngineError
from ansible_collections.gpu_fleet.containers.plugins.module_utils._group.config import (
    Attachment,
    ContainerConfig,
    Healthcheck,
    to_dict,
)
from ansible_collections.gpu_fleet.containers.plugins.module_utils._group.owned import spec_labels

SCRIPT = """#!/bin/sh
printf '%s\\n' "$*" >>"{folder}/calls"
case "$*" in
    --version) echo podman version 5.4.2 ;;
    'create --help') echo ;;
    ps*) cat "{folder}/ps" ;;
    images*) echo '[{{"Id": "i1", "Names": ["localhost/agent:1"]}}]' ;;
    image*) echo '[{{"Healthcheck": {{}}}}]' ;;
    'network ls'*|'volume ls'*) echo '[]' ;;
    'healthcheck run'*) echo 'Error: no such container web' >&2; exit 125 ;;
esac
"""
WEB = ContainerConfig(
    "web",
    "localhost/agent:1",
    healthcheck=Healthcheck(("CMD-SHELL", "true")),
    networks=(Attachment("front"),),
    supervisor="systemd",
)
LABELS = {"org.gpu-fleet.schema": "1", **spec_labels(to_dict(WEB))}
RUNS = {"Id": "c1", "Names": ["web"], "State": "running", "Labels": {**LABELS, "PODMAN_SYSTEMD_UNIT": "web.service"}}


class StandIn:
    """A systemd that knows what it is given, and notes what it is told."""

    def __init__(self):
        self.units = {}
        self.calls = []
        self.after_start = None

    def show(self, names):
        return {name: self.units[name] for name in names if name in self.units}

    def reload(self):
        self.calls.append("reload")
        self.units.setdefault("web.service", Unit(loaded=True))

    def start(self, name):
        self.calls.append(f"start {name}")
        if self.after_start:
            self.units[name] = self.after_start

    def stop(self, name, wait=True):
        self.calls.append(f"stop {name}" if wait else f"begin to stop {name}")

    def journal(self, name, container, lines):
        return f"{lines} lines of {container}"

    def complaint(self, file):
        return "no such key"


@pytest.fixture
def engine(tmp_path):
    program = tmp_path / "podman"
    program.write_text(SCRIPT.format(folder=tmp_path))
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    (tmp_path / "ps").write_text("[]")
    made = QuadletEngine(str(program), {"PATH": "/usr/bin:/bin"}, UnitFolder(str(tmp_path / "units"), False), StandIn())
    made.podman_has = lambda *entries: (tmp_path / "ps").write_text(json.dumps(entries))
    made.podman_did = lambda: (tmp_path / "calls").read_text().splitlines()
    return made


STATES = [
    (Unit(True, "inactive", "dead"), "exited", None),
    (Unit(True, "inactive", "dead", 0, ran=True), "exited", 0),
    (Unit(True, "failed", "failed", 3, ran=True), "exited", 3),
    (Unit(True, "failed", "failed", 0, ran=True), "exited", 1),
    (Unit(True, "active", "exited", 0, ran=True), "exited", 0),
    (Unit(True, "active", "running", 0, ran=True), "restarting", None),
    (Unit(True, "activating", "auto-restart", 3, ran=True), "restarting", None),
    (Unit(True, "activating", "start", 0, ran=True), "restarting", None),
    (Unit(True, "deactivating", "stop", 0, ran=True), "restarting", None),
    (Unit(), "exited", None),
]


@pytest.mark.parametrize(("unit", "state", "exit_code"), STATES)
def test_a_unit_without_a_container_is_what_systemd_says(engine, unit, state, exit_code):
    engine.create_container(WEB, LABELS, {})
    engine._systemd.units["web.service"] = unit
    (seen,) = engine.observe().containers
    assert (seen.name, seen.state, seen.exit_code) == ("web", state, exit_code)
    assert (seen.networks, seen.image, seen.image_id) == (("front",), "localhost/agent:1", "sha256:i1")
    assert seen.labels == LABELS
    assert engine.container("web") == dataclasses.replace(seen, image_id="")


def test_one_that_runs_is_what_podman_says(engine):
    engine.create_container(WEB, LABELS, {})
    engine.podman_has(RUNS)
    (seen,) = engine.observe().containers
    assert (seen.id, seen.state) == ("c1", "running") and engine.container("web") == seen
    engine.podman_has({**RUNS, "State": "exited"})
    engine._systemd.units["web.service"] = Unit(True, "activating", "auto-restart")
    assert engine.container("web").state == "restarting"


def test_written_known_and_not_started(engine):
    assert engine.create_container(WEB, LABELS, {}) == "web.service"
    assert engine._systemd.calls == ["reload"] and "Notify=healthy" in engine._folder.read("web").text
    assert not any(call.startswith("create --name") for call in engine.podman_did())


def test_a_container_of_the_engine_stays_the_engines(engine):
    with pytest.raises(IndexError):  # the stand-in prints no id
        engine.create_container(dataclasses.replace(WEB, supervisor=""), LABELS, {})
    assert any(call.startswith("create --name web") for call in engine.podman_did())
    engine.stop_container("web", 3)
    engine.remove_container("web")
    assert engine.podman_did()[-1].startswith("rm --force") and engine._systemd.calls == []


def test_a_service_of_the_host_is_not_replaced(engine):
    engine._systemd.units["web.service"] = Unit(loaded=True, source="/usr/lib/systemd/system/web.service")
    with pytest.raises(EngineError, match=r"a service web\.service of its own"):
        engine.create_container(WEB, LABELS, {})
    assert engine._folder.read_all() == {}


REFUSED = [
    (Unit(masked=True), "", "is masked", "systemctl unmask web.service"),
    (Unit(loaded=True, source="/usr/lib/systemd/system/web.service"), "", "of its own", "container_name"),
    (Unit(), "[Container]\nImage=x\n", "somebody else's unit", "Remove or rename"),
]


@pytest.mark.parametrize(("unit", "text", "said", "mend"), REFUSED)
def test_what_stands_in_a_units_way_is_known_before_anything_is_stopped(engine, tmp_path, unit, text, said, mend):
    engine._systemd.units["web.service"] = unit
    if text:
        (tmp_path / "units").mkdir()
        (tmp_path / "units/web.container").write_text(text)
    (error,) = engine.refusals([WEB, dataclasses.replace(WEB, name="other")])
    assert said in str(error) and mend in str(error)
    assert engine.refusals([dataclasses.replace(WEB, supervisor="")]) == []
    with pytest.raises(EngineError, match=said):
        engine.create_container(WEB, LABELS, {})


def test_nothing_stands_in_the_way_of_what_is_ours(engine):
    assert engine.refusals([WEB]) == []
    engine.create_container(WEB, LABELS, {})
    engine._systemd.units["web.service"] = Unit(True, "active", "running", source=engine._folder.path("web"))
    assert engine.refusals([WEB]) == []


def test_an_edited_unit_is_not_what_was_deployed(engine):
    engine.create_container(WEB, LABELS, {})
    path = pathlib.Path(engine._folder.path("web"))
    engine.podman_has(RUNS)
    assert [seen.state for seen in engine.observe().containers] == ["running"]
    written = path.read_text()
    for text in (written.replace("Image=", "Image=x"), written + "User=0\n", written.rpartition("\n#")[0] + "\n"):
        path.write_text(text)
        assert [seen.state for seen in engine.observe().containers] == [UNIT_EDITED], text


def test_one_whose_edited_file_makes_no_unit_is_stopped_by_podman(engine):
    engine.create_container(WEB, LABELS, {})
    engine._systemd.units["web.service"] = Unit(False, "active", "running")
    engine._systemd.calls.clear()
    engine.stop_container("web", 3)
    assert engine._systemd.calls[0] == "begin to stop web.service"
    assert "stop --ignore --time 3 web" in engine.podman_did()


def test_a_unit_that_quadlet_refuses(engine):
    engine._systemd.units["web.service"] = Unit(loaded=False)
    with pytest.raises(EngineError, match="no such key"):
        engine.create_container(WEB, LABELS, {})


def test_started_when_its_container_runs(engine):
    engine.create_container(WEB, LABELS, {})
    engine.podman_has(RUNS)
    engine.start_container("web")
    assert engine._systemd.calls[-1] == "start web.service"


def test_podmans_own_refusal_is_an_error(engine):
    engine.create_container(WEB, LABELS, {})
    engine._systemd.after_start = Unit(True, "activating", "auto-restart", 126, ran=True, has_job=True)
    with pytest.raises(EngineError, match="5 lines of web"):
        engine.start_container("web")
    engine._systemd.after_start = Unit(True, "failed", "failed", 3, ran=True)
    engine.start_container("web")


def test_one_that_does_not_start_is_given_up(engine):
    engine.create_container(WEB, LABELS, {})
    engine._systemd.after_start = Unit(True, "inactive", "dead", has_job=True)
    times = iter([0.0, 61.0])
    engine._clock = lambda: next(times)
    with pytest.raises(EngineError, match="did not start it in 60 s"):
        engine.start_container("web")


def test_a_file_that_systemd_was_not_told_of(engine):
    engine.create_container(WEB, LABELS, {})
    engine.podman_has(RUNS)
    engine._systemd.units.clear()
    engine._systemd.calls.clear()
    engine.start_container("web")
    assert engine._systemd.calls == ["reload", "start web.service"]


def test_stopped_put_aside_and_back(engine):
    engine.create_container(WEB, LABELS, {})
    engine._systemd.calls.clear()
    engine.stop_container("web", 3)
    engine.rename_container("web", "web.previous")
    engine.stop_container("web.previous", 3)
    (seen,) = engine.observe().containers
    assert (seen.name, seen.state, seen.networks) == ("web.previous", "exited", ("front",))
    engine.rename_container("web.previous", "web")
    assert engine._systemd.calls == ["stop web.service", "reload", "reload"]
    assert [container.name for container in engine.observe().containers] == ["web"]


def test_before_it_is_healthy_podman_stops_it(engine):
    engine.create_container(WEB, LABELS, {})
    engine._systemd.units["web.service"] = Unit(True, "activating", "start", ran=True)
    engine._systemd.calls.clear()
    engine.stop_container("web", 2.6)
    assert engine._systemd.calls == ["begin to stop web.service", "stop web.service", "stop web.service"]
    assert "stop --ignore --time 3 web" in engine.podman_did()


def test_removed_with_its_file(engine):
    engine.create_container(WEB, LABELS, {})
    engine._systemd.units["web.service"] = Unit(True, "active", "running", ran=True)
    engine._systemd.calls.clear()
    engine.remove_container("web")
    assert engine._systemd.calls[0] == "begin to stop web.service" and engine._systemd.calls[-1] == "reload"
    assert "kill web" in engine.podman_did() and engine.observe().containers == ()
    engine.remove_container("web")


def test_what_stands_by_is_only_a_file(engine):
    engine.create_container(WEB, LABELS, {})
    engine.rename_container("web", "web.previous")
    engine._systemd.calls.clear()
    engine.remove_container("web.previous")
    assert engine._systemd.calls == [] and engine._folder.read_all() == {}
    assert not any(call.startswith("rm ") for call in engine.podman_did())


def test_a_unit_whose_file_is_gone(engine):
    engine.podman_has(RUNS)
    (seen,) = engine.observe().containers
    assert seen.state == UNIT_GONE
    engine.stop_container("web", 3)
    engine.remove_container("web")
    assert engine._systemd.calls.count("begin to stop web.service") == 2, "or it would come up again"
    engine.podman_has({**RUNS, "Labels": {"PODMAN_SYSTEMD_UNIT": "web.service"}})
    assert engine.observe().containers[0].state == "running", "somebody else's"


def test_a_container_that_ended_between_two_looks(engine):
    with pytest.raises(EngineError):
        engine.check_health("web")
    engine.create_container(WEB, LABELS, {})
    assert engine.check_health("web") == Health(False, "the container has ended")
    assert engine.logs("web", 20) == "20 lines of web"
