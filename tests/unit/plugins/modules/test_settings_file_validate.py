"""settings_file with a command that judges the file before it is used."""

from __future__ import annotations

import pytest

from ansible_collections.gpu_fleet.containers.plugins.modules import settings_file

from .calling import call


@pytest.mark.parametrize("check", [False, True])
def test_what_the_command_refuses_changes_nothing(tmp_path, check):
    path = tmp_path / "daemon.json"
    path.write_text('{"debug": true}\n')
    validate = ["sh", "-c", "grep -q wrong %s && { echo 'no such key in %s' >&2; exit 1; }; exit 0"]
    arguments = {"path": str(path), "format": "json", "validate": validate}
    refused = call(settings_file, check=check, settings={"wrong": 1}, **arguments)
    assert refused["rc"] == 1
    assert f"{path}: sh refuses what it would be: no such key in {path}. Nothing was changed." in refused["msg"]
    assert path.read_text() == '{"debug": true}\n' and [each.name for each in tmp_path.iterdir()] == ["daemon.json"]
    taken = call(settings_file, check=check, settings={"right": 1}, **arguments)
    assert taken["changed"] and ("right" in path.read_text()) is not check


def test_a_file_that_stays_as_it_is_is_not_judged(tmp_path):
    path = tmp_path / "daemon.json"
    path.write_text('{"debug": true}\n')
    result = call(settings_file, path=str(path), format="json", settings={"debug": True}, validate=["false"])
    assert result["rc"] == 0 and not result["changed"]
