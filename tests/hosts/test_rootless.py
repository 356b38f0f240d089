"""An ordinary user with a Podman of their own deploys a group: over SSH as that user, and as root who becomes that user."""

from __future__ import annotations

import pathlib
import typing as t

import pytest

from .one_host import CHECK, OneHost, service

SECRET = "not to be read by others"
BECOME = {"ansible_user": "root", "ansible_become": True, "ansible_become_user": "fleet"}
STATE = ".local/share/gpu-fleet"


@pytest.fixture(params=["as the user", "by become"])
def host(request: pytest.FixtureRequest, tmp_path: pathlib.Path) -> t.Iterator[OneHost]:
    host = OneHost(tmp_path, "fleet")
    host.run("loginctl enable-linger fleet", user="root")
    host.variables |= {"container_secrets": {"TOKEN": SECRET}, **(BECOME if request.param == "by become" else {})}
    yield host
    host.play("playbooks/teardown.yml", "-e", "container_remove_volumes=true")


@pytest.mark.parametrize("supervisor", ["engine", "systemd"])
def test_a_group_of_an_ordinary_user(host: OneHost, supervisor: str) -> None:
    host.variables["container_supervisor"] = supervisor
    (host.folder / "groups/greeting").write_text("from the controller\n")
    reader = service(
        user="1000:1000",
        secrets=["token"],
        volumes=["./greeting:/greeting:ro"],
        ports=["127.0.0.1:8099:8099"],
        healthcheck={**CHECK, "test": ["CMD-SHELL", "test -r /run/secrets/token && grep -q controller /greeting"]},
    )
    host.define({"reader": reader, "root": service(secrets=["token"])}, secrets={"token": {"environment": "TOKEN"}})
    host.deploy()
    assert set(host.running()) == {"reader", "root"}
    assert host.kept_by("reader") == ("app-reader-1.service" if supervisor == "systemd" else "")
    assert host.run("podman exec app-reader-1 cat /run/secrets/token") == SECRET
    assert host.run("podman exec app-reader-1 stat -c '%u %a' /run/secrets/token") == "1000 400"
    assert host.run("podman exec app-root-1 cat /run/secrets/token") == SECRET
    # Neither the user nor anybody else on the host reads what belongs to the user 1000 of a container.
    assert host.run(f"find {STATE}/secrets -type f -perm 400 -not -user fleet | wc -l") == "1"
    assert host.run(f"stat -c %U {STATE}/key") == "fleet"
    host.nothing_to_do()
