"""The group `generations` of inventories/workstation on hosts that are not here: which GPU and which display each profile gets."""

from __future__ import annotations

import json
import pathlib
import re
import typing as t

import pytest
import yaml

from ansible_collections.gpu_fleet.containers.plugins.module_utils._errors import FleetError
from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu.host import describe
from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu.snapshot import ReplayReader
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._compose import load_group
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._fleet.plan import make_plan

ROOT = pathlib.Path(__file__).resolve().parents[3]
WORKSTATION = ROOT / "inventories/workstation"
X11 = {"kind": "x11", "name": ":0", "socket": "/tmp/.X11-unix/X0", "uid": 1000, "authority": "/home/max/.Xauthority"}
WAYLAND = {"kind": "wayland", "name": "wayland-0", "socket": "/run/user/1000/wayland-0", "uid": 1000, "authority": ""}


def facts(snapshot: str, engine_name: str = "podman") -> dict[str, t.Any]:
    """The host of a snapshot, with a screen of either kind and an engine that can do all."""
    found = describe(ReplayReader(json.loads((ROOT / f"tests/fixtures/hosts/{snapshot}.json").read_text()))).to_dict()
    engine = {"installed": True, "ready": True, "version": "5.4.2", "id": "one"}
    engine |= {"cdi_dirs": ["/etc/cdi"], "cdi_devices": ["nvidia.com/gpu=0", "nvidia.com/gpu=all"]}
    return {"gpu": {**found, "displays": [X11, WAYLAND], "engines": {engine_name: engine}}}


def inventory() -> dict[str, t.Any]:
    return {**yaml.safe_load((WORKSTATION / "group_vars/all/main.yml").read_text()), "inventory_dir": str(WORKSTATION)}


def plan(snapshot: str, *profiles: str) -> dict[str, t.Any]:
    variables = {
        **inventory(),
        "container_groups": ["generations"],
        "container_profiles": list(profiles),
        "container_environment": {"GENERATIONS_SOURCE": "/home/max/generations"},
        "container_secrets": {},
    }
    return make_plan({"host": variables}, {"host": facts(snapshot)}, load_group, ["host"])["hosts"]["host"]


@pytest.mark.parametrize(
    ("profile", "snapshot", "stack", "display"),
    [
        ("mesa", "amd-discrete", "vulkan", "x11 :0"),
        ("mesa", "intel-laptop", "vulkan", "x11 :0"),
        ("mesa", "cpu-server", "cpu", "x11 :0"),
        ("nvidia", "nvidia-single", "nvidia", "x11 :0"),
        ("rpi", "raspberry-pi-5", "videocore", "x11 :0"),
        ("rpi", "raspberry-pi-4", "videocore", "x11 :0"),
        ("wayland", "amd-discrete", "vulkan", "wayland wayland-0"),
        ("wayland", "raspberry-pi-5", "videocore", "wayland wayland-0"),
    ],
)
def test_a_profile_gets_its_gpu_and_screen(profile: str, snapshot: str, stack: str, display: str) -> None:
    made = plan(snapshot, profile)
    name = f"generations/{profile}"
    assert made["gpu"][name]["stack"] == stack, made["gpu"][name]
    assert made["displays"] == {name: display}
    (service,) = made["groups"][0]["services"]
    # Whatever the stack: one image.
    assert [image["repository"] for image in made["images"].values()] == ["localhost/workstation/generations"]
    assert service["config"].get("network_mode", "") != "host"
    nodes = json.dumps(service["config"].get("devices", []))
    assert ("/dev/dri/renderD" in nodes) == (stack in ("vulkan", "videocore")), nodes


@pytest.mark.parametrize(
    ("profile", "snapshot"), [("nvidia", "amd-discrete"), ("rpi", "amd-discrete"), ("nvidia", "cpu-server")]
)
def test_a_profile_for_other_hardware_is_refused(profile: str, snapshot: str) -> None:
    with pytest.raises(FleetError) as raised:
        plan(snapshot, profile)
    assert f"services.{profile}" in str(raised.value)


def test_the_development_container_has_the_sources_and_needs_no_screen() -> None:
    made = plan("amd-discrete", "dev")
    (service,) = made["groups"][0]["services"]
    (mount,) = [mount for mount in service["config"]["mounts"] if mount["target"] == "/workspace"]
    assert mount["source"] == "/home/max/generations" and not mount.get("read_only")
    (image,) = made["images"].values()
    assert (image["repository"], image["target"]) == ("localhost/workstation/generations-dev", "devel")


def test_the_fleet_that_the_readme_shows() -> None:
    readme = (WORKSTATION / "README.md").read_text()
    (block,) = re.findall(r"```yaml\n# hosts.yml\n(.*?)```", readme, re.DOTALL)
    written = yaml.safe_load(block)["all"]
    left_out = {"ansible_connection", "ansible_python_interpreter", "container_link_address", "link_address_manage"}
    assert all(f"`{name}`" in readme for name in left_out)
    common = {key: value for key, value in inventory().items() if key not in left_out}
    common["container_secrets"] = {"JUPYTER_TOKEN": "a token of the test"}
    variables = {name: {**common, **written["vars"], **values} for name, values in written["hosts"].items()}
    for values in variables.values():
        # Templates, which Ansible fills in.
        environment = values["container_environment"]
        values["container_environment"] = {k: v.replace("{{ inventory_dir }}", "/srv") for k, v in environment.items()}
    snapshots = {"desk": "amd-discrete", "laptop": "intel-laptop", "rig": "nvidia-single", "pi5": "raspberry-pi-5"}
    seen = {
        name: facts(snapshot, variables[name].get("container_engine", "podman")) for name, snapshot in snapshots.items()
    }
    made = make_plan(variables, seen, load_group, list(variables))["hosts"]
    stacks = {name: {key: gpu["stack"] for key, gpu in host["gpu"].items()} for name, host in made.items()}
    assert stacks == {
        "desk": {"generations/mesa": "vulkan", "generations/dev": "vulkan", "gpu-dev/jupyter": "rocm"},
        "laptop": {"generations/wayland": "vulkan"},
        "rig": {"generations/nvidia": "nvidia", "gpu-dev/jupyter": "nvidia", "cuda-check/check": "nvidia"},
        "pi5": {"generations/rpi": "videocore"},
    }
