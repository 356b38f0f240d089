# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Questions to a vendor's library that must not take the module along, whatever the library does.

In a child: a crash becomes an answer, and so does silence. In a thread: only silence does, but no process is
made. NVML under WSL2 may die of a segmentation fault where CUDA works (microsoft/WSL 11277), so there it is asked in
a child; on native Linux it is asked in a thread.

What neither can help: a thread, or a child, that waits in the kernel for a wedged GPU cannot be ended by anybody. The
child is left behind, with no pipe of ours open. With a thread, this process says its finding but cannot end before the
kernel lets go; the task's `timeout` bounds that on the controller.
"""

from __future__ import annotations

import json
import os
import select
import signal
import threading
import time
import typing as t

SILENT = 124
"""Error number of a library that did not answer in time, as of a command that took too long. No library has it itself."""

Answer = t.Optional[dict[str, t.Any]]


def in_thread(ask: t.Callable[[], Answer], seconds: float) -> Answer:
    """What `ask` returns (or raises), or ``{error: 124, message}`` when it takes longer."""
    done: list[tuple[Answer, BaseException | None]] = []

    def work() -> None:
        try:
            done.append((ask(), None))
        except BaseException as error:
            done.append((None, error))

    worker = threading.Thread(target=work, daemon=True)
    worker.start()
    worker.join(seconds)
    if not done:
        return silent(seconds)
    answer, error = done[0]
    if error is not None:
        raise error
    return answer


def in_child(ask: t.Callable[[], Answer], seconds: float) -> Answer:
    """What `ask` returns in a forked child; ``{error: -SIGNAL, message}`` when that kills it, ``{error: 124, …}`` for silence."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        _answer_and_end(ask, writing)
    os.close(writing)
    try:
        text = _read(reading, time.monotonic() + seconds)
    finally:
        os.close(reading)
    if text is None:
        os.kill(child, signal.SIGKILL)
        _status(child, 1.0)
        return silent(seconds)
    status = _status(child, seconds)
    if status is not None and os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        return {"error": -number, "message": f"killed by {signal.Signals(number).name}"}
    try:
        return t.cast(Answer, json.loads(text))
    except ValueError:
        return {"error": 999, "message": f"the child that asked it ended with status {status} and no answer"}


def silent(seconds: float) -> dict[str, t.Any]:
    return {"error": SILENT, "message": f"no answer within {seconds:g} s"}


def _answer_and_end(ask: t.Callable[[], Answer], writing: int) -> t.NoReturn:
    """The child: nothing of the module's clean-up runs here, and a child that hangs holds no pipe of the module's caller."""
    try:
        nothing = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(nothing, descriptor)
        data = json.dumps(ask()).encode()
        while data:
            data = data[os.write(writing, data) :]
    finally:
        os._exit(0)


def _read(reading: int, deadline: float) -> bytes | None:
    """Everything until the other end closes; None when it did not in time."""
    text = b""
    while True:
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([reading], [], [], left)[0]:
            return None
        part = os.read(reading, 1 << 16)
        if not part:
            return text
        text += part


def _status(child: int, seconds: float) -> int | None:
    """The child's wait status; None when it cannot be had within that time."""
    deadline = time.monotonic() + seconds
    while True:
        found, status = os.waitpid(child, os.WNOHANG)
        if found:
            return status
        if time.monotonic() > deadline:
            return None
        time.sleep(0.001)
