"""Hosts of which only the engine is reached: what their inventory may say, and what inventories/desktop is planned to."""

from __future__ import annotations

import pathlib
import typing as t

import pytest
import yaml

from ansible_collections.gpu_fleet.containers.plugins.module_utils._errors import FleetErrors, InputError
from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu import reported
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._compose import load_group
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._fleet import elsewhere
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._fleet.errors import Errors
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._fleet.inventory import read_hosts
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._fleet.plan import make_plan
from tests.unit.plugins.module_utils._gpu import docker_infos as infos

DESKTOP = pathlib.Path(__file__).resolve().parents[5] / "inventories/desktop"
INFOS = {"winbox": infos.WINDOWS_CUDA, "macbook": infos.MAC, "macstudio": infos.PODMAN_MACHINE}
TCP = {"container_engine": "docker", "container_engine_url": "tcp://192.0.2.7:2376"}
SSH = {"container_engine": "docker", "container_engine_url": "ssh://winbox"}

WRONG = [
    ({"container_engine_url": "ssh://winbox"}, "container_engine", "asked by Docker's API"),
    ({**SSH, "container_supervisor": "systemd"}, "container_supervisor", "only the engine is reached"),
    ({**SSH, "container_engine_url": "ssh://me:secret@winbox"}, "container_engine_url", "a password in the URL"),
    ({**SSH, "container_engine_tls": {"ca": "ca.pem"}}, "container_engine_tls", "for engines at tcp:// only"),
    ({**TCP, "container_engine_tls": "ca.pem"}, "container_engine_tls", "expected a mapping"),
    ({**TCP, "container_engine_tls": {"cacert": "ca.pem"}}, "container_engine_tls", "there is no cacert"),
    ({**TCP, "container_engine_tls": {"verify": "no"}}, "container_engine_tls.verify", "expected true or false"),
    ({**SSH, "container_gpu_stacks": "venus"}, "container_gpu_stacks", "expected a list"),
    ({**SSH, "container_gpu_stacks": ["metal"]}, "container_gpu_stacks", "metal cannot be declared"),
    ({"container_gpu_stacks": ["venus"]}, "container_gpu_stacks", "is found out"),
    ({"container_metal_service": {"url": "http://x"}}, "container_metal_service", "expected url and variable"),
]


@pytest.mark.parametrize(("variables", "path", "message"), WRONG)
def test_what_an_inventory_cannot_say(variables, path, message):
    errors = Errors()
    assert read_hosts({"a": variables}, ["a"], errors) == []
    (error,) = errors
    assert (error.path, message in error.message) == (f"a: {path}", True), error
    assert "secret" not in error.message


@pytest.mark.parametrize(
    ("url", "connection", "refused"),
    [
        ("ssh://winbox", "local", False),
        ("ssh://winbox", "ssh", True),
        ("tcp://192.0.2.7:2376", "smart", True),
        # Docker Desktop beside the WSL2 distribution that Ansible connects to.
        ("tcp://127.0.0.1:2375", "ssh", False),
        ("unix:///run/docker.sock", "ssh", False),
        ("", "ssh", False),
    ],
)
def test_who_connects(url, connection, refused):
    if not refused:
        return elsewhere.check_connection("winbox", url, connection)
    with pytest.raises(InputError) as caught:
        elsewhere.check_connection("winbox", url, connection)
    assert caught.value.path == "winbox: ansible_connection" and "ansible_connection: local" in caught.value.mend
    return None


@pytest.mark.parametrize(
    ("url", "tls", "warning"),
    [
        ("tcp://192.0.2.7:2375", {}, "neither encrypted nor guarded"),
        ("tcp://192.0.2.7:2376", {"verify": False}, "is not checked"),
        ("tcp://192.0.2.7:2376", {"ca": "ca.pem"}, ""),
        ("tcp://127.0.0.1:2375", {}, ""),
        ("ssh://winbox", {}, ""),
    ],
)
def test_what_is_said_of_an_open_engine(url, tls, warning):
    found = elsewhere.url_warnings("winbox", url, tls)
    assert len(found) == bool(warning) and warning in "".join(found)


