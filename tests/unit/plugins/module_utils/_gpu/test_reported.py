from __future__ import annotations

import typing as t

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._access.plan import GpuWish, plan_access
from ansible_collections.gpu_fleet.containers.plugins.module_utils._errors import InputError
from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu import reported
from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu.model import GpuHost
from tests.unit.plugins.module_utils._gpu import docker_infos as infos

URL = "ssh://far"

HOSTS = [
    # docker info → platform, ready stacks (best first), codes of findings
    ("windows with cuda", infos.WINDOWS_CUDA, "wsl2", ["nvidia-wsl"], []),
    ("windows without", infos.WINDOWS_PLAIN, "wsl2", [], ["desktop-no-nvidia"]),
    ("windows on hyper-v", infos.WINDOWS_HYPER_V, "linux", [], ["desktop-hyper-v"]),
    ("mac", infos.MAC, "macos", [], ["desktop-no-gpu"]),
    ("mac, older", infos.MAC_OLD, "macos", [], ["desktop-no-gpu"]),
    ("desktop on linux", infos.LINUX_DESKTOP, "linux", [], ["desktop-no-gpu"]),
    ("linux", infos.LINUX, "linux", [], ["gpu-not-told"]),
    ("linux with nvidia's runtime", infos.LINUX_NVIDIA, "linux", ["nvidia"], []),
    ("linux with cdi", infos.LINUX_CDI, "linux", ["nvidia"], []),
    ("linux with amd's cdi", infos.LINUX_AMD, "linux", ["rocm"], []),
    ("jetson", infos.JETSON, "jetson", ["nvidia-tegra"], []),
    ("an engine of its own in wsl", infos.WSL_ENGINE, "wsl2", ["nvidia-wsl"], []),
    ("podman machine", infos.PODMAN_MACHINE, "linux", [], ["gpu-not-told"]),
]


@pytest.mark.parametrize(("name", "info", "platform", "ready", "codes"), HOSTS, ids=[row[0] for row in HOSTS])
def test_a_host_by_its_engines_words(name, info, platform, ready, codes):
    host = reported.describe(info, URL)
    assert host.platform == platform
    assert [stack.name for stack in host.stacks if stack.ready] == [*ready, "cpu"]
    assert [finding.code for finding in host.findings] == codes
    assert all(finding.evidence and finding.mend and finding.probe == "docker info" for finding in host.findings)
    assert host.engines["docker"].ready and not host.engines["podman"].installed
    assert GpuHost.from_dict(host.to_dict()) == host


def access(info: dict[str, t.Any], *stacks: str, declared: tuple[str, ...] = (), **wish: t.Any) -> t.Any:
    host = reported.declared(reported.describe(info, URL), declared)
    return plan_access(host, host.engines["docker"], GpuWish(stacks=stacks, **wish), "site/web")


@pytest.mark.parametrize(
    ("info", "stacks", "declared", "expected"),
    [
        (infos.WINDOWS_CUDA, ("nvidia", "nvidia-wsl"), (), ("nvidia-wsl", "nvidia-runtime", ())),
        (infos.WINDOWS_PLAIN, ("nvidia-wsl",), ("nvidia-wsl",), ("nvidia-wsl", "nvidia-runtime", ())),
        (infos.LINUX_NVIDIA, ("nvidia",), (), ("nvidia", "nvidia-runtime", ())),
        (infos.LINUX_CDI, ("nvidia",), (), ("nvidia", "cdi", ())),
        (infos.LINUX_AMD, ("rocm",), (), ("rocm", "cdi", ())),
        (infos.JETSON, (), (), ("nvidia-tegra", "nvidia-runtime", ())),
        (infos.PODMAN_MACHINE, ("venus", "cpu"), ("venus",), ("venus", "explicit", ("/dev/dri",))),
        (infos.LINUX, ("rocm",), ("rocm",), ("rocm", "explicit", ("/dev/kfd", "/dev/dri"))),
        (infos.MAC, ("venus", "metal", "cpu"), (), ("cpu", "none", ())),
    ],
)
def test_how_its_containers_get_it(info, stacks, declared, expected):
    plan = access(info, *stacks, declared=declared)
    assert (plan.gpu.stack, plan.gpu.mode, plan.devices) == expected
    assert (plan.promise is None) is (plan.gpu.mode == "none")


def test_cdi_names_are_counted():
    assert access(infos.LINUX_CDI, "nvidia", count=2).gpu.cdi_devices == ("nvidia.com/gpu=0", "nvidia.com/gpu=1")
    with pytest.raises(InputError, match="3 GPUs are wanted, 2 of stack nvidia"):
        access(infos.LINUX_CDI, "nvidia", count=3)


def test_a_mac_says_what_else_there_is():
    with pytest.raises(InputError, match="a Podman machine with libkrun does.*container_metal_service"):
        access(infos.MAC, "venus", "metal")


def test_nothing_is_declared_of_a_host_that_was_looked_at():
    host = GpuHost("linux")
    assert reported.declared(host, ("venus",)) is host
