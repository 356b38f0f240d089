"""Real engines for integration tests, in a private machine of their own.

Run: ``tests/integration/fetch && tests/integration/in_private_machine python -m pytest tests/integration``.
An engine that is missing fails the tests that want it; nothing is skipped.
"""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import shutil
import subprocess
import time
import typing as t
import uuid

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._engine.docker import DockerEngine
from ansible_collections.gpu_fleet.containers.plugins.module_utils._engine.podman import PodmanEngine

from .deploy_system import System

CACHE = pathlib.Path(os.environ.get("GPU_FLEET_TEST_CACHE", "~/.cache/gpu-fleet-tests")).expanduser()
IMAGE = "localhost/gpu-fleet-test/busybox:1"
VULKAN_IMAGE = "localhost/gpu-fleet-test/vulkan:1"
IMAGE_LABELS = {"org.gpu-fleet.test": "image", "plain": "a b,c"}
LINK_ADDRESS = "10.77.1.1"


@pytest.fixture(scope="session", autouse=True)
def private_machine():
    """Refuses to touch the host's engines."""
    if os.environ.get("GPU_FLEET_PRIVATE_MACHINE") != "1":
        pytest.exit("integration tests run in tests/integration/in_private_machine COMMAND", returncode=2)


@pytest.fixture(scope="session")
def busybox_archive() -> str:
    archive = CACHE / "busybox.tar"
    assert archive.exists(), f"{archive} is missing: run tests/integration/fetch first"
    return str(archive)


@pytest.fixture(scope="session")
def podman_engine(busybox_archive):
    """The machine's Podman, with the test image."""
    assert shutil.which("podman"), "podman is not installed (apt-get install podman netavark aardvark-dns runc)"
    engine = PodmanEngine()
    engine.import_image(busybox_archive, IMAGE, IMAGE_LABELS)
    return engine


@pytest.fixture(scope="session")
def docker_daemon(tmp_path_factory):
    """A dockerd at the default socket; ends with the session."""
    with _dockerd(tmp_path_factory.mktemp("dockerd")) as process:
        yield process


@pytest.fixture(scope="session")
def docker_with(tmp_path_factory, busybox_archive):
    """``docker_with({"features": {"cdi": True}})``: Docker whose daemon.json says that, beside the one at the default
    socket. It has the test image, and makes no firewall rules. Made once for each content.
    """
    engines: dict[str, DockerEngine] = {}

    def start(settings: dict[str, t.Any]) -> DockerEngine:
        key = json.dumps(settings, sort_keys=True)
        if key not in engines:
            folder = tmp_path_factory.mktemp("dockerd")
            url = f"unix://{folder}/docker.sock"
            # A bridge of its own: a daemon that has none removes docker0, which the other one needs (moby
            # libnetwork, removeDefaultBridgeInterface).
            bridge = f"test-docker{len(engines)}"
            subprocess.run(["ip", "link", "add", bridge, "type", "bridge"], check=True)
            subprocess.run(["ip", "address", "add", f"10.79.{len(engines)}.1/24", "dev", bridge], check=True)
            values = {
                "bridge": bridge,
                "iptables": False,
                # On a disk, which a folder of pytest need not be; the private machine takes it away.
                "data-root": f"/var/lib/docker/{folder.name}",
                "exec-root": f"{folder}/exec",
                "pidfile": f"{folder}/pid",
                **settings,
                "hosts": [url, *settings.get("hosts", ())],
            }
            (folder / "daemon.json").write_text(json.dumps(values))
            daemons.enter_context(_dockerd(folder, "--config-file", f"{folder}/daemon.json"))
            engines[key] = DockerEngine(url)
            engines[key].import_image(busybox_archive, IMAGE, IMAGE_LABELS)
        return engines[key]

    with contextlib.ExitStack() as daemons:
        yield start


@contextlib.contextmanager
def _dockerd(folder: pathlib.Path, *arguments: str) -> t.Iterator[subprocess.Popen]:
    program = shutil.which("dockerd")
    assert program, "dockerd is not installed (apt-get install docker.io)"
    log = folder / "log"
    with (
        log.open("w") as stream,
        _ending(subprocess.Popen([program, *arguments], stdout=stream, stderr=stream)) as process,
    ):
        _until_it_runs(process, lambda: "API listen on" in log.read_text(), log)
        yield process


@contextlib.contextmanager
def _ending(process: subprocess.Popen) -> t.Iterator[subprocess.Popen]:
    try:
        yield process
    finally:
        process.terminate()
        process.wait(timeout=60)


