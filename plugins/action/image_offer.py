# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""image_offer on the controller: shows what is pushed while it works."""

from __future__ import annotations

from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._moving import MovingAction


class ActionModule(MovingAction):
    module = "gpu_fleet.containers.image_offer"
