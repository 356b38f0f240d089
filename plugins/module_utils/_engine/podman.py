# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Podman through its command line: argv lists, JSON out, no shell and no service.

The command lines are made in `podman_arguments.py`, run by `podman_command.py`, and the answers read in
`podman_parse.py`.
A process costs about 0.1 s, so `observe` asks for all kinds of objects at once.
"""

from __future__ import annotations

import concurrent.futures
import dataclasses
import os
import platform
import tempfile
import typing as t

from .._errors import EngineError
from .._gpu.model import oci_architecture
from .._group.config import ContainerConfig, Healthcheck, NetworkConfig, VolumeConfig
from . import podman_arguments as arguments_of
from . import podman_moving as moving
from . import podman_parse as parse
from .base import Health, Observed, ObservedContainer, ObservedImage
from .incoming import BY_LAYER, IncomingImage
from .login import Login
from .podman_command import PodmanCommand, verb

_GONE = ("no such container", "no container with name or id", "no such object")


class PodmanEngine:
    """The Podman of the user who runs this (root's, or the user's own)."""

    name = "podman"
    reuses = BY_LAYER

    def __init__(self, program: str = "podman", environment: dict[str, str] | None = None) -> None:
        """program: a name on PATH or a path. environment: instead of this process's own. Raises EngineError if absent."""
        self._podman = PodmanCommand(program, environment)
        self.version = self._podman.version

    def refusals(self, configs: t.Sequence[ContainerConfig]) -> t.Sequence[EngineError]:
        return ()

    # -- looking

    def observe(self) -> Observed:
        lists = (("ps", "--all", "--no-trunc"), ("network", "ls"), ("volume", "ls"), ("images", "--no-trunc"))
        with concurrent.futures.ThreadPoolExecutor(len(lists)) as pool:
            containers, networks, volumes, images = pool.map(lambda words: self._podman.entries(*words), lists)
        return Observed(
            tuple(parse.container(entry) for entry in containers),
            tuple(parse.network(entry) for entry in networks),
            tuple(parse.volume(entry) for entry in volumes),
            parse.images(images),
        )

    def images(self) -> tuple[ObservedImage, ...]:
        return parse.images(self._podman.entries("images", "--no-trunc"))

    def container(self, name: str) -> ObservedContainer | None:
        # The filter is a regular expression; a name holds nothing but letters, digits, «_», «.» and «-».
        pattern = "^" + name.replace(".", "[.]") + "$"
        for entry in self._podman.entries("ps", "--all", "--no-trunc", "--filter", f"name={pattern}"):
            if name in (entry.get("Names") or ()):
                return parse.container(entry)
        return None

    # -- networks and volumes

    def create_network(self, network: NetworkConfig, labels: dict[str, str]) -> None:
        answer = self._podman.run(*arguments_of.create_network(network, labels))
        if answer.status == 0:
            return
        seen = [parse.network(entry) for entry in self._podman.entries("network", "ls")]
        if not any(entry.name == network.name and entry.labels == labels for entry in seen):
            raise EngineError(f"podman network create: {answer.words}", path=f"network {network.name}")

    def remove_network(self, name: str) -> None:
        self._remove(("network", "rm", name), f"network {name}", "network not found")

    def create_volume(self, volume: VolumeConfig, labels: dict[str, str]) -> None:
        answer = self._podman.run(*arguments_of.create_volume(volume, labels, self._podman.dialect("volume", "create")))
        if answer.status == 0:
            return
        seen = [parse.volume(entry) for entry in self._podman.entries("volume", "ls")]
        if not any(entry.name == volume.name and entry.labels == labels for entry in seen):
            raise EngineError(f"podman volume create: {answer.words}", path=f"volume {volume.name}")

    def remove_volume(self, name: str) -> None:
        self._remove(("volume", "rm", name), f"volume {name}", "no such volume")

    def _remove(self, words: t.Sequence[str], path: str, gone: str) -> None:
        answer = self._podman.run(*words)
        if answer.status and gone not in answer.stderr:
            raise EngineError(f"podman {verb(words)}: {answer.words}", path=path)

    # -- containers

    def create_container(self, config: ContainerConfig, labels: dict[str, str], bind_sources: dict[str, str]) -> str:
        known = self.complete(config)
        words = arguments_of.create_container(known, labels, bind_sources, self._podman.dialect("create"))
        make_bind_sources(config)
        return self._podman.ask(*words, path=f"container {config.name}").strip().splitlines()[-1]

    def complete(self, config: ContainerConfig) -> ContainerConfig:
        """With what only this Podman can tell: the image's own health test, the address of host-gateway."""
        return self._with_gateway(self._with_test(config))

    def _with_test(self, config: ContainerConfig) -> ContainerConfig:
        """Podman takes timings only together with a test, so the image's own is looked up where just timings are given."""
        healthcheck = config.healthcheck
        if healthcheck is None or healthcheck.test:
            return config
        return dataclasses.replace(config, healthcheck=dataclasses.replace(healthcheck, test=self.image_test(config)))

    def image_test(self, config: ContainerConfig) -> tuple[str, ...]:
        """The health test of a container's image, empty when it has none."""
        text = self._podman.ask(
            "image", "inspect", "--format", "json", config.image, path=f"container {config.name}: image"
        )
        found = parse.documents(text, "image inspect")[0].get("Healthcheck") or {}
        return tuple(found.get("Test") or ())

    def _with_gateway(self, config: ContainerConfig) -> ContainerConfig:
        """Podman knows ``host-gateway`` since 4.7 (containers/podman#19152); before, the network's gateway is looked up."""
        if self._podman.numbers >= (4, 7) or not any(host.endswith("host-gateway") for host in config.extra_hosts):
            return config
        network = config.networks[0].network if config.networks else "podman"
        entries = parse.documents(self._podman.ask("network", "inspect", network), "network inspect")
        gateway = next((subnet.get("gateway") for subnet in entries[0].get("subnets") or ()), None)
        if not gateway:
            raise EngineError(
                f"network {network} has no gateway for host-gateway", path=f"container {config.name}: extra_hosts"
            )
        hosts = tuple(
            host[: -len("host-gateway")] + gateway if host.endswith("host-gateway") else host
            for host in config.extra_hosts
        )
        return dataclasses.replace(config, extra_hosts=hosts)

    def give_away(self, path: str, uid: int, gid: int) -> None:
        """In the user namespace that rootless containers live in: there this user is root, and others exist."""
        if uid or gid:
            self._podman.ask("unshare", "chown", f"{uid}:{gid}", path, path=path)

    def start_container(self, name: str) -> None:
        self._podman.ask("start", name, path=f"container {name}")

    def stop_container(self, name: str, grace: float) -> None:
        words = ("stop", "--time", str(max(0, round(grace))), name)
        answer = self._podman.run(*words)
        if answer.status and "paused" in answer.stderr:
            # Podman refuses to stop what is paused, where Docker lets it go on for that (libpod/container_internal.go).
            self._podman.ask("unpause", name, path=f"container {name}")
            answer = self._podman.run(*words)
        if answer.status:
            raise EngineError(f"podman stop: {answer.words}", path=f"container {name}")

    def rename_container(self, name: str, new_name: str) -> None:
        self._podman.ask("rename", name, new_name, path=f"container {name}")

    def remove_container(self, name: str) -> None:
        self._podman.ask("rm", "--force", "--ignore", "--volumes", "--time", "0", name, path=f"container {name}")

    def check_health(self, name: str, healthcheck: Healthcheck | None = None) -> Health | None:
        """By ``podman healthcheck run``: without systemd Podman's own timers never fire, so asking is the only truth.

        A check that takes longer than the health check's timeout counts as failed.
        """
        answer = self._podman.run("healthcheck", "run", name, timeout=healthcheck.timeout + 1 if healthcheck else 31)
        said = parse.complaint(answer.stderr) if answer.stderr else ""
        if "has no defined healthcheck" in answer.stderr:
            return None
        if any(word in answer.stderr.lower() for word in _GONE):
            raise EngineError(said, path=f"container {name}")
        if answer.status == 0 and answer.stdout.strip() in ("", "healthy"):
            return Health(True)
        return Health(False, (said if answer.status != 1 else "") or self._health_output(name) or answer.words)

    def _health_output(self, name: str) -> str:
        # State.Health since 4.x; before, and in some places of 3.x, State.Healthcheck.
        answer = self._podman.run("inspect", "--type", "container", "--format", "json", name)
        if answer.status:
            return ""
        state = (parse.documents(answer.stdout, "inspect") or [{}])[0].get("State") or {}
        log = (state.get("Health") or state.get("Healthcheck") or {}).get("Log") or ()
        return (log[-1].get("Output") or "").strip() if log else ""

    def run_in(self, name: str, argv: t.Sequence[str], timeout: float) -> tuple[int, str]:
        """Status 124 and what came so far when the command took longer than `timeout` seconds."""
        answer = self._podman.run("exec", name, *argv, timeout=timeout)
        if answer.status in (125, 255) and any(word in answer.stderr.lower() for word in _GONE):
            raise EngineError(f"podman exec: {answer.words}", path=f"container {name}")
        return answer.status, answer.stdout + answer.stderr

    def logs(self, name: str, lines: int) -> str:
        answer = self._podman.run("logs", "--tail", str(lines), name)
        if answer.status:
            raise EngineError(f"podman logs: {answer.words}", path=f"container {name}")
        return answer.stdout + answer.stderr

    # -- images

    def pull_image(self, reference: str, platform: str = "", login: Login | None = None) -> None:
        words = ["pull", "--quiet", *(["--platform", platform] if platform else [])]
        if login:
            moving.logged_in(self._podman, login, words, reference)
        else:
            self._podman.ask(*words, reference, path=f"image {reference}")

    def build_image(
        self,
        context: str,
        containerfile: str,
        tags: t.Sequence[str],
        arguments: dict[str, str],
        labels: dict[str, str],
        target: str = "",
        platform: str = "",
        on_line: t.Callable[[str], None] | None = None,
        secrets: dict[str, str] | None = None,
    ) -> str:
        with tempfile.TemporaryDirectory(prefix="gpu-fleet-build-") as folder:
            id_file = os.path.join(folder, "id")
            words = arguments_of.build_image(
                context, containerfile, tags, arguments, labels, target, platform, id_file, secrets or {}
            )
            self._podman.stream(words, on_line, path=f"image {tags[0]}" if tags else f"build of {context}")
            with open(id_file, encoding="utf-8") as stream:
                text = stream.read().strip()
        image_id = text if text.startswith("sha256:") else f"sha256:{text}"
        self._want_labels(image_id, labels)
        return image_id

    def _want_labels(self, image_id: str, labels: dict[str, str]) -> None:
        """Podman 4.4 and newer may take ``$name`` in a label of a build for a variable (containers/podman#29095).

        An image whose label came out otherwise is removed: the next run would take it for the right one.
        """
        doubtful = {key: value for key, value in labels.items() if "$" in value}
        if not doubtful:
            return
        inspected = parse.documents(self._podman.ask("image", "inspect", "--format", "json", image_id), "image inspect")
        seen = inspected[0].get("Labels") or {}
        for key, value in doubtful.items():
            if seen.get(key) != value:
                self._podman.run("image", "rm", "--force", image_id)
                raise EngineError(
                    f"podman build made {seen.get(key)!r} of the label {key}: {value!r}",
                    path=f"image {image_id}: labels",
                    mend="Leave $ out of build.labels: this Podman expands it (containers/podman#29095).",
                )

    def image_layers(self, reference: str) -> tuple[str, ...]:
        text = self._podman.ask("image", "inspect", "--format", "json", reference, path=f"image {reference}")
        return tuple((parse.documents(text, "image inspect")[0].get("RootFS") or {}).get("Layers") or ())

    def saved_image(self, reference: str) -> t.ContextManager[t.IO[bytes]]:
        name = reference[len("sha256:") :] if reference.startswith("sha256:") else reference
        return self._podman.output(["save", "--quiet", "--format=docker-archive", name], path=f"image {reference}")

    def import_image(self, archive: str, reference: str, labels: dict[str, str]) -> str:
        text = self._podman.ask(*arguments_of.import_image(archive, reference, labels), path=f"image {reference}")
        last = text.strip().splitlines()[-1]
        return last if last.startswith("sha256:") else f"sha256:{last}"

    def tag_image(self, reference: str, new_reference: str) -> None:
        self._podman.ask("tag", reference, new_reference, path=f"image {reference}")

    def remove_image(self, reference: str) -> None:
        self._remove(("image", "rm", reference), f"image {reference}", "image not known")

    def architecture(self) -> str:
        return oci_architecture(platform.machine())

    def all_layers(self) -> dict[str, tuple[str, ...]]:
        return moving.all_layers(self._podman)

    def push_image(self, reference: str, login: Login, repository: str, tag: str) -> None:
        moving.push(self._podman, reference, login, repository, tag)

    def load_image(self, image: IncomingImage) -> None:
        moving.load(self._podman, image)


def make_bind_sources(config: ContainerConfig) -> None:
    """Docker's daemon makes missing bind sources, as Compose expects; Podman would refuse."""
    for index, mount in enumerate(config.mounts):
        if mount.type == "bind" and mount.create_host_path and mount.source.startswith("/"):
            try:
                os.makedirs(mount.source, exist_ok=True)
            except FileExistsError:
                pass
            except OSError as error:
                raise EngineError(
                    f"{mount.source} could not be made: {error.strerror}",
                    path=f"container {config.name}: mounts[{index}]",
                ) from error
