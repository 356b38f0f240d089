# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The option that says how a tcp engine is trusted (mirrors `_module/arguments.py`)."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  engine_tls:
    description:
      - For V(tcp://) in O(engine_url), how the engine is told from an impostor, and we from a stranger.
      - Paths are of the machine that the module runs on, which is the control node when the engine is elsewhere.
    type: dict
    suboptions:
      ca:
        description: Certificate of the authority that signed the engine's. Without it, those that the system trusts.
        type: path
      cert:
        description: Our certificate, signed by an authority that the engine trusts.
        type: path
      key:
        description: The key of O(engine_tls.cert).
        type: path
      verify:
        description: Whether the engine's certificate is checked.
        type: bool
        default: true
"""
