"""Groups of a host, its boot settings, and a systemd and an engine in memory."""

from __future__ import annotations

import itertools
import typing as t
from dataclasses import replace

from ansible_collections.gpu_fleet.containers.plugins.module_utils._boot.engines import EngineFailure, Look
from ansible_collections.gpu_fleet.containers.plugins.module_utils._boot.systemd import Systemd
from ansible_collections.gpu_fleet.containers.plugins.module_utils._boot.units import Settings
from ansible_collections.gpu_fleet.containers.plugins.module_utils._group.config import (
    Await,
    ContainerConfig,
    Dependency,
    Group,
    Healthcheck,
    Service,
)

CHECK = Healthcheck(("CMD", "agent-health"))


def service(name: str, *after: str | Dependency, group: str = "core", one_shot: bool = False, **config) -> Service:
    depends_on = tuple(Dependency(each, "service_healthy") if isinstance(each, str) else each for each in after)
    return Service(name, ContainerConfig(f"{group}-{name}-1", "agent:1", **config), depends_on, one_shot=one_shot)


def group(name: str, *services: Service, **others: t.Any) -> Group:
    return Group(name, name, services, **others)


CORE = group("core", service("base", healthcheck=CHECK), service("twin", "base"), timeout=60.0)
MEMORY = group(
    "memory",
    service("store", group="memory", stop_grace_period=5.0),
    needs=("core",),
    awaits=(Await("tcp://10.0.0.2:7140", "remote/answer:7140", "pc2"),),
)

SETTINGS = Settings(
    host="mainpc",
    engine="docker",
    units="/etc/systemd/system",
    folder="/var/lib/gpu-fleet/boot",
    runtime="/run/gpu-fleet",
    command=("/usr/bin/python3", "/var/lib/gpu-fleet/boot/abc/boot.py"),
)


class FakeSystemd:
    """Answers systemctl as one with these unit states would, and keeps what it was told."""

    def __init__(self, root, user: bool = False, version: int = 257) -> None:
        self.calls: list[tuple[str, ...]] = []
        self.active: dict[str, str] = {}
        self.refuses = ""
        self.version = version
        self.kill: t.Callable[[], None] = lambda: None
        """Called before each call."""
        self._units = root / "units"
        self._loaded = self._files()
        (root / "systemd").mkdir(parents=True)
        self.systemd = Systemd(user, str(root / "units"), str(root / "run"), str(root / "systemd"), self.run)

    def run(self, argv: t.Sequence[str]) -> tuple[int, str]:
        words = tuple(word for word in argv[1:] if word != "--user")
        self.kill()
        self.calls.append(words)
        if words[0] == self.refuses:
            return 1, f"Failed to {words[0]}"
        if words[0] == "--version":
            return 0, f"systemd {self.version} ({self.version}.7-1)\n+PAM"
        if words[0] == "show":
            return 0, "\n".join(f"Id={unit}\nActiveState={self.active.get(unit, 'inactive')}\n" for unit in words[2:])
        if words[0] == "daemon-reload":
            self._loaded = self._files()
        if words[0] in ("start", "stop"):
            state = "active" if words[0] == "start" else "inactive"
            self.active.update({unit: state for unit in words[1:] if unit.endswith(".service")})
        return 0, ""

    def _files(self) -> dict[str, str]:
        return {str(path): path.read_text() for path in self._units.rglob("*") if path.is_file()}

    @property
    def stale(self) -> bool:
        """Unit files are not those that it read last."""
        return self._loaded != self._files()

    def told(self) -> list[tuple[str, ...]]:
        return [call for call in self.calls if call[0] not in ("show", "--version")]


class FakeEngine:
    """Containers in memory: healthy at the look after `slow` further looks."""

    starts_by_itself = True

    def __init__(self, *containers: str) -> None:
        self.looks = {name: Look(ended=True, words="exited", comes_back=True) for name in containers}
        self.calls: list[tuple[str, str]] = []
        self.never_healthy: set[str] = set()
        self.ends: dict[str, int] = {}
        """Container → exit status with which it ends as soon as it is started."""
        self.refuses: set[str] = set()
        self._lives = itertools.count(1)

    def run(self, *containers: str) -> None:
        for name in containers:
            self.looks[name] = Look(running=True, healthy=True, life=f"life {next(self._lives)}", words="running")

    def is_there(self) -> bool:
        return True

    def wait_until_there(self) -> None:
        pass

    def look(self, service: dict[str, t.Any]) -> Look:
        return self.looks[service["container"]]

    def start(self, service: dict[str, t.Any]) -> None:
        name = service["container"]
        self.calls.append(("start", name))
        if name in self.refuses:
            raise EngineFailure("docker: no such device")
        if name in self.ends:
            code = self.ends[name]
            self.looks[name] = Look(ended=True, completed=code == 0, exit_code=code, words="exited")
            return
        self.run(name)

    def stop(self, service: dict[str, t.Any]) -> None:
        name = service["container"]
        self.calls.append(("stop", name))
        self.looks[name] = replace(self.looks[name], running=False, ended=True, life="")

    def health(self, service: dict[str, t.Any], clock: t.Callable[[], float]) -> t.Callable[[Look], bool]:
        return lambda look: look.running and service["container"] not in self.never_healthy
