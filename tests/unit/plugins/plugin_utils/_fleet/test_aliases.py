# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Aliases of `links` and mounts of `volumes_from`."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._errors import InputError
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._compose.group import load_group
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._fleet.aliases import check_links, link_aliases
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._fleet.mounts import mounts
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._fleet.networks import attachments
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._fleet.placement import Placement
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._fleet.plan import make_plan

from .examples import cpu_facts, group, host, placed, service


def place(**services: dict) -> Placement:
    return placed(host("mainpc"), group("core", services, volumes={"store": {}}, networks={"default": {}, "back": {}}))


def test_an_alias_is_one_of_the_linked_service() -> None:
    placement = place(
        web=service(links=["db", "db:database"]),
        other=service(links=["db:sql"]),
        db=service(networks={"default": None}),
    )
    (attachment,) = attachments(placement, "db", [])
    assert attachment.aliases == ("db", "database", "sql")
    (attachment,) = attachments(placement, "web", [])
    assert attachment.aliases == ("web",)


def test_an_alias_holds_on_common_networks_only() -> None:
    placement = place(
        web=service(links=["db:database"], networks={"back": None}),
        db=service(networks={"default": None, "back": None}),
    )
    assert link_aliases(placement, "db", "back") == ("database",)
    assert link_aliases(placement, "db", "default") == ()


@pytest.mark.parametrize(
    ("services", "message"),
    [
        ({"web": service(links=["db:cache"]), "db": service(), "cache": service()}, "is the name of another service"),
        (
            {"web": service(links=["db:x"]), "two": service(links=["cache:x"]), "db": service(), "cache": service()},
            "means db here and cache elsewhere",
        ),
    ],
)
def test_an_alias_means_one_service(services: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        link_aliases(place(**services), "db", "default")


def test_a_link_needs_a_common_network() -> None:
    placement = place(web=service(links=["db"], networks={"back": None}), db=service())
    with pytest.raises(InputError, match="no network in common"):
        check_links(placement, "web")


STORE = {"type": "volume", "source": "store", "target": "/data"}
HOST = {"type": "bind", "source": "/host", "target": "/host"}


def test_volumes_of_another_service_and_of_those_it_uses() -> None:
    placement = place(
        web=service(volumes_from=["one:ro"], volumes=[{**HOST, "source": "/mine"}]),
        one=service(volumes_from=["two"], volumes=[HOST]),
        two=service(volumes=[STORE, {"type": "tmpfs", "target": "/scratch"}]),
    )
    assert [(mount.source, mount.target, mount.read_only) for mount in mounts(placement, "web", {})] == [
        ("core_store", "/data", True),
        ("/mine", "/host", False),
    ]
    assert [mount.read_only for mount in mounts(placement, "one", {})] == [False, False]


@pytest.mark.parametrize(
    ("services", "message"),
    [
        (
            {"web": service(volumes_from=["one"]), "one": service(volumes=[{"type": "volume", "target": "/data"}])},
            "the volume of one on /data has no name",
        ),
        ({"web": service(volumes_from=["web"])}, "the volumes of web cannot be used here"),
    ],
)
def test_volumes_that_cannot_be_shared(services: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        mounts(place(**services), "web", {})


def test_extended_included_and_linked_services_in_a_whole_plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    files = {
        "groups/web.yml": "include: [parts/db.yaml]\nservices:\n"
        "  base: {image: 'docker.io/library/busybox:1', cpu_quota: 50000}\n"
        "  web: {extends: base, links: ['db:database'], volumes_from: ['db:ro'], volumes: ['./conf:/conf:ro']}\n",
        "groups/conf/settings": "a",
        "groups/parts/db.yaml": "services: {db: {image: 'docker.io/library/busybox:1', "
        "volumes: ['store:/data', './init:/init:ro']}}\nvolumes: {store: }\n",
        "groups/parts/init/start": "b",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    variables = {"mainpc": {"container_groups": ["web"], "inventory_dir": str(tmp_path)}}
    plan = make_plan(variables, {"mainpc": cpu_facts()}, load_group, ["mainpc"], [])
    mainpc = plan["hosts"]["mainpc"]
    services = {entry["name"]: entry for entry in mainpc["groups"][0]["services"]}
    web, db = services["web"]["config"], services["db"]["config"]
    assert web["cpus"] == 0.5
    assert [(mount["target"], mount.get("read_only", False)) for mount in web["mounts"]] == [
        ("/data", True),
        ("/init", True),
        ("/conf", True),
    ]
    assert web["mounts"][1]["source"] == db["mounts"][1]["source"]
    assert len(mainpc["files"]) == 2
    assert db["networks"][0]["aliases"] == ["db", "database"]
    assert [(entry["service"], entry["restart"]) for entry in services["web"]["depends_on"]] == [("db", True)]
