"""NVIDIA's three stacks: --gpus, runtimes, slices, capabilities, and specs that an engine cannot read."""

from __future__ import annotations

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._access.plan import GpuWish, plan_access, plan_stack
from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu.model import DeviceNode, GpuDevice, MigDevice

from .examples import docker, host, podman

RUNTIME = docker(runtimes=("nvidia", "runc"))


def gpu(number, stack="nvidia", **more):
    nodes = tuple(
        DeviceNode(path, 195, 0, "0666", 0, 0) for path in (f"/dev/nvidia{number}", "/dev/nvidiactl", "/dev/nvidia-uvm")
    )
    return GpuDevice(stack, "nvidia", f"RTX {number}", f"GPU-{number}", number, **{"nodes": nodes, **more})


TWO = host(gpu(0), gpu(1))
SPEC = {
    "nvidia.com/gpu": {
        "edits": {
            "env": ["NVIDIA_VISIBLE_DEVICES=void"],
            "deviceNodes": [{"path": "/dev/nvidiactl"}],
            "mounts": [{"hostPath": "/usr/lib/libcuda.so.580", "containerPath": "/usr/lib/libcuda.so.580"}],
        },
        "devices": {
            "0": {"deviceNodes": [{"path": "/dev/nvidia0"}]},
            "1": {"deviceNodes": [{"path": "/dev/nvidia1"}], "additionalGids": [104]},
            "all": {"deviceNodes": [{"path": "/dev/nvidia0"}, {"path": "/dev/nvidia1"}]},
        },
    }
}
CARRIED = host(gpu(0), gpu(1), cdi=SPEC)


@pytest.mark.parametrize(
    ("wish", "devices", "groups"),
    [
        (GpuWish(), ("/dev/nvidiactl", "/dev/nvidia0", "/dev/nvidia1"), ()),
        (GpuWish(ids=("1",)), ("/dev/nvidiactl", "/dev/nvidia1"), ("104",)),
    ],
)
@pytest.mark.parametrize(
    "engine", [docker(version="20.10.24"), docker(), docker(flavour="podman", version="4.9.3"), podman(version="4.3.1")]
)
def test_a_spec_that_the_engine_cannot_read_is_carried_out(wish, devices, groups, engine):
    plan = plan_access(CARRIED, engine, wish)
    assert (plan.gpu.mode, plan.gpu.cdi_devices) == ("explicit", ())
    assert plan.devices == tuple(f"{path}:{path}:rwm" for path in devices)
    assert [mount.source for mount in plan.mounts] == ["/usr/lib/libcuda.so.580"]
    assert plan.environment == {"NVIDIA_VISIBLE_DEVICES": "void"}
    assert plan.group_add == groups
    # What is promised is what the spec gives of the GPU's own nodes: there is no /dev/nvidia-uvm in it.
    assert set(plan.promise.nodes) == set(devices)


def test_the_runtime_is_better_than_a_spec_carried_out():
    assert plan_access(CARRIED, RUNTIME, GpuWish()).gpu.mode == "nvidia-runtime"


def test_what_cannot_be_carried_out_says_so():
    hook = {"hooks": [{"path": "/opt/hook", "args": ["hook"]}]}
    broken = {"nvidia.com/gpu": {**SPEC["nvidia.com/gpu"], "edits": hook}}
    plan = plan_stack(host(gpu(0), cdi=broken), docker(), TWO.stacks[0], GpuWish())
    assert plan.gpu.mode == "none" and "the hook hook" in plan.gpu.reason


def test_docker_elsewhere_gets_no_files_of_this_host():
    engine = docker(url="tcp://far:2375")
    plan = plan_stack(CARRIED, engine, CARRIED.stacks[0], GpuWish())
    assert plan.gpu.mode == "none" and "tcp://far:2375" in plan.gpu.reason


def test_podman_behind_dockers_socket_has_no_gpus_option():
    plan = plan_stack(TWO, docker(flavour="podman", version="4.9.3", runtimes=("nvidia",)), TWO.stacks[0], GpuWish())
    assert plan.gpu.mode == "none" and "in silence" in plan.gpu.reason


