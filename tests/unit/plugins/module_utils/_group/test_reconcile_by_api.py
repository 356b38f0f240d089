"""A host of which only the engine is reached: content goes into containers, nothing is kept on the machine that asks."""

from __future__ import annotations

import io
import tarfile
from dataclasses import replace

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._group.config import Group, Mount, SecretFile

from .test_reconcile import Host, group, service

SHA, OTHER = "a" * 64, "b" * 64
TOKEN = SecretFile("core/token", "/run/secrets/token")


def core(sha: str = SHA, image: str = "agent:1", **label: str) -> Group:
    mounts = (Mount("bind", "/etc/app.conf", f"staged:{sha}", read_only=True, create_host_path=False),)
    made = group("core", service("twin", image=image, mounts=mounts, secrets=(TOKEN,)), timeout=0.5)
    return replace(made, networks=(replace(made.networks[0], labels=label),))


@pytest.fixture
def host(tmp_path):
    host = Host(tmp_path / "state")
    host.archive = tmp_path / "files.tar"
    with tarfile.open(host.archive, "w") as tar:
        for sha in (SHA, OTHER):
            member = tarfile.TarInfo(sha)
            member.size = 1
            tar.addfile(member, io.BytesIO(sha[:1].encode()))
    return host


def run(host, group, secret="first-value", archive=True, **more):
    return host.run(
        group, by_api=True, secrets={"core/token": secret}, files_archive=str(host.archive) if archive else "", **more
    )


def inside(host) -> dict[str, str]:
    """What the container has: place without fingerprint → content."""
    found = {}
    for source, parcel in host.engine.parcels[host.engine.containers["core-twin-1"].id].items():
        with tarfile.open(fileobj=io.BytesIO(parcel)) as tar:
            found[source.partition("#")[0]] = tar.extractfile(tar.next()).read().decode()
    return found


def test_what_is_missing_is_what_will_be_made(host):
    assert run(host, core(), check=True, archive=False)["missing_files"] == [SHA]
    assert run(host, core())["changed"]
    assert inside(host) == {f"staged:{SHA}": "a", "core/token": "first-value"}
    again = run(host, core(), archive=False)
    assert (again["changed"], again["missing_files"]) == (False, [])


def test_nothing_is_kept_here_but_the_lock(host):
    run(host, core())
    assert [path.name for path in host.path.rglob("*")] == ["mainpc.lock"]


def test_another_control_node_finds_nothing_to_do_and_a_changed_secret(host, tmp_path):
    run(host, core())
    host.path = tmp_path / "another"
    assert not run(host, core())["changed"]
    result = run(host, core(), "second-value", check=True)
    assert [action["reason"] for action in result["actions"]] == ["secrets./run/secrets/token: value changed"]
    assert "value" not in str(host.engine.containers["core-twin-1"].labels).replace("value changed", "")


def test_the_way_back_has_the_content_of_before(host):
    """Its network is made anew, so the good container cannot stand by."""
    run(host, core())
    host.engine.unhealthy.add("agent:2")
    result = run(host, core(OTHER, "agent:2", round="2"), "second-value")
    assert result["failed"] and "brought back as it was: twin" in result["msg"]
    assert inside(host) == {f"staged:{SHA}": "a", "core/token": "first-value"}
