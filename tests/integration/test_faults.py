"""What people and accidents do to containers, on the real engines: the reconciler must find its way out."""

from __future__ import annotations

import pathlib
import shutil
import subprocess
import tarfile
import typing as t
from dataclasses import replace

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._group.config import (
    Attachment,
    ContainerConfig,
    Dependency,
    Group,
    Mount,
    NetworkConfig,
    Port,
    Service,
)
from ansible_collections.gpu_fleet.containers.plugins.module_utils._group.reconcile import Request, reconcile

from .conftest import IMAGE

STAGED = "b" * 64


class Host:
    """One inventory host whose groups are brought to a plan, as the module does it."""

    def __init__(self, engine, name: str, state_dir: pathlib.Path) -> None:
        self.engine = engine
        self.name = name
        self.state_dir = state_dir

    def run(self, *groups: Group, check: bool = False, **request: t.Any) -> dict[str, t.Any]:
        wanted = Request(self.name, groups, state_dir=str(self.state_dir), check=check, **request)
        return reconcile(wanted, self.engine, (), lambda *_args, **_keywords: None)

    def group(self, *services: Service, **fields: t.Any) -> Group:
        networks = (NetworkConfig(f"{self.name}_default"),)
        return Group("g", self.name, services, fields.pop("networks", networks), timeout=30.0, **fields)

    def service(self, key: str, *after: str, **config: t.Any) -> Service:
        config.setdefault("networks", (Attachment(f"{self.name}_default", (key,)),))
        config.setdefault("command", ("sleep", "1000"))
        config.setdefault("stop_signal", "SIGKILL")
        return Service(
            key,
            ContainerConfig(f"{self.name}-{key}-1", IMAGE, **config),
            tuple(Dependency(entry) for entry in after),
            settle=0.2,
        )

    def by_hand(self, *words: str) -> None:
        """The engine's own client, as an operator uses it."""
        subprocess.run([self.engine.name, *words], check=True, capture_output=True)

    def running(self) -> set[str]:
        there = self.engine.observe().containers
        return {entry.name for entry in there if entry.name.startswith(f"{self.name}-") and entry.state == "running"}


@pytest.fixture
def host(engine, name, tmp_path):
    made = Host(engine, name, tmp_path)
    yield made
    made.run(prune=True)


def actions(result: dict[str, t.Any]) -> list[tuple[str, str]]:
    return [(entry["action"], entry["service"]) for entry in result["actions"]]


def test_a_group_that_shares_namespaces_changes_as_a_whole(host):
    def group(value: str) -> Group:
        base = host.service("base", environment={"VALUE": value})
        side = host.service("side", "base", networks=(), network_mode=f"container:{host.name}-base-1")
        return host.group(base, replace(side, config=replace(side.config, environment={"VALUE": value})))

    assert host.run(group("1"))["groups"]["g"]["status"] == "changed"
    assert host.run(group("2"))["groups"]["g"]["status"] == "changed"
    assert host.running() == {f"{host.name}-base-1", f"{host.name}-side-1"}
    assert not host.run(group("2"))["changed"]


@pytest.mark.parametrize(
    ("fault", "repair"),
    [
        (("pause", "{0}-web-1"), "restart"),
        (("stop", "-t", "0", "{0}-web-1"), "start"),
        (("rename", "{0}-web-1", "{0}-odd"), "recreate"),
        (("network", "disconnect", "{0}_default", "{0}-web-1"), "recreate"),
        (("rm", "-f", "{0}-web-1"), "create"),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else value,
)
def test_what_is_done_by_hand_is_repaired(host, fault, repair):
    group = host.group(host.service("web"), host.service("other"))
    host.run(group)
    host.by_hand(*(word.format(host.name) for word in fault))
    assert actions(host.run(group)) == [(repair, "web")]
    assert host.running() == {f"{host.name}-web-1", f"{host.name}-other-1"}
    assert not host.run(group)["changed"]


def test_staged_files_come_back_into_running_containers(host, tmp_path):
    content = tmp_path / "content"
    content.mkdir()
    (content / "index.html").write_text("hello")
    archive = tmp_path / "files.tar"
    with tarfile.open(archive, "w") as tar:
        tar.add(content, STAGED)
    mount = Mount("bind", "/www", f"staged:{STAGED}", read_only=True)
    group = host.group(host.service("web", mounts=(mount,)))
    host.run(group, files_archive=str(archive))

    shutil.rmtree(tmp_path / "files")
    assert host.engine.run_in(f"{host.name}-web-1", ["cat", "/www/index.html"], 60)[0] != 0
    assert actions(host.run(group, files_archive=str(archive))) == [("restart", "web")]
    assert host.engine.run_in(f"{host.name}-web-1", ["cat", "/www/index.html"], 60) == (0, "hello")
    assert not host.run(group)["changed"]


def test_ports_addresses_and_names_pass_between_services(host):
    def group(key: str, first: int) -> Group:
        network = NetworkConfig(f"{host.name}_default", subnets=("10.91.7.0/24",))

        def attached(name: str, last: int) -> tuple[Attachment, ...]:
            return (Attachment(network.name, (name,), ipv4=f"10.91.7.{last}"),)

        made = host.service(key, networks=attached(key, first + 10), ports=(Port(80, 9100 + first, "127.0.0.1"),))
        other = host.service(
            "other", key, networks=attached("other", 13 - first), ports=(Port(80, 9103 - first, "127.0.0.1"),)
        )
        fixed = replace(made, config=replace(made.config, name=f"{host.name}-fixed"))
        return host.group(fixed, other, networks=(network,))

    host.run(group("one", 1))
    assert host.run(group("uno", 2))["groups"]["g"]["status"] == "changed"
    assert host.running() == {f"{host.name}-fixed", f"{host.name}-other-1"}
    assert not host.run(group("uno", 2))["changed"]
