"""Templates built for real, as a group's user does: named in the group file, built and deployed with the playbooks."""

from __future__ import annotations

import json
import pathlib
import re

import pytest

from ..integration.deploy_system import OneGroup, cli

GROUP = """
services:
  app:
    image: templates/cpu
    build:
      context: ../images/app
      x-template: cpu
      x-bootstrap: {argument: BASE, suite: trixie}
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
    (context / "packages.txt").write_text("python3-minimal   # an interpreter\n")
    (context / "answer.py").write_text("print(6 * 7)\n")
    (made.inventory / "groups/one.yml").write_text(GROUP)
    return made


def test_cpu(engine: str, system: OneTemplate) -> None:
    system.deploy()
    assert cli(engine, "exec", "one-app-1", "python3", "/app/answer.py") == "42\n"
    said = cli(engine, "exec", "one-app-1", "sh", "-c", "id -u; ls /var/lib/apt/lists; command -v gcc || true")
    assert said.split() == ["10001"]
    system.nothing_to_do()
    system.play("playbooks/teardown.yml")


def images(engine: str) -> set[str]:
    listed = cli(engine, "images", "--format", "{{.Repository}}:{{.Tag}}").split()
    return {name for name in listed if "templates/caches:" in name}


def layers(engine: str, before: set[str]) -> list[str]:
    """Of the one image that was not there before."""
    (name,) = images(engine) - before
    return json.loads(cli(engine, "image", "inspect", name))[0]["RootFS"]["Layers"]


def test_a_changed_line_installs_nothing_and_is_one_layer(engine: str, system: OneTemplate) -> None:
    context, group = system.inventory / "images/app", system.inventory / "groups/one.yml"
    group.write_text(GROUP.replace("templates/cpu", "templates/caches"))
    (context / "packages.txt").write_text("libsodium23\n")
    first = system.play("playbooks/build.yml").output
    assert re.search(r"(Setting up|Unpacking) libsodium23", first)
    before, known = layers(engine, set()), images(engine)

    (context / "answer.py").write_text("print(7 * 7)\n")
    second = system.play("playbooks/build.yml").output
    assert not re.search(r"(Setting up|Unpacking|Get:\d+) ", second), "nothing of the distribution is installed again"
    after, known = layers(engine, known), images(engine)
    assert [old == new for old, new in zip(before, after, strict=True)].count(False) == 1

    (context / "packages.txt").write_text("libsodium23\nsl\n")
    third = system.play("playbooks/build.yml").output
    assert re.search(r"(Setting up|Unpacking) sl", third), "and what is asked for anew is"
