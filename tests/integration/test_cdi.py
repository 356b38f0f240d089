"""CDI devices on real engines: by the engine where it reads the spec, carried out by ourselves where it does not.

Nothing here asks for a version: what an engine can do is what `gpu_facts` says of it, and what it says must be so.
The device is made up: /dev/null under another name, a file, a variable and, where the spec says so, a group.
"""

from __future__ import annotations

import json
import pathlib

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._access.facts import gather
from ansible_collections.gpu_fleet.containers.plugins.module_utils._access.named import with_named_devices
from ansible_collections.gpu_fleet.containers.plugins.module_utils._access.plan import (
    AccessPlan,
    GpuWish,
    plan_stack,
)
from ansible_collections.gpu_fleet.containers.plugins.module_utils._engine.docker import DockerEngine
from ansible_collections.gpu_fleet.containers.plugins.module_utils._errors import EngineError, InputError
from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu.model import (
    EngineFacts,
    GpuDevice,
    GpuHost,
    Stack,
)
from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu.probe import HostReader
from ansible_collections.gpu_fleet.containers.plugins.module_utils._group.config import GpuRequest

from .waiting import config, output_of, run

FOLDER = pathlib.Path("/etc/cdi")
NAME = "gpu-fleet.test/dev=one"
GROUP = "4242"
KINDS = ("podman", "docker", "docker with the feature", "podman behind docker's socket")


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


@pytest.fixture
def adapter(request, kind, name):
    """An engine of this machine, and what is left of the test's container is removed."""
    if kind == "docker with the feature":
        engine = request.getfixturevalue("docker_with")({"features": {"cdi": True}})
    elif kind == "podman behind docker's socket":
        engine = DockerEngine(request.getfixturevalue("podman_service"))
    else:
        engine = request.getfixturevalue(f"{kind}_engine")
    yield engine
    engine.remove_container(name)


@pytest.fixture
def write(tmp_path):
    """``write(version)``: a spec in /etc/cdi; gone after the test, with its directory where that was made."""
    made = not FOLDER.exists()
    FOLDER.mkdir(exist_ok=True)
    path = FOLDER / "gpu-fleet-made-up.json"
    shared = tmp_path / "shared"
    shared.write_text("from the host")
    edits = {
        "env": ["GPU_FLEET_MADE_UP=yes, really"],
        "mounts": [{"hostPath": str(shared), "containerPath": "/made/up", "options": ["ro", "bind"]}],
    }
    node = {"path": "/dev/made-up", "hostPath": "/dev/null", "permissions": "rw"}

    def write_spec(version: str, kind: str = "gpu-fleet.test/dev", **more: object) -> None:
        devices = [{"name": name, "containerEdits": {"deviceNodes": [node], **more}} for name in ("one", "all")]
        spec = {"cdiVersion": version, "kind": kind, "containerEdits": edits, "devices": devices}
        path.write_text(json.dumps(spec))

    yield write_spec
    path.unlink(missing_ok=True)
    if made:
        FOLDER.rmdir()


def facts_of(adapter, kind: str) -> tuple[GpuHost, EngineFacts]:
    name = "podman" if kind == "podman" else "docker"
    url = getattr(adapter, "url", "")
    host = GpuHost.from_dict(gather(HostReader(), [name], url))
    assert host.engines[name].ready, host.engines[name].reason
    return host, host.engines[name]


def start(adapter, name: str, plan: AccessPlan, gpu: GpuRequest | None = None) -> None:
    settings = {
        "devices": plan.devices,
        "mounts": plan.mounts,
        "environment": plan.environment,
        "group_add": plan.group_add,
        "security_opt": plan.security_opt,
        "network_mode": "none",
    }
    run(adapter, config(name, **settings, gpu=gpu))


def assert_given(adapter, name: str, group: bool) -> None:
    """The node with its numbers, usable; the file, read-only; the variable; the group."""
    assert output_of(adapter, name, "stat", "-c", "%F %t:%T", "/dev/made-up") == "character special file 1:3"
    output_of(adapter, name, "sh", "-c", "echo into the void >/dev/made-up")
    assert output_of(adapter, name, "cat", "/made/up") == "from the host"
    assert adapter.run_in(name, ["sh", "-c", "echo x >/made/up"], 60)[0] != 0
    # Of the container's own process: CDI changes that one, and a command run in it later knows the engine's settings only.
    assert (
        "GPU_FLEET_MADE_UP=yes, really"
        in output_of(adapter, name, "sh", "-c", "tr '\\0' '\\n' </proc/1/environ").splitlines()
    )
    status = output_of(adapter, name, "cat", "/proc/1/status")
    (groups,) = [line for line in status.splitlines() if line.startswith("Groups:")]
    assert (GROUP in groups.split()) is group


