"""Templates built for real, as a group's user does: named in the group file, deployed with the playbook."""

from __future__ import annotations

import pathlib

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


def test_cpu(engine: str, tmp_path: pathlib.Path) -> None:
    system = OneTemplate(tmp_path)
    system.use(engine)
    context = system.inventory / "images/app"
    context.mkdir(parents=True)
    (context / "packages.txt").write_text("python3-minimal   # an interpreter\n")
    (context / "answer.py").write_text("print(6 * 7)\n")
    (system.inventory / "groups/one.yml").write_text(GROUP)
    system.deploy()
    assert cli(engine, "exec", "one-app-1", "python3", "/app/answer.py") == "42\n"
    assert cli(engine, "exec", "one-app-1", "id", "-u").strip() != "0"
    system.nothing_to_do()
    system.play("playbooks/teardown.yml")
