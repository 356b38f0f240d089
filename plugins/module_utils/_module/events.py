# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Progress while a module works: JSON lines appended to a file that the action plugin reads."""

from __future__ import annotations

import json
import os
import threading
import time
import typing as t


class Events:
    """Callable that appends one event; without a path it does nothing. Safe to call from threads."""

    def __init__(self, path: str = "") -> None:
        # The reader sees from the process id beside the events when this process was killed.
        if path:
            with open(f"{path}.pid", "w", encoding="utf-8") as file:
                file.write(str(os.getpid()))
        self._lock = threading.Lock()
        self._begin = time.monotonic()
        self._file = open(path, "a", encoding="utf-8") if path else None  # noqa: SIM115 (kept for the whole run)

    def __call__(self, event: str, group: str = "", service: str = "", text: str = "") -> None:
        """event: a word such as ``waiting``; group and service say where; text is for a human."""
        seconds = round(time.monotonic() - self._begin, 2)
        self.write({"event": event, "group": group, "service": service, "text": text, "seconds": seconds})

    def write(self, entry: dict[str, t.Any]) -> None:
        """Append one event of another shape, as it is."""
        if self._file is None:
            return
        with self._lock:
            self._file.write(json.dumps(entry) + "\n")
            self._file.flush()

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
