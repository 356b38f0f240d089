"""Which host builds for which: the inventory's variable, and what a plan makes of it."""

from __future__ import annotations

import typing as t

import pytest
import yaml

from ansible_collections.gpu_fleet.containers.plugins.module_utils._errors import FleetError, InputError
from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu.model import EngineFacts, GpuHost
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._compose import load_group
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._fleet.builders import (
    Builders,
    engine_key,
    read_builders,
)
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._fleet.plan import make_plan
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._fleet.registry import Registry

from .examples import cpu_facts, host

HOSTS = ("mainpc", "pc2", "pi5")

READ: list[tuple[str, t.Any, t.Any]] = [
    ("not set", None, {}),
    ("empty", "", {}),
    ("two", {"amd64": "mainpc", "arm64": "pi5"}, {"amd64": "mainpc", "arm64": "pi5"}),
    ("a list", ["mainpc"], "expected a mapping. Write «container_image_builders: {amd64: HOST, arm64: HOST}»."),
    ("a list in it", {"amd64": ["mainpc"]}, "expected a mapping. Write"),
    ("the kernel's name", {"x86_64": "mainpc"}, "unknown architecture 'x86_64'. Write amd64."),
    ("a slip", {"arm46": "pi5"}, "unknown architecture 'arm46'. Did you mean «arm64»?"),
    ("no such host", {"amd64": "manpc"}, "amd64: there is no host 'manpc' in the inventory. Did you mean «mainpc»?"),
    ("nothing like it", {"amd64": "x"}, "there is no host 'x' in the inventory. Known here: mainpc, pc2, pi5."),
]


@pytest.mark.parametrize(("value", "expected"), [row[1:] for row in READ], ids=[row[0] for row in READ])
def test_the_variable(value: t.Any, expected: t.Any) -> None:
    if isinstance(expected, dict):
        assert read_builders("pc2", value, HOSTS) == expected
        return
    with pytest.raises(InputError) as caught:
        read_builders("pc2", value, HOSTS)
    assert str(caught.value).startswith("pc2: container_image_builders") and expected in str(caught.value)


BY = {"amd64": "mainpc", "arm64": "pi5"}
MAINPC = {"link_address": "10.0.0.1"}
NO_ADDRESS = "to an IP address, or give the fleet a registry"


class Chosen(t.NamedTuple):
    expected: str
    """The builder, or what the error says; empty: the host itself."""
    platform: str = ""
    architecture: str = "amd64"
    builder: dict[str, t.Any] = MAINPC
    builder_is: str = "amd64"
    """Its architecture; empty: outside the limit."""
    pc2: dict[str, t.Any] = {}


CHOSEN = {
    "of its architecture": Chosen("mainpc"),
    "outside the limit": Chosen("mainpc", builder_is=""),
    "of the image's platform": Chosen("pi5", platform="linux/arm64"),
    "of a platform with a variant": Chosen("pi5", platform="linux/arm64/v8"),
    "an architecture that is not named": Chosen("", architecture="riscv64"),
    "an architecture that nobody knows": Chosen("", architecture=""),
    "none named": Chosen("", pc2={"builders": {}}),
    "itself": Chosen("", pc2={"builders": {"amd64": "pc2"}}),
    "of another architecture": Chosen(
        "container_image_builders.amd64: mainpc is of arm64 and would have to build for amd64. "
        "Name a host of amd64, or none: then each host builds for itself.",
        builder_is="arm64",
    ),
    "only its engine is reached": Chosen(
        "container_image_builders.amd64: mainpc cannot build for others: only its engine is reached, at ssh://mainpc. "
        "Name a host that Ansible connects to.",
        builder={"engine": "docker", "engine_url": "ssh://mainpc"},
    ),
    "without an address": Chosen(f"and it has none. Set container_link_address of mainpc {NO_ADDRESS}", builder={}),
    "with a name": Chosen(
        f"it has the name mainpc.lan. Set container_link_address of mainpc {NO_ADDRESS}",
        builder={"link_address": "mainpc.lan"},
    ),
    "with a registry": Chosen("mainpc", builder={"registry": Registry("pc2:5000")}),
    "the same machine and engine": Chosen("mainpc", builder={"machine": "local"}, pc2={"machine": "local"}),
    "another engine of the machine": Chosen(
        NO_ADDRESS, builder={"machine": "local", "engine": "docker"}, pc2={"machine": "local"}
    ),
}


