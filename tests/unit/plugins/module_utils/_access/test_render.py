"""rocm, intel, vulkan, videocore, venus, rocm-wsl and metal: the chosen nodes and no others, by name or one by one."""

from __future__ import annotations

import dataclasses
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.gpu_fleet.containers.plugins.module_utils._access.plan import GpuWish, plan_access, plan_stack
from ansible_collections.gpu_fleet.containers.plugins.module_utils._errors import InputError
from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu.model import (
    DeviceNode,
    GpuDevice,
    GpuHost,
    Stack,
    plain,
)
from ansible_collections.gpu_fleet.containers.plugins.module_utils._group.config import to_dict

from .examples import CPU, GIB, RENDER_GID, VIDEO_GID, card, docker, host, podman

TWO = host(card(0), card(1))
DISPLAY = ("gpu", "display")


def plan(facts, engine, wish=GpuWish(), stack=0):  # noqa: B008  # frozen
    return plan_stack(facts, engine, facts.stacks[stack], wish)


@pytest.mark.parametrize(
    ("facts", "wish", "devices"),
    [
        (TWO, GpuWish(), ("/dev/kfd", "/dev/dri/renderD128", "/dev/dri/renderD129")),
        (TWO, GpuWish(count=1), ("/dev/kfd", "/dev/dri/renderD128")),
        (TWO, GpuWish(ids=("1",)), ("/dev/kfd", "/dev/dri/renderD129")),
        (TWO, GpuWish(ids=("GPU-1",)), ("/dev/kfd", "/dev/dri/renderD129")),
        (TWO, GpuWish(ids=("0000:02:00.0",)), ("/dev/kfd", "/dev/dri/renderD129")),
        (TWO, GpuWish(ids=("02:00.0",)), ("/dev/kfd", "/dev/dri/renderD129")),
        (TWO, GpuWish(ids=("00000000:02:00.0",)), ("/dev/kfd", "/dev/dri/renderD129")),
        (TWO, GpuWish(ids=("renderD129",)), ("/dev/kfd", "/dev/dri/renderD129")),
        (TWO, GpuWish(ids=("amd.com/gpu=1",)), ("/dev/kfd", "/dev/dri/renderD129")),
        (TWO, GpuWish(ids=("1",), capabilities=DISPLAY), ("/dev/kfd", "/dev/dri/renderD129", "/dev/dri/card1")),
        (host(card(0, "intel")), GpuWish(), ("/dev/dri/renderD128",)),
        (host(card(0, "intel")), GpuWish(ids=("intel.com/gpu=0000-01-00-0-0x56a0",)), ("/dev/dri/renderD128",)),
        (host(card(0, "vulkan")), GpuWish(capabilities=("gpu", "graphics")), ("/dev/dri/renderD128",)),
        (host(card(0, "videocore", bus_id="")), GpuWish(), ("/dev/dri/renderD128",)),
        (host(card(0, "venus")), GpuWish(), ("/dev/dri/renderD128",)),
    ],
)
@pytest.mark.parametrize("engine", [podman(), docker(version="20.10.24"), docker(flavour="podman")])
def test_only_the_chosen_nodes(facts, wish, devices, engine):
    made = plan(facts, engine, wish)
    assert (made.gpu.mode, made.devices, made.environment, made.mounts) == ("explicit", devices, {}, ())
    assert made.promise.nodes == devices
    # Numbers of the host's own groups; the primary node's only where it is given.
    groups = (VIDEO_GID, RENDER_GID) if "display" in wish.capabilities else (RENDER_GID,)
    assert made.group_add == tuple(map(str, sorted(groups)))


def test_a_card_without_render_node_gives_its_primary_one():
    primary = (DeviceNode("/dev/dri/card0", 226, 0, "0660", 0, VIDEO_GID),)
    made = plan(host(card(0, "vulkan", nodes=primary)), podman())
    assert (made.devices, made.group_add) == (("/dev/dri/card0",), (str(VIDEO_GID),))


def test_without_a_node_there_is_nothing_to_give():
    made = plan(host(card(0, "vulkan", nodes=())), podman())
    assert (made.gpu.mode, made.gpu.reason) == ("none", "no device node of card 0 is known")


