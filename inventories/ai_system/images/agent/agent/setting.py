"""What an agent is told from outside: environment variables, secret files, links."""

from __future__ import annotations

import typing as t
from pathlib import Path

from .client import Peer

SHORTEST_SECRET = 8


class SettingError(Exception):
    """The container's configuration is wrong; the agent does not start."""


class Setting:
    def __init__(self, environment: t.Mapping[str, str]) -> None:
        self.environment = environment

    def text(self, name: str, default: str = "") -> str:
        return self.environment.get(name, default)

    def number(self, name: str, default: float) -> float:
        try:
            return float(self.environment.get(name) or default)
        except ValueError:
            raise SettingError(f"{name} is not a number: {self.environment[name]!r}") from None

    def path(self, name: str, default: str) -> Path:
        return Path(self.environment.get(name) or default)

    def secret(self, name: str) -> str:
        """The content of the file that the variable `name` names."""
        path = self.environment.get(name)
        if not path:
            raise SettingError(f"{name} does not name a secret file")
        try:
            value = Path(path).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise SettingError(f"{name}: {path} cannot be read: {error.strerror}") from None
        if len(value) < SHORTEST_SECRET:
            raise SettingError(f"{name}: {path} is shorter than {SHORTEST_SECRET} characters")
        return value

    def peer(self, name: str) -> Peer:
        """The link in variable `name`, e.g. ``MEMORY_CLIENT_URL=tcp://memory-client:7000``."""
        url = self.environment.get(name)
        if not url:
            raise SettingError(f"{name} is not set: this agent needs that link")
        return Peer(url, self.number("AGENT_LINK_TIMEOUT", 2.0))

    def peers(self) -> dict[str, Peer]:
        """Every link, by service name: ``MEMORY_CLIENT_URL`` is ``memory-client``."""
        names = sorted(name for name in self.environment if name.endswith("_URL") and self.environment[name])
        return {name[:-4].lower().replace("_", "-"): self.peer(name) for name in names}
