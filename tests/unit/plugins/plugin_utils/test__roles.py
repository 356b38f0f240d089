# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The variables of the roles, read from the roles."""

from __future__ import annotations

from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._roles import role_variables


def test_options_of_every_role_are_known() -> None:
    assert {
        "podman_settings",
        "docker_restart",
        "wsl_memory",
        "mesa_packages",
        "link_address_manage",
    } <= role_variables()