AMD = {
    "amd.com/gpu=0": ["/dev/kfd", "/dev/dri/card1", "/dev/dri/renderD129"],
    "amd.com/gpu=1": ["/dev/kfd", "/dev/dri/card0", "/dev/dri/renderD128"],
    "amd.com/gpu=all": ["/dev/kfd", "/dev/dri/card0", "/dev/dri/renderD128", "/dev/dri/card1", "/dev/dri/renderD129"],
}


def reads(nodes, engine=podman):
    return engine(cdi_devices=tuple(sorted(nodes)), cdi_nodes=nodes)


@pytest.mark.parametrize(
    ("wish", "names"),
    [
        (GpuWish(), ("amd.com/gpu=all",)),
        # Its tool counts the other way round here: what counts are the nodes.
        (GpuWish(count=1), ("amd.com/gpu=1",)),
        (GpuWish(ids=("GPU-1",)), ("amd.com/gpu=0",)),
        (GpuWish(ids=("GPU-0", "GPU-1")), ("amd.com/gpu=all",)),
    ],
)
@pytest.mark.parametrize("engine", [podman, docker])
def test_names_are_chosen_by_the_nodes_behind_them(wish, names, engine):
    made = plan(TWO, reads(AMD, engine), wish)
    assert (made.gpu.mode, made.gpu.cdi_devices, made.devices) == ("cdi", names, ())
    # amd-ctk writes no groups into its specs.
    assert made.group_add == (str(RENDER_GID),)
    assert "/dev/kfd" in made.promise.nodes


@pytest.mark.parametrize(
    ("facts", "nodes", "mode"),
    [
        (host(card(0, "intel")), {"intel.com/gpu=card0": ["/dev/dri/card0", "/dev/dri/renderD128"]}, "cdi"),
        (host(card(0, "vulkan")), {"gpu-fleet.org/dri=renderD128": ["/dev/dri/renderD128"]}, "cdi"),
        (host(card(0, "videocore")), {"gpu-fleet.org/videocore=all": ["/dev/dri/renderD128"]}, "cdi"),
        # Nothing but these: a spec without kfd is of no use to ROCm, another's GPU is not given, and a name may lie.
        (host(card(0)), {"amd.com/gpu=0": ["/dev/dri/renderD128"]}, "explicit"),
        (
            host(card(0, "vulkan"), card(1)),
            {"gpu-fleet.org/dri=all": ["/dev/dri/renderD128", "/dev/dri/renderD129"]},
            "explicit",
        ),
        (host(card(0, "vulkan")), {"nvidia.com/gpu=0": ["/dev/dri/renderD128"]}, "explicit"),
        (host(card(0, "vulkan")), {"gpu-fleet.org/dri=renderD129": ["/dev/dri/renderD129"]}, "explicit"),
    ],
)
def test_a_name_that_does_not_give_exactly_the_chosen_gpus_is_not_used(facts, nodes, mode):
    assert plan(facts, reads(nodes)).gpu.mode == mode


def test_two_names_for_two_of_three():
    nodes = {name: paths for name, paths in AMD.items() if name != "amd.com/gpu=all"}
    made = plan(host(card(0), card(1), card(2)), reads(nodes), GpuWish(count=2))
    assert made.gpu.cdi_devices == ("amd.com/gpu=1", "amd.com/gpu=0")


def test_a_daemon_elsewhere_tells_names_only():
    engine = docker(url="tcp://far:2375", cdi_devices=("amd.com/gpu=all",))
    assert plan(TWO, engine).gpu.cdi_devices == ("amd.com/gpu=all",)
    one = plan(TWO, engine, GpuWish(count=1))
    assert one.gpu.mode == "none" and "tcp://far:2375" in one.gpu.reason


@pytest.mark.parametrize("stack", ["rocm", "intel", "vulkan", "venus"])
def test_docker_desktop_has_no_nodes_of_this_host(stack):
    made = plan(host(card(0, stack)), docker(flavour="desktop"))
    assert made.gpu.mode == "none" and "virtual machine" in made.gpu.reason


