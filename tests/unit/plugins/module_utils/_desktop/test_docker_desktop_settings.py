"""The docker_desktop role's variables as keys of Docker Desktop's files."""

from __future__ import annotations

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._desktop.docker_desktop_settings import wanted
from ansible_collections.gpu_fleet.containers.plugins.module_utils._errors import FleetError

WINDOWS = {"platform": "wsl2", "distribution": "Ubuntu", "older": False}
MAC = {"platform": "macos", "distribution": "", "older": False}
ALL = {
    "cpus": 4,
    "memory_mib": "8192",
    "swap_mib": 1024,
    "auto_start": True,
    "expose_tcp": "no",
    "wsl_integration": True,
    "wsl_default_integration": False,
}


@pytest.mark.parametrize(
    ("variables", "host", "user"),
    [
        ({}, WINDOWS, {}),
        ({"cpus": 0, "auto_start": "", "expose_tcp": None, "wsl_integration": "", "settings": []}, WINDOWS, {}),
        (
            ALL,
            WINDOWS,
            {
                "Cpus": 4,
                "MemoryMiB": 8192,
                "SwapMiB": 1024,
                "AutoStart": True,
                "ExposeDockerAPIOnTCP2375": False,
                "EnableIntegrationWithDefaultWslDistro": False,
                "IntegratedWslDistros": ["Ubuntu"],
            },
        ),
        (ALL, MAC, {"Cpus": 4, "MemoryMiB": 8192, "SwapMiB": 1024, "AutoStart": True}),
        ({"wsl_integration": True, "wsl_distribution": "Debian"}, WINDOWS, {"IntegratedWslDistros": ["Debian"]}),
        ({"wsl_integration": False}, WINDOWS, {}),
        ({"cpus": 2, "settings": {"Cpus": 6, "UseResourceSaver": False}}, MAC, {"Cpus": 6, "UseResourceSaver": False}),
        (
            {
                "cpus": 2,
                "memory_mib": 1,
                "expose_tcp": True,
                "wsl_integration": True,
                "settings": {"proxyHttpMode": "manual"},
            },
            {**WINDOWS, "older": True},
            {
                "cpus": 2,
                "memoryMiB": 1,
                "exposeDockerAPIOnTCP2375": True,
                "integratedWslDistros": ["Ubuntu"],
                "proxyHttpMode": "manual",
            },
        ),
    ],
)
def test_the_users_settings(variables, host, user):
    made = wanted(variables, host)
    assert made.user == user and made.admin == {}


def test_the_administrators_settings_say_their_version():
    locked = {"exposeDockerAPIOnTCP2375": {"locked": True, "value": False}}
    assert wanted({"admin_settings": locked}, MAC).admin == {"configurationFileVersion": 2, **locked}
    assert wanted({"admin_settings": {"configurationFileVersion": 3}}, MAC).admin == {"configurationFileVersion": 3}


@pytest.mark.parametrize(
    ("variables", "host", "path"),
    [
        ({"cpus": "four"}, MAC, "docker_desktop_cpus"),
        ({"memory_mib": -1}, MAC, "docker_desktop_memory_mib"),
        ({"auto_start": "perhaps"}, MAC, "docker_desktop_auto_start"),
        ({"settings": "Cpus"}, MAC, "docker_desktop_settings"),
        ({"admin_settings": [1]}, MAC, "docker_desktop_admin_settings"),
        ({"wsl_integration": True}, {**WINDOWS, "distribution": ""}, "docker_desktop_wsl_integration"),
    ],
)
def test_mistakes_name_their_variable(variables, host, path):
    with pytest.raises(FleetError) as caught:
        wanted(variables, host)
    assert caught.value.path == path
