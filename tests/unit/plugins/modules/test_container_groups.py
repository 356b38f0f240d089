"""container_groups taken through create, change, remove, each in check mode, for real, and a second time."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import yaml

from ansible_collections.gpu_fleet.containers.plugins.module_utils._boot.systemd import Systemd
from ansible_collections.gpu_fleet.containers.plugins.module_utils._errors import EngineError
from ansible_collections.gpu_fleet.containers.plugins.module_utils._group.config import (
    SecretFile,
    VolumeConfig,
    to_dict,
)
from ansible_collections.gpu_fleet.containers.plugins.module_utils._module import engines as engines_module
from ansible_collections.gpu_fleet.containers.plugins.module_utils._module.arguments import ENGINE, ENGINE_TLS
from ansible_collections.gpu_fleet.containers.plugins.modules import container_groups

from ..module_utils._group.examples import group, service
from ..module_utils._group.memory_engine import MemoryEngine
from .calling import call

CORE = group("core", service("a"), service("b", "a"))
CORE = replace(CORE, services=tuple(replace(each, settle=0.01) for each in CORE.services))


@pytest.fixture
def engines(monkeypatch):
    """Podman is there, Docker is not, until a test says otherwise."""
    there = {"podman": MemoryEngine("podman")}

    def open_engine(name, url="", tls=None, supervisor=""):
        if name not in there:
            raise EngineError(f"{name} is not installed", mend="Install it.")
        return there[name]

    for place in (container_groups, engines_module):
        monkeypatch.setattr(place, "open_engine", open_engine)
        monkeypatch.setattr(place, "is_installed", lambda name: name in there)
    return there


@pytest.fixture
def run(engines, tmp_path):
    def run(*groups, check=False, **arguments):
        for engine in engines.values():
            engine.calls.clear()
        return call(
            container_groups,
            check,
            host="mainpc",
            state_dir=str(tmp_path / "state"),
            groups=[to_dict(each) for each in groups],
            **arguments,
        )

    return run


def test_create_change_remove_each_said_done_and_done_once(run, engines):
    engine = engines["podman"]
    changed_core = replace(CORE, services=(CORE.services[0], replace(service("b", "a", image="agent:2"), settle=0.01)))
    for wish, arguments in ((CORE, {}), (changed_core, {}), (CORE, {"state": "absent"})):
        said = run(wish, check=True, **arguments)
        assert said["rc"] == 0 and said["changed"] and engine.changes() == [], (wish, said)
        done = run(wish, **arguments)
        assert done["rc"] == 0 and done["changed"]
        for key in ("actions", "diff", "removed"):
            assert said.get(key) == done.get(key)
        assert not run(wish, **arguments)["changed"] and engine.changes() == []
    assert engine.containers == {} and engine.networks == {} and engine.volumes == {}


def test_a_result_can_be_printed_and_names_what_is_due(run):
    result = run(CORE, check=True)
    assert result["due"] == ["core"] and result["missing_images"] == [] == result["missing_files"]
    assert [entry["action"] for entry in result["actions"]] == ["create", "create"]
    json.dumps(result)


def test_warnings_are_ansibles_own(run, engines, capsys):
    with_volume = replace(CORE, volumes=(VolumeConfig("core_data", "data"),))
    run(with_volume)
    result = run(replace(CORE, volumes=(VolumeConfig("core_data", "data", driver="nfs"),)))
    # On the controller ansible-core prints them, in a module's process it sends them along in a form of its own.
    told = capsys.readouterr().err + json.dumps(result.get("warnings"))
    assert "core: volume core_data was made with another definition" in told
    assert "core: volume core_data was made with another definition" not in (result.get("warnings") or ())
    assert not result["changed"]


def test_what_the_documentation_says_is_returned_is_returned(run):
    documented = {
        name: "absent" in entry["returned"] for name, entry in yaml.safe_load(container_groups.RETURN).items()
    }
    for results, absent in (
        ([run(CORE, check=True), run(CORE)], False),
        ([run(CORE, state="absent", check=True), run(CORE, state="absent")], True),
    ):
        returned = set().union(*results)
        assert {name for name, of_absent in documented.items() if of_absent is absent} - returned == set()


def test_a_failed_group_fails_the_module_and_says_why(run, engines):
    engines["podman"].exit_codes["agent:1"] = 3
    result = run(CORE)
    assert result["rc"] == 1 and result["failed"]
    assert result["groups"]["core"]["status"] == "failed"
    assert "it ended (exit status 3)" in result["msg"] and "last words of core-a-1" in result["msg"]


def test_what_is_refused_says_where_and_how_to_mend(run, engines):
    run(CORE)
    engines["podman"].containers["core-a-1"] = replace(engines["podman"].containers["core-a-1"], labels={}, id="x")
    result = run(CORE)
    assert result["rc"] == 1 and result["msg"] == (
        "core: services.a: a container named core-a-1 exists and belongs to somebody else. "
        "Remove or rename it, or take it over with container_adopt=true."
    )


def test_an_engine_that_is_not_there_is_empty_in_check_mode_only(run, engines):
    said = run(CORE, check=True, engine="docker")
    assert said["rc"] == 0 and said["due"] == ["core"]
    done = run(CORE, engine="docker")
    assert done["rc"] == 1 and done["msg"] == "docker is not installed. Install it."


def test_an_engine_that_is_there_and_does_not_answer_is_an_error_in_check_mode_too(run, engines, monkeypatch):
    def open_engine(name, url="", tls=None, supervisor=""):
        raise EngineError("permission denied")

    monkeypatch.setattr(container_groups, "open_engine", open_engine)
    assert "permission denied" in run(CORE, check=True)["msg"]


def test_the_other_engine_is_looked_at_and_emptied(run, engines):
    run(CORE)
    engines["docker"] = MemoryEngine("docker")
    assert run(CORE, check=True, engine="docker")["moving"] == {"core": "podman"}
    assert run(CORE, engine="docker")["rc"] == 0
    assert engines["podman"].containers == {} and len(engines["docker"].containers) == 2
    assert len(run(CORE, state="absent")["removed"]["containers"]) == 2, "wherever it runs"


def test_events_are_lines_in_a_file(run, tmp_path):
    run(CORE, events=str(tmp_path / "events"))
    events = [json.loads(line) for line in (tmp_path / "events").read_text().splitlines()]
    assert ("create", "a") in {(event["event"], event["service"]) for event in events}
    assert all(set(event) == {"event", "group", "service", "text", "seconds"} for event in events)


def test_secrets_stand_in_no_answer(run, engines):
    secret = (SecretFile("core/token", "/run/secrets/token"),)
    wish = group("core", replace(service("a", secrets=secret), settle=0.01))
    for check in (True, False, True):
        assert "planted-secret" not in json.dumps(run(wish, check=check, secrets={"core/token": "planted-secret"}))
    missing = run(wish)
    assert missing["rc"] == 1 and missing["msg"].startswith("core: services.a.secrets: no value was given")


def test_every_option_is_documented_with_its_type_and_default():
    documented = yaml.safe_load(container_groups.DOCUMENTATION)["options"]
    for name, argument in container_groups._ARGUMENTS.items():
        if name in {**ENGINE, **ENGINE_TLS}:
            continue
        assert documented[name]["type"] == argument["type"], name
        assert documented[name].get("default") == argument.get("default"), name
        assert documented[name].get("choices") == argument.get("choices"), name


def test_boot_files_are_no_business_of_a_host_that_has_none_and_wants_none(tmp_path, monkeypatch):
    there = Systemd(False, str(tmp_path / "units"), str(tmp_path / "run"), str(tmp_path), lambda argv: (1, ""))
    monkeypatch.setattr(container_groups, "systemd_here", lambda: there)
    params = {
        "host": "mainpc",
        "engine": "docker",
        "engine_url": "",
        "supervisor": "engine",
        "state_dir": str(tmp_path),
        "boot_wait": 1.0,
    }
    assert container_groups._boot(params, ()) is None
    assert container_groups._boot({**params, "supervisor": "systemd"}, ()) is not None
    (tmp_path / "boot").mkdir()
    assert container_groups._boot(params, ()) is not None, "a run that was killed left something"
    (tmp_path / "boot").rmdir()
    (tmp_path / "units").mkdir()
    (tmp_path / "units" / "gpu-fleet-mainpc-core.service").touch()
    assert container_groups._boot(params, ()) is not None
    assert container_groups._boot({**params, "engine_url": "ssh://winbox"}, ()) is None
