# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which display a container is given, and what it takes: sockets, variables, the cookie by reference."""

from __future__ import annotations

import dataclasses
import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.gpu_fleet.containers.plugins.module_utils._access.display import (
    DisplayPlan,
    Process,
    plan_display,
)
from ansible_collections.gpu_fleet.containers.plugins.module_utils._errors import InputError
from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu.model import Display, EngineFacts, GpuHost
from ansible_collections.gpu_fleet.containers.plugins.module_utils._group.config import (
    GpuRequest,
    Mount,
    SecretFile,
    to_dict,
)
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._compose.spec import DISPLAYS, DisplayWish

X0 = Display("x11", ":0", "/tmp/.X11-unix/X0", 1000, "/run/user/1000/gdm/Xauthority")
X1 = Display("x11", ":1", "/tmp/.X11-unix/X1", 1001)
GREETER = Display("x11", ":1024", "/tmp/.X11-unix/X1024", 120)
WAYLAND = Display("wayland", "wayland-0", "/run/user/1000/wayland-0", 1000)
OTHERS = Display("wayland", "wayland-0", "/run/user/1001/wayland-0", 1001)
WSLG = Display("wslg", ":0", "/w/wslg/.X11-unix/X0", more=("/w/wslg/runtime-dir/wayland-0", "/w/wslg/PulseServer"))
DOCKER = EngineFacts("docker", True, True)
PODMAN = EngineFacts("podman", True, True)
ROOTLESS = EngineFacts("podman", True, True, rootless=True)
ANY = DisplayWish()
DESKTOP = EngineFacts("docker", True, True, flavour="desktop")


def plan(
    *displays: Display,
    wish: DisplayWish = ANY,
    engine: EngineFacts = PODMAN,
    platform: str = "linux",
    **process: t.Any,
) -> DisplayPlan:
    return plan_display(GpuHost(platform, displays=displays), engine, wish, Process(**process), "here")


def want(*kinds: str, **more: t.Any) -> DisplayWish:
    return DisplayWish(kinds or DISPLAYS, **more)


def bind(source: str, target: str) -> Mount:
    return Mount("bind", target=target, source=source, read_only=True, create_host_path=False)


def test_x11() -> None:
    assert plan(X0, wish=want("x11")) == DisplayPlan(
        X0,
        mounts=(bind("/tmp/.X11-unix/X0", "/tmp/.X11-unix/X0"),),
        environment={"DISPLAY": ":0", "XAUTHORITY": "/run/display/Xauthority"},
        secrets=(SecretFile("x11-cookie-0", "/run/display/Xauthority", 0, 0, 0o444),),
    )


def test_wayland() -> None:
    assert plan(WAYLAND, wish=want("wayland")) == DisplayPlan(
        WAYLAND,
        mounts=(bind("/run/user/1000/wayland-0", "/run/display/wayland-0"),),
        environment={"WAYLAND_DISPLAY": "/run/display/wayland-0", "XDG_RUNTIME_DIR": "/tmp"},
    )


def test_wslg_by_paths_that_follow_where_it_is_mounted() -> None:
    made = plan(WSLG, platform="wsl2")
    assert made == DisplayPlan(
        WSLG,
        mounts=(
            bind("/w/wslg/.X11-unix/X0", "/tmp/.X11-unix/X0"),
            bind("/w/wslg/runtime-dir/wayland-0", "/run/display/wayland-0"),
            bind("/w/wslg/PulseServer", "/run/display/PulseServer"),
        ),
        environment={
            "DISPLAY": ":0",
            "WAYLAND_DISPLAY": "/run/display/wayland-0",
            "XDG_RUNTIME_DIR": "/tmp",
            "PULSE_SERVER": "unix:/run/display/PulseServer",
        },
    )
    only_x = plan(WSLG, wish=want("x11"))
    assert (only_x.mounts, only_x.environment) == (made.mounts[:1], {"DISPLAY": ":0"})
    only_wayland = plan(WSLG, wish=want("wayland"))
    assert only_wayland.mounts == made.mounts[1:2] and "DISPLAY" not in only_wayland.environment
    # Its X server asks for no cookie.
    assert not made.secrets and not only_x.secrets


