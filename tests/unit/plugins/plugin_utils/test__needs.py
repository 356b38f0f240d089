# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What each kind of host needs, over all snapshots, and what the inventory says about it."""

from __future__ import annotations

import functools
import typing as t
from pathlib import Path

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._access.facts import gather
from ansible_collections.gpu_fleet.containers.plugins.module_utils._errors import InputError
from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu import snapshot
from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu.findings import CODES
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._needs import MENDED, MENDED_IN_DOCKER, ROLES, needs

HOSTS = Path(__file__).resolve().parents[3] / "fixtures" / "hosts"
NAMES = sorted(path.stem for path in HOSTS.glob("*.json") if not path.stem.endswith(".expected"))

NEEDED = {
    # roles that are needed: {engine of the inventory: snapshots}
    "": {
        "docker": """
            amd-apu-and-discrete amd-kfd-without-gpu amd-mi300x-partitions cpu-desktop-intel-graphics cpu-unknown-card
            cpu-vmware-guest engines-amd-spec engines-docker-28-discovered engines-listed-by-nvidia-ctk intel-arc-a750-i915
            intel-gma500 intel-haswell intel-sandy-bridge jetson-nano jetson-orin mac mac-m3-docker-desktop nvidia-multi
            nvidia-single raspberry-pi-3 raspberry-pi-500 raspberry-pi-zero-2-legacy venus-plain-virtio vulkan-bmc-ast
            vulkan-falls-back vulkan-llvmpipe-only vulkan-radeon-old vulkan-rock-5b-panthor vulkan-unknown-node wsl1
        """,
        "podman": """
            cpu-server engines-amd-spec engines-listed-by-nvidia-ctk engines-podman-at-dockers-socket intel-npu-only
            jetson-thor jetson-thor-with-card mac mac-intel-two-gpus mac-m1-podman-libkrun-stopped mac-m2-podman-libkrun
            nvidia-driver-silent nvidia-gb10 nvidia-gh200 nvidia-mig nvidia-mig-empty nvidia-no-permission nvidia-single
            nvidia-vgpu-guest raspberry-pi-4 raspberry-pi-5-no-permission test-machine venus-qemu vulkan-asahi
            vulkan-nouveau-nvk wsl1
        """,
    },
    "docker": {"docker": "nvidia-no-driver nvidia-nouveau nvidia-mismatch container-with-gpu jetson-orin-no-lists"},
    "podman": {
        "podman": """
            amd-no-kfd amd-passed-through amd-radeon-driver amd-server-console container-on-wsl2-with-gpu container-with-gpu
            container-without-gpu garbage intel-in-container jetson-in-container jetson-orin-no-lists nvidia-library-missing
            nvidia-lost nvidia-mismatch nvidia-module-not-loaded nvidia-no-driver nvidia-nouveau nvidia-passed-through
            vulkan-lavapipe-recorded
        """,
    },
    "docker nvidia_toolkit": {
        "docker": "engines-docker-not-running nvidia-corrupt-inforom nvidia-procfs-only nvidia-tools-only"
    },
    "podman nvidia_toolkit": {"podman": "nvidia-corrupt-inforom nvidia-one-lost nvidia-procfs-only nvidia-tools-only"},
    "nvidia_toolkit": {
        "docker": """
            engines-docker-24-spec engines-docker-27-cdi-off engines-docker-28-stale-discovery engines-runtime-not-registered
        """,
        "podman": """
            engines-podman-4.9-additional-gids engines-spec-conflict engines-spec-of-another-driver engines-spec-shadowed
            engines-spec-unreadable nvidia-cuda-shadowed nvidia-hook-conflict nvidia-mig-nodes-missing nvidia-nvml
            nvidia-toolkit-too-old nvidia-uvm-missing
        """,
    },
    "nvidia_toolkit intel": {"podman": "intel-nvidia-laptop"},
    "rocm": {"podman": "amd-apu amd-discrete amd-mi300x amd-two-gpus engines-amd-rootless-podman"},
    "rocm mesa": {"podman": "engines-amd-spec-too-new"},
    "podman rocm": {
        "podman": "amd-discrete-no-permission amd-mi308x-cpx amd-no-driver amd-two-one-broken amd-vega-old-kernel"
    },
    "podman rocm mesa": {"podman": "amd-render-group-only amd-sysfs-only-names"},
    "podman mesa": {"podman": "amd-in-container raspberry-pi-5"},
    "intel": {
        "docker": "intel-arc-b580-no-driver",
        "podman": "intel-arc-a770-xe intel-laptop intel-meteor-lake-npu intel-no-permission",
    },
    "mesa": {"docker": "intel-flex-170 intel-laptop-no-icd"},
    "wsl": {"docker": "rocm-wsl-64-custom-kernel vulkan-wsl2-dzn", "podman": "rocm-wsl-ready wsl2-mainpc-toolkit"},
    "wsl docker_desktop": {
        "docker": "engines-desktop-with-spec wsl2-docker-desktop-not-integrated wsl2-mainpc-docker-desktop"
    },
    "wsl podman": {"podman": "rocm-wsl-library-missing wsl2-cuda-fails-too wsl2-dxg-closed wsl2-no-dxg wsl2-no-nvidia"},
    "wsl podman nvidia_toolkit": {"podman": "wsl2-answers-only wsl2-cuda-only wsl2-linux-driver-listed"},
    "wsl nvidia_toolkit": {"docker": "wsl2-mainpc-stale-spec", "podman": "wsl2-mainpc-root-empty-path wsl2-two-gpus"},
}
CASES = [
    (name, engine, roles)
    for roles, engines in NEEDED.items()
    for engine, names in engines.items()
    for name in names.split()
]


