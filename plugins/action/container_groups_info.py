# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Controller side of `container_groups_info`: says what the inventory lacks, before Ansible connects to a host that it cannot use."""

from __future__ import annotations

from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._action import GuardedAction


class ActionModule(GuardedAction):
    module = "gpu_fleet.containers.container_groups_info"
