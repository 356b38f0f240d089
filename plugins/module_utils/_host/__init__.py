# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host needs before an engine runs on it: packages, Podman's settings, a Docker daemon.

Pure decisions and thin readers for the modules behind `roles/`; engines themselves are `_engine/`.
"""

from __future__ import annotations
