"""A real X server, and containers that draw on it: by its cookie, which is seen nowhere else, and not without.

The server is Xvfb in a container of its own.
"""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import shutil
import socket
import subprocess
import threading
import typing as t

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._group import xauthority

from .conftest import VULKAN_IMAGE
from .deploy_system import OneGroup, containers, inspected, touched
from .x_server import NUMBER, SOCKETS, XServer, private_sockets

DRAWER, STRANGER = "screen-drawer-1", "screen-stranger-1"

# The stranger has the socket and no cookie, as with `-v /tmp/.X11-unix:/tmp/.X11-unix` and nothing else.
SCREEN = f"""
services:
  drawer:
    image: {VULKAN_IMAGE}
    command: [sleep, infinity]
    init: true
    stop_grace_period: 1s
    x-display: x11
    healthcheck: {{test: [CMD, xdpyinfo], interval: 2s, timeout: 20s}}
  stranger:
    image: {VULKAN_IMAGE}
    command: [sleep, infinity]
    init: true
    stop_grace_period: 1s
    environment: {{DISPLAY: ":{NUMBER}"}}
    volumes: ["/tmp/.X11-unix/X{NUMBER}:/tmp/.X11-unix/X{NUMBER}:ro"]
"""

CONNECT = "import os, socket; socket.socket(socket.AF_UNIX).connect(os.environ['WAYLAND_DISPLAY'])"
COMPOSED = f"""
services:
  drawer:
    image: {VULKAN_IMAGE}
    command: [sleep, infinity]
    user: "%s"
    init: true
    stop_grace_period: 1s
    x-display: wayland
    healthcheck: {{test: [CMD, python3, -c, "{CONNECT}"], interval: 2s, timeout: 20s}}
"""


class Screen(OneGroup):
    """One group that draws."""

    group_name = "screen"

    def group(self, text: str) -> None:
        (self.inventory / "groups/screen.yml").write_text(text)


@pytest.fixture(params=["podman", "docker"])
def screen(request, link_address, vulkan_image, tmp_path: pathlib.Path) -> t.Iterator[Screen]:
    vulkan_image(request.getfixturevalue(f"{request.param}_engine"))
    system = Screen(tmp_path)
    system.use(request.param)
    yield system
    system.play("playbooks/teardown.yml")


@pytest.fixture
def sessions() -> t.Iterator[pathlib.Path]:
    """/run/user, empty; /run is private."""
    folder = pathlib.Path("/run/user")
    yield folder
    for entry in folder.iterdir():
        shutil.rmtree(entry)


@pytest.fixture
def x_server(screen: Screen, sessions: pathlib.Path) -> t.Iterator[XServer]:
    with private_sockets():
        (sessions / "0").mkdir(mode=0o700)
        server = XServer(screen.engine, sessions / "0")
        try:
            server.start()
            yield server
        finally:
            server.remove()


def run_in(engine: str, name: str, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([engine, "exec", name, *words], capture_output=True, text=True, check=False)


def assert_hidden(cookie: bytes, *texts: str) -> None:
    for text in texts:
        for shown in (cookie.hex(), repr(cookie)[2:-1], str(list(cookie))[1:-1]):
            assert shown not in text


def test_by_the_cookie_and_not_without(screen: Screen, x_server: XServer) -> None:
    screen.group(SCREEN)
    first = screen.deploy("-vvvv", "--diff")
    assert xauthority.ask(f"{SOCKETS}/X{NUMBER}") != ""
    drawn = run_in(screen.engine, DRAWER, "xdpyinfo")
    assert drawn.returncode == 0 and f"name of display:    :{NUMBER}" in drawn.stdout
    refused = run_in(screen.engine, STRANGER, "xdpyinfo")
    assert refused.returncode != 0 and "Authorization required" in refused.stderr
    cube = run_in(screen.engine, DRAWER, "timeout", "120", "vkcube", "--c", "20")
    assert cube.returncode == 0 and "llvmpipe" in cube.stderr, cube
    assert run_in(screen.engine, DRAWER, "ls", "/tmp/.X11-unix").stdout.split() == [f"X{NUMBER}"]
    files = list(pathlib.Path("/var/lib/gpu-fleet/secrets/mainpc").iterdir())
    assert [x_server.cookie in file.read_bytes() for file in files] == [True]
    assert files[0].parent.stat().st_mode & 0o777 == 0o700
    second = screen.nothing_to_do("-vvvv")
    assert_hidden(x_server.cookie, first.output, second.output, json.dumps(inspected(screen.engine)))


def test_a_new_login_is_a_new_cookie(screen: Screen, x_server: XServer) -> None:
    screen.group(SCREEN)
    screen.deploy()
    before, old = containers(screen.engine), x_server.cookie
    x_server.kill()
    x_server.start()
    would = screen.deploy("--check", "--diff")
    assert "secrets./run/display/Xauthority" in would.output and containers(screen.engine) == before
    again = screen.deploy("--diff")
    assert "secrets./run/display/Xauthority: value changed" in again.output
    assert touched(before, containers(screen.engine)) == {DRAWER}
    assert run_in(screen.engine, DRAWER, "xdpyinfo").returncode == 0
    assert_hidden(old, would.output, again.output)
    assert_hidden(x_server.cookie, would.output, again.output)
    left = list(pathlib.Path("/var/lib/gpu-fleet/secrets/mainpc").iterdir())
    assert [old in file.read_bytes() for file in left] == [False]


def test_a_server_that_ended_is_said_before_anything_is_changed(screen: Screen, x_server: XServer) -> None:
    screen.group(SCREEN)
    screen.deploy()
    before = containers(screen.engine)
    x_server.kill()
    silent = screen.deploy(rc=2)
    assert f"services.drawer.x-display: the X server :{NUMBER} does not answer" in silent.errors[0]
    (SOCKETS / f"X{NUMBER}").unlink()
    gone = screen.deploy(rc=2)
    assert "a display is wanted and none can be used (x11: not on this host)" in gone.errors[0]
    assert "Log in on this host's desktop" in gone.errors[0]
    assert containers(screen.engine) == before


@contextlib.contextmanager
def compositor(path: pathlib.Path, uid: int) -> t.Iterator[None]:
    """Something that listens where a session's Wayland compositor does."""
    path.parent.mkdir(mode=0o700)
    os.chown(path.parent, uid, uid)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        path.chmod(0o755)
        os.chown(path, uid, uid)
        listener.listen()
        threading.Thread(target=_admit, args=(listener,), daemon=True).start()
        yield
        listener.shutdown(socket.SHUT_RDWR)


def _admit(listener: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while True:
            listener.accept()[0].close()


def test_a_wayland_socket_admits_its_own_user(screen: Screen, sessions: pathlib.Path) -> None:
    with compositor(sessions / "1000" / "wayland-0", 1000):
        screen.group(COMPOSED % "1001")
        refused = screen.deploy(rc=2)
        assert "belongs to uid 1000, and the container runs as uid 1001: write user: '1000'" in refused.errors[0]
        screen.group(COMPOSED % "1000")
        screen.deploy()
        connect = ("python3", "-c", CONNECT)
        assert run_in(screen.engine, DRAWER, *connect).returncode == 0
        other = subprocess.run(
            [screen.engine, "exec", "--user", "1001", DRAWER, *connect], capture_output=True, text=True, check=False
        )
        assert "PermissionError" in other.stderr
