# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs a program and hands on its lines as they come."""

from __future__ import annotations

import contextlib
import subprocess
import typing as t
from collections import deque

_LAST_LINES = 20


def run_lines(
    argv: t.Sequence[str],
    on_line: t.Callable[[str], None] | None = None,
    environment: t.Mapping[str, str] | None = None,
    text: str = "",
) -> tuple[int, list[str]]:
    """Exit status, and the last lines of what it wrote to both its outputs.

    environment: instead of this process's own. text: for its standard input. Raises OSError if it cannot be started.
    """
    last: deque[str] = deque(maxlen=_LAST_LINES)
    with subprocess.Popen(
        argv,
        stdin=subprocess.PIPE if text else subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env=environment,
    ) as process:
        if process.stdin is not None:
            # One that ended without reading it says why.
            with contextlib.suppress(BrokenPipeError), process.stdin:
                process.stdin.write(text)
        for line in process.stdout or ():
            if line.strip():
                last.append(line.rstrip())
            if on_line:
                on_line(line.rstrip())
    return process.returncode, list(last)
