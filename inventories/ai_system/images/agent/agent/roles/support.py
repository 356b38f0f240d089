"""Support utilities."""

from __future__ import annotations

import json
from collections import deque

from ..message import Refused, Request, Result, need, need_count
from ..role import Role
from ..setting import SettingError

KEPT = 5000


class LogManager(Role):
    """Collects the log messages that agents send it; the newest are kept."""

    def prepare(self) -> None:
        self.entries: deque[Result] = deque(maxlen=KEPT)

    def op_log(self, request: Request) -> Result:
        entry = {"agent": need(request, "agent", str), "message": need(request, "message", str)}
        self.entries.append({**entry, "level": need(request, "level", str, "info")})
        return {"kept": len(self.entries)}

    def op_tail(self, request: Request) -> Result:
        agent, limit = need(request, "agent", str, ""), need_count(request, "limit", 20, KEPT)
        entries = [entry for entry in list(self.entries) if agent in ("", entry["agent"])]
        return {"entries": entries[-limit:]}


class ConfigManager(Role):
    """Serves a JSON file; the file is a Compose config, so a change of it is a deploy."""

    def prepare(self) -> None:
        path = self.setting.path("CONFIG_FILE", "/etc/agent/system.json")
        try:
            self.values = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise SettingError(f"CONFIG_FILE: {path} is no readable JSON: {error}") from None
        if not isinstance(self.values, dict):
            raise SettingError(f"CONFIG_FILE: {path} is not an object")

    def op_get(self, request: Request) -> Result:
        """``{"key": "memory.limit"}`` → the value at that path; without a key, everything."""
        key = need(request, "key", str, "")
        value = self.values
        for part in key.split(".") if key else ():
            if not isinstance(value, dict) or part not in value:
                raise Refused("unknown", f"there is no setting {key!r}")
            value = value[part]
        return {"key": key, "value": value}
