# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""image_pull on the controller: shows how far it is while it works."""

from __future__ import annotations

from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._moving import MovingAction


class ActionModule(MovingAction):
    module = "gpu_fleet.containers.image_pull"
