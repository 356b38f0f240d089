# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filters of the roles wsl and docker_desktop: what they return, and how they fail."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleError

from ansible_collections.gpu_fleet.containers.plugins.filter import docker_desktop_settings, wsl_settings

wsl = wsl_settings.FilterModule().filters()["wsl_settings"]
desktop = docker_desktop_settings.FilterModule().filters()["docker_desktop_settings"]


def test_wsl_settings() -> None:
    assert wsl({"systemd": "auto", "memory": "8GB"}) == {
        "wsl_conf": {"boot": {"systemd": True}},
        "wslconfig": {"wsl2": {"memory": "8GB"}},
        "wsl_conf_unless_set": ["boot.systemd"],
        "wslconfig_unless_set": [],
    }
    with pytest.raises(AnsibleError, match="wsl_memory"):
        wsl({"memory": "lots"})


def test_docker_desktop_settings() -> None:
    assert desktop({"cpus": 2}, {"platform": "macos", "older": False}) == {"user": {"Cpus": 2}, "admin": {}}
    with pytest.raises(AnsibleError, match="docker_desktop_wsl_distribution"):
        desktop({"wsl_integration": True}, {"platform": "wsl2", "distribution": "", "older": False})