@pytest.mark.parametrize("name", CHOSEN)
def test_who_builds(name: str) -> None:
    case = CHOSEN[name]
    pc2 = host("pc2", **{"builders": BY, **case.pc2})
    hosts = {"mainpc": host("mainpc", **case.builder), "pc2": pc2, "pi5": host("pi5", link_address="10.0.0.5")}
    known = {"pc2": GpuHost("linux", architecture=case.architecture)}
    if case.builder_is:
        known["mainpc"] = GpuHost("linux", architecture=case.builder_is)
    try:
        assert Builders(hosts, known).of(pc2, case.platform) == case.expected
    except InputError as error:
        assert case.expected and case.expected in str(error)


def test_one_engine_has_one_key() -> None:
    podman = {"podman": EngineFacts("podman", id="machine:/var/lib/containers/storage")}
    both = [engine_key(host(name), GpuHost("linux", engines=podman)) for name in ("mainpc", "pc2")]
    assert both[0] == both[1]
    new = [engine_key(host(name, machine="local"), GpuHost("linux")) for name in ("mainpc", "pc2")]
    assert new == ["local podman", "local podman"]
    assert engine_key(host("pc2", machine="local", engine="docker"), GpuHost("linux")) == "local docker"


SERVICE = {"image": "ai/agent", "build": {"context": "../images/agent"}}


def make(folder, inside=("pc2",), **mainpc):
    """A plan of pc2, whose images mainpc builds; mainpc may be outside the limit."""
    (folder / "groups").mkdir()
    (folder / "images/agent").mkdir(parents=True)
    (folder / "images/agent/Dockerfile").write_text("FROM scratch\n")
    (folder / "groups/app.yml").write_text(yaml.safe_dump({"services": {"web": SERVICE, "more": SERVICE}}))
    every = {"inventory_dir": str(folder), "container_image_builders": {"amd64": "mainpc"}, "container_groups": ["app"]}
    link = {"container_link_address": "10.0.0.1"}
    variables = {"mainpc": {**every, **link, "container_cache_dir": "/srv/cache", **mainpc}, "pc2": every}
    facts = {name: {"gpu": {**cpu_facts()["gpu"], "architecture": "amd64"}} for name in inside}
    return make_plan(variables, facts, load_group, inside)


def test_a_plan_names_the_builder_of_each_image(tmp_path) -> None:
    plan = make(tmp_path)
    assert [spec["builder"] for spec in plan["hosts"]["pc2"]["images"].values()] == ["mainpc"]
    assert plan["image_builders"] == {
        "mainpc": {
            "engine": "podman",
            "engine_url": "",
            "cache_dir": "/srv/cache",
            "address": "10.0.0.1",
            "port": 0,
            "registry": None,
            "inside": False,
        }
    }
    assert "localhost/ai/agent (built on mainpc)" in plan["text"]


def test_a_builder_builds_for_itself(tmp_path) -> None:
    plan = make(tmp_path, ("mainpc", "pc2"), container_registry={"address": "hub.example.org", "username": ""})
    assert "builder" not in plan["hosts"]["mainpc"]["images"]["localhost/ai/agent"]
    assert plan["image_builders"]["mainpc"]["inside"]
    assert plan["image_builders"]["mainpc"]["registry"] == {
        "address": "hub.example.org",
        "username": "",
        "ca": "",
        "host": "",
    }


def test_what_is_wrong_with_a_builder_is_said_once(tmp_path) -> None:
    with pytest.raises(FleetError) as caught:
        make(tmp_path, container_link_address="")
    assert str(caught.value).count("container_link_address") == 2
