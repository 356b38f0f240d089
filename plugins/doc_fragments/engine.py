# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options that say which engine a module talks to (mirrors `_module/arguments.py`)."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  engine:
    description:
      - The container engine of this host.
    type: str
    choices: [podman, docker]
    default: podman
  engine_url:
    description:
      - Where the engine answers, for example V(unix:///run/user/1000/docker.sock), V(tcp://127.0.0.1:2375)
        or V(ssh://user@host).
      - Empty means C(/var/run/docker.sock) if it may be used, else the user's rootless or Docker Desktop socket if there
        is one. E(DOCKER_HOST) is not consulted. Only C(docker) uses it.
    type: str
    default: ""
"""
