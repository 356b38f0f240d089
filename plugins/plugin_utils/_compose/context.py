# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What turning parts of a service into their canonical form needs besides the parts."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from .interpolate import TemplateError, Variables
from .problems import Problems
from .spec import Path

Data = dict[str, t.Any]


@dataclass(frozen=True)
class Context:
    directory: str
    variables: Variables
    problems: Problems


def outside(name: str, path: Path, context: Context) -> str | None:
    """The value of a variable that is handed on by its name alone."""
    try:
        return context.variables.get(name)
    except TemplateError as error:
        context.problems.error(path, error.message, error.mend)
        return None


def is_empty(value: t.Any) -> bool:
    """Would Go's omitempty leave it out?"""
    return value is None or value is False or value in ("", 0) or value == [] or value == {}
