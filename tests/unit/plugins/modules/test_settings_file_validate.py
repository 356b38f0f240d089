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


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["false"], "daemon.json: false refuses what it would be: exit status 1, and no words. Nothing was changed."),
        (["no-such-judge", "%s"], "validate: no-such-judge cannot be run: No such file or directory. Nothing"),
    ],
)
def test_a_command_that_says_nothing_or_is_not_there(tmp_path, words, said):
    result = call(settings_file, path=str(tmp_path / "daemon.json"), format="json", settings={"a": 1}, validate=words)
    assert result["rc"] == 1 and said in result["msg"] and list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["path", "by"])
def test_an_empty_name_is_refused(tmp_path, name):
    arguments = {"path": str(tmp_path / "daemon.json"), "format": "json", "settings": {"a": 1}, name: ""}
    assert call(settings_file, **arguments)["msg"] == f"{name}: it is empty. Nothing was changed."