def _until_it_runs(process: subprocess.Popen, ready: t.Callable[[], bool], log: pathlib.Path) -> None:
    deadline = time.monotonic() + 120
    while not ready():
        assert process.poll() is None and time.monotonic() < deadline, f"{process.args} failed:\n{log.read_text()}"
        time.sleep(0.05)


@pytest.fixture(scope="session")
def podman_service(podman_engine, tmp_path_factory) -> t.Iterator[str]:
    """The URL of Podman's Docker-compatible API, with the test image."""
    folder = tmp_path_factory.mktemp("podman")
    socket, log = folder / "podman.sock", folder / "log"
    argv = ["podman", "system", "service", "--time=0", f"unix://{socket}"]
    with log.open("w") as stream, _ending(subprocess.Popen(argv, stdout=stream, stderr=stream)) as process:
        _until_it_runs(process, socket.exists, log)
        yield f"unix://{socket}"


@pytest.fixture(scope="session")
def docker_engine(docker_daemon, busybox_archive):
    """Docker at its default socket, with the test image."""
    engine = DockerEngine()
    engine.import_image(busybox_archive, IMAGE, IMAGE_LABELS)
    return engine


@pytest.fixture(scope="session")
def vulkan_image() -> t.Callable[[t.Any], str]:
    """``vulkan_image(engine)``: imports an image with vulkaninfo and Mesa's drivers, once an engine, and names it."""
    found = list((CACHE / "vulkan").glob("base-*.tar"))
    assert found, f"{CACHE}/vulkan holds no base-*.tar: run tests/integration/fetch first"

    def imported(engine: t.Any) -> str:
        if not any(VULKAN_IMAGE in image.tags for image in engine.observe().images):
            engine.import_image(str(found[0]), VULKAN_IMAGE, {})
        return VULKAN_IMAGE

    return imported


@pytest.fixture(params=["podman", "docker"])
def engine(request):
    """Each engine in turn; what a test leaves behind is removed."""
    adapter = request.getfixturevalue(f"{request.param}_engine")
    before = adapter.observe()
    yield adapter
    after = adapter.observe()
    # Backwards by name: NAME-side, which lives in the network of NAME, has to go first.
    for container in sorted(after.containers, key=lambda entry: entry.name, reverse=True):
        if container.id not in {entry.id for entry in before.containers}:
            adapter.remove_container(container.name)
    for network in after.networks:
        if network.name not in {entry.name for entry in before.networks}:
            adapter.remove_network(network.name)
    for volume in after.volumes:
        if volume.name not in {entry.name for entry in before.volumes}:
            adapter.remove_volume(volume.name)


@pytest.fixture
def name() -> str:
    """A name that no other test uses."""
    return f"t{uuid.uuid4().hex[:8]}"


@pytest.fixture(scope="session")
def link_address() -> str:
    """An address of this host that containers of any network reach, as `container_link_address` is."""
    subprocess.run(["ip", "address", "replace", f"{LINK_ADDRESS}/32", "dev", "lo"], check=True)
    return LINK_ADDRESS


@pytest.fixture(scope="session")
def base_image_cache():
    """The base of the example system, where the collection looks for it before it asks a mirror."""
    found = list(CACHE.glob("base-*.tar"))
    assert found, f"{CACHE} holds no base-*.tar: run tests/integration/fetch first"
    there = pathlib.Path("/var/cache/gpu-fleet")
    for archive in found:
        if not (there / archive.name).exists():
            shutil.copyfile(archive, there / archive.name)


@pytest.fixture(scope="session")
def prepared(base_image_cache, tmp_path_factory):
    """Podman's settings and the link addresses, put there by the collection's own playbook."""
    System(tmp_path_factory.mktemp("prepare")).play("playbooks/prepare.yml")


@pytest.fixture(scope="session")
def small_system(prepared, tmp_path_factory):
    return System(tmp_path_factory.mktemp("small"))


def _up(system: System, engine: str) -> System:
    """As the repository defines it, up, on this engine: from whatever another test left."""
    system.restore()
    system.use(engine)
    if not system.is_settled():
        system.deploy()
    system.settled = None
    return system


@pytest.fixture
def podman_system(small_system):
    return _up(small_system, "podman")


# Of the session, so that pytest runs all tests on one engine before those on the other.
@pytest.fixture(scope="session", params=["podman", "docker"])
def deploy_engine(request):
    if request.param == "docker":
        request.getfixturevalue("docker_daemon")
    return request.param


@pytest.fixture
def system(small_system, deploy_engine):
    """The small system on each engine in turn."""
    return _up(small_system, deploy_engine)
