"""How a container gets a stack on an engine: the selection table, and which GPUs it gets."""

from __future__ import annotations

import dataclasses
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.gpu_fleet.containers.plugins.module_utils._access.plan import GpuWish, plan_access, plan_stack
from ansible_collections.gpu_fleet.containers.plugins.module_utils._errors import InputError
from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu.findings import finding
from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu.model import (
    DeviceNode,
    EngineFacts,
    GpuDevice,
    GpuHost,
    MigDevice,
    Stack,
)
from ansible_collections.gpu_fleet.containers.plugins.module_utils._group.config import GpuRequest, Mount, to_dict

GIB = 1 << 30
CPU = Stack("cpu", True, "always")


def gpu(number, stack="nvidia", total=24, free=24, **more):
    return GpuDevice(
        stack, "nvidia", "RTX", f"GPU-{number}", number, memory_bytes=total * GIB, memory_free_bytes=free * GIB, **more
    )


def host(*devices, ready=True, findings=()):
    stack = Stack(devices[0].stack, ready, "because", tuple(devices)) if devices else None
    return GpuHost("linux", (stack, CPU) if stack else (CPU,), findings=findings)


def podman(*names, **more):
    return EngineFacts(
        "podman", True, True, version="5.4.2", cdi_devices=tuple(f"nvidia.com/gpu={n}" for n in names), **more
    )


def docker(*names, **more):
    return EngineFacts("docker", True, True, cdi_devices=tuple(f"nvidia.com/gpu={n}" for n in names), **more)


TWO = host(gpu(0), gpu(1))
WSL = host(gpu(0, "nvidia-wsl"), gpu(1, "nvidia-wsl"))


@pytest.mark.parametrize(
    ("facts", "engine", "wish", "mode", "cdi", "count", "ids"),
    [
        (TWO, podman("0", "1", "all"), GpuWish(), "cdi", ("all",), 0, ()),
        (TWO, podman("0", "1"), GpuWish(), "cdi", ("0", "1"), 0, ()),
        (TWO, podman("GPU-0", "0", "GPU-1", "1", "all"), GpuWish(count=1), "cdi", ("GPU-0",), 0, ()),
        (TWO, podman("0", "1", "all"), GpuWish(ids=("GPU-1",)), "cdi", ("1",), 0, ()),
        (TWO, podman("0", "1", "all"), GpuWish(ids=("nvidia.com/gpu=1",)), "cdi", ("1",), 0, ()),
        (TWO, podman("0", "1", "all"), GpuWish(ids=("nvidia.com/gpu=all",)), "cdi", ("all",), 0, ()),
        (TWO, docker("0", "1", "all", runtimes=("nvidia",)), GpuWish(), "cdi", ("all",), 0, ()),
        (TWO, docker(runtimes=("nvidia", "runc")), GpuWish(), "nvidia-runtime", (), -1, ()),
        (TWO, docker(runtimes=("nvidia", "runc")), GpuWish(count=1), "nvidia-runtime", (), 0, ("GPU-0",)),
        (TWO, docker(runtimes=("nvidia", "runc")), GpuWish(ids=("1",)), "nvidia-runtime", (), 0, ("GPU-1",)),
        (TWO, docker("0", runtimes=("nvidia",)), GpuWish(ids=("1",)), "nvidia-runtime", (), 0, ("GPU-1",)),
        (TWO, docker(), GpuWish(), "none", (), 0, ()),
        (TWO, podman(), GpuWish(), "none", (), 0, ()),
        (TWO, podman(runtimes=("nvidia",)), GpuWish(), "none", (), 0, ()),
        (WSL, podman("all"), GpuWish(), "cdi", ("all",), 0, ()),
        (WSL, docker("all"), GpuWish(), "cdi", ("all",), 0, ()),
        (WSL, docker(runtimes=("nvidia",)), GpuWish(), "nvidia-runtime", (), -1, ()),
        (WSL, docker("all", flavour="desktop"), GpuWish(), "nvidia-runtime", (), -1, ()),
        (WSL, podman(), GpuWish(), "explicit", (), 0, ()),
        (WSL, podman(runtimes=("nvidia",)), GpuWish(), "explicit", (), 0, ()),
    ],
)
def test_selection_table(facts, engine, wish, mode, cdi, count, ids):
    request = plan_stack(facts, engine, facts.stacks[0], wish).gpu
    assert request.mode == mode
    assert request.cdi_devices == tuple(f"nvidia.com/gpu={name}" for name in cdi)
    assert (request.count, request.device_ids) == (count, ids)
    assert request.reason


