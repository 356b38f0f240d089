# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask inside a running container whether it sees its GPU, by what its image has: Python, a shell, or a vendor's tool."""

from __future__ import annotations

import typing as t

from .._engine.base import Engine
from .._errors import EngineError, FleetError
from .config import GpuPromise
from .gpu_answer import Answer, from_python, plain
from .gpu_answer_shell import from_shell, from_tool
from .gpu_check import Seen, hung, judge, not_verified, unverified
from .gpu_probe import TIMEOUT, python_command, shell_command, tool_commands

ENDED = "it had ended before it could be asked"
_TIMED_OUT = 124


class GpuNotSeen(FleetError):
    """A container does not see the GPU that it was promised."""


def look(engine: Engine, container: str, promise: GpuPromise, with_torch: bool = False) -> Seen:
    """What `container` sees. One that ends meanwhile is not verified: why it ended is not said here.

    with_torch: as in `gpu_probe.python_command`.
    """
    for argv, read in ((python_command(promise, with_torch), from_python), (shell_command(promise), from_shell)):
        status, output = _run(engine, container, argv)
        answer = read(output)
        if answer is not None:
            return judge(promise, answer)
        if not _runs(engine, container):
            return unverified(ENDED)
        if status == _TIMED_OUT:
            return hung(promise, argv[0], TIMEOUT)
    said = plain((output.strip().splitlines() or ["no answer"])[-1])
    for tool, argv in tool_commands(promise):
        status, output = _run(engine, container, argv)
        library = from_tool(tool, status, output)
        if library.devices:
            return judge(promise, Answer(tool, libraries=(library,)))
    if not _runs(engine, container):
        return unverified(ENDED)
    reason = "the image has neither python3 nor sh"
    return unverified(reason, not_verified(reason, "python3 -c …, sh -c …", said))


def complaint(promise: GpuPromise, seen: Seen) -> str:
    """What is wrong and what mends it, one line a finding."""
    what = ", ".join(promise.names or promise.uuids or promise.nodes)
    head = f"it does not see the GPU it was given ({promise.stack}{f': {what}' if what else ''})"
    errors = [entry for entry in seen.findings if entry.level == "error"]
    lines = [f"{entry.message} [{entry.code}]. {entry.mend}" for entry in errors]
    return f"{head}: " + "\n  ".join(lines)


def _run(engine: Engine, container: str, argv: t.Sequence[str]) -> tuple[int | None, str]:
    """(exit status, output); the engine's own words where it could not run it."""
    try:
        return engine.run_in(container, argv, TIMEOUT)
    except EngineError as error:
        return 127, error.message


def _runs(engine: Engine, container: str) -> bool:
    seen = engine.container(container)
    return seen is not None and seen.state == "running"
