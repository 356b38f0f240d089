"""Which process the daemon is, and what it is known to have loaded."""

from __future__ import annotations

import os
import pathlib
import time

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._errors import InputError
from ansible_collections.gpu_fleet.containers.plugins.module_utils._host import docker_running
from ansible_collections.gpu_fleet.containers.plugins.module_utils._host.docker_running import Process


def test_this_process_is_found_with_its_start() -> None:
    found = docker_running.process(os.getpid())
    assert found is not None
    assert found.identity.startswith(f"{os.getpid()}:")
    assert 0 <= time.time() - found.started < 24 * 3600
    assert docker_running.process(2**30) is None


def test_the_name_of_a_process_may_hold_anything(tmp_path: pathlib.Path) -> None:
    (tmp_path / "7").mkdir()
    fields = " ".join(str(number) for number in range(3, 53))
    (tmp_path / "7/stat").write_text(f"7 (docker) d) {fields}\n")
    (tmp_path / "uptime").write_text("5.25 1.00\n")
    found = docker_running.process(7, str(tmp_path))
    assert found is not None and found.identity == "7:22"


@pytest.fixture
def files(tmp_path: pathlib.Path) -> tuple[str, str]:
    return str(tmp_path / "daemon.json"), str(tmp_path / "run/note.json")


def test_an_older_file_was_loaded_and_is_remembered_over_a_change(files: tuple[str, str]) -> None:
    config, note = files
    pathlib.Path(config).write_text('{"debug": true}')
    daemon = Process(7, time.time() + 1, "7:100")
    assert docker_running.loaded(daemon, config, note) == {"debug": True}
    docker_running.remember(daemon, {"debug": True}, note)
    assert os.stat(note).st_mode & 0o777 == 0o600
    pathlib.Path(config).write_text('{"debug": false}')
    os.utime(config, (time.time() + 9, time.time() + 9))
    assert docker_running.loaded(daemon, config, note) == {"debug": True}
    # Another daemon has what the file said when it started; this one started before the change.
    assert docker_running.loaded(Process(8, time.time() + 2, "8:200"), config, note) is None
    assert docker_running.loaded(Process(8, time.time() + 20, "8:300"), config, note) == {"debug": False}


@pytest.mark.parametrize("text", ["", "{", "[]", '{"process": "7:100"}'])
def test_a_broken_note_is_none(files: tuple[str, str], text: str) -> None:
    config, note = files
    pathlib.Path(note).parent.mkdir()
    pathlib.Path(note).write_text(text)
    assert docker_running.loaded(Process(7, time.time(), "7:100"), config, note) == {}


@pytest.mark.parametrize(("text", "expected"), [('\ufeff{"debug": true}\r\n', {"debug": True}), ("", {}), ("{}", {})])
def test_read_settings(files: tuple[str, str], text: str, expected: dict[str, bool]) -> None:
    pathlib.Path(files[0]).write_text(text, encoding="utf-8")
    assert docker_running.read_settings(files[0]) == expected


@pytest.mark.parametrize("text", ["{", "[1]", "{'debug': true}"])
def test_what_docker_cannot_read_is_said(files: tuple[str, str], text: str) -> None:
    pathlib.Path(files[0]).write_text(text)
    with pytest.raises(InputError, match="Docker cannot start with it"):
        docker_running.read_settings(files[0])


def test_what_came_after_the_daemon(tmp_path: pathlib.Path) -> None:
    hook = tmp_path / "hook"
    hook.write_text("")
    # A package's file is as old as the package, not as its installation.
    os.utime(hook, (1, 1))
    paths = [str(hook), str(tmp_path / "missing")]
    assert docker_running.late(Process(7, time.time() - 60, "7:1"), paths) == (str(hook),)
    assert docker_running.late(Process(7, time.time() + 60, "7:1"), paths) == ()


def test_who_is_not_root_is_told_so(monkeypatch) -> None:
    def refused(*_arguments, **_more):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(docker_running, "open", refused, raising=False)
    with pytest.raises(InputError, match=r"/run/note: only root may read it\. Set ansible_become: true"):
        docker_running.loaded(Process(7, time.time(), "7:100"), "/etc/docker/daemon.json", "/run/note")
    with pytest.raises(InputError, match="daemon.json: only root"):
        docker_running.read_settings("/etc/docker/daemon.json")
