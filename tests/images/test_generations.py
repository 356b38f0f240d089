"""The group `generations` of inventories/workstation, as a user deploys it: vkcube on a real X server, on each engine.

There is no GPU here: Mesa's llvmpipe draws, which the group allows and the summary says.
"""

from __future__ import annotations

import fnmatch
import json
import pathlib
import re
import time
import typing as t

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._group import xauthority

from ..integration.deploy_system import Outcome, cli
from ..integration.x_server import NUMBER, SOCKETS, XServer, private_sockets
from . import screen as shown
from .looking import compressed_layers, files
from .workstation import Workstation

LIMIT = 173_000_000
"""Bytes: what the seed says of its image, compressed."""

CONTAINER = "generations-mesa-1"
BACKGROUND = (51, 51, 51)
"""What vkcube clears its window with: 0.2, 0.2, 0.2 (cube.c, demo_draw_build_cmd)."""


class Deployed(t.NamedTuple):
    system: Workstation
    outcome: Outcome
    image: str


@pytest.fixture(scope="module")
def screen(podman_engine, vulkan_image, tmp_path_factory) -> t.Iterator[pathlib.Path]:
    """An X server; the folder in which it keeps what it shows. One for both engines: it is the host's."""
    vulkan_image(podman_engine)
    folder = tmp_path_factory.mktemp("screen")
    session = pathlib.Path("/run/user/0")
    session.mkdir(mode=0o700)
    with private_sockets():
        server = XServer("podman", session, folder)
        try:
            server.start()
            yield folder
        finally:
            server.remove()
            (session / "xauth_test").unlink()
            session.rmdir()


@pytest.fixture(scope="module")
def deployed(engine: str, screen: pathlib.Path, tmp_path_factory) -> t.Iterator[Deployed]:
    assert len(shown.colors(shown.pixels(screen)[0])) == 1, "something is on the screen already"
    system = Workstation(tmp_path_factory.mktemp("workstation"), engine, ["generations"])
    system.set(container_profiles=["mesa"])
    outcome = system.deploy()
    try:
        (inspected,) = json.loads(cli(engine, "inspect", CONTAINER))
        yield Deployed(system, outcome, inspected["Image"])
    finally:
        system.play("playbooks/teardown.yml")


def is_teal(color: shown.Color) -> bool:
    """The logo on the cube's sides: a blue green in any brightness, and nothing else on the screen has a hue."""
    red, green, blue = color
    return green >= 20 and blue >= green and red * 4 < green


def test_the_cube_is_on_the_screen_and_turns(deployed: Deployed, screen: pathlib.Path) -> None:
    first = shown.until_drawn(screen, enough=100)
    time.sleep(1)
    second, width, height = shown.pixels(screen)
    for picture in (first, second):
        found = shown.colors(picture)
        window, logo = found[BACKGROUND], sum(count for color, count in found.items() if is_teal(color))
        # The window is 500 × 500, less what lies beyond the screen.
        assert 20_000 < window < 250_000 and logo > 1_000, found.most_common(20)
    differing = sum(first[at : at + 3] != second[at : at + 3] for at in range(0, len(first), 3))
    assert 1_000 < differing < width * height


def test_by_the_cookie_alone(deployed: Deployed, engine: str) -> None:
    """No xhost: the server admits nobody without the cookie. Nor the host's network, nor more than its one socket."""
    assert xauthority.ask(f"{SOCKETS}/X{NUMBER}") != ""
    (container,) = json.loads(cli(engine, "inspect", CONTAINER))
    assert container["HostConfig"]["NetworkMode"] != "host" and not container["HostConfig"]["Privileged"]
    places = [mount["Destination"] for mount in container["Mounts"] if "X11" in mount["Destination"]]
    assert places == [f"/tmp/.X11-unix/X{NUMBER}"]
    assert cli(engine, "exec", CONTAINER, "id", "-u").strip() == "10001"


def test_the_summary_says_that_the_cpu_draws(deployed: Deployed, engine: str) -> None:
    summary = deployed.outcome.output.rpartition("TASK [Summary")[2]
    assert re.search(r"on the CPU, as the group allows \(vulkan: .*\): generations/mesa", summary), summary
    # What the context's own source was compiled to.
    assert cli(engine, "exec", CONTAINER, "generations-devices").startswith("cpu: llvmpipe")


def test_a_second_deploy_changes_nothing(deployed: Deployed) -> None:
    deployed.system.nothing_to_do()


def test_the_image_is_small(deployed: Deployed, engine: str, tmp_path: pathlib.Path, capsys) -> None:
    layers = compressed_layers(engine, deployed.image, tmp_path)
    with capsys.disabled():
        parts = " + ".join(f"{size / 1e6:.1f}" for size in layers)
        print(f"\n{engine}: generations is {sum(layers) / 1e6:.1f} MB compressed ({parts})")
    assert sum(layers) < LIMIT


FORBIDDEN = (
    # Compilers and what belongs to them, by the names that Debian gives them.
    *("/usr/bin/*gcc*", "/usr/bin/*g++*", "/usr/bin/cc", "/usr/bin/c++", "/usr/bin/*cpp*", "/usr/bin/*clang*"),
    *(
        "/usr/bin/*-ld",
        "/usr/bin/ld",
        "/usr/bin/ld.bfd",
        "/usr/bin/ld.gold",
        "/usr/bin/as",
        "/usr/bin/make",
        "/usr/bin/cmake",
        "/usr/bin/ninja",
    ),
    *("*/cc1", "*/cc1plus", "*/collect2", "/usr/lib/gcc/*/crtbegin.o"),
    # Headers, libraries to link with, and what finds them.
    *("/usr/include/*", "/usr/local/include/*", "*.h", "*.hpp", "*.a", "*.pc"),
    # Caches of package managers.
    *("/var/lib/apt/lists/*", "/var/cache/apt/*", "*/.cache/*", "/root/.cache", "*.deb", "*.whl"),
    # The builder's own folders.
    *("/context*", "/build*", "/out*", "/wanted*", "*/devices.c"),
)
ALLOWED = (
    # Empty folders of apt, without which it complains, and its lock.
    *("/var/lib/apt/lists/partial", "/var/lib/apt/lists/lock", "/var/lib/apt/lists/auxfiles"),
    *("/var/cache/apt/archives", "/var/cache/apt/archives/partial", "/var/cache/apt/archives/lock"),
)


def test_nothing_but_what_runs_is_in_the_image(deployed: Deployed, engine: str) -> None:
    found = files(engine, deployed.image)
    assert "/usr/bin/vkcube" in found and "/usr/local/bin/generations-devices" in found
    wrong = [
        path
        for path in found
        if path not in ALLOWED and any(fnmatch.fnmatchcase(path, pattern) for pattern in FORBIDDEN)
    ]
    assert not wrong
    assert not [path for path in ALLOWED if path in found and found[path].isreg() and found[path].size]