@pytest.mark.parametrize(
    ("capabilities", "expected"),
    [
        (("gpu",), {}),
        (("gpu", "utility", "compute"), {"NVIDIA_DRIVER_CAPABILITIES": "compute,utility"}),
        (("gpu", "all"), {"NVIDIA_DRIVER_CAPABILITIES": "all"}),
        (("gpu", "graphics", "display", "ngx"), {"NVIDIA_DRIVER_CAPABILITIES": "graphics,display,ngx"}),
    ],
)
def test_capabilities_reach_the_toolkit_by_variable(capabilities, expected):
    """Docker 20.10 selects no driver for a request with them (moby daemon/nvidia_linux.go)."""
    plan = plan_access(TWO, RUNTIME, GpuWish(capabilities=capabilities))
    assert (plan.environment, plan.gpu.capabilities) == (expected, ("gpu",))
    by_name = docker(cdi_devices=("nvidia.com/gpu=all",))
    assert plan_access(TWO, by_name, GpuWish(capabilities=capabilities)).environment == {}


def test_unified_memory_comes_with_compute():
    only = GpuWish(capabilities=("gpu", "utility"))
    assert plan_access(TWO, RUNTIME, only).promise.nodes == ("/dev/nvidia0", "/dev/nvidiactl", "/dev/nvidia1")
    assert "/dev/nvidia-uvm" in plan_access(TWO, RUNTIME, GpuWish(capabilities=("gpu", "compute"))).promise.nodes


def test_a_jetson_wants_its_runtime_named():
    tegra = host(gpu(0, "nvidia-tegra"))
    plan = plan_access(tegra, RUNTIME, GpuWish())
    assert (plan.gpu.mode, plan.gpu.runtime, plan.gpu.count, plan.gpu.device_ids) == ("nvidia-runtime", "nvidia", 0, ())
    assert plan.environment == {"NVIDIA_VISIBLE_DEVICES": "all", "NVIDIA_DRIVER_CAPABILITIES": "all"}
    one = plan_access(tegra, RUNTIME, GpuWish(count=1, capabilities=("gpu", "compute")))
    assert one.environment == {"NVIDIA_VISIBLE_DEVICES": "GPU-0", "NVIDIA_DRIVER_CAPABILITIES": "compute"}
    assert plan_access(tegra, podman(cdi_devices=("nvidia.com/gpu=all",)), GpuWish()).gpu.mode == "cdi"
    carried = host(gpu(0, "nvidia-tegra"), cdi=SPEC)
    assert plan_access(carried, docker(), GpuWish()).gpu.mode == "explicit"
    assert plan_stack(tegra, docker(), tegra.stacks[0], GpuWish()).gpu.mode == "none"


MIG = host(gpu(0, mig_enabled=True, mig=(MigDevice("3g", "MIG-a", index=0), MigDevice("2g", "MIG-b", index=1))), gpu(1))


@pytest.mark.parametrize(
    ("wish", "uuids", "count"),
    [
        (GpuWish(), ("MIG-a", "MIG-b", "GPU-1"), 3),
        (GpuWish(ids=("MIG-b",)), ("MIG-b",), 1),
        (GpuWish(ids=("1",)), ("GPU-1",), 1),
    ],
)
def test_what_is_promised_of_a_gpu_in_mig_mode_are_its_slices(wish, uuids, count):
    promise = plan_access(MIG, RUNTIME, wish).promise
    assert (promise.uuids, promise.count) == (uuids, count)


def test_a_promise_names_what_the_container_must_see():
    promise = plan_access(TWO, RUNTIME, GpuWish(ids=("1",), stacks=("nvidia", "cpu"))).promise
    assert (promise.stack, promise.uuids, promise.names, promise.count) == ("nvidia", ("GPU-1",), ("RTX 1",), 1)
    assert promise.nodes == ("/dev/nvidia1", "/dev/nvidiactl", "/dev/nvidia-uvm")
    assert promise.allows_cpu


def test_a_spec_promises_only_nodes_that_it_gives():
    engine = podman(
        cdi_devices=("nvidia.com/gpu=all",), cdi_nodes={"nvidia.com/gpu=all": ["/dev/nvidia0", "/dev/nvidiactl"]}
    )
    assert plan_access(TWO, engine, GpuWish()).promise.nodes == ("/dev/nvidia0", "/dev/nvidiactl")


def test_groups_that_docker_leaves_out_of_a_spec_are_added():
    engine = docker(cdi_devices=("nvidia.com/gpu=all",), cdi_groups={"nvidia.com/gpu=all": [104, 44]})
    assert plan_access(TWO, engine, GpuWish()).group_add == ("44", "104")


def test_desktop_outside_wsl_is_told_as_what_it_is():
    made = plan_stack(host(gpu(0)), docker(flavour="desktop"), host(gpu(0)).stack("nvidia"), GpuWish())
    assert made.gpu.mode == "none"
    assert "Desktop" in made.gpu.reason and "toolkit" not in made.gpu.reason