def test_wsl_without_toolkit_gets_whole_directories():
    plan = plan_access(WSL, podman(), GpuWish(ids=("1",)))
    assert plan.devices == ("/dev/dxg",)
    assert plan.mounts == (Mount("bind", "/usr/lib/wsl", "/usr/lib/wsl", read_only=True, create_host_path=False),)
    assert plan.environment == {"LD_LIBRARY_PATH": "/usr/lib/wsl/lib", "CUDA_VISIBLE_DEVICES": "GPU-1"}


def test_wsl_selects_among_gpus_by_variable():
    assert plan_access(WSL, podman("all"), GpuWish(count=1)).environment == {"CUDA_VISIBLE_DEVICES": "GPU-0"}
    assert plan_access(WSL, podman("all"), GpuWish()).environment == {}


def test_selinux_keeps_devices_from_confined_containers():
    assert plan_access(TWO, podman("all", selinux=True), GpuWish()).security_opt == ("label=disable",)
    assert plan_access(TWO, podman("all"), GpuWish()).security_opt == ()


MIG = host(gpu(0, mig_enabled=True, mig=(MigDevice("3g", "MIG-a", index=0), MigDevice("2g", "MIG-b", index=1))))


@pytest.mark.parametrize(
    ("engine", "wish", "cdi", "ids"),
    [
        (podman("all", "0:0", "0:1"), GpuWish(), ("all",), ()),
        (podman("0:0", "0:1"), GpuWish(), ("0:0", "0:1"), ()),
        (podman("0:0", "MIG-b"), GpuWish(ids=("MIG-b",)), ("MIG-b",), ()),
        (podman("0:0", "0:1"), GpuWish(ids=("0:1",)), ("0:1",), ()),
        (docker(runtimes=("nvidia",)), GpuWish(ids=("MIG-b",)), (), ("MIG-b",)),
        (docker(runtimes=("nvidia",)), GpuWish(count=1), (), ("MIG-a", "MIG-b")),
    ],
)
def test_a_gpu_in_mig_mode_gives_its_slices(engine, wish, cdi, ids):
    request = plan_access(MIG, engine, wish).gpu
    assert request.cdi_devices == tuple(f"nvidia.com/gpu={name}" for name in cdi)
    assert request.device_ids == ids


def chosen(facts, wish, taken=None, **declared):
    engine = podman("0", "1", "2", "all", declared=declared.get("declared", {}))
    facts = dataclasses.replace(facts, engines={"podman": engine})
    return plan_access(facts, engine, wish, taken=taken).gpu.uuids


def test_one_gpu_is_the_larger_one_then_the_first():
    assert chosen(host(gpu(0, total=8), gpu(1, total=24), gpu(2, total=24)), GpuWish(count=1)) == ("GPU-1",)


def test_a_busy_gpu_is_avoided_only_when_the_memory_does_not_fit():
    facts = host(gpu(0, free=2), gpu(1))
    assert chosen(facts, GpuWish(count=1)) == ("GPU-0",)
    assert chosen(facts, GpuWish(count=1, memory=4 * GIB)) == ("GPU-1",)


def test_what_our_own_containers_declared_does_not_push_them_away_on_the_second_run():
    facts = host(gpu(0, free=2), gpu(1))
    assert chosen(facts, GpuWish(count=1, memory=20 * GIB), declared={"GPU-0": 22 * GIB}) == ("GPU-0",)


def test_services_of_one_plan_spread_over_gpus():
    assert chosen(TWO, GpuWish(count=1, memory=20 * GIB), taken={"GPU-0": 20 * GIB}) == ("GPU-1",)


def test_all_gpus_leave_out_what_is_too_small_or_lost():
    facts = host(gpu(0, total=2), gpu(1), gpu(2, ready=False))
    plan = plan_access(facts, podman("0", "1", "2", "all"), GpuWish(memory=4 * GIB))
    assert plan.gpu.uuids == ("GPU-1",)
    assert plan.gpu.cdi_devices == ("nvidia.com/gpu=1",)


