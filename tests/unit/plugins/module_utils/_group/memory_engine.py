"""An engine in memory for tests of ordering, rollback and recovery, where faults must strike at exact calls.

As strict as the real ones: names are unique, a network in use cannot be removed, a
published port has one holder, what does not exist cannot be started, a container whose
namespace another one shares has to run for it (Docker) and cannot be removed before it (Podman).
"""

from __future__ import annotations

import threading
import typing as t
from dataclasses import replace

from ansible_collections.gpu_fleet.containers.plugins.module_utils._engine.base import (
    Health,
    Observed,
    ObservedContainer,
    ObservedImage,
    ObservedNetwork,
    ObservedVolume,
)
from ansible_collections.gpu_fleet.containers.plugins.module_utils._engine.delivery import sources
from ansible_collections.gpu_fleet.containers.plugins.module_utils._errors import EngineError
from ansible_collections.gpu_fleet.containers.plugins.module_utils._group.config import ContainerConfig


class Killed(BaseException):
    """Stands for SIGKILL: nothing after it runs."""


class MemoryEngine:
    version = "0"

    def __init__(self, name: str = "podman") -> None:
        self.name = name
        self.lock = threading.RLock()
        self.containers: dict[str, ObservedContainer] = {}
        self.configs: dict[str, ContainerConfig] = {}
        self.parcels: dict[str, dict[str, bytes]] = {}
        """Container id → what was put into it, by source."""
        self.shares: dict[str, set[str]] = {}
        """Container id → ids of the containers whose namespaces it shares, as they were when it was made."""
        self.networks: dict[str, ObservedNetwork] = {}
        self.volumes: dict[str, ObservedVolume] = {}
        self.images: list[ObservedImage] = []
        self.calls: list[tuple[str, ...]] = []
        self.unhealthy: set[str] = set()
        """Image references whose containers never become healthy."""
        self.exit_codes: dict[str, int] = {}
        """Image reference → exit status of a container that ends at once."""
        self.answers: dict[str, t.Callable[[t.Sequence[str]], tuple[int, str]]] = {}
        """Image reference → what a command in its containers answers."""
        self.fail_on: t.Callable[[tuple[str, ...]], BaseException | None] = lambda call: None
        self.refused: list[EngineError] = []
        """Why this engine could make none of the containers."""
        self.serial = 0

    def _call(self, *call: str) -> None:
        self.calls.append(call)
        error = self.fail_on(call)
        if error is not None:
            raise error

    def changes(self) -> list[tuple[str, ...]]:
        return [call for call in self.calls if call[0] not in ("observe", "container", "health", "logs", "run_in")]

    def refusals(self, configs: t.Sequence[ContainerConfig]) -> t.Sequence[EngineError]:
        return self.refused

    def observe(self) -> Observed:
        with self.lock:
            self._call("observe")
            return Observed(
                tuple(self.containers.values()),
                tuple(self.networks.values()),
                tuple(self.volumes.values()),
                tuple(self.images),
            )

    def create_network(self, network: t.Any, labels: dict[str, str]) -> None:
        with self.lock:
            self._call("create_network", network.name)
            if network.name not in self.networks:
                self.networks[network.name] = ObservedNetwork(network.name, network.name, labels)

    def remove_network(self, name: str) -> None:
        with self.lock:
            self._call("remove_network", name)
            users = [entry.name for entry in self.containers.values() if name in entry.networks]
            if users:
                raise EngineError(f"network {name} is in use by {users}")
            self.networks.pop(name, None)

    def create_volume(self, volume: t.Any, labels: dict[str, str]) -> None:
        with self.lock:
            self._call("create_volume", volume.name)
            if volume.name in self.volumes:
                raise EngineError(f"volume {volume.name} exists")
            self.volumes[volume.name] = ObservedVolume(volume.name, labels)

    def remove_volume(self, name: str) -> None:
        with self.lock:
            self._call("remove_volume", name)
            self.volumes.pop(name, None)

    def create_container(
        self,
        config: ContainerConfig,
        labels: dict[str, str],
        bind_sources: dict[str, str],
        parcels: dict[str, bytes] | None = None,
    ) -> str:
        with self.lock:
            self._call("create", config.name)
            if config.name in self.containers:
                raise EngineError(f"container {config.name} exists")
            for attachment in config.networks:
                if attachment.network not in self.networks:
                    raise EngineError(f"network {attachment.network} does not exist")
            self.serial += 1
            identity = f"id{self.serial}"
            self.containers[config.name] = ObservedContainer(
                config.name,
                identity,
                config.image,
                config.image,
                "created",
                labels=labels,
                networks=tuple(sorted(attachment.network for attachment in config.networks)),
            )
            self.configs[identity] = config
            if parcels is not None:
                self.parcels[identity] = {source: parcels[source] for source in sources(config)}
            shared = [mode.partition("container:")[2] for mode in (config.network_mode, config.ipc, config.pid)]
            self.shares[identity] = {self._get(other).id for other in shared if other}
            return identity

    def contents(self, name: str, config: ContainerConfig) -> dict[str, bytes]:
        with self.lock:
            return {source: self.parcels[self._get(name).id][source] for source in sources(config)}

    def _get(self, name: str) -> ObservedContainer:
        if name not in self.containers:
            raise EngineError(f"no container {name}")
        return self.containers[name]

    def give_away(self, path: str, uid: int, gid: int) -> None:
        """Tests run as root or on their own files."""

    def start_container(self, name: str) -> None:
        with self.lock:
            self._call("start", name)
            container = self._get(name)
            down = [
                entry.name
                for entry in self.containers.values()
                if entry.id in self.shares.get(container.id, ()) and entry.state != "running"
            ]
            if down:
                raise EngineError(f"{name} shares a namespace of {down}, which does not run")
            ports = tuple((port.address, port.host or 0, port.protocol) for port in self.configs[container.id].ports)
            for other in self.containers.values():
                if other.name != name and set(other.ports) & set(ports):
                    raise EngineError(f"port of {name} is held by {other.name}")
            if container.image in self.exit_codes:
                code = self.exit_codes[container.image]
                self.containers[name] = replace(container, state="exited", exit_code=code)
                return
            self.containers[name] = replace(container, state="running", exit_code=None, ports=ports, health="starting")

    def stop_container(self, name: str, grace: float) -> None:
        with self.lock:
            self._call("stop", name)
            container = self._get(name)
            if container.state == "running":
                self.containers[name] = replace(container, state="exited", exit_code=0, ports=())

    def rename_container(self, name: str, new_name: str) -> None:
        with self.lock:
            self._call("rename", name, new_name)
            container = self._get(name)
            if new_name in self.containers:
                raise EngineError(f"container {new_name} exists")
            del self.containers[name]
            self.containers[new_name] = replace(container, name=new_name)

    def remove_container(self, name: str) -> None:
        with self.lock:
            self._call("remove", name)
            gone = self.containers.get(name)
            users = [
                entry.name for entry in self.containers.values() if gone and gone.id in self.shares.get(entry.id, ())
            ]
            if users:
                raise EngineError(f"{name} has dependent containers: {users}")
            self.containers.pop(name, None)

    def container(self, name: str) -> ObservedContainer | None:
        with self.lock:
            self._call("container", name)
            return self.containers.get(name)

    def check_health(self, name: str, healthcheck: t.Any = None) -> Health | None:
        with self.lock:
            self._call("health", name)
            container = self._get(name)
            if healthcheck is None:
                return None
            healthy = container.image not in self.unhealthy
            self.containers[name] = replace(container, health="healthy" if healthy else "unhealthy")
            return Health(healthy, "" if healthy else "no answer on port 7000")

    def run_in(self, name: str, argv: t.Sequence[str], timeout: float) -> tuple[int, str]:
        with self.lock:
            self._call("run_in", name, argv[0])
            container = self._get(name)
            if container.state != "running":
                raise EngineError(f"container {name} is not running")
            return self.answers.get(container.image, lambda _argv: (127, "executable file not found"))(argv)

    def logs(self, name: str, lines: int) -> str:
        self._call("logs", name)
        return f"last words of {name}"
