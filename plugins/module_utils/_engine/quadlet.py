# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Podman whose containers systemd keeps up: the same calls, carried out on Quadlet units.

A container whose configuration says ``supervisor: systemd`` is a unit file; networks, volumes, images and all other
containers are Podman's. Such a container exists for Podman only while it runs, so what is observed of it comes from its
file and from systemd. One that stands by is its file under a name that Quadlet does not read.
"""

from __future__ import annotations

import dataclasses
import os
import time
import typing as t
from concurrent.futures import ThreadPoolExecutor

from .._errors import EngineError
from .._group import labels as names
from .._group.config import ContainerConfig, Healthcheck
from .._group.owned import deployed_config
from .base import UNIT_EDITED, UNIT_GONE, Health, Observed, ObservedContainer
from .podman import PodmanEngine, make_bind_sources
from .quadlet_files import UnitFile, UnitFolder
from .quadlet_systemd import Systemd, Unit
from .quadlet_unit import is_as_written, render

_START_PATIENCE = 60.0
"""Seconds until a unit that was told to start has a container, or has failed."""

_UNIT_LABEL = "PODMAN_SYSTEMD_UNIT"
"""What Quadlet's units have podman note on their containers."""

_PODMAN_FAILED = (125, 126, 127)
"""Exit statuses of ``podman run`` when there was no container to run (podman-run(1))."""


class QuadletEngine(PodmanEngine):
    """The Podman of the user who runs this, and that user's systemd."""

    def __init__(
        self,
        program: str = "podman",
        environment: dict[str, str] | None = None,
        folder: UnitFolder | None = None,
        systemd: Systemd | None = None,
        clock: t.Callable[[], float] = time.monotonic,
    ) -> None:
        """environment: instead of this process's own."""
        super().__init__(program, environment)
        self._folder = folder or UnitFolder.of_this_user(environment)
        self._systemd = systemd or Systemd(environment)
        self._clock = clock

    def refuse_unfit(self) -> None:
        """Raises EngineError, saying what mends it, where containers cannot be units of systemd."""
        self._systemd.refuse_unfit(self.version, self._podman.numbers)

    def refusals(self, configs: t.Sequence[ContainerConfig]) -> list[EngineError]:
        names = [config.name for config in configs if config.supervisor == "systemd"]
        units = self._systemd.show([f"{name}.service" for name in names])
        found = [self._refusal(name, units.get(f"{name}.service", Unit())) for name in names]
        return [error for error in found if error is not None]

    def _refusal(self, name: str, unit: Unit) -> EngineError | None:
        """Why no container of that name can be a unit here; its old one would be stopped for nothing."""
        path, where = self._folder.path(name), f"container {name}"
        if unit.masked:
            scope = "--user " if self._folder.rootless else ""
            said = f"{name}.service is masked: systemd is told never to start it"
            return EngineError(said, path=where, mend=f"Run on the host: systemctl {scope}unmask {name}.service")
        if unit.loaded and unit.source != path:
            # It may be the host's own, such as ssh.service, and Quadlet's would replace it.
            return EngineError(
                f"this host has a service {name}.service of its own",
                path=where,
                mend="Give the container another name (container_name).",
            )
        return self._folder.refusal(name)

    # -- looking

    def observe(self) -> Observed:
        files = self._folder.read_all()
        with ThreadPoolExecutor(1) as pool:
            answer = pool.submit(self._systemd.show, [each.service for each in files.values() if not each.aside])
            seen = super().observe()
            units = answer.result()
        images = {tag: image.id for image in seen.images for tag in image.tags}
        there = {container.name: container for container in seen.containers}
        for name, file in files.items():
            container = _observed(file, there.get(name), units.get(file.service, Unit()))
            if not file.aside and not is_as_written(file.text):
                container = dataclasses.replace(container, state=UNIT_EDITED)
            there[name] = container if container.image_id else _with_image(container, images)
        for name, container in there.items():
            if name not in files and _lost_its_unit(container):
                there[name] = dataclasses.replace(container, state=UNIT_GONE)
        return dataclasses.replace(seen, containers=tuple(there.values()))

    def container(self, name: str) -> ObservedContainer | None:
        file = self._folder.read(name)
        there = super().container(name)
        if file is None or (there is not None and _runs(there, file)):
            return there
        return _observed(file, there, self._unit(file))

    def _unit(self, file: UnitFile) -> Unit:
        return Unit() if file.aside else self._systemd.show([file.service]).get(file.service, Unit())

    # -- containers

    def create_container(self, config: ContainerConfig, labels: dict[str, str], bind_sources: dict[str, str]) -> str:
        if config.supervisor != "systemd":
            return super().create_container(config, labels, bind_sources)
        known = self.complete(config)
        test = known.healthcheck.test if known.healthcheck else self.image_test(known)
        text = render(
            known,
            labels,
            bind_sources,
            self._podman.dialect("create"),
            gated=bool(test) and test[0] != "NONE",
            rootless=self._folder.rootless,
            # An ordinary user may make control groups of version 2 only (tried: «permission denied» by runc).
            split=not self._folder.rootless or os.path.exists("/sys/fs/cgroup/cgroup.controllers"),
        )
        make_bind_sources(config)
        file = UnitFile(config.name, self._folder.path(config.name), text)
        for refusal in self.refusals([config]):
            raise refusal
        self._folder.write(file)
        self._systemd.reload()
        if not self._unit(file).loaded:
            raise EngineError(
                f"systemd has no {file.service}: {self._systemd.complaint(file.path)}", path=f"container {config.name}"
            )
        return file.service

    def start_container(self, name: str) -> None:
        """Start its unit; returns when its container runs, or has ended already. Raises EngineError when podman failed."""
        file = self._folder.read(name)
        if file is None:
            return super().start_container(name)
        if not self._unit(file).loaded:
            # A run that was killed before it told systemd.
            self._systemd.reload()
        self._systemd.start(file.service)
        deadline, pause = self._clock() + _START_PATIENCE, 0.05
        while True:
            there = super().container(name)
            if there is not None and there.state == "running":
                return None
            unit = self._unit(file)
            if _waits_to_restart(unit) or (not unit.has_job and unit.active in ("active", "inactive", "failed")):
                return self._refuse_failed(file, unit)
            if self._clock() >= deadline:
                raise EngineError(f"systemd did not start it in {_START_PATIENCE:g} s", path=f"container {name}")
            time.sleep(pause)
            pause = min(0.5, pause * 1.5)

    def _refuse_failed(self, file: UnitFile, unit: Unit) -> None:
        if unit.active == "active" or unit.exit_code not in _PODMAN_FAILED:
            return
        said = self._systemd.journal(file.service, file.name, 5).strip()
        raise EngineError(f"podman run: {said or f'exit status {unit.exit_code}'}", path=f"container {file.name}")

    def stop_container(self, name: str, grace: float) -> None:
        """Once it is healthy, the grace period of a unit is that of its container's configuration."""
        file = self._folder.read(name)
        if file is None and self._is_without_unit(name):
            self._end(f"{name}.service", "stop", "--ignore", "--time", str(max(0, round(grace))), name)
        elif file is None:
            super().stop_container(name, grace)
        elif not file.aside:
            unit = self._unit(file)
            if unit.active == "activating" or not unit.loaded:
                # Before it is healthy systemd does not stop it by podman, with the container's own signal and patience;
                # nor when nothing comes of its file any more, since somebody edited it.
                self._end(file.service, "stop", "--ignore", "--time", str(max(0, round(grace))), name)
            self._systemd.stop(file.service)

    def _end(self, service: str, *words: str) -> None:
        """End a container by podman, while systemd knows that it is to stop and does not start it again."""
        self._systemd.stop(service, wait=False)
        self._podman.run(*words)
        self._systemd.stop(service)

    def _is_without_unit(self, name: str) -> bool:
        there = super().container(name)
        return there is not None and _lost_its_unit(there)

    def rename_container(self, name: str, new_name: str) -> None:
        file = self._folder.read(name)
        if file is None:
            return super().rename_container(name, new_name)
        self._folder.rename(file, new_name)
        return self._systemd.reload()

    def remove_container(self, name: str) -> None:
        file = self._folder.read(name)
        if file is not None and not file.aside:
            if self._unit(file).active not in ("inactive", "failed"):
                self._end(file.service, "kill", name)
            self._systemd.stop(file.service)
        elif file is None and self._is_without_unit(name):
            self._end(f"{name}.service", "kill", name)
        if file is None or not file.aside:
            super().remove_container(name)
        if file is not None:
            self._folder.remove(file)
            if not file.aside:
                self._systemd.reload()

    def check_health(self, name: str, healthcheck: Healthcheck | None = None) -> Health | None:
        """Of a container that ended between two looks, too: systemd starts it as another one."""
        try:
            return super().check_health(name, healthcheck)
        except EngineError:
            if self._folder.read(name) is None:
                raise
            return Health(False, "the container has ended")

    def logs(self, name: str, lines: int) -> str:
        file = self._folder.read(name)
        return super().logs(name, lines) if file is None else self._systemd.journal(file.service, name, lines)


