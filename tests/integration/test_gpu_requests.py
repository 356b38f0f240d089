"""What real engines do with a request for a GPU, and that none of ours starts a container without the device.

Some engines drop a request they do not know and start the container all the same. The first half of this file holds
what they do to what was seen (and shows when an engine changes its ways); the second half is about our adapters.
The device is made up: a CDI name that stands for a node like /dev/null.
"""

from __future__ import annotations

import json
import pathlib
import subprocess
import typing as t

import docker
import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._access.facts import gather
from ansible_collections.gpu_fleet.containers.plugins.module_utils._access.plan import AccessPlan
from ansible_collections.gpu_fleet.containers.plugins.module_utils._engine.docker import DockerEngine
from ansible_collections.gpu_fleet.containers.plugins.module_utils._errors import EngineError
from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu.probe import HostReader
from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu.snapshot import RecordingReader, ReplayReader
from ansible_collections.gpu_fleet.containers.plugins.module_utils._group.config import (
    GpuRequest,
    Mount,
)

from .conftest import IMAGE
from .deploy_system import ROOT
from .waiting import config, output_of

SPEC = pathlib.Path("/etc/cdi/gpu-fleet-test.json")
NAME = "nvidia.com/gpu=all"
NODE = "/dev/gpu-fleet-test0"
# 0.5.0 is what the CDI library of Podman 4.3 reads at most.
CONTENT = {
    "cdiVersion": "0.5.0",
    "kind": "nvidia.com/gpu",
    "devices": [{"name": "all", "containerEdits": {"deviceNodes": [{"path": NODE, "hostPath": "/dev/null"}]}}],
}
QUESTION = f"test -c {NODE} && echo there || echo missing"
LOOK = ("sh", "-c", f"{QUESTION}; trap 'exit 0' TERM; while :; do sleep 0.1; done")
REQUESTS: dict[str, dict[str, t.Any]] = {
    "gpus": {"Driver": "", "Count": -1, "Capabilities": [["gpu"]]},
    "nvidia": {"Driver": "nvidia", "Count": -1, "Capabilities": [["gpu"]]},
    "cdi": {"Driver": "cdi", "DeviceIDs": [NAME]},
}
CDI = {"features": {"cdi": True}}


@pytest.fixture(autouse=True)
def spec():
    SPEC.parent.mkdir(exist_ok=True)
    SPEC.write_text(json.dumps(CONTENT))
    yield
    SPEC.unlink()


def numbers(version: str) -> tuple[int, int]:
    major, minor = version.split(".")[:2]
    return int(major), int(minor)


def asked(url: str, request: str) -> str:
    """What comes of a request over the Docker API: refused, there or missing (the device in a running container)."""
    client = docker.APIClient(base_url=url, version="auto", timeout=60)
    host = {"NetworkMode": "none", "DeviceRequests": [REQUESTS[request]]}
    body = {"Image": IMAGE, "Cmd": list(LOOK), "HostConfig": host}
    container = ""
    try:
        container = client._result(client._post_json(client._url("/containers/create"), data=body), True)["Id"]
        client.start(container)
        return next(client.logs(container, stream=True, follow=True)).decode().strip()
    except docker.errors.APIError as error:
        assert any(word in error.explanation for word in ("could not select device driver", "CDI")), error.explanation
        return "refused"
    finally:
        if container:
            client.remove_container(container, force=True)
        client.close()


# -- what the engines do


@pytest.mark.parametrize("request_name", REQUESTS)
def test_podman_by_its_docker_api_drops_what_it_does_not_know(podman_service, podman_engine, request_name):
    """Source: containers/podman, pkg/api/handlers/compat/containers_create.go; driver cdi since 5.4.0."""
    known = request_name == "cdi" and numbers(podman_engine.version) >= (5, 4)
    assert asked(podman_service, request_name) == ("there" if known else "missing")


@pytest.mark.parametrize("settings", [{}, CDI], ids=["plain", "features.cdi"])
@pytest.mark.parametrize("request_name", REQUESTS)
def test_docker_gives_or_refuses(docker_with, settings, request_name):
    engine = docker_with(settings)
    given = request_name == "cdi" and settings == CDI and numbers(engine.version) >= (25, 0)
    assert asked(engine.url, request_name) == ("there" if given else "refused")


@pytest.mark.parametrize(
    ("words", "since", "before"),
    [
        (("--device", NAME), (4, 1), "refused"),
        (("--device", "nvidia.com/gpu=7"), (99, 0), "refused"),
        # Taken and ignored before 5.0.
        (("--gpus", "all"), (5, 0), "missing"),
    ],
)
def test_podman_by_its_command_line(podman_engine, words, since, before):
    argv = ["podman", "run", "--rm", "--network=none", *words, IMAGE, "sh", "-c", QUESTION]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    seen = done.stdout.strip() if done.returncode == 0 else "refused"
    assert seen == ("there" if numbers(podman_engine.version) >= since else before), done.stderr


# -- what our adapters do


BY_CDI = GpuRequest(stack="nvidia", mode="cdi", cdi_devices=(NAME,))
BY_UNKNOWN_NAME = GpuRequest(stack="nvidia", mode="cdi", cdi_devices=("nvidia.com/gpu=7",))
BY_RUNTIME = GpuRequest(stack="nvidia", mode="nvidia-runtime", count=-1, capabilities=("gpu",))


def got(engine: t.Any, name: str, gpu: GpuRequest) -> str:
    """What comes of an access plan: refused, there or missing."""
    try:
        engine.create_container(config(name, *LOOK, gpu=gpu, network_mode="none"), {}, {})
        engine.start_container(name)
        return "there" if engine.run_in(name, ("test", "-c", NODE), 60)[0] == 0 else "missing"
    except EngineError as error:
        assert error.message
        return "refused"
    finally:
        engine.remove_container(name)


