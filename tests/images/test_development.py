"""The development container of the group `generations`: a program in the mounted workspace is built, run and debugged."""

from __future__ import annotations

import os
import pathlib
import shutil
import subprocess
import typing as t

import pytest

from ..integration.deploy_system import ROOT, cli
from .workstation import Workstation

CONTAINER = "generations-dev-1"
DEVELOPER = 1000


class Development(t.NamedTuple):
    system: Workstation
    workspace: pathlib.Path


@pytest.fixture(scope="module")
def development(podman_engine, bases, link_address, tmp_path_factory) -> t.Iterator[Development]:
    """On one engine: the tools are the same on the other, and take long to install."""
    workspace = tmp_path_factory.mktemp("workspace") / "generations"
    shutil.copytree(ROOT / "inventories/workstation/images/generations", workspace)
    for path in (workspace, *workspace.iterdir()):
        os.chown(path, DEVELOPER, DEVELOPER)
    system = Workstation(tmp_path_factory.mktemp("workstation"), "podman", ["generations"])
    system.set(container_profiles=["dev"], container_environment={"GENERATIONS_SOURCE": str(workspace)})
    system.deploy()
    yield Development(system, workspace)
    system.play("playbooks/teardown.yml")


def run(*words: str) -> str:
    return cli("podman", "exec", CONTAINER, *words)


def test_a_program_of_the_workspace(development: Development) -> None:
    run("cmake", "-S", ".", "-B", "build", "-DCMAKE_BUILD_TYPE=Debug")
    run("cmake", "--build", "build")
    built = development.workspace / "build/generations-devices"
    # It belongs to whoever edits the sources outside.
    assert built.stat().st_uid == DEVELOPER
    assert run("build/generations-devices").startswith("cpu: llvmpipe")
    debugged = run("gdb", "-batch", "-ex", "break kind", "-ex", "run", "-ex", "print type", "build/generations-devices")
    assert "VK_PHYSICAL_DEVICE_TYPE_CPU" in debugged


def test_its_tools(development: Development) -> None:
    source = development.workspace / "devices.c"
    source.write_text(source.read_text().replace("uint32_t count = MOST;", "uint32_t   count=MOST;"))
    done = subprocess.run(
        ["podman", "exec", CONTAINER, "clang-format", "--dry-run", "--Werror", "--style=LLVM", "devices.c"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode != 0 and "uint32_t   count=MOST;" in done.stderr
    run("git", "init", "--quiet")
    assert "?? devices.c" in run("git", "status", "--porcelain")


def test_an_edit_of_the_sources_is_no_new_container(development: Development) -> None:
    with (development.system.inventory / "images/generations/devices.c").open("a") as stream:
        stream.write("/* one line more */\n")
    development.system.nothing_to_do()