@functools.cache
def facts(name: str) -> dict[str, t.Any]:
    return gather(snapshot.ReplayReader(snapshot.load(str(HOSTS / f"{name}.json"))), ["docker", "podman"])


def roles(name: str, **variables: t.Any) -> str:
    return " ".join(need["role"] for need in needs(facts(name), variables) if not need["skip"])


@pytest.mark.parametrize(("name", "engine", "expected"), CASES)
def test_what_a_host_needs(name: str, engine: str, expected: str) -> None:
    assert roles(name, container_engine=engine) == expected


@pytest.mark.parametrize("engine", ["docker", "podman"])
@pytest.mark.parametrize("name", NAMES)
def test_every_verdict_makes_sense(name: str, engine: str) -> None:
    gpu = facts(name)
    found = needs(gpu, {"container_engine": engine})
    names = [need["role"] for need in found]
    assert names == [role for role in ROLES if role in names]
    assert all(need["reason"] and not need["reason"].endswith(".") for need in found)
    assert not {"docker", "podman"} - {engine} & set(names)
    if gpu["platform"] in ("macos", "wsl1"):
        assert names == []
    if gpu["platform"] == "wsl2":
        assert "wsl" in names
    if "nvidia_toolkit" in names:
        assert any(each["ready"] for each in gpu["stacks"] if each["name"] in ("nvidia", "nvidia-wsl"))
    if gpu["engines"][engine]["ready"]:
        assert engine not in names
    elif gpu["platform"] not in ("macos", "wsl1") and "docker_desktop" not in names:
        assert engine in names


