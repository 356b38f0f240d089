# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The option that says how registries are logged in to (mirrors `_module/arguments.py`)."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  registries:
    description:
      - How to log in to registries. Others are asked with what the host knows itself.
      - The variables C(container_registry) and C(container_registry_password) of the host are added by themselves.
    type: list
    elements: dict
    default: []
    suboptions:
      address:
        description: As in image references, for example V(pc2:5000).
        type: str
        required: true
      username:
        description: Empty where it asks nobody.
        type: str
        default: ""
      password:
        description: Of O(registries[].username). It is in no process list and, on the host, only in memory.
        type: str
        default: ""
      ca:
        description:
          - Certificate of the authority that signed the registry's, as PEM text. Empty means those that the host trusts.
          - Docker reads its own from C(/etc/docker/certs.d), where the role C(registry) puts it.
        type: str
        default: ""
"""