@pytest.mark.parametrize(
    ("displays", "wish", "display"),
    [
        ((X0, WAYLAND), want(), X0),
        ((WAYLAND, X0), want("wayland", "x11"), WAYLAND),
        ((WAYLAND, X0), want("x11", "wayland"), X0),
        ((WAYLAND,), want("x11", "wayland"), WAYLAND),
        ((WSLG, X1), want(), WSLG),
        ((X0, X1), want(), X0),
        ((X0, X1), want(display=":1"), X1),
        ((WSLG, X1), want(display=":1"), X1),
        ((WSLG, X1), want(display=":0"), WSLG),
        ((WSLG,), want(display="wayland-0"), WSLG),
        ((WAYLAND, OTHERS), want(display="wayland-0"), WAYLAND),
        ((GREETER, X1), want(), X1),
        ((GREETER,), want(display=":1024"), GREETER),
    ],
)
def test_which_one(displays: tuple[Display, ...], wish: DisplayWish, display: Display) -> None:
    assert plan(*displays, wish=wish).display == display


@pytest.mark.parametrize(
    ("displays", "wish", "engine", "process", "reason"),
    [
        ((), want(), PODMAN, {}, "wslg: not on this host; x11: not on this host; wayland: not on this host"),
        ((WAYLAND,), want("x11"), PODMAN, {}, "x11: not on this host"),
        ((X0,), want("x11", display=":5"), PODMAN, {}, "x11: there is :0 of uid 1000, not :5"),
        ((GREETER,), want("x11"), PODMAN, {}, "x11: :1024 of uid 120 is the login screen's"),
        ((X0,), want(), DESKTOP, {}, "Docker Desktop's virtual machine does not reach this host's displays"),
        (
            (X0,),
            want(),
            dataclasses.replace(DOCKER, url="ssh://me@there"),
            {},
            "docker runs on another machine (ssh://)",
        ),
        (
            (WAYLAND,),
            want("wayland"),
            PODMAN,
            {"user": "1001:5"},
            "wayland: wayland-0 belongs to uid 1000, and the container runs as uid 1001: write user: '1000'",
        ),
        (
            (WAYLAND,),
            want("wayland"),
            ROOTLESS,
            {"user": "1000"},
            "wayland: wayland-0 belongs to uid 1000, and uid 1000 of a rootless container is another one: "
            "write userns_mode: keep-id or user: '0'",
        ),
    ],
)
def test_none_is_said_and_optional_goes_on(
    displays: tuple[Display, ...], wish: DisplayWish, engine: EngineFacts, process: t.Any, reason: str
) -> None:
    with pytest.raises(InputError) as caught:
        plan(*displays, wish=wish, engine=engine, **process)
    assert caught.value.message == f"a display is wanted and none can be used ({reason})"
    assert caught.value.path == "here" and "Log in" in caught.value.mend
    optional = dataclasses.replace(wish, optional=True)
    assert plan(*displays, wish=optional, engine=engine, **process) == DisplayPlan(reason=reason)


@pytest.mark.parametrize(
    ("engine", "process", "admitted"),
    [
        (PODMAN, {}, True),
        (PODMAN, {"user": "root"}, True),
        (PODMAN, {"user": "1000:1000"}, True),
        (PODMAN, {"user": "artist"}, True),
        (PODMAN, {"user": "1002"}, False),
        (PODMAN, {"user": "0", "confined_root": True}, False),
        (PODMAN, {"user": "1000", "confined_root": True}, True),
        (ROOTLESS, {"user": "0", "confined_root": True}, True),
        (ROOTLESS, {}, True),
        (ROOTLESS, {"user": "0"}, True),
        (ROOTLESS, {"user": "1000", "userns": "keep-id"}, True),
        (ROOTLESS, {"user": "1000", "userns": "keep-id:uid=1000"}, True),
        (ROOTLESS, {"user": "1000"}, False),
    ],
)
def test_who_may_open_a_compositors_socket(engine: EngineFacts, process: t.Any, admitted: bool) -> None:
    assert (
        plan(WAYLAND, wish=want("wayland", optional=True), engine=engine, **process).display is not None
    ) == admitted
    # X11 asks for the cookie, not for the user; WSLg admits everybody.
    assert plan(WAYLAND, X0, engine=engine, **process).display == X0
    assert plan(WSLG, wish=want("wayland"), engine=engine, **process).display == WSLG


