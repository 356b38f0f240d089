# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The variables that the collection's roles know, from their argument specs."""

from __future__ import annotations

import functools
from pathlib import Path

import yaml

_ROLES = Path(__file__).resolve().parents[2] / "roles"


@functools.cache
def role_variables() -> frozenset[str]:
    """Names of all options of all roles, of every entry point."""
    names: set[str] = set()
    for path in sorted(_ROLES.glob("*/meta/argument_specs.yml")):
        specs = yaml.safe_load(path.read_text(encoding="utf-8"))["argument_specs"]
        names.update(name for entry in specs.values() for name in entry.get("options") or ())
    return frozenset(names)