WSL = GpuHost(
    "wsl2",
    (
        Stack(
            "rocm-wsl",
            True,
            "/dev/dxg is there",
            (GpuDevice("rocm-wsl", "amd", "RX", nodes=(DeviceNode("/dev/dxg", 10, 125, "0666", 0, 0),)),),
            library="/opt/rocm-7.2/lib/librocdxg.so",
        ),
        CPU,
    ),
)


def test_rocm_under_wsl_gets_windows_library_and_rocms_own():
    made = plan(WSL, podman())
    assert made.devices == ("/dev/dxg",)
    assert {mount.source: mount.target for mount in made.mounts} == {
        "/usr/lib/wsl/lib/libdxcore.so": "/usr/lib/libdxcore.so",
        "/opt/rocm-7.2/lib/librocdxg.so": "/usr/lib/librocdxg.so",
    }
    assert all(mount.read_only and not mount.create_host_path for mount in made.mounts)
    assert made.environment == {"HSA_ENABLE_DXG_DETECTION": "1"}


def test_rocm_6_under_wsl_has_a_library_of_its_own():
    library = "/opt/rocm/lib/libhsa-runtime64.so.1.14.0"
    facts = dataclasses.replace(WSL, stacks=(dataclasses.replace(WSL.stacks[0], library=library), CPU))
    made = plan(facts, docker())
    assert [mount.target for mount in made.mounts] == [
        "/usr/lib/libdxcore.so",
        "/opt/rocm/lib/libhsa-runtime64.so.1",
    ]
    assert made.environment == {}


def test_metal_is_not_reachable():
    facts = GpuHost("macos", (Stack("metal", True, "yes", (GpuDevice("metal", "apple", "M3"),)), CPU))
    for engine in (podman(), docker(flavour="desktop")):
        made = plan(facts, engine)
        assert made.gpu.mode == "none" and "Metal" in made.gpu.reason and made.promise is None


def test_venus_on_a_mac_is_the_machines_node():
    facts = host(card(0, "venus", nodes=()), platform="macos")
    made = plan(facts, podman())
    assert (made.devices, made.promise.nodes) == (("/dev/dri",), ("/dev/dri/renderD128",))
    assert plan(facts, docker(flavour="desktop")).gpu.mode == "none"


@pytest.mark.parametrize(
    ("engine", "groups", "words"),
    [
        (podman(rootless=True), ("keep-groups",), ""),
        # crun only (podman-run, --group-add).
        (podman(rootless=True, runtimes=("runc",)), (), "cannot pass on group 104"),
        (docker(rootless=True), (), "cannot pass on group 104"),
    ],
)
def test_rootless_engines_and_groups(engine, groups, words):
    made = plan(host(card(0, "vulkan")), engine)
    assert made.group_add == groups
    assert words in made.gpu.reason
    assert plan(host(card(0, "vulkan", mode="0666")), engine).group_add == ()


NPU = card(7, "intel", nodes=(DeviceNode("/dev/accel/accel0", 261, 0, "0660", 0, RENDER_GID),))


@pytest.mark.parametrize("engine", [podman(), reads({"intel.com/gpu=card0": ["/dev/dri/renderD128"]})])
def test_npus_come_with_the_gpu_where_they_are_wanted(engine):
    facts = host(card(0, "intel"), npus=(NPU,))
    made = plan_access(facts, engine, GpuWish(capabilities=("gpu", "npu")))
    assert "/dev/accel/accel0" in made.devices and "/dev/accel/accel0" in made.promise.nodes
    assert made.group_add == (str(RENDER_GID),)
    assert "/dev/accel/accel0" not in plan_access(facts, engine, GpuWish()).devices


@pytest.mark.parametrize(
    ("npus", "engine", "words"),
    [
        ((), podman(), "no NPU"),
        ((dataclasses.replace(NPU, ready=False),), podman(), "no NPU"),
        ((NPU,), docker(url="tcp://far:1", cdi_devices=("intel.com/gpu=all",)), "far"),
    ],
)
def test_a_wanted_npu_that_cannot_be_given_is_an_error(npus, engine, words):
    with pytest.raises(InputError, match=words):
        plan_access(host(card(0, "intel"), npus=npus), engine, GpuWish(capabilities=("gpu", "npu")))


