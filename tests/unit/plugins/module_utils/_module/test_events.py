"""Events: one JSON line each, and nothing without a file."""

from __future__ import annotations

import json
import pathlib

from ansible_collections.gpu_fleet.containers.plugins.module_utils._module.events import Events


def test_events_are_json_lines(tmp_path: pathlib.Path) -> None:
    events = Events(str(tmp_path / "events"))
    events.write({"event": "build", "line": "a\nb"})
    events.write({"event": "build", "line": "ü"})
    lines = (tmp_path / "events").read_text().splitlines()
    assert [json.loads(line)["line"] for line in lines] == ["a\nb", "ü"]
    events.close()
    Events().write({"event": "build"})


def test_a_group_event_says_when(tmp_path: pathlib.Path) -> None:
    events = Events(str(tmp_path / "events"))
    events("waiting", "core", "web", "for db (healthy)")
    events.close()
    event = json.loads((tmp_path / "events").read_text())
    assert event.pop("seconds") >= 0
    assert event == {"event": "waiting", "group": "core", "service": "web", "text": "for db (healthy)"}
