from __future__ import annotations

import pathlib
import subprocess
import sys

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._engine import docker, podman
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
    monkeypatch.setattr(podman, "PodmanEngine", lambda: "podman")
    monkeypatch.setattr(docker, "DockerEngine", lambda url, tls, cli: f"docker at {url} {tls}{cli}")
    assert opening.open_engine("podman") == "podman"
    assert opening.open_engine("docker", "ssh://pc2") == "docker at ssh://pc2 None"


@pytest.mark.parametrize("module", ["container_groups", "container_groups_info", "image_build"])
def test_no_adapter_and_no_boot_files_are_loaded_before_they_are_wanted(module):
    """The Docker SDK takes longer to import than everything else of a run with nothing to do. Most hosts have no units."""
    code = (
        f"import sys; import ansible_collections.gpu_fleet.containers.plugins.modules.{module};"
        "wanted = ('_engine.docker', '_engine.podman', '_boot.apply', '_boot.script');"
        "print(*(name for name in sys.modules if name == 'docker' or name.endswith(wanted)))"
    )
    collections = pathlib.Path(__file__).resolve().parents[5] / ".collections"
    done = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": str(collections)}, capture_output=True, text=True, check=True
    )
    assert done.stdout == "\n"
