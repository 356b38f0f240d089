# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one exception family of the collection.

Everything that can go wrong for a reason a user can mend is raised as a
`FleetError` (or a subclass) and caught in one place: `_module/run.py` in modules,
`plugin_utils/_action.py` in action plugins. Anything else is a bug and keeps its
traceback.
"""

from __future__ import annotations

import os


class FleetError(Exception):
    """Something a user can mend.

    message: what was found, one sentence, no trailing full stop needed.
    path:    where: ``groups/core.yml:12:7: services.web.ports[1]`` or ``mainpc: podman``.
    mend:    the command or edit that mends it; empty when nobody knows.
    """

    def __init__(self, message: str, path: str = "", mend: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.path = path
        self.mend = mend

    def __str__(self) -> str:
        text = f"{self.path}: {self.message}" if self.path else self.message
        return f"{text.rstrip('.')}. {self.mend}" if self.mend else text


class InputError(FleetError):
    """A file, variable or argument of the user's is wrong; nothing was changed."""


class EngineError(FleetError):
    """An engine could not be reached or refused; `message` carries its own words."""


class FleetErrors(FleetError):
    """Several errors found in one pass, so that a user can mend them all at once."""

    def __init__(self, errors: list[FleetError]) -> None:
        self.errors = tuple(errors)
        super().__init__("\n".join(str(error) for error in self.errors))


def message(error: FleetError, several: str = "") -> str:
    """All of an error in words: one as it is, several as a numbered list. `several` is said of them in its first line."""
    texts = [str(each) for each in (error.errors if isinstance(error, FleetErrors) else (error,))]
    if len(texts) == 1:
        return texts[0]
    width = len(str(len(texts)))
    lines = [f"{number:>{width}}. {text}" for number, text in enumerate(texts, start=1)]
    return "\n".join([f"{len(texts)} errors{several}:", *lines])


def make_room(error: OSError) -> str:
    """How a mend begins where a directory of ours cannot be written."""
    if isinstance(error, PermissionError) and os.geteuid() != 0:
        return "Set ansible_become: true"
    return "Make room or rights there"


def raise_all(errors: list[FleetError]) -> None:
    """Raise what was collected: nothing, the one error, or all of them together."""
    if len(errors) == 1:
        raise errors[0]
    if errors:
        raise FleetErrors(errors)
