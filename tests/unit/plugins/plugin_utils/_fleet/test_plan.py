"""The whole plan, from group files on disk to the result and to every error it knows."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field, replace

import pytest
import yaml

from ansible_collections.gpu_fleet.containers.plugins.module_utils._errors import FleetError, FleetErrors
from ansible_collections.gpu_fleet.containers.plugins.module_utils._group.config import Group, from_dict
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._compose import load_group
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._fleet.plan import make_plan

from .examples import GIB, UUID, cpu_facts, nvidia_facts

REDIS = "redis:7.2"
MAINPC = {"container_link_address": "10.77.1.1"}
PC2 = {"container_link_address": "10.77.2.1"}


@dataclass
class World:
    """An inventory of two hosts, its group files, and which of it to look at."""

    groups: dict[str, dict] = field(default_factory=dict)
    mainpc: dict = field(default_factory=dict)
    pc2: dict = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    facts: dict[str, dict] = field(default_factory=dict)
    inside: tuple[str, ...] = ("mainpc", "pc2")
    only: tuple[str, ...] = ()

    def plan(self, directory):
        (directory / "groups").mkdir(parents=True)
        for name, content in self.groups.items():
            (directory / "groups" / f"{name}.yml").write_text(yaml.safe_dump(content, sort_keys=False))
        (directory / "images.lock.yml").write_text(LOCK)
        for name, content in self.files.items():
            path = directory / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
        variables = {"mainpc": {**MAINPC, **self.mainpc}, "pc2": {**PC2, **self.pc2}}
        for values in variables.values():
            values.setdefault("inventory_dir", str(directory))
        facts = {"mainpc": cpu_facts(), "pc2": cpu_facts(), **self.facts}
        return make_plan(variables, facts, load_group, self.inside, self.only)


LOCK = f'images: {{"docker.io/library/{REDIS}": "sha256:{"a" * 64}"}}'
"""So that only the tests of it are told that an image has no digest."""


def one(name="web", image=REDIS, **keys):
    return {"services": {name: {"image": image, **keys}}}


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


ERRORS: dict[str, tuple[World, list[str]]] = {
    "a group without a file": (
        World({"core-services": one()}, {"container_groups": ["core-service"]}),
        [
            "mainpc: container_groups: no file for group «core-service» in groups. Did you mean «core-services»?",
        ],
    ),
    "a group named twice": (
        World({"core": one()}, {"container_groups": ["core", "core"]}),
        [
            "mainpc: container_groups: group «core» is named twice. Name it once.",
        ],
    ),
    "an unknown engine": (
        World({"core": one()}, {"container_groups": ["core"], "container_engine": "podmann"}),
        [
            "mainpc: container_engine: unknown engine 'podmann'. Did you mean «podman»?",
        ],
    ),
    "container_groups is no list": (
        World({"core": one()}, {"container_groups": "core"}),
        [
            "mainpc: container_groups: expected a list of names, found text. Write «container_groups: [name, …]».",
        ],
    ),
    "a bad gpu_reserve": (
        World({"core": one()}, {"container_groups": ["core"], "gpu_reserve": "one gig"}),
        [
            "mainpc: gpu_reserve: 'one gig' is not a size. Write it like 512m or 1g.",
        ],
    ),
    "container_group names no group": (
        World({"core": one()}, {"container_groups": ["core"]}, only=("cor",)),
        [
            "container_group: no host runs a group «cor». Did you mean «core»? "
            "container_group is for one run, with -e; a host's groups are container_groups.",
        ],
    ),
    "a need that no host runs": (
        World({"core": one(), "app": {"x-fleet": {"needs": ["cor"]}, **one()}}, {"container_groups": ["core", "app"]}),
        [
            "mainpc: groups/app.yml:3:5: x-fleet.needs[0]: no host runs the group «cor». Did you mean «core»?",
        ],
    ),
    "a circle over two hosts": (
        World(
            {
                "a": {"x-fleet": {"needs": ["b"]}, **one()},
                "b": {"x-fleet": {"needs": ["c"]}, **one()},
                "c": {"x-fleet": {"needs": ["a"]}, **one()},
            },
            {"container_groups": ["a", "c"]},
            {"container_groups": ["b"]},
        ),
        [
            "mainpc: groups/a.yml:2:3: x-fleet.needs: groups need each other in a circle: a (mainpc) "
            "→ b (pc2) → c (mainpc) → a (mainpc). Take one of these needs away; a link (x-links) does "
            "not order and may stay.",
        ],
    ),
    "a link to an unknown service": (
        World(
            {"core": one(**{"x-links": {"DB": "tcp://databse:5432"}}), "db": one("database")},
            {"container_groups": ["core", "db"]},
        ),
        [
            "mainpc: groups/core.yml:5:7: services.web.x-links.DB: tcp://databse:5432: there is no "
            "service «databse». Did you mean «database»?",
        ],
    ),
    "a link to an unknown group": (
        World(
            {"core": one(**{"x-links": {"DB": "tcp://dp/database:5432"}}), "db": one("database")},
            {"container_groups": ["core", "db"]},
        ),
        [
            "mainpc: groups/core.yml:5:7: services.web.x-links.DB: tcp://dp/database:5432: no host "
            "runs a group «dp». Known here: core, db.",
        ],
    ),
    "a link that could mean two": (
        World(
            {"core": one(**{"x-links": {"DB": "tcp://database:5432"}}), "db1": one("database"), "db2": one("database")},
            {"container_groups": ["core", "db1", "db2"]},
        ),
        [
            "mainpc: groups/core.yml:5:7: services.web.x-links.DB: tcp://database:5432 could mean "
            "db1/database on mainpc, db2/database on mainpc. Write the group in front: "
            "scheme://group/service:port.",
        ],
    ),
    "a link to a port that is not published": (
        World(
            {"core": one(**{"x-links": {"DB": "tcp://database:5432"}}), "db": one("database", ports=["5433:5433"])},
            {"container_groups": ["core"]},
            {"container_groups": ["db"]},
        ),
        [
            "mainpc: groups/core.yml:5:7: services.web.x-links.DB: the link goes to db/database on "
            'pc2, which does not publish its port 5432/tcp. Add «ports: ["5432:5432"]» to database in '
            "groups/db.yml.",
        ],
    ),
    "a link to a host without a link address": (
        World(
            {"core": one(**{"x-links": {"DB": "tcp://database:5432"}}), "db": one("database", ports=["5432:5432"])},
            {"container_groups": ["core"]},
            {"container_groups": ["db"], "container_link_address": ""},
        ),
        [
            "mainpc: groups/core.yml:5:7: services.web.x-links.DB: the link goes to db/database on "
            "pc2, which has no container_link_address. Add «container_link_address: ADDRESS» to "
            "host_vars of pc2: the address under which other hosts reach its published ports.",
        ],
    ),
    "a link to a port on another address": (
        World(
            {
                "core": one(**{"x-links": {"DB": "tcp://database:5432"}}),
                "db": one("database", ports=["127.0.0.1:5432:5432"]),
            },
            {"container_groups": ["core"]},
            {"container_groups": ["db"]},
        ),
        [
            "mainpc: groups/core.yml:5:7: services.web.x-links.DB: the link goes to db/database on "
            "pc2, which publishes port 5432 on 127.0.0.1 and not on its container_link_address "
            "10.77.2.1. Leave the address out of the ports entry of database in groups/db.yml.",
        ],
    ),
    "a link to a port without a number": (
        World(
            {"core": one(**{"x-links": {"DB": "tcp://database:5432"}}), "db": one("database", ports=["5432"])},
            {"container_groups": ["core"]},
            {"container_groups": ["db"]},
        ),
        [
            "mainpc: groups/core.yml:5:7: services.web.x-links.DB: the link goes to db/database on "
            "pc2, whose port 5432 gets another number at each start. Publish it on a fixed port, "
            '«"5432:5432"», in groups/db.yml.',
        ],
    ),
    "a link out of an internal network": (
        World(
            {
                "core": {
                    **one(**{"x-links": {"DB": "tcp://database:5432"}}),
                    "networks": {"default": {"internal": True}},
                },
                "db": one("database", ports=["5432:5432"]),
            },
            {"container_groups": ["core"]},
            {"container_groups": ["db"]},
        ),
        [
            "mainpc: groups/core.yml:5:7: services.web.x-links.DB: core/web is in internal networks "
            "only, so it cannot reach db/database on pc2. Give it a network of its own without "
            "«internal: true» in groups/core.yml.",
        ],
    ),
    "a link over a variable that is set": (
        World(
            {"core": one(environment={"DB": "x"}, **{"x-links": {"DB": "tcp://database:5432"}}), "db": one("database")},
            {"container_groups": ["core", "db"]},
        ),
        [
            "mainpc: groups/core.yml:7:7: services.web.x-links.DB: DB is set in environment as well. "
            "Keep one of the two.",
        ],
    ),
    "the same port twice on a host": (
        World(
            {"core": one(ports=["8080:80"]), "app": one("app", ports=["8080:81"])},
            {"container_groups": ["core", "app"]},
        ),
        [
            "mainpc: groups/app.yml:5:7: services.app.ports[0]: port 8080/tcp on 10.77.1.1 is already "
            "published by core/web of mainpc. Publish one of the two on another port.",
        ],
    ),
    "the same port on two hosts that are one machine": (
        World(
            {"core": one(ports=["0.0.0.0:8080:80"]), "app": one("app", ports=["8080:81"])},
            {"container_groups": ["core"], "ansible_connection": "local"},
            {"container_groups": ["app"], "ansible_connection": "ansible.builtin.local"},
        ),
        [
            "pc2: groups/app.yml:5:7: services.app.ports[0]: port 8080/tcp on all addresses is "
            "already published by core/web of mainpc. Publish one of the two on another port.",
        ],
    ),
    "the same container name twice": (
        World(
            {"core": one(container_name="web"), "app": one(container_name="web")},
            {"container_groups": ["core", "app"]},
        ),
        [
            "mainpc: groups/app.yml:2:3: services.web: the container name web is taken by mainpc: "
            "groups/core.yml:2:3: services.web. Leave container_name out.",
        ],
    ),
    "no host with facts": (
        World({"core": one()}, {"container_groups": ["core"]}, facts={"mainpc": None, "pc2": None}, inside=("mainpc",)),
        [
            "mainpc: this host is inside the limit but gave no facts (it could not be reached, or gpu_facts failed). "
            "Bring it up; in a play of your own, run gpu_facts first and register it as gpu_fleet_facts.",
        ],
    ),
    "a host without facts": (
        World({"core": one()}, {"container_groups": ["core"]}, facts={"mainpc": {"unreachable": True}}),
        [
            "mainpc: this host is inside the limit but gave no facts (it could not be reached, or "
            "gpu_facts failed). Bring it up, or leave it out with «-l '!mainpc'».",
        ],
    ),
    "a GPU that is not there": (
        World({"core": one(**{"x-gpu": {"stacks": ["nvidia", "rocm"]}})}, {"container_groups": ["core"]}),
        [
            "mainpc: groups/core.yml:2:3: services.web: a GPU is wanted and none can be used (nvidia: "
            "not on this host; rocm: not on this host). Add cpu to x-gpu.stacks to allow the CPU.",
        ],
    ),
    "more GPU memory than there is room": (
        World(
            {
                "core": one(**{"x-gpu": {"stacks": ["nvidia"], "memory": "12g"}}),
                "app": one("app", **{"x-gpu": {"stacks": ["nvidia"], "memory": "8g"}}),
            },
            {"container_groups": ["core", "app"], "gpu_reserve": "1g"},
            facts={"mainpc": nvidia_facts(free=19 * GIB)},
        ),
        [
            "mainpc: groups/app.yml:7:7: services.app.x-gpu.memory: NVIDIA GeForce RTX 4090 "
            "(GPU-11111111-2222-3333-4444-555555555555) has room for 18.0 GiB (24.0 GiB less 5.0 GiB "
            "used by others and 1.0 GiB reserved), but 20.0 GiB are planned: core/web on mainpc 12.0 "
            "GiB, app/app on mainpc 8.0 GiB. Lower x-gpu.memory, free the GPU, or move a group to "
            "another host.",
        ],
    ),
    "a writable relative path": (
        World({"core": one(volumes=["./data:/data"])}, {"container_groups": ["core"]}),
        [
            "mainpc: groups/core.yml:5:7: services.web.volumes[0]: a relative path is the "
            "controller's, and a container cannot write there. Use a named volume, an absolute path "
            "on the host, or :ro.",
        ],
    ),
    "a relative path that is missing": (
        World({"core": one(volumes=["./data:/data:ro"])}, {"container_groups": ["core"]}),
        [
            "mainpc: groups/core.yml:5:7: services.web.volumes[0]: groups/data: No such file or "
            "directory. Paths start from the group file's folder.",
        ],
    ),
    "a config's file that is missing": (
        World({"core": {**one(configs=["c"]), "configs": {"c": {"file": "c.json"}}}}, {"container_groups": ["core"]}),
        [
            "mainpc: groups/core.yml:7:3: configs.c: groups/c.json: No such file or directory. Paths "
            "start from the group file's folder.",
        ],
    ),
    "a secret without a value": (
        World(
            {"core": {**one(secrets=["token"]), "secrets": {"token": {"environment": "TOKEN"}}}},
            {"container_groups": ["core"]},
        ),
        [
            "mainpc: groups/core.yml:7:3: secrets.token: no value for the secret TOKEN. Put TOKEN "
            "into container_secrets of mainpc (in a vault).",
        ],
    ),
    "a secret that is too short": (
        World(
            {"core": {**one(secrets=["token"]), "secrets": {"token": {"environment": "TOKEN"}}}},
            {"container_groups": ["core"], "container_secrets": {"TOKEN": "short"}},
        ),
        [
            "mainpc: groups/core.yml:7:3: secrets.token: the secret's value has fewer than 8 "
            "characters. Use a longer one: hiding a short value would turn ordinary output into "
            "asterisks.",
        ],
    ),
    "a secret's file that is missing": (
        World(
            {"core": {**one(secrets=["token"]), "secrets": {"token": {"file": "token.txt"}}}},
            {"container_groups": ["core"]},
        ),
        [
            "mainpc: groups/core.yml:7:3: secrets.token: cannot read groups/token.txt: No such file or directory",
        ],
    ),
    "a build's secret without a value": (
        World(
            {
                "core": {
                    **one(build={"dockerfile_inline": "FROM scratch", "secrets": ["token"]}),
                    "secrets": {"token": {"environment": "TOKEN"}},
                }
            },
            {"container_groups": ["core"]},
        ),
        [
            "mainpc: groups/core.yml:9:3: secrets.token: no value for the secret TOKEN. Put TOKEN into container_secrets "
            "of mainpc (in a vault).",
        ],
    ),
    "a secret's value in clear": (
        World(
            {
                "core": {
                    **one(
                        secrets=["token"],
                        environment={"URL": "http://x:hunter2hunter2@y"},
                        command=["--password", "hunter2hunter2"],
                    ),
                    "secrets": {"token": {"environment": "TOKEN"}},
                }
            },
            {
                "container_groups": ["core"],
                "container_secrets": {"TOKEN": "hunter2hunter2"},
                "container_environment": {"WORD": "hunter2hunter2"},
            },
        ),
        [
            "mainpc: groups/core.yml:7:7: services.web.environment.URL: the value of the secret TOKEN "
            "stands here in clear. Take it out and give the service the secret with Compose's "
            "«secrets».",
            "mainpc: groups/core.yml:10:7: services.web.command[1]: the value of the secret TOKEN "
            "stands here in clear. Take it out and give the service the secret with Compose's "
            "«secrets».",
            "mainpc: container_environment.WORD: the value of the secret TOKEN stands here in clear. "
            "Take it out and give the service the secret with Compose's «secrets».",
        ],
    ),
    "a secret that is interpolated": (
        World(
            {"core": one(environment={"T": "${TOKEN}"})},
            {"container_groups": ["core"], "container_secrets": {"TOKEN": "hunter2hunter2"}},
        ),
        [
            "groups/core.yml:5:7: services.web.environment.T: TOKEN is a secret and must not be "
            "written into the configuration. Use a Compose secret instead: secrets: {token: "
            "{environment: TOKEN}}.",
        ],
    ),
    "a service with a profile that is needed": (
        World(
            {
                "core": {
                    "services": {
                        "web": {"image": REDIS, "depends_on": ["db"]},
                        "db": {"image": REDIS, "profiles": ["dev"]},
                    }
                }
            },
            {"container_groups": ["core"]},
        ),
        [
            "groups/core.yml:5:7: services.web.depends_on.db: the service web needs db, whose "
            "profiles are not active. Activate one of dev, or write required: false.",
        ],
    ),
    "no service left": (
        World({"core": one(profiles=["dev"])}, {"container_groups": ["core"]}),
        [
            "mainpc: groups/core.yml:1:1: services: no service is left with the profiles that are "
            "active here. Add a profile to container_profiles of mainpc, or take the group from its "
            "container_groups.",
        ],
    ),
    "a label of ours": (
        World({"core": one(labels={"com.docker.compose.project": "x"})}, {"container_groups": ["core"]}),
        [
            "mainpc: groups/core.yml:5:7: services.web.labels['com.docker.compose.project']: the "
            "label com.docker.compose.project is set by the deployment. Take it out.",
        ],
    ),
    "a build without its context": (
        World({"core": {"services": {"web": {"build": "../images/web"}}}}, {"container_groups": ["core"]}),
        [
            "mainpc: groups/core.yml:2:3: services.web.build.context: build context images/web is not a directory",
        ],
    ),
    "a file that cannot be read on two hosts is said once": (
        World(
            {"core": {"services": {"web": {"image": REDIS, "comand": "x"}}}},
            {"container_groups": ["core"]},
            {"container_groups": ["core"]},
        ),
        [
            "groups/core.yml:4:5: services.web.comand: the key comand is not known here. Did you mean «command»?",
        ],
    ),
    "several at once": (
        World(
            {"core": {"x-fleet": {"needs": ["nothing"]}, **one(ports=["80:80"])}, "app": one("app", ports=["80:80"])},
            {"container_groups": ["core", "app", "other"]},
        ),
        [
            "mainpc: container_groups: no file for group «other» in groups. Known here: app, core.",
            "mainpc: groups/core.yml:3:5: x-fleet.needs[0]: no host runs the group «nothing». Known here: app.",
            "mainpc: groups/app.yml:5:7: services.app.ports[0]: port 80/tcp on 10.77.1.1 is already "
            "published by core/web of mainpc. Publish one of the two on another port.",
        ],
    ),
}


@pytest.mark.parametrize("name", ERRORS)
def test_plan_errors(name, tmp_path):
    world, messages = ERRORS[name]
    with pytest.raises(FleetError) as raised:
        world.plan(tmp_path)
    found = raised.value.errors if isinstance(raised.value, FleetErrors) else [raised.value]
    assert sorted(str(error).replace(f"{tmp_path}/", "") for error in found) == sorted(messages)


def test_a_builds_secret_is_a_reference_in_the_plan(tmp_path):
    (tmp_path / "context").mkdir()
    (tmp_path / "context" / "Containerfile").write_text("FROM scratch\n")
    build = {"context": "../context", "secrets": ["token", {"source": "token", "target": "pip.conf"}]}
    core = {**one(build=build), "secrets": {"token": {"environment": "TOKEN"}}}
    world = World({"core": core}, {"container_groups": ["core"], "container_secrets": {"TOKEN": SECRET}})
    mainpc = world.plan(tmp_path)["hosts"]["mainpc"]
    (image,) = mainpc["images"].values()
    assert image["secrets"] == {"token": "core/token", "pip.conf": "core/token"}
    assert mainpc["secrets"] == {"core/token": {"variable": "TOKEN"}}
    assert SECRET not in str(mainpc)


SECRET = "correct-horse-battery"
FILE_SECRET = "staple-of-the-house"


def example() -> World:
    """Two groups on mainpc and one on pc2, with a need, links, secrets, staged files and a GPU."""
    core = {
        "x-fleet": {"needs": ["memory"], "timeout": "90s"},
        "services": {
            "api": {
                "image": REDIS,
                "ports": ["7100:7000"],
                "volumes": ["./certs:/certs:ro", "data:/data", "/srv/models:/models:ro"],
                "secrets": ["token", {"source": "key", "target": "/etc/key", "mode": 0o440, "uid": "5", "gid": "6"}],
                "configs": [{"source": "settings", "target": "/etc/settings"}],
                "x-gpu": {"stacks": ["nvidia", "cpu"], "memory": "2g"},
                "x-links": {"MEMORY": "tcp://memory/store:7140", "LOG": "tcp://log:514", "SELF": "http://side:80/v1"},
            },
            "side": {
                "image": REDIS,
                "restart": "always",
                "deploy": {"resources": {"limits": {"cpus": "0.5", "memory": "64m"}}},
            },
        },
        "volumes": {"data": None},
        "secrets": {"token": {"environment": "TOKEN"}, "key": {"file": "key.txt"}},
        "configs": {"settings": {"content": "a: 1"}},
    }
    return World(
        {
            "core": core,
            "tools": {"x-fleet": {"needs": ["core"]}, **one("log")},
            "memory": one("store", ports=["7140:7140"]),
        },
        {
            "container_groups": ["core", "tools"],
            "container_secrets": {"TOKEN": SECRET, "UNUSED": "never-used-anywhere"},
            "ansible_connection": "local",
        },
        {"container_groups": ["memory"], "ansible_connection": "local"},
        files={"groups/certs/ca.pem": "certificate", "groups/key.txt": FILE_SECRET + "\n"},
        facts={"mainpc": nvidia_facts()},
    )


def services_of(plan, host, group):
    entry = next(entry for entry in plan["hosts"][host]["groups"] if entry["name"] == group)
    return {service.name: service for service in from_dict(Group, entry).services}


def test_the_plan_of_two_hosts(tmp_path):
    plan = example().plan(tmp_path)
    assert plan["waves"] == [
        [{"host": "pc2", "group": "memory"}],
        [{"host": "mainpc", "group": "core"}],
        [{"host": "mainpc", "group": "tools"}],
    ]
    assert plan["rounds"] == [{"pc2": ["memory"]}, {"mainpc": ["core", "tools"]}]
    mainpc = plan["hosts"]["mainpc"]
    assert mainpc["selected"] == ["core", "tools"]
    assert mainpc["needs_hosts"] == {"core": ["pc2"], "tools": ["pc2"]}
    assert mainpc["secrets"] == {
        "core/token": {"variable": "TOKEN"},
        "core/key": {"file": str(tmp_path / "groups/key.txt")},
    }
    assert mainpc["gpu"]["core/api"]["stack"] == "nvidia"
    assert mainpc["gpu"]["core/api"]["memory"] == 2 * GIB
    assert list(mainpc["images"]) == ["docker.io/library/redis:7.2"]
    tools = next(entry for entry in mainpc["groups"] if entry["name"] == "tools")
    assert tools["needs"] == ["core"]


def test_a_container_of_the_plan(tmp_path):
    plan = example().plan(tmp_path)
    api = services_of(plan, "mainpc", "core")["api"]
    config = api.config
    assert config.name == "mainpc-core-api-1"
    assert config.environment == {
        "MEMORY": "tcp://10.77.2.1:7140",
        "LOG": "tcp://log.tools:514",
        "SELF": "http://side:80/v1",
    }
    assert [(port.address, port.host, port.container) for port in config.ports] == [("10.77.1.1", 7100, 7000)]
    assert [attachment.network for attachment in config.networks] == ["mainpc-core_default", "mainpc-tools_link"]
    assert config.gpu.uuids == (UUID,)
    assert {(secret.source, secret.target, secret.mode, secret.uid) for secret in config.secrets} == {
        ("core/token", "/run/secrets/token", 0o444, 0),
        ("core/key", "/etc/key", 0o440, 5),
    }
    mounts = {mount.target: mount for mount in config.mounts}
    assert mounts["/data"].source == "mainpc-core_data"
    assert mounts["/models"].source == "/srv/models"
    files = plan["hosts"]["mainpc"]["files"]
    certs = files[mounts["/certs"].source.removeprefix("staged:")]
    assert certs == {"path": str(tmp_path / "groups/certs"), "type": "directory"}
    assert files[mounts["/etc/settings"].source.removeprefix("staged:")] == {"content": "a: 1", "mode": "0644"}


def test_a_link_network_stands_on_both_groups_lists(tmp_path):
    plan = example().plan(tmp_path)
    for entry in plan["hosts"]["mainpc"]["groups"]:
        networks = {network.name: network for network in from_dict(Group, entry).networks}
        link = networks["mainpc-tools_link"]
        assert (link.key, link.group, link.project, link.internal) == ("link", "tools", "mainpc-tools", True)
    log = services_of(plan, "mainpc", "tools")["log"].config
    assert {entry.network: entry.aliases for entry in log.networks} == {
        "mainpc-tools_default": ("log",),
        "mainpc-tools_link": ("log.tools",),
    }


def test_no_secret_value_is_in_the_plan(tmp_path):
    text = json.dumps(example().plan(tmp_path))
    assert SECRET not in text
    assert FILE_SECRET not in text
    assert "never-used-anywhere" not in text


def test_no_secret_value_is_in_an_error(tmp_path):
    world = example()
    world.groups["core"]["services"]["api"]["environment"] = {"URL": f"http://x:{SECRET}@y", "KEY": FILE_SECRET}
    with pytest.raises(FleetErrors) as raised:
        world.plan(tmp_path)
    assert len(raised.value.errors) == 2
    told = json.dumps([vars(error) for error in raised.value.errors]) + str(raised.value)
    assert SECRET not in told
    assert FILE_SECRET not in told


def test_the_plan_is_the_same_every_time(tmp_path):
    first = example().plan(tmp_path / "a")
    second = example().plan(tmp_path / "b")
    assert [group["services"] for group in first["hosts"]["mainpc"]["groups"]] == [
        group["services"] for group in second["hosts"]["mainpc"]["groups"]
    ]


def test_a_limit_names_what_may_change_and_checks_the_rest(tmp_path):
    world = example()
    world.inside = ("mainpc",)
    world.facts["pc2"] = {}
    plan = world.plan(tmp_path)
    assert list(plan["hosts"]) == ["mainpc"]
    assert plan["rounds"] == [{"mainpc": ["core", "tools"]}]
    links = {link.variable: link for link in services_of(plan, "mainpc", "core")["api"].links}
    assert links["MEMORY"].outside
    assert links["MEMORY"].published
    assert not links["LOG"].outside
    # The need is checked through the link, so nothing has to be said.
    assert not [text for text in plan["plan_warnings"] if "outside" in text]


def test_a_need_outside_the_limit_without_a_link_is_a_warning(tmp_path):
    world = example()
    world.inside = ("mainpc",)
    del world.groups["core"]["services"]["api"]["x-links"]["MEMORY"]
    assert world.plan(tmp_path)["plan_warnings"] == [
        "core on mainpc needs memory on pc2, which is outside the limit and to which it has no link: nothing checks that it is up."
    ]


def test_one_group_may_be_selected(tmp_path):
    world = example()
    world.only = ("tools",)
    plan = world.plan(tmp_path)
    assert plan["rounds"] == [{"mainpc": ["tools"]}]
    assert plan["hosts"]["mainpc"]["selected"] == ["tools"]
    assert [group["name"] for group in plan["hosts"]["mainpc"]["groups"]] == ["core", "tools"]
    assert "core  [mainpc-core]  (checked only)" in plan["text"]


def test_a_host_without_groups_has_a_place_in_the_plan(tmp_path):
    plan = World({"core": one()}, {"container_groups": ["core"]}).plan(tmp_path)
    assert plan["hosts"]["pc2"]["groups"] == []


def test_project_names_without_a_shared_machine(tmp_path):
    world = example()
    world.pc2["ansible_connection"] = "ssh"
    plan = world.plan(tmp_path)
    assert [group["project"] for group in plan["hosts"]["mainpc"]["groups"]] == ["core", "tools"]


def test_a_second_run_does_not_refuse_itself(tmp_path):
    world = World(
        {"core": one(**{"x-gpu": {"stacks": ["nvidia"], "memory": "20g"}})},
        {"container_groups": ["core"]},
        facts={"mainpc": nvidia_facts(free=3 * GIB, declared=20 * GIB)},
    )
    assert "20.0 GiB planned, 1.0 GiB used by others" in world.plan(tmp_path)["text"]


def test_hosts_on_one_machine_share_the_gpu_whatever_the_limit(tmp_path):
    wish = {"x-gpu": {"stacks": ["nvidia"], "memory": "16g"}}
    world = World(
        {"core": one(**wish), "other": one("other", **wish)},
        {"container_groups": ["core"], "ansible_connection": "local"},
        {"container_groups": ["other"], "ansible_connection": "local"},
        facts={"mainpc": nvidia_facts()},
        inside=("mainpc",),
    )
    with pytest.raises(FleetError, match=r"32\.0 GiB are planned: core/web on mainpc 16\.0 GiB, other/other on pc2"):
        world.plan(tmp_path)


def test_a_lock_file_gives_digests_to_what_is_pulled_and_to_bases(tmp_path):
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "Containerfile").write_text("FROM debian:13\n")
    build = {"dockerfile_inline": "FROM ai-system/base\nCOPY --from=redis:7.2 /a /a\n"}
    core = {
        "services": {
            "base": {"image": "ai-system/base", "build": "../base"},
            "made": {"image": "ai-system/made", "build": build},
            "store": {"image": REDIS},
        }
    }
    tools = {"services": {"other": {"image": "quay.io/a/b:1"}, "again": {"image": REDIS}}}
    digest = f"sha256:{'d' * 64}"
    files = {"locks/pc2.yml": f"images:\n  docker.io/library/redis:7.2: {digest}\n  quay.io/a/b:1: {digest}\n"}
    world = World({"core": core, "tools": tools}, {"container_groups": ["core"]}, files=files)
    world = replace(world, pc2={"container_groups": ["tools"], "container_images_lock": "locks/pc2.yml"})
    made = world.plan(tmp_path)
    images = {host: content["images"] for host, content in made["hosts"].items()}
    locked = f"docker.io/library/redis:7.2@sha256:{'a' * 64}"
    assert images["mainpc"]["docker.io/library/redis:7.2"]["repository"] == locked
    assert images["mainpc"]["localhost/ai-system/made"]["bases"] == ["ai-system/base", locked]
    assert images["pc2"]["docker.io/library/redis:7.2"]["repository"] == f"docker.io/library/redis:7.2@{digest}"
    assert made["locks"] == {
        str(tmp_path / "images.lock.yml"): {
            "host": "mainpc",
            "references": ["docker.io/library/debian:13", "docker.io/library/redis:7.2"],
        },
        str(tmp_path / "locks/pc2.yml"): {
            "host": "pc2",
            "references": ["docker.io/library/redis:7.2", "quay.io/a/b:1"],
        },
    }
    (note,) = made["plan_warnings"]
    assert note.startswith(
        "images.lock.yml has no digest for docker.io/library/debian:13 (mainpc: groups/core.yml:2:3: services.base.build): "
    )


def test_a_lock_file_that_is_none_is_an_error_with_its_line(tmp_path):
    world = World({"core": one()}, {"container_groups": ["core"], "container_images_lock": "bad.yml"})
    world = replace(world, files={"bad.yml": "images:\n  docker.io/library/redis:7.2: latest\n"})
    with pytest.raises(FleetError, match=r"bad\.yml:2: images: docker.io/library/redis:7\.2: 'latest' is not a digest"):
        world.plan(tmp_path)


def test_warnings(tmp_path):
    world = World(
        {"core": one(image="redis", privileged=True, ports=["0.0.0.0:80:80"]), "spare": one()},
        {"container_groups": ["core"]},
    )
    assert world.plan(tmp_path)["plan_warnings"] == [
        "groups/spare.yml: no host has this group in its container_groups",
        "mainpc: groups/core.yml:2:3: services.web is privileged: it can do anything on the host."
        " Name the capabilities it needs in cap_add.",
        "mainpc: groups/core.yml:6:7: services.web.ports[0] is published on all addresses of mainpc."
        " Write an address in front, or set container_link_address for mainpc.",
        "images.lock.yml has no digest for docker.io/library/redis:latest (mainpc: groups/core.yml:2:3: services.web.image):"
        " what is pulled is whatever a registry has that day. «ansible-playbook build.yml -e update_lock=true» writes it down.",
    ]


def display_facts():
    facts = cpu_facts()
    facts["gpu"]["displays"] = [
        {"kind": "x11", "name": ":0", "socket": "/tmp/.X11-unix/X0", "uid": 1000, "authority": "/home/max/.Xauthority"}
    ]
    return facts


def test_a_service_is_given_its_hosts_display(tmp_path):
    world = World(
        {"core": one(**{"x-display": "x11"})}, {"container_groups": ["core"]}, facts={"mainpc": display_facts()}
    )
    whole = world.plan(tmp_path)
    made = whole["hosts"]["mainpc"]
    assert made["displays"] == {"core/web": "x11 :0"} and "redis:7.2  x11 :0" in whole["text"]
    config = from_dict(Group, made["groups"][0]).services[0].config
    assert config.environment == {"DISPLAY": ":0", "XAUTHORITY": "/run/display/Xauthority"}
    assert [secret.source for secret in config.secrets] == ["x11-cookie-0"]
    # Nothing is handed over for it, and where the host keeps the cookie is not in the plan.
    assert made["secrets"] == {} and ".Xauthority" not in json.dumps(made)


def test_a_display_that_is_missing_is_an_error_unless_it_is_optional(tmp_path):
    world = World({"core": one(**{"x-display": "x11"})}, {"container_groups": ["core"]})
    with pytest.raises(FleetError) as raised:
        world.plan(tmp_path / "a")
    assert str(raised.value) == (
        "mainpc: a/groups/core.yml:4:5: services.web.x-display: a display is wanted and none can be used (x11: not on this"
        " host). Log in on this host's desktop (or start its display server) and run again, or write `optional: true` below"
        " x-display."
    )
    world.groups["core"] = one(**{"x-display": {"kinds": ["x11"], "optional": True}})
    made = world.plan(tmp_path / "b")
    assert made["plan_warnings"] == [
        "mainpc: b/groups/core.yml:4:5: services.web.x-display goes without a display: x11: not on this host."
    ]
    assert "environment" not in made["hosts"]["mainpc"]["groups"][0]["services"][0]["config"]


def test_a_library_path_that_replaces_the_images_is_a_warning(tmp_path):
    facts = nvidia_facts(cdi_devices=[])
    hook = {"path": "/usr/bin/nvidia-cdi-hook", "args": ["nvidia-cdi-hook", "update-ldcache", "--folder", "/usr/lib64"]}
    spec = {"edits": {"hooks": [hook]}, "devices": {"all": {"deviceNodes": [{"path": "/dev/nvidia0"}]}}}
    facts["gpu"]["cdi"] = {"nvidia.com/gpu": spec}
    world = World({"core": one(gpus="all")}, {"container_groups": ["core"]}, facts={"mainpc": facts})
    assert world.plan(tmp_path)["plan_warnings"] == [
        "mainpc: LD_LIBRARY_PATH is /usr/lib64 in core/web, for the GPU's libraries and in place of the image's own."
        " Where an image has one, write both into the service's environment."
    ]


def test_a_port_that_nobody_reaches_is_a_warning(tmp_path):
    core = {**one(ports=["80:80"]), "networks": {"default": {"internal": True}}}
    assert World({"core": core}, {"container_groups": ["core"]}).plan(tmp_path)["plan_warnings"] == [
        "mainpc: groups/core.yml:5:7: services.web.ports[0] reaches nobody: web is in internal networks only."
    ]


def test_profiles_choose_services(tmp_path):
    groups = {"core": {"services": {"web": {"image": REDIS}, "debug": {"image": REDIS, "profiles": ["dev"]}}}}
    plain = World(groups, {"container_groups": ["core"]}).plan(tmp_path / "a")
    dev = World(groups, {"container_groups": ["core"], "container_profiles": ["dev"]}).plan(tmp_path / "b")
    assert list(services_of(plain, "mainpc", "core")) == ["web"]
    assert list(services_of(dev, "mainpc", "core")) == ["debug", "web"]


def test_one_image_is_built_once_for_each_stack(tmp_path):
    gpu = {"x-gpu": {"stacks": ["nvidia"]}}
    build = {
        "context": "../images/agent",
        "x-stacks": {"nvidia": {"args": {"BASE": "cuda:12"}}},
        "args": {"BASE": "debian:12"},
    }
    world = World(
        {
            "core": {
                "services": {
                    "a": {"image": "ai/agent", "build": build, **gpu},
                    "b": {"image": "ai/agent", **gpu},
                    "c": {"image": "ai/agent"},
                }
            }
        },
        {"container_groups": ["core"]},
        files={"images/agent/Dockerfile": "ARG BASE\nFROM ${BASE}\n"},
        facts={"mainpc": nvidia_facts()},
    )
    plan = world.plan(tmp_path)
    services = services_of(plan, "mainpc", "core")
    images = plan["hosts"]["mainpc"]["images"]
    assert services["a"].config.image == services["b"].config.image != services["c"].config.image
    bases = {name: images[service.config.image.removeprefix("build:")]["bases"] for name, service in services.items()}
    assert bases == {"a": ["cuda:12"], "b": ["cuda:12"], "c": ["debian:12"]}


def test_ten_groups_are_planned_quickly(tmp_path):
    names = [f"group-{number}" for number in range(10)]
    world = World(
        {name: one(ports=[f"{7000 + number}:80"]) for number, name in enumerate(names)}, {"container_groups": names}
    )
    started = time.perf_counter()
    world.plan(tmp_path)
    # About 0.03 s on two slow cores; the bound only catches something quadratic.
    assert time.perf_counter() - started < 0.5


def test_the_text_fits_100_columns(tmp_path):
    text = example().plan(tmp_path)["text"]
    assert max(len(line) for line in text.splitlines()) <= 100
    assert "→ memory/store:7140 (pc2) MEMORY=tcp://10.77.2.1:7140" in text
    assert "nvidia/cdi 2.0 GiB" in text


def test_a_group_that_cannot_be_read_is_the_only_one_to_blame(tmp_path):
    world = World(
        {
            "core": {"services": {"web": {"image": REDIS, "comand": "x"}}},
            "app": {
                "x-fleet": {"needs": ["core", "far"]},
                **one(**{"x-links": {"A": "tcp://core/web:80", "B": "tcp://web:80"}}),
            },
            "far": one(),
        },
        {"container_groups": ["core", "app"]},
        {"container_groups": ["far"], "container_engine": "podmann"},
        only=("core",),
    )
    with pytest.raises(FleetErrors) as raised:
        world.plan(tmp_path)
    assert [str(error) for error in raised.value.errors] == [
        "pc2: container_engine: unknown engine 'podmann'. Did you mean «podman»?",
        "groups/core.yml:4:5: services.web.comand: the key comand is not known here. Did you mean «command»?",
    ]


def test_which_gpu_a_service_gets_does_not_depend_on_the_limit(tmp_path):
    facts = nvidia_facts()
    stack = facts["gpu"]["stacks"][0]
    stack["devices"].append({**stack["devices"][0], "uuid": UUID.replace("1", "2"), "index": 1, "minor": 1})
    wish = {"x-gpu": {"stacks": ["nvidia"], "memory": "16g", "count": 1}}
    chosen = []
    for number, inside in enumerate((("mainpc", "pc2"), ("pc2",))):
        world = World(
            {"core": one(**wish), "other": one("other", **wish)},
            {"container_groups": ["core"], "ansible_connection": "local"},
            {"container_groups": ["other"], "ansible_connection": "local"},
            facts={"mainpc": facts, "pc2": facts},
            inside=inside,
        )
        plan = world.plan(tmp_path / str(number))
        chosen.append(plan["hosts"]["pc2"]["gpu"]["other/other"]["uuids"])
    assert chosen[0] == chosen[1] == [UUID.replace("1", "2")]