@pytest.mark.parametrize(
    ("gpu", "expected"), [(BY_CDI, "there"), (BY_UNKNOWN_NAME, "refused"), (BY_RUNTIME, "refused")]
)
def test_podman_adapter(podman_engine, name, gpu, expected):
    assert got(podman_engine, name, gpu) == expected


@pytest.mark.parametrize("gpu", [BY_CDI, BY_UNKNOWN_NAME, BY_RUNTIME])
def test_docker_adapter_at_podmans_socket_never_starts_without_the_device(podman_service, podman_engine, name, gpu):
    able = numbers(podman_engine.version) >= (5, 4) and gpu == BY_CDI
    assert got(DockerEngine(podman_service), name, gpu) in ({"there", "refused"} if able else {"refused"})


@pytest.mark.parametrize("settings", [{}, CDI], ids=["plain", "features.cdi"])
@pytest.mark.parametrize("gpu", [BY_CDI, BY_UNKNOWN_NAME, BY_RUNTIME])
def test_docker_adapter(docker_with, name, gpu, settings):
    engine = docker_with(settings)
    given = gpu == BY_CDI and settings == CDI and numbers(engine.version) >= (25, 0)
    assert got(engine, name, gpu) == ("there" if given else "refused")


# -- the whole way: what gpu_facts says of an engine, planned, carried out and looked at from inside

HOST = ROOT / "tests/fixtures/hosts/nvidia-procfs-only.json"
GID = 4711
# What nvidia-ctk writes since 1.19: groups of the nodes, which need 0.7.0 and so a newer engine than Podman 4.3.
NEWER = {
    "cdiVersion": "0.7.0",
    "kind": "nvidia.com/gpu",
    "devices": [
        {"name": "all", "containerEdits": {**CONTENT["devices"][0]["containerEdits"], "additionalGids": [GID]}}
    ],
    "containerEdits": {
        "env": ["NVIDIA_VISIBLE_DEVICES=void"],
        "mounts": [{"hostPath": "/etc/hostname", "containerPath": "/driver/version", "options": ["ro", "bind"]}],
    },
}
READS = {"podman": (5, 1), "docker": (26, 1), "podman's socket": (5, 4)}
"""First version of each that resolves a name of such a spec. Below it has to be carried out by ourselves."""


def access_to(name: str, url: str) -> AccessPlan:
    """The default access plan for a made-up NVIDIA host, with this machine's engine and its CDI specs as they are."""
    reader = RecordingReader(HostReader())
    gather(reader, [name], url)
    seen, host = reader.snapshot(), json.loads(HOST.read_text())
    host["commands"] = seen["commands"]
    host["files"] |= {path: text for path, text in seen["files"].items() if "/cdi/" in path}
    host["directories"] = {path: names for path, names in seen["directories"].items() if path.endswith("/cdi")}
    # A host file that the spec names has to be there, or the spec counts as stale.
    host["files"]["/etc/hostname"] = "x\n"
    host["nodes"]["/dev/null"] = {"kind": "char", "major": 1, "minor": 3, "mode": "0666", "uid": 0, "gid": 0}
    plan = gather(ReplayReader(host), [name], url)["access"][name]["nvidia"]
    return AccessPlan(
        GpuRequest(**{key: tuple(value) if isinstance(value, list) else value for key, value in plan["gpu"].items()}),
        tuple(plan["devices"]),
        tuple(Mount(**mount) for mount in plan["mounts"]),
        plan["environment"],
        tuple(plan["group_add"]),
    )


@pytest.mark.parametrize("way", ["podman", "podman's socket", "docker", "docker without cdi"])
def test_a_cdi_device_arrives_with_all_that_belongs_to_it(request, name, way):
    SPEC.write_text(json.dumps(NEWER))
    if way == "podman":
        engine, url = request.getfixturevalue("podman_engine"), ""
    elif way == "podman's socket":
        url = request.getfixturevalue("podman_service")
        engine = DockerEngine(url)
    else:
        engine = request.getfixturevalue("docker_with")(CDI if way == "docker" else {})
        url = engine.url
    plan = access_to(engine.name, url)
    reads = way in READS and numbers(engine.version) >= READS[way]
    assert plan.gpu.mode == ("cdi" if reads else "explicit"), plan.gpu.reason

    values = {key: getattr(plan, key) for key in ("gpu", "devices", "mounts", "environment", "group_add")}
    engine.create_container(config(name, user="1000:1000", network_mode="none", **values), {}, {})
    engine.start_container(name)
    try:
        assert output_of(engine, name, "sh", "-c", QUESTION) == "there"
        assert output_of(engine, name, "cat", "/driver/version") == pathlib.Path("/etc/hostname").read_text().strip()
        assert engine.run_in(name, ("sh", "-c", "echo >/driver/version"), 60)[0] != 0
        # Of the container's own process: no engine shows CDI's edits of the environment to what `exec` starts.
        environment = output_of(engine, name, "cat", "/proc/1/environ").split("\0")
        assert "NVIDIA_VISIBLE_DEVICES=void" in environment
        # Docker 26.1 loses the spec's own groups, and no engine gives them to `exec`: the plan asks for them as well.
        assert str(GID) in output_of(engine, name, "grep", "Groups:", "/proc/1/status").split()
        assert str(GID) in output_of(engine, name, "id", "-G").split()
    finally:
        engine.remove_container(name)