def test_memory_and_uuids_are_recorded():
    request = plan_access(TWO, podman("all"), GpuWish(memory=GIB)).gpu
    assert (request.memory, request.uuids) == (GIB, ("GPU-0", "GPU-1"))


NOT_READY = host(gpu(0), ready=False, findings=(finding("nouveau-in-use", "nouveau drives it", "sysfs"),))


@pytest.mark.parametrize(
    ("facts", "wish", "words"),
    [
        (host(), GpuWish(), ["no GPU was found). Add cpu to x-gpu.stacks"]),
        (NOT_READY, GpuWish(), ["nvidia: because", "blacklist nouveau"]),
        (NOT_READY, GpuWish(stacks=("nvidia", "rocm")), ["rocm: not on this host"]),
        (TWO, GpuWish(count=3), ["3 GPUs are wanted, 2"]),
        (TWO, GpuWish(memory=30 * GIB), ["30.0 GiB of GPU memory are wanted", "RTX 24.0 GiB"]),
        (TWO, GpuWish(count=1, memory=30 * GIB), ["30.0 GiB"]),
        (TWO, GpuWish(ids=("7",)), ["there is no GPU 7", "GPU-0"]),
    ],
)
def test_never_a_silent_cpu(facts, wish, words):
    with pytest.raises(InputError) as caught:
        plan_access(facts, podman("all"), wish, where="mainpc: groups/core.yml:3:5")
    text = str(caught.value)
    assert text.startswith("mainpc: groups/core.yml:3:5: ")
    assert [word for word in words if word not in text] == []


NODE = DeviceNode("/dev/dri/renderD128", 226, 128, "0666")
HYBRID = GpuHost(
    "linux",
    (
        Stack("nvidia", True, "ready", (gpu(0),)),
        Stack("intel", True, "ready", (gpu(0, "intel", integrated=True, nodes=(NODE,)),)),
        CPU,
    ),
)


@pytest.mark.parametrize(
    ("wish", "stack"),
    [
        (GpuWish(), ""),
        (GpuWish(driver="nvidia"), ""),
        (GpuWish(ids=("0",)), ""),
        (GpuWish(driver="amd"), ""),
        (GpuWish(driver="intel"), "intel"),
        (GpuWish(stacks=("nvidia", "intel")), "intel"),
        (GpuWish(stacks=("intel",), driver="nvidia"), "intel"),
        (GpuWish(driver="cdi", ids=("intel.com/gpu=0",)), "intel"),
    ],
    ids=str,
)
def test_a_gpu_that_works_is_not_passed_over_for_a_lesser_one_unasked(wish, stack):
    if stack:
        assert plan_access(HYBRID, podman(), wish).gpu.stack == stack
        return
    with pytest.raises(InputError, match="a GPU is wanted and none can be used .(nvidia: podman|rocm: not on)"):
        plan_access(HYBRID, podman(), wish)


def test_a_refusal_names_what_is_ready():
    with pytest.raises(InputError, match="nvidia-wsl: not on this host; ready here: nvidia, intel"):
        plan_access(HYBRID, podman(), GpuWish(stacks=("nvidia-wsl",)))


def test_a_driver_that_does_not_exist_is_an_error():
    with pytest.raises(InputError, match="no GPU driver is called nvidea.*Known are amd, cdi, intel, nvidia, "):
        plan_access(HYBRID, podman(), GpuWish(driver="nvidea"))


@pytest.mark.parametrize("engine", [podman(), docker(), EngineFacts("docker", reason="not installed")])
def test_a_gpu_that_the_engine_cannot_give_is_no_silent_cpu(engine):
    with pytest.raises(InputError, match="CDI|not known"):
        plan_access(TWO, engine, GpuWish(stacks=("nvidia",)))
    plan = plan_access(TWO, engine, GpuWish(stacks=("nvidia", "cpu")))
    assert (plan.gpu.stack, plan.cpu_fallback) == ("cpu", True)
    assert "nvidia: " in plan.gpu.reason