def desktop(**changes: dict[str, t.Any]) -> dict[str, dict[str, t.Any]]:
    """inventories/desktop as Ansible reads it: the variables of each host."""
    children = yaml.safe_load((DESKTOP / "hosts.yml").read_text())["all"]["children"]
    hosts = {name: values or {} for group in children.values() for name, values in group["hosts"].items()}
    common = yaml.safe_load((DESKTOP / "group_vars/all/main.yml").read_text())
    return {
        name: {
            "inventory_dir": str(DESKTOP),
            **common,
            **values,
            **yaml.safe_load((DESKTOP / f"host_vars/{name}.yml").read_text()),
            **changes.get(name, {}),
        }
        for name, values in hosts.items()
    }


def plan(variables: dict[str, dict[str, t.Any]], load: t.Any = load_group, **other: t.Any) -> dict[str, t.Any]:
    facts = {
        name: {"gpu": reported.describe({**INFOS, **other}[name], values["container_engine_url"]).to_dict()}
        for name, values in variables.items()
    }
    return make_plan(variables, facts, load, list(variables))


def test_the_desktop_inventory_says_who_gets_what_and_why():
    made = plan(desktop())
    got = {name: host["gpu"]["assistant/assistant"] for name, host in made["hosts"].items()}
    assert {name: (gpu["stack"], gpu["mode"]) for name, gpu in got.items()} == {
        "winbox": ("nvidia-wsl", "nvidia-runtime"),
        "macbook": ("metal", "network"),
        "macstudio": ("venus", "explicit"),
    }
    text = " ".join(made["text"].split())
    for words in (
        "winbox: docker at ssh://me@winbox",
        "because Docker Desktop gives GPUs by --gpus",
        "metal/network because no GPU in the container: OPENAI_BASE_URL names the program on the Mac that uses Metal, "
        "http://host.docker.internal:12434/engines/v1",
        "venus/explicit because device nodes of the far side, taken on trust: container_gpu_stacks says so",
    ):
        assert words in text, made["text"]
    configs = {name: host["groups"][0]["services"][0]["config"] for name, host in made["hosts"].items()}
    assert configs["macbook"]["environment"] == {"OPENAI_BASE_URL": "http://host.docker.internal:12434/engines/v1"}
    assert "devices" not in configs["macbook"] and configs["macstudio"]["devices"] == ["/dev/dri"]
    notes = made["plan_warnings"]
    (note,) = notes
    (lock,) = made["locks"].values()
    assert "images.lock.yml has no digest for " in note and all(name in note for name in lock["references"])


def test_a_mac_without_either_gets_the_cpu_and_the_plan_says_why():
    variables = desktop(macbook={"container_metal_service": None})
    made = plan({"macbook": variables["macbook"]})
    gpu = made["hosts"]["macbook"]["gpu"]["assistant/assistant"]
    assert gpu["cpu_fallback"] and "a Podman machine with libkrun does" in gpu["reason"]
    assert "because" in made["text"]


def test_the_controllers_own_gpus_are_nobodys():
    """Facts of such a host hold no device node and no display of the machine that asked."""
    for info in INFOS.values():
        host = reported.describe(info, "ssh://far")
        assert host.displays == () and host.npus == () and host.cdi == {}
        assert not [node for device in host.devices for node in device.nodes]


def test_content_that_could_not_be_put_is_an_error_of_the_plan(tmp_path):
    (tmp_path / "groups").mkdir()
    (tmp_path / "groups/site.yml").write_text(
        "services: {web: {image: 'a:1', volumes: ['data:/data', './one:/data/one:ro']}}\nvolumes: {data: {}}\n"
    )
    (tmp_path / "groups/one").write_text("one")
    variables = {"winbox": {**SSH, "inventory_dir": str(tmp_path), "container_groups": ["site"]}}
    with pytest.raises(
        (InputError, FleetErrors), match="nothing can be put at /data/one: it lies in the volume on /data"
    ):
        plan(variables)
