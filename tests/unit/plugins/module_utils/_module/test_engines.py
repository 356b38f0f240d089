"""The engine besides the planned one: there, not there, or not answering."""

from __future__ import annotations

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._errors import EngineError
from ansible_collections.gpu_fleet.containers.plugins.module_utils._module import engines


@pytest.mark.parametrize(("name", "other"), [("podman", "docker"), ("docker", "podman")])
@pytest.mark.parametrize("state", ["answers", "silent", "absent"])
def test_the_other_engine(monkeypatch, name, other, state):
    def open_engine(asked):
        if state == "silent":
            raise EngineError("cannot connect")
        return f"engine {asked}"

    monkeypatch.setattr(engines, "is_installed", lambda asked: asked == other and state != "absent")
    monkeypatch.setattr(engines, "open_engine", open_engine)
    assert engines.other_engines(name, "ssh://pc2") == []
    assert engines.other_engines(name) == ([f"engine {other}"] if state == "answers" else [])