@pytest.mark.parametrize(
    ("version", "more"), [("0.5.0", {}), ("0.7.0", {"additionalGids": [int(GROUP)]}), ("1.1.0", {})]
)
def test_a_device_reaches_the_container_whether_the_engine_reads_its_spec_or_not(
    adapter, kind, name, write, version, more
):
    write(version, **more)
    host, engine = facts_of(adapter, kind)
    plan = with_named_devices(AccessPlan(GpuRequest()), host, engine, [NAME])
    reads = NAME in engine.cdi_devices
    assert (NAME in plan.devices) is reads
    start(adapter, name, plan)
    assert_given(adapter, name, group=bool(more))


@pytest.mark.parametrize("version", ["0.5.0", "1.1.0"])
def test_what_facts_say_an_engine_resolves_is_what_it_resolves(adapter, kind, name, write, version):
    """Both ways: a name that is known works, one that is not known is refused, by the engine or before it."""
    write(version)
    _host, engine = facts_of(adapter, kind)
    plan = AccessPlan(GpuRequest(), devices=(NAME,))
    if NAME in engine.cdi_devices:
        start(adapter, name, plan)
        assert_given(adapter, name, group=False)
    else:
        with pytest.raises(EngineError):
            start(adapter, name, plan)


def made_up_gpu(host: GpuHost) -> GpuHost:
    gpu = GpuDevice("nvidia", "nvidia", "made up", "GPU-1", 0)
    return GpuHost("linux", (Stack("nvidia", True, "made up", (gpu,)),), host.engines, cdi=host.cdi)


def test_a_gpu_is_given_by_the_best_way_the_engine_has(adapter, kind, name, write):
    write("0.7.0", "nvidia.com/gpu", additionalGids=[int(GROUP)])
    host, engine = facts_of(adapter, kind)
    host = made_up_gpu(host)
    plan = plan_stack(host, engine, host.stacks[0], GpuWish())
    assert plan.gpu.mode == ("cdi" if "nvidia.com/gpu=all" in engine.cdi_devices else "explicit")
    start(adapter, name, plan, plan.gpu)
    assert_given(adapter, name, group=True)


def test_a_plan_without_a_spec_is_no_plan(adapter, kind, write):
    host, engine = facts_of(adapter, kind)
    host = made_up_gpu(host)
    assert plan_stack(host, engine, host.stacks[0], GpuWish()).gpu.mode == "none"
    with pytest.raises(InputError, match=NAME):
        with_named_devices(AccessPlan(GpuRequest()), host, engine, [NAME])


def test_a_stale_spec_is_said_and_not_used(adapter, kind, write):
    write("0.5.0", mounts=[{"hostPath": "/nowhere/driver.so", "containerPath": "/driver.so"}])
    name = "podman" if kind == "podman" else "docker"
    gpu = gather(HostReader(), [name], getattr(adapter, "url", ""))
    assert NAME not in gpu["engines"][name]["cdi_devices"]
    assert gpu["cdi"] == {}
    if gpu["engines"][name]["cdi_dirs"]:
        (stale,) = [entry for entry in gpu["findings"] if entry["code"] == "cdi-stale"]
        assert stale["evidence"] == "/nowhere/driver.so"


REQUESTS = {
    "a plain request for GPUs": {"Driver": "", "Count": -1, "Capabilities": [["gpu"]]},
    "a request by CDI": {"Driver": "cdi", "DeviceIDs": [NAME]},
}


@pytest.mark.parametrize("wanted", REQUESTS)
def test_podman_behind_dockers_socket_drops_requests_and_we_do_not_make_them(podman_service, name, write, wanted):
    """First what Podman does with the request, sent past the adapter; then that the adapter refuses what is dropped."""
    write("0.5.0")
    adapter = DockerEngine(podman_service)
    _host, engine = facts_of(adapter, "docker")
    assert engine.flavour == "podman"
    body = {
        "Image": config(name).image,
        "Cmd": ["sh", "-c", "test -e /dev/made-up && echo given || echo dropped"],
        "HostConfig": {"NetworkMode": "none", "DeviceRequests": [REQUESTS[wanted]]},
    }
    adapter._post("/containers/create", body, {"name": name})
    adapter.start_container(name)
    adapter._client.wait(name)
    said = adapter.logs(name, 5).strip()
    adapter.remove_container(name)

    mode = "cdi" if REQUESTS[wanted]["Driver"] == "cdi" else "nvidia-runtime"
    request = GpuRequest("nvidia", mode, cdi_devices=(NAME,) if mode == "cdi" else (), count=-1)
    settings = config(name, network_mode="none", gpu=request)
    assert (said == "given") is (mode == "cdi" and NAME in engine.cdi_devices)
    try:
        if said == "given":
            run(adapter, settings)
            assert_given(adapter, name, group=False)
        else:
            with pytest.raises(EngineError, match="in silence"):
                run(adapter, settings)
            assert adapter.container(name) is None
    finally:
        adapter.remove_container(name)
