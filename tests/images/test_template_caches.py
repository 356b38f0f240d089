"""What a change in a template's context makes anew, on both engines: only what it must."""

from __future__ import annotations

import json
import pathlib
import re

import pytest

from ..integration.deploy_system import OneGroup, cli

GROUP = """
services:
  app:
    image: templates/caches
    build:
      context: ../images/app
      x-template: cpu
      x-bootstrap: {argument: BASE, suite: trixie, pull: false}
    command: [sleep, infinity]
    init: true
    stop_grace_period: 1s
"""


class OneTemplate(OneGroup):
    group_name = "one"


@pytest.fixture
def system(engine: str, tmp_path: pathlib.Path) -> OneTemplate:
    made = OneTemplate(tmp_path)
    made.use(engine)
    context = made.inventory / "images/app"
    context.mkdir(parents=True)
    (context / "packages.txt").write_text("python3-minimal\n")
    (context / "answer.py").write_text("print(6 * 7)\n")
    (made.inventory / "groups/one.yml").write_text(GROUP)
    return made


def images(engine: str) -> set[str]:
    listed = cli(engine, "images", "--format", "{{.Repository}}:{{.Tag}}").split()
    return {name for name in listed if "templates/caches:" in name}


def layers(engine: str, before: set[str]) -> list[str]:
    """Of the one image that was not there before."""
    (name,) = images(engine) - before
    return json.loads(cli(engine, "image", "inspect", name))[0]["RootFS"]["Layers"]


def test_a_changed_line_installs_nothing_and_moves_one_layer(engine: str, system: OneTemplate) -> None:
    first = system.play("playbooks/build.yml").output
    assert re.search(r"(Setting up|Unpacking) python3-minimal", first)
    before, known = layers(engine, set()), images(engine)
    context = system.inventory / "images/app"

    (context / "answer.py").write_text("print(7 * 7)\n")
    second = system.play("playbooks/build.yml").output
    assert not re.search(r"(Setting up|Unpacking|Get:\d+) ", second), "nothing of the distribution is installed again"
    after = layers(engine, known)
    assert len(after) == len(before) and [old == new for old, new in zip(before, after, strict=True)].count(False) == 1

    (context / "packages.txt").write_text("python3-minimal\nsl\n")
    third = system.play("playbooks/build.yml").output
    assert re.search(r"(Setting up|Unpacking) sl", third), "and what is asked for anew is"


def test_what_is_in_the_image(engine: str, system: OneTemplate) -> None:
    system.deploy()
    said = cli(
        engine,
        "exec",
        "one-app-1",
        "sh",
        "-c",
        "id -u; python3 answer.py; ls /var/lib/apt/lists; command -v gcc || true",
    )
    assert said.split() == ["10001", "42"]
    system.play("playbooks/teardown.yml")
