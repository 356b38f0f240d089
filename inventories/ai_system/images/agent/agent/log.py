"""One JSON object a line on stdout. What a request carried is never logged: it may hold a token."""

from __future__ import annotations

import json
import sys
import time
import typing as t


class Log:
    def __init__(self, agent: str, stream: t.TextIO | None = None) -> None:
        self.agent = agent
        self.stream = stream or sys.stdout

    def __call__(self, event: str, level: str = "info", **fields: t.Any) -> None:
        now = time.time()
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + f".{int(now % 1 * 1000):03d}Z"
        line = {"time": stamp, "level": level, "agent": self.agent, "event": event, **fields}
        self.stream.write(json.dumps(line, ensure_ascii=False) + "\n")
        self.stream.flush()
