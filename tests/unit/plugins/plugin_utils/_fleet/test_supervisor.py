from __future__ import annotations

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._errors import InputError
from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu.model import EngineFacts, GpuHost
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._fleet.inventory import Host
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._fleet.supervisor import check_supervisor


def _facts(version, name="podman"):
    return GpuHost(platform="linux", engines={name: EngineFacts(name, installed=bool(version), version=version)})


@pytest.mark.parametrize("version", ["4.9.3", "3.4.4", "4.3.1-dev"])
def test_an_old_podman_is_refused_in_the_plan(version):
    with pytest.raises(InputError, match="need Podman 5.0") as caught:
        check_supervisor(Host("mainpc", ("core",), supervisor="systemd"), _facts(version))
    assert caught.value.path == "mainpc: container_supervisor" and caught.value.mend


@pytest.mark.parametrize(
    ("host", "facts"),
    [
        (Host("mainpc", ("core",), supervisor="systemd"), _facts("5.0.0")),
        (Host("mainpc", ("core",), supervisor="systemd"), _facts("10.1")),
        (Host("mainpc", ("core",), supervisor="systemd"), _facts("")),
        (Host("mainpc", ("core",), supervisor="engine"), _facts("4.3.1")),
        (Host("pc2", ("core",), engine="docker", supervisor="systemd"), _facts("4.3.1")),
        (Host("pc2", ("core",), supervisor="systemd"), _facts("1.13", name="docker")),
        (Host("mainpc", supervisor="systemd"), _facts("4.3.1")),
    ],
)
def test_what_can_be(host, facts):
    check_supervisor(host, facts)


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        (
            GpuHost("linux", engines={"docker": EngineFacts("docker", version="28.1", flavour="desktop")}),
            "Docker Desktop",
        ),
        (
            GpuHost("linux", engines={"docker": EngineFacts("docker", version="5.4", flavour="podman")}),
            "under Docker's name",
        ),
        (GpuHost("macos"), "no systemd on macos"),
        (GpuHost("wsl1"), "no systemd on wsl1"),
    ],
)
def test_a_docker_or_a_system_that_systemd_does_not_run_is_refused(facts, words):
    with pytest.raises(InputError, match=words) as caught:
        check_supervisor(Host("pc2", ("core",), engine="docker", supervisor="systemd"), facts)
    assert caught.value.mend == "Set container_supervisor: engine."
