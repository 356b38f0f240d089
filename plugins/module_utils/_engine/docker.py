# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Docker through the Docker SDK for Python, by its low-level client: one call is one request.

The request bodies are made in `docker_arguments.py`, the answers read in `docker_parse.py`.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import dataclasses
import os
import time
import typing as t

from .._errors import EngineError
from .._group.config import ContainerConfig, NetworkConfig, VolumeConfig
from . import delivery
from . import docker_arguments as arguments_of
from . import docker_buildkit as buildkit
from . import docker_moving as moving
from . import docker_parse as parse
from .base import Health, Observed, ObservedContainer, ObservedImage
from .docker_connect import connect
from .docker_stream import Chunks, follow, read
from .docker_url import Tls, default_url
from .incoming import IncomingImage
from .login import Login
from .reference import parse_reference

try:
    import docker
    import docker.errors
    import requests.exceptions
except ImportError:
    docker = None

_NOT_FOUND = 404
_BUILDKIT = (1, 39)
"""The API's version with which BuildKit came (Engine API version history)."""


class DockerEngine:
    """A Docker daemon at a URL (``unix://``, ``tcp://``, ``ssh://``); empty is the default socket (`docker_url.py`)."""

    name = "docker"

    def __init__(self, url: str = "", tls: Tls | None = None, docker_cli: str = "") -> None:
        """Connects. docker_cli: the program to build with; empty: what is found. Raises EngineError naming the URL tried."""
        self.url = url
        """Where it was opened, as it was given."""
        self._tls, self._docker_cli = tls, docker_cli
        connected = connect(url, tls)
        self._client, self._broken = connected.client, connected.error
        self.version = connected.said.get("Version", "")
        self._podman = parse.podman_version(connected.said)
        self._api = parse.api_version(self._client.api_version)

    @contextlib.contextmanager
    def _asking(self, path: str) -> t.Iterator[None]:
        """Every error of the SDK, the daemon or the connection becomes an EngineError with the daemon's own words."""
        try:
            yield
        except docker.errors.APIError as error:
            raise EngineError(f"docker: {_words(error)}", path=path) from error
        except (docker.errors.DockerException, requests.exceptions.RequestException, OSError) as error:
            raise self._broken(str(error), path) from error

    def _gone(self, error: t.Any) -> bool:
        return getattr(error.response, "status_code", None) == _NOT_FOUND

    def refusals(self, configs: t.Sequence[ContainerConfig]) -> t.Sequence[EngineError]:
        return ()

    # -- looking

    def observe(self) -> Observed:
        asks: tuple[t.Callable[[], t.Any], ...] = (
            lambda: self._client.containers(all=True),
            self._client.networks,
            lambda: self._client.volumes().get("Volumes"),
            self._client.images,
        )
        with self._asking("docker"), concurrent.futures.ThreadPoolExecutor(len(asks)) as pool:
            containers, networks, volumes, images = pool.map(lambda ask: ask(), asks)
        return Observed(
            tuple(parse.container(entry) for entry in containers or ()),
            tuple(parse.network(entry) for entry in networks or ()),
            tuple(parse.volume(entry) for entry in volumes or ()),
            tuple(parse.image(entry) for entry in images or ()),
        )

    def images(self) -> tuple[ObservedImage, ...]:
        with self._asking("docker"):
            return tuple(parse.image(entry) for entry in self._client.images() or ())

    def container(self, name: str) -> ObservedContainer | None:
        with self._asking(f"container {name}"):
            # The filter is a regular expression over names with a leading slash.
            found = self._client.containers(all=True, filters={"name": "^/" + name.replace(".", "[.]") + "$"})
            seen = next((entry for entry in map(parse.container, found) if entry.name == name), None)
            if seen is None or seen.state != "running":
                return seen
            # The list does not say when a container was started.
            try:
                state = self._client.inspect_container(seen.id).get("State") or {}
            except docker.errors.APIError as error:
                if self._gone(error):
                    return None
                raise
        return dataclasses.replace(seen, started_at=state.get("StartedAt") or "")

    # -- networks and volumes

    def create_network(self, network: NetworkConfig, labels: dict[str, str]) -> None:
        body = arguments_of.create_network(network, labels)
        with self._asking(f"network {network.name}"):
            try:
                self._post("/networks/create", body)
            except docker.errors.APIError:
                seen = [parse.network(entry) for entry in self._client.networks(names=[network.name])]
                if not any(entry.name == network.name and entry.labels == labels for entry in seen):
                    raise

    def _post(self, path: str, body: dict[str, t.Any], query: dict[str, str] | None = None) -> t.Any:
        return self._client._result(self._client._post_json(self._client._url(path), data=body, params=query), True)

    def remove_network(self, name: str) -> None:
        self._remove(f"network {name}", lambda: self._client.remove_network(name))

    def create_volume(self, volume: VolumeConfig, labels: dict[str, str]) -> None:
        body = arguments_of.create_volume(volume, labels)
        with self._asking(f"volume {volume.name}"):
            made = self._post("/volumes/create", body)
        # Docker answers with the existing volume of that name, whoever's it is.
        if dict(made.get("Labels") or {}) != labels:
            raise EngineError("a volume of that name exists already", path=f"volume {volume.name}")

    def remove_volume(self, name: str) -> None:
        self._remove(f"volume {name}", lambda: self._client.remove_volume(name))

    def _remove(self, path: str, ask: t.Callable[[], t.Any]) -> None:
        with self._asking(path):
            try:
                ask()
            except docker.errors.APIError as error:
                if not self._gone(error):
                    raise

    # -- containers

    def create_container(
        self,
        config: ContainerConfig,
        labels: dict[str, str],
        bind_sources: dict[str, str],
        parcels: delivery.Parcels | None = None,
    ) -> str:
        uploads: list[tuple[str, bytes]] = []
        if parcels is not None:
            directories = {source for source in delivery.sources(config) if delivery.is_directory(parcels[source])}
            delivered = delivery.deliver(config, directories)
            config, uploads = delivered.config, delivery.uploads(delivered, parcels)
        body = arguments_of.create_container(config, labels, bind_sources, self._api, self._podman)
        with self._asking(f"container {config.name}"):
            # Not create_container_from_config: python3-docker of Debian 12 (5.0.3) knows no platform there.
            wanted = {"name": config.name, **({"platform": config.platform} if config.platform else {})}
            made = self._post("/containers/create", body, wanted)
            try:
                for attachment in arguments_of.later_networks(config, self._api):
                    request = {"Container": made["Id"], "EndpointConfig": arguments_of.endpoint(attachment)}
                    response = self._client._post_json(
                        self._client._url("/networks/{0}/connect", attachment.network), data=request
                    )
                    self._client._raise_for_status(response)
                for folder, archive in uploads:
                    self._client.put_archive(made["Id"], folder, archive)
            except docker.errors.APIError:
                self._client.remove_container(made["Id"], v=True, force=True)
                raise
        return made["Id"]

    def contents(self, name: str, config: ContainerConfig) -> delivery.Parcels:
        """What was put into a container when it was made, as far as it is still there: for making it once more."""
        found: delivery.Parcels = {}
        with self._asking(f"container {name}"):
            for source, target in delivery.sources(config).items():
                try:
                    stream, _stat = self._client.get_archive(name, target)
                except docker.errors.NotFound:
                    continue
                found[source] = b"".join(stream)
        return found

    def give_away(self, path: str, uid: int, gid: int) -> None:
        """Its containers see a file's owner as the host does, and only root can change that: the file stays this user's."""

    def start_container(self, name: str) -> None:
        with self._asking(f"container {name}"):
            self._client.start(name)

    def stop_container(self, name: str, grace: float) -> None:
        with self._asking(f"container {name}"):
            self._client.stop(name, timeout=max(0, round(grace)))
            # The answer comes a moment before the daemon's lists know of it. It holds the container's lock until then, for
            # which inspecting waits (moby daemon/monitor.go, handleContainerExit).
            with contextlib.suppress(docker.errors.NotFound):
                self._client.inspect_container(name)

    def rename_container(self, name: str, new_name: str) -> None:
        with self._asking(f"container {name}"):
            self._client.rename(name, new_name)

    def remove_container(self, name: str) -> None:
        self._remove(f"container {name}", lambda: self._client.remove_container(name, v=True, force=True))

    def check_health(self, name: str, healthcheck: t.Any = None) -> Health | None:
        """Runs the test that the container was made with (its own, or the image's), as Docker itself would."""
        path = f"container {name}"
        with self._asking(path):
            inspected = self._client.inspect_container(name)
        test = parse.health_test(inspected.get("Config") or {})
        if test is None:
            return None
        argv, timeout = test
        state = inspected.get("State") or {}
        if not state.get("Running"):
            return Health(False, f"not running: {state.get('Status', 'unknown state')}")
        try:
            status, output = self.run_in(name, argv, timeout)
        except EngineError as error:  # it ended between the two requests
            return Health(False, error.message)
        return Health(status == 0, output.strip())

    def run_in(self, name: str, argv: t.Sequence[str], timeout: float) -> tuple[int, str]:
        """Status 124 and what came so far when the command took longer than `timeout` seconds.

        Docker has no request that ends a command it started: a late one goes on inside the container.
        """
        with self._asking(f"container {name}"):
            exec_id = self._client.exec_create(name, list(argv))["Id"]
            stream = self._client.exec_start(exec_id, stream=True)
            output, ended = read(stream, timeout)
            if not ended:
                # ValueError: up to 5.0 the SDK's stream is a plain generator, which the reading thread is still in.
                with contextlib.suppress(docker.errors.DockerException, OSError, ValueError):
                    stream.close()
                return 124, f"{output}no answer within {timeout:g} s"
            return self._exit_status(exec_id), output

    def _exit_status(self, exec_id: str) -> int:
        """The stream can end a moment before the daemon knows the status."""
        for _attempt in range(50):
            seen = self._client.exec_inspect(exec_id)
            if not seen.get("Running") and seen.get("ExitCode") is not None:
                return seen["ExitCode"]
            time.sleep(0.02)
        return 124

    def logs(self, name: str, lines: int) -> str:
        with self._asking(f"container {name}"):
            return self._client.logs(name, stdout=True, stderr=True, tail=lines).decode(errors="replace")

    # -- images

    def pull_image(self, reference: str, platform: str = "", login: Login | None = None) -> None:
        path, auth = f"image {reference}", login.auth_config if login else None
        with self._asking(path):
            events = self._client.pull(reference, stream=True, decode=True, platform=platform or None, auth_config=auth)
            follow(events, path, None)

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
        """With BuildKit where a docker program can; else with the builder of the API, which the daemon has by itself."""
        path = f"image {tags[0]}" if tags else f"build of {context}"
        client = None if self._podman or self._api < _BUILDKIT else buildkit.find_client(self._docker_cli)
        if client is not None:
            what = (context, containerfile, tags, arguments, labels, target, platform, secrets or {})
            where = buildkit.Place(self.url or default_url(), self._tls)
            return buildkit.run(client, where, buildkit.Build(*what), on_line, path)
        buildkit.refuse_old_builder(os.path.join(context, containerfile), secrets or {}, path)
        with self._asking(path):
            events = self._client.build(
                path=context,
                dockerfile=containerfile,
                tag=tags[0] if tags else None,
                buildargs=dict(arguments),
                labels=dict(labels),
                target=target or None,
                platform=platform or None,
                rm=True,
                forcerm=True,
                decode=True,
                timeout=None,
            )
            image_id = follow(events, path, on_line)
        for tag in tags[1:]:
            self.tag_image(tags[0], tag)
        return image_id

    def image_layers(self, reference: str) -> tuple[str, ...]:
        with self._asking(f"image {reference}"):
            return tuple((self._client.inspect_image(reference).get("RootFS") or {}).get("Layers") or ())

    @contextlib.contextmanager
    def saved_image(self, reference: str) -> t.Iterator[t.IO[bytes]]:
        path = f"image {reference}"
        with self._asking(path):
            # Not get_image: the daemon may take minutes before the first byte (it writes all of it to its disk first).
            response = self._client._get(self._client._url("/images/{0}/get", reference), stream=True, timeout=None)
            chunks = self._client._stream_raw_result(response, 1 << 20, False)
        with contextlib.closing(response):
            yield t.cast("t.IO[bytes]", Chunks(chunks, lambda: self._asking(path)))

    def import_image(self, archive: str, reference: str, labels: dict[str, str]) -> str:
        name = parse_reference(reference)
        with self._asking(f"image {reference}"):
            self._client.import_image(
                archive, repository=name.name, tag=name.tag, changes=arguments_of.import_changes(labels)
            )
            return self._client.inspect_image(reference)["Id"]

    def tag_image(self, reference: str, new_reference: str) -> None:
        name = parse_reference(new_reference)
        with self._asking(f"image {reference}"):
            self._client.tag(reference, name.name, name.tag, force=True)

    def remove_image(self, reference: str) -> None:
        self._remove(f"image {reference}", lambda: self._client.remove_image(reference))

    @property
    def reuses(self) -> str:
        with self._asking("docker info"):
            return moving.reuses(self._client.info(), self._podman is not None)

    def architecture(self) -> str:
        # Only who moves images asks, and it takes as long to load as all else of ours.
        from .._gpu.model import oci_architecture

        with self._asking("docker info"):
            return oci_architecture(self._client.info().get("Architecture") or "")

    def all_layers(self) -> dict[str, tuple[str, ...]]:
        with self._asking("images"):
            return moving.all_layers(self._client, self._gone, docker.errors.APIError)

    def push_image(self, reference: str, login: Login, repository: str, tag: str) -> None:
        path = f"image {reference}"
        with self._asking(path):
            follow(moving.push(self._client, reference, login, repository, tag), path, None)

    def load_image(self, image: IncomingImage) -> None:
        path = f"image {image.reference}"
        with self._asking(path):
            follow(moving.load(self._client, image), path, None)


def _words(error: t.Any) -> str:
    explanation = error.explanation
    return (explanation.decode(errors="replace") if isinstance(explanation, bytes) else explanation) or str(error)