def test_the_next_kind_is_taken_where_one_does_not_admit() -> None:
    assert plan(WAYLAND, X0, wish=want("wayland", "x11"), user="5").display == X0


@pytest.mark.parametrize(
    ("engine", "process", "owner"),
    [
        (PODMAN, {}, (0, 0, 0o444)),
        (PODMAN, {"user": "artist"}, (0, 0, 0o444)),
        (PODMAN, {"user": "root"}, (0, 0, 0o400)),
        (PODMAN, {"user": "1000:100"}, (1000, 100, 0o400)),
        (PODMAN, {"user": "1000:users"}, (1000, 0, 0o400)),
        (ROOTLESS, {"user": "0"}, (0, 0, 0o400)),
        (ROOTLESS, {"user": "1000"}, (1000, 0, 0o444)),
        (ROOTLESS, {"user": "0", "userns": "keep-id"}, (0, 0, 0o444)),
    ],
)
def test_the_cookie_is_for_the_containers_user(
    engine: EngineFacts, process: t.Any, owner: tuple[int, int, int]
) -> None:
    (cookie,) = plan(X0, engine=engine, **process).secrets
    assert (cookie.uid, cookie.gid, cookie.mode) == owner


def test_desktop_under_wsl_reaches_wslg() -> None:
    assert plan(WSLG, engine=DESKTOP, platform="wsl2").display == WSLG


def test_selinux_is_told_to_let_sockets_through() -> None:
    assert plan(X0, engine=dataclasses.replace(PODMAN, selinux=True)).security_opt == ("label=disable",)


@pytest.mark.parametrize(
    ("display", "gpu", "environment", "mounts"),
    [
        (X0, None, {}, []),
        (X0, GpuRequest("cpu"), {}, []),
        (X0, GpuRequest("nvidia", "cdi"), {}, []),
        (
            X0,
            GpuRequest("nvidia", "nvidia-runtime", count=-1),
            {"NVIDIA_DRIVER_CAPABILITIES": "compute,utility,graphics,display"},
            [],
        ),
        (
            WSLG,
            GpuRequest("nvidia-wsl", "cdi"),
            {
                "LD_LIBRARY_PATH": "/usr/lib/wsl/lib",
                "GALLIUM_DRIVER": "d3d12",
                "MESA_D3D12_DEFAULT_ADAPTER_NAME": "NVIDIA",
            },
            ["/usr/lib/wsl"],
        ),
        (
            WSLG,
            GpuRequest("rocm-wsl", "explicit"),
            {
                "LD_LIBRARY_PATH": "/usr/lib/wsl/lib",
                "GALLIUM_DRIVER": "d3d12",
                "MESA_D3D12_DEFAULT_ADAPTER_NAME": "AMD",
            },
            ["/usr/lib/wsl"],
        ),
        (WSLG, None, {}, []),
    ],
)
def test_what_a_gpu_for_computing_lacks(
    display: Display, gpu: GpuRequest | None, environment: dict[str, str], mounts: list[str]
) -> None:
    without, made = plan(display), plan(display, gpu=gpu)
    assert made.environment == {**without.environment, **environment}
    assert [mount.target for mount in made.mounts[len(without.mounts) :]] == mounts


@given(
    st.lists(st.sampled_from([X0, X1, GREETER, WAYLAND, OTHERS, WSLG])),
    st.permutations(DISPLAYS),
    st.sampled_from([DOCKER, PODMAN, ROOTLESS]),
    st.sampled_from(["", "0", "1000", "app"]),
)
def test_a_plan_gives_single_sockets_and_no_cookie(
    displays: list[Display], kinds: list[str], engine: EngineFacts, user: str
) -> None:
    made = plan(*displays, wish=want(*kinds, optional=True), engine=engine, user=user)
    assert (made.display is None) == bool(made.reason) == (not made.mounts)
    sockets = {path for display in displays for path in (display.socket, *display.more)}
    assert {mount.source for mount in made.mounts} <= sockets
    assert all(mount.read_only and not mount.create_host_path for mount in made.mounts)
    assert bool(made.secrets) == (made.display is not None and made.display.kind == "x11")
    # Where the host keeps its cookie is none of the plan's business.
    assert X0.authority not in str(to_dict((made.mounts, made.secrets, made.environment)))