@pytest.mark.parametrize(
    ("name", "variables", "expected"),
    [
        ("cpu-server", {}, ""),
        ("cpu-server", {"podman_rootless_users": None}, "podman"),
        ("engines-amd-spec", {"podman_rootless_users": None}, "podman rocm"),
        ("cpu-server", {"docker_daemon_settings": None}, ""),
        ("cpu-server", {"docker_desktop_settings": None}, "docker_desktop"),
        ("cpu-unknown-card", {"container_engine": "docker", "docker_daemon_settings": None}, "docker"),
        ("cpu-unknown-card", {"container_engine": "docker", "docker_desktop_settings": None}, "docker_desktop"),
        ("cpu-server", {"container_bootstrap": True}, "podman"),
        ("cpu-server", {"container_bootstrap": "false"}, ""),
        ("cpu-server", {"wsl_limits": None}, ""),
        ("cpu-server", {"mesa_packages": None}, "mesa"),
        ("nvidia-single", {"nvidia_toolkit_version": None}, "nvidia_toolkit"),
        ("cpu-server", {"nvidia_toolkit_version": None}, ""),
        ("cpu-server", {"link_address_manage": True}, ""),
        ("cpu-server", {"link_address_manage": True, "container_link_address": "10.77.1.1"}, "link_address"),
        ("cpu-server", {"container_registry": {"address": "pc2:5000", "host": "pc2"}}, "registry"),
        ("cpu-server", {"container_registry": {"address": "registry.example.org"}}, "registry"),
        ("cpu-server", {"container_registry": {}}, ""),
        ("cpu-server", {"container_image_builders": {"amd64": "pc2"}, "inventory_hostname": "pc2"}, "registry"),
        ("cpu-server", {"container_image_builders": {"amd64": "pc2"}, "inventory_hostname": "mainpc"}, ""),
        # A Docker Desktop has a machine of its own, whose trust is the system's.
        ("mac", {"container_registry": {"address": "pc2:5000", "host": "pc2"}}, ""),
        (
            "wsl2-mainpc-docker-desktop",
            {"container_engine": "docker", "container_registry": {"address": "pc2:5000", "host": "pc2"}},
            "wsl docker_desktop",
        ),
        ("nvidia-procfs-only", {"container_engine_install": False}, "nvidia_toolkit"),
        ("nvidia-tools-only", {"container_engine_install": False}, "nvidia_toolkit"),
        ("nvidia-procfs-only", {"prepare_skip": ["nvidia_toolkit"]}, "podman"),
        ("nvidia-procfs-only", {"prepare_skip": ["nvidia_toolkit", "podman"]}, ""),
        (
            "nvidia-procfs-only",
            {"container_engine": "docker", "container_engine_url": "unix:///run/d.sock"},
            "docker nvidia_toolkit",
        ),
        ("nvidia-procfs-only", {"container_engine": "docker", "container_engine_url": "tcp://10.0.0.2:2376"}, ""),
        ("nvidia-procfs-only", {"container_engine": "docker", "container_engine_url": "ssh://pc2"}, ""),
        ("nvidia-procfs-only", {"container_engine": None, "container_engine_url": None}, "podman nvidia_toolkit"),
    ],
)
def test_the_inventory_decides(name: str, variables: dict[str, t.Any], expected: str) -> None:
    assert roles(name, **variables) == expected


@pytest.mark.parametrize(("name", "first", "words"), [("pc2", True, "serves"), ("mainpc", False, "trusts")])
def test_who_serves_the_registry_comes_before_who_trusts_it(name: str, first: bool, words: str) -> None:
    registry = {"address": "pc2:5000", "host": "pc2"}
    (need,) = needs(facts("cpu-server"), {"container_registry": registry, "inventory_hostname": name})
    assert need == {"role": "registry", "reason": f"it {words} the registry pc2:5000", "skip": False, "first": first}


def test_what_is_skipped_is_still_said() -> None:
    found = needs(facts("nvidia-procfs-only"), {"prepare_skip": ["nvidia_toolkit"], "container_engine_install": "no"})
    assert [(need["role"], need["skip"]) for need in found] == [("podman", True), ("nvidia_toolkit", True)]


def test_the_reason_is_the_finding() -> None:
    (need,) = needs(facts("nvidia-hook-conflict"), {})
    assert need["reason"].startswith("oci-hook-conflict: The old OCI hook ")


def test_a_host_that_was_not_asked_needs_nothing() -> None:
    assert needs(None, {}) == []


@pytest.mark.parametrize(
    ("variables", "path"),
    [
        ({"prepare_skip": ["nvidia-toolkit"]}, "prepare_skip"),
        ({"prepare_skip": "wsl"}, "prepare_skip"),
        ({"container_engine": "dokcer"}, "container_engine"),
        ({"container_engine_install": "perhaps"}, "container_engine_install"),
        ({"container_bootstrap": ["yes"]}, "container_bootstrap"),
    ],
)
def test_mistakes_are_named(variables: dict[str, t.Any], path: str) -> None:
    with pytest.raises(InputError) as caught:
        needs(facts("cpu-server"), variables)
    assert caught.value.path == path
    assert caught.value.mend or path.startswith("container_")


def test_the_findings_that_roles_mend_exist() -> None:
    assert {code for codes in MENDED.values() for code in codes} | set(MENDED_IN_DOCKER) <= set(CODES)
    assert set(MENDED) <= set(ROLES)