def _runs(container: ObservedContainer, file: UnitFile) -> bool:
    """Whether it is the unit's and in a state that Podman knows more of than systemd."""
    return container.labels.get(_UNIT_LABEL) == file.service and container.state in ("running", "paused")


def _lost_its_unit(container: ObservedContainer) -> bool:
    """For one of ours without a file: systemd keeps it up all the same."""
    return names.SCHEMA in container.labels and container.labels.get(_UNIT_LABEL) == f"{container.name}.service"


def _observed(file: UnitFile, there: ObservedContainer | None, unit: Unit) -> ObservedContainer:
    """A unit as a container; `there` is what Podman has under that name."""
    if there is not None and _runs(there, file):
        return there
    state, exit_code = ("exited", None) if file.aside else _state(unit)
    container = ObservedContainer(
        file.name, id=file.path, image="", image_id="", state=state, exit_code=exit_code, labels=file.labels
    )
    config = deployed_config(container)
    if config is None:
        return container
    networks = tuple(sorted(attachment.network for attachment in config.networks))
    return dataclasses.replace(container, image=config.image, networks=networks)


def _with_image(container: ObservedContainer, images: dict[str, str]) -> ObservedContainer:
    return dataclasses.replace(container, image_id=images.get(container.image, ""))


def _state(unit: Unit) -> tuple[str, int | None]:
    """In the words of `ObservedContainer.state`, with the exit code of one that has ended."""
    if unit.active == "active" and unit.sub == "exited":
        return "exited", 0
    if unit.active == "failed":
        # A timeout, or a start that podman refused, too: then there is no exit status of a container.
        return "exited", unit.exit_code or 1
    if unit.active == "inactive":
        # systemd forgets what nothing refers to, so one that never ran looks like one that was stopped. Either is started.
        return "exited", unit.exit_code if unit.ran else None
    return "restarting", None


def _waits_to_restart(unit: Unit) -> bool:
    return unit.active == "activating" and unit.sub.startswith("auto-restart")
