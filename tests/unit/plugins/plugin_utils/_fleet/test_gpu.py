"""The GPU of a service, and devices that its group file asks for by CDI names."""

from __future__ import annotations

import dataclasses

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._errors import InputError
from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu.model import EngineFacts, GpuHost, Stack
from ansible_collections.gpu_fleet.containers.plugins.module_utils._group.config import Mount
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._compose.spec import GpuWish
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._fleet import desired, gpu, vram

from .examples import GIB, UUID, cpu_facts, group, host, nvidia_facts, placed, service

CAMERA = "camera.com/v4l=front"
FACTS = GpuHost.from_dict(cpu_facts()["gpu"])
SPEC = {
    "camera.com/v4l": {
        "edits": {"env": ["CAMERAS=1"]},
        "devices": {
            "front": {
                "deviceNodes": [{"path": "/dev/video0"}],
                "mounts": [{"hostPath": "/opt/camera", "containerPath": "/opt/camera"}],
                "additionalGids": [44],
            }
        },
    }
}


def with_engine(facts, **engine):
    podman = dataclasses.replace(facts.engines["podman"], **engine)
    return dataclasses.replace(facts, engines={"podman": podman})


READS = with_engine(FACTS, cdi_devices=(CAMERA,), cdi_groups={CAMERA: [44]})
CARRIES = dataclasses.replace(FACTS, cdi=SPEC)


def placement(wish=None, **keys):
    return placed(host("mainpc"), group("core", {"web": service(**keys)}, gpus={"web": wish} if wish else None))


def named(*names):
    return [{"source": name, "target": name, "permissions": "rwm"} for name in names]


def made(facts, wish=None, **keys):
    where = placement(wish, **keys)
    plan = gpu.plan_gpu(where, "web", facts, {})
    return desired.desired_service(where, "web", desired.Context("redis:7", plan, []), {}).config


def test_a_name_that_the_engine_resolves_is_passed_on():
    config = made(READS, devices=[*named(CAMERA), {"source": "/dev/fuse", "target": "/dev/fuse", "permissions": "rw"}])
    assert config.devices == ("/dev/fuse:/dev/fuse:rw", CAMERA)
    assert (config.group_add, config.gpu) == (("44",), None)


def test_a_name_that_it_cannot_read_is_carried_out():
    config = made(CARRIES, devices=named(CAMERA), environment={"CAMERAS": "2"})
    assert config.devices == ("/dev/video0:/dev/video0:rwm",)
    assert Mount("bind", "/opt/camera", "/opt/camera", read_only=True, create_host_path=False) in config.mounts
    # What the group file says itself counts more.
    assert config.environment == {"CAMERAS": "2"}
    assert config.group_add == ("44",)


def test_a_name_that_nobody_knows_is_an_error_of_the_plan():
    with pytest.raises(InputError, match="podman does not resolve the CDI device camera.com/v4l=back") as caught:
        made(READS, devices=named(CAMERA, "camera.com/v4l=back"))
    assert caught.value.path == "mainpc: groups/core.yml: services.web.devices"
    assert f"Known to podman: {CAMERA}" in caught.value.mend


def test_names_stand_beside_a_gpu_of_the_service():
    facts = with_engine(GpuHost.from_dict(nvidia_facts()["gpu"]), cdi_devices=("nvidia.com/gpu=all", CAMERA))
    config = made(facts, GpuWish(), devices=named(CAMERA))
    assert (config.gpu.cdi_devices, config.devices) == (("nvidia.com/gpu=all",), (CAMERA,))


@pytest.mark.parametrize("capabilities", [["tpu"], ["npu"], []])
def test_a_request_for_what_is_no_gpu_is_not_dropped(capabilities):
    devices = [{"capabilities": capabilities, "count": 1}]
    with pytest.raises(InputError, match="without the capability gpu"):
        made(FACTS, deploy={"resources": {"reservations": {"devices": devices}}})


def test_words_are_no_configuration():
    """A GPU that fails in other words must not make the container on the CPU anew."""
    wish = GpuWish(stacks=("nvidia", "cpu"))
    facts = [
        dataclasses.replace(FACTS, stacks=(Stack("nvidia", False, words), *FACTS.stacks)) for words in ("so", "or so")
    ]
    first, second = (made(each, wish) for each in facts)
    assert first == second
    assert gpu.plan_gpu(placement(wish), "web", facts[1], {}).gpu.reason == "nvidia: or so"


def two_stacks():
    """One GPU that nvidia knows by its uuid and vulkan by its bus address."""
    data = nvidia_facts(declared=4 * GIB, free=20 * GIB)["gpu"]
    device = {**data["stacks"][0]["devices"][0], "bus_id": "0000:01:00.0"}
    other = {**device, "stack": "vulkan", "uuid": "0123456789ab-0000:01:00.0", "memory_free_bytes": None}
    stacks = [
        {"name": "nvidia", "ready": True, "reason": "yes", "devices": [device]},
        {"name": "vulkan", "ready": True, "reason": "yes", "devices": [other]},
        data["stacks"][-1],
    ]
    return GpuHost.from_dict({**data, "stacks": stacks})


def test_one_gpu_of_two_stacks_is_one_budget():
    facts = two_stacks()
    claim = vram.Claim("mainpc", "core", "web", 5 * GIB, (UUID,), "here")
    (budget,) = vram.budgets([host("mainpc")], {"mainpc": facts}, [claim])
    assert (budget.uuid, budget.total, budget.foreign, budget.planned) == (UUID, 24 * GIB, 0, 5 * GIB)


@pytest.mark.parametrize(
    ("engine", "runtimes", "runtime", "refused"),
    [
        ("podman", ("crun",), "nvidia", "podman has no runtime called nvidia here"),
        ("podman", ("crun",), "runc", ""),
        ("docker", ("nvidia", "runc"), "nvidia", ""),
        ("docker", ("runc",), "nvidia", "docker has no runtime called nvidia here .it has runc"),
        ("docker", ("nvidia", "runc"), "nvdia", "docker has no runtime called nvdia here"),
    ],
)
def test_a_runtime_that_the_engine_does_not_have_is_refused_before_anything_is_changed(
    engine, runtimes, runtime, refused
):
    facts = EngineFacts(engine, True, True, runtimes=runtimes)
    if not refused:
        gpu._check_runtime({"runtime": runtime}, facts, "services.web")
        return
    with pytest.raises(InputError, match=rf"services\.web\.runtime: {refused}.*gpus: all"):
        gpu._check_runtime({"runtime": runtime}, facts, "services.web")


def test_requests_of_swarm_are_not_dropped_in_silence():
    reservations = {"generic_resources": [{"discrete_resource_spec": {"kind": "gpu", "value": 2}}]}
    with pytest.raises(InputError, match="generic_resources are Docker Swarm's"):
        made(FACTS, deploy={"resources": {"reservations": reservations}})
