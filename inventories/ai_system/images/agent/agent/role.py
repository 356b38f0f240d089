"""What a role is: a class whose methods ``op_<name>`` are its operations."""

from __future__ import annotations

import typing as t

from .message import Request, Result
from .setting import Setting

Operation = t.Callable[[Request], Result]


class Role:
    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self.prepare()

    @property
    def name(self) -> str:
        return type(self).__name__

    def prepare(self) -> None:
        """Read settings, open files. Raises SettingError when the agent cannot start."""

    def operations(self) -> dict[str, Operation]:
        return {name[3:]: getattr(self, name) for name in dir(self) if name.startswith("op_")}

    def describe(self) -> dict[str, t.Any]:
        """What the log line `ready` says beside the operations."""
        return {}

    def unhealthy(self) -> str:
        """Why this agent cannot do its work; empty when it can. Called often: must be quick."""
        return ""

    def close(self) -> None:
        """Called after the last request when stopping."""
