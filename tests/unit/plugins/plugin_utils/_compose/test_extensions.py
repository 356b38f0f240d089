# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Our own keys."""

from __future__ import annotations

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._image.spec import Bootstrap
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._compose.spec import (
    BuildExtensions,
    BuildVariant,
    DisplayWish,
    GpuWish,
    LinkWish,
    ServiceExtensions,
)

from .test_group import read

REQUEST = "    deploy: {resources: {reservations: {devices: [{capabilities: [gpu]%s}]}}}\n"


def extensions(text: str) -> ServiceExtensions:
    return read(f"services:\n  web:\n    image: i\n{text}").extensions["web"]


def build(text: str, **variables: str) -> BuildExtensions:
    return read(f"services:\n  web:\n    build: {text}\n", **variables).builds["web"]


def test_nothing_asked_for() -> None:
    assert extensions("") == ServiceExtensions(gpu=None, links=(), one_shot=False, settle=None)


@pytest.mark.parametrize(
    ("text", "wish"),
    [
        ("    x-gpu: {}\n", GpuWish()),
        ("    gpus: all\n", GpuWish()),
        (REQUEST % "", GpuWish()),
        (REQUEST % ", count: 2", GpuWish(count=2)),
        (REQUEST % ", count: all, driver: nvidia, options: {a: b}", GpuWish(driver="nvidia", options={"a": "b"})),
        (REQUEST % ", device_ids: ['0', GPU-1]", GpuWish(ids=("0", "GPU-1"))),
        ("    x-gpu: {stacks: [nvidia, cpu], memory: 4g}\n", GpuWish(stacks=("nvidia", "cpu"), memory=4 * 1024**3)),
        ("    x-gpu: {count: 1}\n", GpuWish(count=1)),
        ("    x-gpu: {ids: [1, GPU-2]}\n", GpuWish(ids=("1", "GPU-2"))),
        ("    x-gpu: {memory: 1m}\n" + REQUEST % ", count: 1", GpuWish(memory=1024**2, count=1)),
        ("    x-gpu: {count: 1}\n" + REQUEST % ", device_ids: ['0']", GpuWish(count=1)),
        ("    x-gpu: {ids: [1]}\n" + REQUEST % ", count: 3", GpuWish(ids=("1",))),
        ("    gpus: [{capabilities: [utility], count: 1}]\n", GpuWish(count=1, capabilities=("gpu", "utility"))),
    ],
)
def test_gpu(text: str, wish: GpuWish) -> None:
    assert extensions(text).gpu == wish


@pytest.mark.parametrize(
    ("text", "wish"),
    [
        ("auto", DisplayWish(("wslg", "x11", "wayland"))),
        ("x11", DisplayWish(("x11",))),
        ("[wayland, x11]", DisplayWish(("wayland", "x11"))),
        ("{}", DisplayWish()),
        ("{kinds: [x11], optional: true}", DisplayWish(("x11",), optional=True)),
        ("{display: ':1'}", DisplayWish(display=":1")),
        ("{display: wayland-1, kinds: [wslg]}", DisplayWish(("wslg",), "wayland-1")),
    ],
)
def test_display(text: str, wish: DisplayWish) -> None:
    assert extensions(f"    x-display: {text}\n").display == wish


def test_a_request_for_other_devices_is_no_wish_for_a_gpu() -> None:
    assert extensions("    deploy: {resources: {reservations: {devices: [{capabilities: [tpu]}]}}}\n").gpu is None


@pytest.mark.parametrize(
    ("entry", "link"),
    [
        (
            "tcp://pc2-memory/orchestrator:7140",
            LinkWish("URL", "tcp://pc2-memory/orchestrator:7140", "tcp", "pc2-memory", "orchestrator", 7140),
        ),
        ("tcp://orchestrator:7140", LinkWish("URL", "tcp://orchestrator:7140", "tcp", "", "orchestrator", 7140)),
        ("http://web:80/v1/x", LinkWish("URL", "http://web:80/v1/x", "http", "", "web", 80, "/v1/x")),
        ("http://group/web:80/", LinkWish("URL", "http://group/web:80/", "http", "group", "web", 80, "/")),
        ("{url: 'tcp://a:1', check: [probe, a]}", LinkWish("URL", "tcp://a:1", "tcp", "", "a", 1, "", ("probe", "a"))),
    ],
)
def test_link(entry: str, link: LinkWish) -> None:
    assert extensions(f"    x-links:\n      URL: {entry}\n").links == (link,)


def test_one_shot_and_settle() -> None:
    found = extensions("    x-oneshot: true\n    x-settle: 2.5s\n")
    assert (found.one_shot, found.settle) == (True, 2.5)


def test_our_keys_are_not_part_of_the_service() -> None:
    spec = read("services: {web: {build: {context: ., x-stacks: {cpu: {}}, x-other: 1}, x-gpu: {}, x-other: 1}}")
    assert not [key for key in (*spec.services["web"], *spec.services["web"]["build"]) if key.startswith("x-")]


def test_a_nearly_right_extension_is_warned_about() -> None:
    spec = read("services:\n  web:\n    image: i\n    x-gpus: {}\n    x-mine: 1\n")
    assert spec.warnings == ("/nowhere/core.yml:4:5: services.web.x-gpus: x-gpus is ignored; was x-gpu meant?",)


def test_build_without_our_keys() -> None:
    assert build(".") == BuildExtensions()


def test_build_variants() -> None:
    found = build(
        "{context: ., x-stacks: {nvidia: {args: {BASE: cuda, FROM_OUTSIDE: , NOPE: }, context: gpu}, cpu: {target: t, dockerfile: D}}}",
        FROM_OUTSIDE="x",
    )
    assert found.stacks == {
        "nvidia": BuildVariant(args={"BASE": "cuda", "FROM_OUTSIDE": "x"}, context="/nowhere/gpu"),
        "cpu": BuildVariant(target="t", dockerfile="D"),
    }


def test_templates() -> None:
    found = build("{context: ., x-template: cpu, x-stacks: {nvidia: {template: cuda}, rocm: {dockerfile: D}}}")
    assert found.template == "cpu"
    assert found.stacks == {"nvidia": BuildVariant(template="cuda"), "rocm": BuildVariant(dockerfile="D")}


def test_bootstrap() -> None:
    found = build(
        "{context: ., x-bootstrap: {argument: BASE, suite: bookworm, packages: [python3, python3-zmq], pull: false}}"
    )
    assert found.bootstrap == Bootstrap("BASE", "bookworm", ("python3", "python3-zmq"), pull=False)


def test_fleet() -> None:
    spec = read(
        "x-fleet: {needs: [memory, utilities], timeout: 2m30s, description: What it is for}\nservices: {web: {image: i}}"
    )
    assert (spec.needs, spec.timeout, spec.description) == (("memory", "utilities"), 150.0, "What it is for")
