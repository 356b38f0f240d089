# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What desktop hosts keep outside Linux' usual places: WSL's settings and Docker Desktop's, and when they are in force.

Decisions are pure functions of a `DesktopReader`, so they are tested on made-up trees; files are merged by `_settings/`.
"""

from __future__ import annotations
