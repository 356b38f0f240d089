"""Groups of one service of busybox: what a deploy has to notice about the process itself, and Debian's own Python."""

from __future__ import annotations

import pathlib
import subprocess
import time

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._engine.base import Engine

from .conftest import IMAGE
from .deploy_system import OneGroup, cli, containers

NAME = "one-it-1"
STAYS = "trap 'exit 0' TERM; while :; do sleep 0.1; done"
LOOPS = "sleep 0.2; exit 3"
RUNS = 3


class One(OneGroup):
    """One group of one service."""

    group_name = "one"

    def service(self, script: str, port: int | None = None) -> None:
        """What the one service is."""
        published = f"    ports: ['{port}:{port}']\n" if port else ""
        (self.inventory / "groups/one.yml").write_text(
            f"name: one\nx-fleet: {{timeout: 30s}}\nservices:\n  it:\n    image: {IMAGE}\n    restart: always\n"
            f'    stop_grace_period: 2s\n{published}    command: [sh, -c, "{script}"]\n'
        )


@pytest.fixture(params=["podman", "docker"])
def one(request, link_address, tmp_path: pathlib.Path):
    """On each engine in turn; whatever is there of another test is left alone."""
    request.getfixturevalue(f"{request.param}_engine")
    system = One(tmp_path)
    system.use(request.param)
    yield system
    system.play("playbooks/teardown.yml")


def test_one_that_keeps_ending_is_never_healthy(one: One) -> None:
    one.service(LOOPS)
    for _run in range(RUNS):
        failed = one.deploy(rc=2)
        assert "one/it: it keeps ending" in failed.errors[0] or "one/it: it ended" in failed.errors[0]
        assert NAME not in containers(one.engine)


def test_one_that_keeps_ending_is_replaced_by_one_that_stays(one: One) -> None:
    """Its ports are taken over, and the way back to a container that stays is clean as well."""
    one.service(STAYS, port=7990)
    one.deploy()
    for _run in range(RUNS):
        one.service(LOOPS, port=7990)
        failed = one.deploy(rc=2)
        assert "in use" not in failed.output
        assert containers(one.engine)[NAME].running


def _loop_in_place(engine: Engine) -> None:
    """The good container becomes one that loops from now on, as after a broken update of what it mounts."""
    cli(engine.name, "exec", NAME, "sh", "-c", "touch /broken")
    cli(engine.name, "restart", "-t", "0", NAME)


def test_a_loop_in_place_gives_its_ports_over(one: One, request) -> None:
    engine = request.getfixturevalue(f"{one.engine}_engine")
    for run in range(RUNS):
        one.service(f"[ ! -e /broken ] || {{ sleep 0.1; exit 3; }}; : {run}; {STAYS}", port=7990)
        one.deploy()
        assert containers(one.engine)[NAME].running
        _loop_in_place(engine)
        time.sleep(0.5)


def test_docker_with_the_python_of_the_distribution(docker_engine, link_address, tmp_path: pathlib.Path) -> None:
    """The role `docker` installs the distribution's python3-docker: 5.0.3 in Debian 12."""
    python = "/usr/bin/python3"
    sdk = subprocess.run(
        [python, "-c", "import docker; print(docker.__file__)"], capture_output=True, text=True, check=False
    )
    assert sdk.stdout.startswith("/usr/lib/python3/dist-packages/"), f"run tests/integration/fetch first: {sdk.stderr}"
    system = One(tmp_path)
    system.use("docker")
    arguments = ("-e", f"ansible_python_interpreter={python}")
    system.service(STAYS, port=7990)
    system.deploy(*arguments)
    assert containers("docker")[NAME].running
    system.nothing_to_do(*arguments)
    system.service(STAYS)
    system.deploy(*arguments)
    assert containers("docker")[NAME].running
    system.play("playbooks/teardown.yml", *arguments)
    assert NAME not in containers("docker")