def test_an_npu_without_a_gpu():
    facts = GpuHost("linux", (CPU,), npus=(NPU,))
    made = plan_access(facts, podman(), GpuWish(stacks=("intel", "cpu"), capabilities=("gpu", "npu")))
    assert (made.gpu.stack, made.devices, made.group_add) == ("cpu", ("/dev/accel/accel0",), (str(RENDER_GID),))


@pytest.mark.parametrize("name", ["gpuu", "tpu", "cuda"])
def test_a_capability_that_nobody_knows_is_an_error(name):
    with pytest.raises(InputError, match=f"no GPU capability {name}"):
        plan_access(TWO, podman(), GpuWish(capabilities=("gpu", name)), "here")


engines = st.builds(
    lambda make, flavour, rootless, runtimes, names, url: make(
        flavour=flavour,
        rootless=rootless,
        runtimes=runtimes,
        url=url,
        cdi_devices=tuple(sorted(names)),
        cdi_nodes={name: AMD[name] for name in names if name in AMD},
    ),
    st.sampled_from([podman, docker]),
    st.sampled_from(["engine", "desktop", "podman"]),
    st.booleans(),
    st.sampled_from([(), ("crun",), ("nvidia", "runc")]),
    st.sets(st.sampled_from([*AMD, "nvidia.com/gpu=all", "nvidia.com/gpu=0"])),
    st.sampled_from(["", "unix:///run/x.sock", "tcp://far:1"]),
)
STACKS = ("nvidia", "nvidia-wsl", "nvidia-tegra", "rocm", "rocm-wsl", "intel", "vulkan", "videocore", "venus", "metal")
wishes = st.builds(
    GpuWish,
    stacks=st.sampled_from([(), ("cpu",)]),
    count=st.sampled_from([-1, 1, 2]),
    capabilities=st.sampled_from([("gpu",), DISPLAY, ("gpu", "compute", "utility")]),
    memory=st.sampled_from([0, GIB]),
)


@given(
    engine=engines,
    wish=wishes,
    stack=st.sampled_from(STACKS),
    count=st.integers(2, 3),
    platform=st.sampled_from(["linux", "macos", "wsl2"]),
)
def test_every_plan_that_gives_a_gpu_says_what_it_promises(engine, wish, stack, count, platform):
    facts = host(*(card(number, stack) for number in range(count)), platform=platform, engines={engine.name: engine})
    made = plan_stack(facts, engine, facts.stacks[0], wish)
    assert made == plan_stack(GpuHost.from_dict(facts.to_dict()), engine, facts.stacks[0], wish)
    json.dumps(to_dict(made))
    assert made.gpu.reason
    if made.gpu.mode == "none":
        assert (made.devices, made.mounts, made.promise) == ((), (), None)
        return
    assert made.promise.nodes or made.gpu.cdi_devices or made.gpu.mode == "nvidia-runtime"
    assert made.promise.count == len(made.promise.names) == (count if wish.count == -1 else wish.count)
    assert made.promise.allows_cpu is ("cpu" in wish.stacks)
    if made.gpu.mode == "cdi":
        assert set(made.gpu.cdi_devices) <= set(engine.cdi_devices)
    if made.gpu.mode == "explicit":
        chosen = {path for name in made.promise.names for path in _nodes(facts, name)}
        assert {device.partition(":")[0] for device in made.devices} <= chosen | {"/dev/dxg", "/dev/dri"}


def _nodes(facts, name):
    return [node.path for device in facts.devices if device.name == name for node in device.nodes]


@given(stack=st.sampled_from(STACKS), number=st.integers(0, 2))
def test_facts_survive_their_json(stack, number):
    facts = host(
        card(number, stack), engines={"podman": reads(AMD)}, npus=(NPU,), cdi={"a/b": {"edits": {}, "devices": {}}}
    )
    assert GpuHost.from_dict(json.loads(json.dumps(facts.to_dict()))) == facts
    assert plain(facts.engines["podman"])["cdi_nodes"] == AMD
