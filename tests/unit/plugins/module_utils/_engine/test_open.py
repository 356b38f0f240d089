from __future__ import annotations

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._engine import open as opening
from ansible_collections.gpu_fleet.containers.plugins.module_utils._errors import EngineError


@pytest.mark.parametrize(
    ("name", "url", "message"),
    [("lxc", "", "unknown engine 'lxc'"), ("podman", "unix:///run/podman.sock", "command line")],
)
def test_what_cannot_be_opened(name, url, message):
    with pytest.raises(EngineError, match=message) as caught:
        opening.open_engine(name, url)
    assert caught.value.path and caught.value.mend


def test_names_choose_adapters(monkeypatch):
    monkeypatch.setattr(opening, "PodmanEngine", lambda: "podman")
    monkeypatch.setattr(opening, "DockerEngine", lambda url: f"docker at {url}")
    assert opening.open_engine("podman") == "podman"
    assert opening.open_engine("docker", "ssh://pc2") == "docker at ssh://pc2"