@pytest.mark.parametrize(
    ("engine", "mend"),
    [
        (EngineFacts("docker", reason="not installed"), "ansible-playbook playbooks/prepare.yml -l HOST"),
        (EngineFacts("docker", installed=True, reason="the daemon does not answer"), "Start docker"),
        (docker(), "write a CDI spec"),
    ],
)
def test_the_mend_is_about_the_engine_where_the_gpu_works(engine, mend):
    wrong = (
        finding("kfd-missing", "another stack's trouble", "/dev/kfd", "no /dev/kfd"),
        finding("toolkit-missing", "it is not installed", "nvidia-ctk", "no nvidia-ctk"),
    )
    with pytest.raises(InputError) as caught:
        plan_access(dataclasses.replace(TWO, findings=wrong), engine, GpuWish(stacks=("nvidia",)))
    assert mend in caught.value.mend and "kfd" not in caught.value.mend


def test_too_little_memory_goes_on_to_what_the_wish_allows_next():
    plan = plan_access(TWO, podman("all"), GpuWish(stacks=("nvidia", "cpu"), memory=30 * GIB))
    assert (plan.gpu.stack, plan.cpu_fallback) == ("cpu", True)


def node(mode, gid):
    return (DeviceNode("/dev/nvidia0", 195, 0, mode, 0, gid),)


@pytest.mark.parametrize(
    ("mode", "gid", "rootless", "groups"),
    [
        ("0666", 44, False, ()),
        ("0660", 0, False, ()),
        ("0660", 44, False, ("44",)),
        ("0660", 44, True, ("keep-groups",)),
        ("", 0, True, ()),
    ],
)
def test_groups_for_nodes_that_not_everybody_may_open(mode, gid, rootless, groups):
    facts = host(gpu(0, nodes=node(mode, gid)))
    assert plan_access(facts, podman("all", rootless=rootless), GpuWish()).group_add == groups


@pytest.mark.parametrize(("rootless", "groups"), [(False, ("44", "104")), (True, ())])
def test_groups_of_a_cdi_device_are_asked_for_as_well(rootless, groups):
    engine = docker("0", "1", "all", rootless=rootless, cdi_groups={"nvidia.com/gpu=all": [44, 104]})
    plan = plan_access(TWO, engine, GpuWish())
    assert (plan.gpu.mode, plan.group_add) == ("cdi", groups)


def test_cpu_where_the_wish_allows_it_is_said():
    plan = plan_access(NOT_READY, podman(), GpuWish(stacks=("nvidia", "cpu")))
    assert (plan.gpu.stack, plan.gpu.mode, plan.cpu_fallback) == ("cpu", "none", True)
    assert "because" in plan.gpu.reason


def test_cpu_first_is_no_fallback():
    plan = plan_access(TWO, podman("all"), GpuWish(stacks=("cpu", "nvidia")))
    assert (plan.gpu, plan.cpu_fallback) == (GpuRequest(stack="cpu", mode="none", reason="cpu was asked for"), False)


def test_the_first_ready_stack_of_the_wish_wins():
    both = GpuHost("wsl2", (Stack("nvidia", False, "no"), Stack("nvidia-wsl", True, "yes", WSL.devices), CPU))
    assert plan_access(both, podman("all"), GpuWish(stacks=("nvidia", "nvidia-wsl", "cpu"))).gpu.stack == "nvidia-wsl"


@given(
    sizes=st.lists(st.tuples(st.integers(1, 48), st.integers(0, 48)), min_size=1, max_size=5),
    count=st.integers(1, 5),
    memory=st.integers(0, 48),
    used=st.lists(st.integers(0, 48), min_size=5, max_size=5),
)
def test_a_choice_without_memory_does_not_depend_on_what_is_free(sizes, count, memory, used):
    """A plan is the same on the next run, whatever the containers took meanwhile."""
    before = host(*(gpu(n, total=total, free=min(free, total)) for n, (total, free) in enumerate(sizes)))
    after = host(*(gpu(n, total=total, free=max(0, total - used[n])) for n, (total, _free) in enumerate(sizes)))
    engine = podman(*(str(n) for n in range(len(sizes))), "all")
    wish = GpuWish(count=min(count, len(sizes)))
    plan = plan_access(before, engine, wish)
    assert plan == plan_access(after, engine, wish)
    assert len(plan.gpu.uuids) == wish.count
    json.dumps(to_dict(plan))
    sized = GpuWish(count=1, memory=memory * GIB)
    if any(total >= memory for total, _free in sizes):
        got = plan_access(before, engine, sized).gpu.uuids
        assert [device.memory_bytes >= memory * GIB for device in before.devices if device.uuid in got] == [True]
