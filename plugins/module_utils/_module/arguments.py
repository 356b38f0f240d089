# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Argument specs that several modules share; each mirrors one doc fragment of the same name."""

from __future__ import annotations

ENGINE = {
    "engine": {"type": "str", "choices": ["podman", "docker"], "default": "podman"},
    "engine_url": {"type": "str", "default": ""},
}
"""Mirrors the fragment `gpu_fleet.containers.engine`."""

ENGINE_TLS = {
    "engine_tls": {
        "type": "dict",
        "options": {
            "ca": {"type": "path"},
            "cert": {"type": "path"},
            "key": {"type": "path", "no_log": False},  # a path
            "verify": {"type": "bool", "default": True},
        },
    },
}
"""Mirrors the fragment `gpu_fleet.containers.engine_tls`."""

REGISTRIES = {
    "registries": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "address": {"type": "str", "required": True},
            "username": {"type": "str", "default": ""},
            "password": {"type": "str", "default": "", "no_log": True},
            "ca": {"type": "str", "default": ""},
        },
    },
}
"""Mirrors the fragment `gpu_fleet.containers.registries`."""
