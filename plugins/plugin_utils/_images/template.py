# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The collection's own Containerfiles, which a build may name instead of bringing one.

They lie in `templates/` beside this file, so that a clone and an installed collection find them alike. A
template is a plain Containerfile: `docker build -f` takes it as it is.
"""

from __future__ import annotations

import functools
import pathlib

from ...module_utils._errors import InputError
from .._nearest import did_you_mean

_FOLDER = pathlib.Path(__file__).with_name("templates")
_SUFFIX = ".Containerfile"

TARGET = "runtime"
"""The stage of a template that is built where no target is named."""


@functools.cache
def template_names() -> tuple[str, ...]:
    return tuple(sorted(path.name.removesuffix(_SUFFIX) for path in _FOLDER.glob(f"*{_SUFFIX}")))


def template_path(name: str, where: str = "") -> str:
    """Where the template's Containerfile lies on the controller. Raises InputError with `where` for one there is not."""
    if name not in template_names():
        raise InputError(f"there is no template {name}", path=where, mend=did_you_mean(name, template_names()))
    return str(_FOLDER / f"{name}{_SUFFIX}")
