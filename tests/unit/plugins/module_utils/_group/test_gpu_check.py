"""The verdict on what a container sees: a table of answers, and that no answer whatsoever breaks it."""

from __future__ import annotations

import errno
import typing as t
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.gpu_fleet.containers.plugins.module_utils._group.config import GpuPromise
from ansible_collections.gpu_fleet.containers.plugins.module_utils._group.gpu_answer import (
    Answer,
    Device,
    Library,
    Node,
    Torch,
)
from ansible_collections.gpu_fleet.containers.plugins.module_utils._group.gpu_check import (
    NOT_SEEN,
    NOT_VERIFIED,
    SEEN,
    counted,
    hung,
    judge,
    unverified,
)

ONE, TWO = "11111111-2222-3333-4444-555555555551", "11111111-2222-3333-4444-555555555552"
SLICE = "aaaaaaaa-2222-3333-4444-555555555551"
RTX = Device("NVIDIA GeForce RTX 4090", ONE, ONE, 24 << 30)
RTX_2 = replace(RTX, uuid=TWO, parent=TWO)
MIG = Device("NVIDIA A100 MIG 1g.5gb", SLICE, ONE, 5 << 30)
PIPE = Device("llvmpipe (LLVM 15.0.6, 256 bits)", vendor=0x10005, software=True)
ARC = Device("Intel(R) Arc(TM) A770 Graphics (DG2)", vendor=0x8086)
RADEON = Device("AMD Radeon RX 7900 XTX (RADV NAVI31)", vendor=0x1002)

RENDER = "/dev/dri/renderD128"
OPEN = Node(RENDER, True, mode="0660", uid=0, gid=104)
CLOSED = replace(OPEN, opened=False, error="Permission denied", number=errno.EACCES)
GONE = Node(RENDER, False, "No such file or directory", errno.ENOENT)


def cuda(*devices: Device, **more: t.Any) -> Library:
    return Library("cuda", "libcuda.so.1", devices=devices, version=12080, **more)


def vulkan(*devices: Device, **more: t.Any) -> Library:
    return Library("vulkan", "libvulkan.so.1", devices=devices, **more)


def absent(api: str, probe: str, **more: t.Any) -> Library:
    return Library(api, probe, there=False, error=f"{probe}: cannot open shared object file", **more)


NO_CUDA = absent("cuda", "libcuda.so.1")
NO_VULKAN = absent("vulkan", "libvulkan.so.1")
NO_HIP, NO_HSA = absent("hip", "libamdhip64.so"), absent("hsa", "libhsa-runtime64.so.1")


def answer(*libraries: Library, nodes: tuple[Node, ...] = (OPEN,), by: str = "python3", **more: t.Any) -> Answer:
    who = {"user": "1000", "groups": "1000", "first_user": "1000", "first_groups": "1000"}
    return Answer(by, nodes, libraries, **{**who, **more})


def promise(stack: str = "nvidia", *uuids: str, count: int = 0, nodes: tuple[str, ...] = (RENDER,)) -> GpuPromise:
    return GpuPromise(stack, nodes, tuple(f"GPU-{uuid}" for uuid in uuids), count=count)


HIDDEN = {"CUDA_VISIBLE_DEVICES": "0"}
CASES = {
    # name: (promise, answer, verdict, by, codes)
    "the GPU": (promise("nvidia", ONE, count=1), answer(cuda(RTX)), SEEN, "libcuda.so.1", []),
    "under WSL": (promise("nvidia-wsl", ONE, count=1), answer(cuda(RTX)), SEEN, "libcuda.so.1", []),
    "two": (promise("nvidia", ONE, TWO, count=2), answer(cuda(RTX, RTX_2)), SEEN, "libcuda.so.1", []),
    "more than it was given": (promise("nvidia", ONE, count=1), answer(cuda(RTX, RTX_2)), SEEN, "libcuda.so.1", []),
    "fewer": (promise("nvidia", ONE, TWO, count=2), answer(cuda(RTX)), NOT_SEEN, "", ["gpu-fewer"]),
    "fewer, no uuid known": (promise("nvidia", count=2), answer(cuda(RTX)), NOT_SEEN, "", ["gpu-fewer"]),
    "another": (promise("nvidia", TWO, count=1), answer(cuda(RTX)), NOT_SEEN, "", ["gpu-other"]),
    "fewer by its own choice": (
        promise("nvidia", ONE, TWO, count=2),
        answer(cuda(RTX), environment=HIDDEN),
        SEEN,
        "libcuda.so.1",
        [],
    ),
    "fewer than chosen": (
        promise("nvidia-wsl", ONE, TWO, count=2),
        answer(cuda(RTX), environment={"CUDA_VISIBLE_DEVICES": f"GPU-{ONE},GPU-{TWO}"}),
        NOT_SEEN,
        "",
        ["gpu-fewer"],
    ),
    "a slice of those promised": (
        GpuPromise("nvidia", (RENDER,), (f"MIG-{SLICE}", f"MIG-{TWO}"), count=2),
        answer(cuda(MIG)),
        SEEN,
        "libcuda.so.1",
        [],
    ),
    "a slice of the GPU promised": (promise("nvidia", ONE, count=2), answer(cuda(MIG)), SEEN, "libcuda.so.1", []),
    "a slice in the old form": (
        GpuPromise("nvidia", (), (f"MIG-GPU-{ONE}/1/0",), count=1),
        answer(cuda(MIG)),
        SEEN,
        "libcuda.so.1",
        [],
    ),
    "another slice": (
        GpuPromise("nvidia", (), (f"MIG-{TWO}",), count=1),
        answer(cuda(MIG)),
        NOT_SEEN,
        "",
        ["gpu-other"],
    ),
    "no device": (promise(), answer(cuda(call="cuInit", code=100)), NOT_SEEN, "", ["gpu-not-seen"]),
    "none counted": (promise(), answer(cuda()), NOT_SEEN, "", ["gpu-not-seen"]),
    "hidden": (promise(), answer(cuda(), environment=HIDDEN), NOT_SEEN, "", ["gpu-hidden"]),
    "mismatch": (promise(), answer(cuda(call="cuInit", code=803)), NOT_SEEN, "", ["gpu-driver-mismatch"]),
    "compat": (promise(), answer(cuda(call="cuInit", code=804)), NOT_SEEN, "", ["gpu-compat-unsupported"]),
    "unknown": (promise(), answer(cuda(call="cuInit", code=999)), NOT_SEEN, "", ["gpu-library-failed"]),
    "crash": (promise(), answer(cuda(error="ended by signal 11")), NOT_SEEN, "", ["gpu-library-failed"]),
    "hangs": (promise(), answer(cuda(hung=True, error="no answer")), NOT_SEEN, "", ["gpu-probe-hung"]),
    "opening hangs": (
        promise(),
        answer(cuda(), nodes=(), nodes_hung=True),
        NOT_SEEN,
        "",
        ["gpu-not-seen", "gpu-probe-hung"],
    ),
    "no driver": (promise(), answer(NO_CUDA), NOT_SEEN, "", ["gpu-library-missing"]),
    "driver beside the path": (
        promise("nvidia-wsl"),
        answer(replace(NO_CUDA, lies_at="/usr/lib/wsl/lib/libcuda.so.1")),
        NOT_SEEN,
        "",
        ["gpu-library-missing"],
    ),
    "no driver can be loaded": (promise(), answer(NO_CUDA, musl=True), SEEN, "device nodes", ["gpu-library-missing"]),
    "graphics only": (
        promise(),
        answer(NO_CUDA, environment={"NVIDIA_DRIVER_CAPABILITIES": "graphics,display"}),
        SEEN,
        "device nodes",
        ["gpu-library-missing"],
    ),
    "graphics only, by Vulkan": (
        promise(count=1),
        answer(NO_CUDA, vulkan(PIPE, replace(RTX, vendor=0x10DE))),
        SEEN,
        "libvulkan.so.1",
        [],
    ),
    "CUDA's word counts": (
        promise(count=1),
        answer(cuda(call="cuInit", code=803), vulkan(replace(RTX, vendor=0x10DE))),
        NOT_SEEN,
        "",
        ["gpu-driver-mismatch"],
    ),
    "a tool in place of the library": (
        promise("nvidia", ONE, count=1),
        answer(Library("nvidia-smi", "nvidia-smi -L", devices=(RTX,)), by="sh"),
        SEEN,
        "nvidia-smi -L",
        [],
    ),
    "a shell without tools": (promise(), answer(by="sh"), SEEN, "device nodes", []),
    "nothing of it": (promise(nodes=()), answer(by="sh", nodes=()), NOT_SEEN, "", ["gpu-not-seen"]),
    "nothing that could be asked": (
        promise("nvidia-tegra", nodes=()),
        answer(by="sh", nodes=()),
        NOT_VERIFIED,
        "",
        ["gpu-not-verified"],
    ),
    "Vulkan": (promise("vulkan", count=1), answer(vulkan(PIPE, ARC)), SEEN, "libvulkan.so.1", []),
    "only software": (promise("vulkan", count=1), answer(vulkan(PIPE)), NOT_SEEN, "", ["gpu-software-only"]),
    "software on a Pi": (promise("videocore"), answer(vulkan(PIPE)), NOT_SEEN, "", ["gpu-software-only"]),
    "no Vulkan driver": (
        promise("venus"),
        answer(vulkan(call="vkCreateInstance", code=-9)),
        NOT_SEEN,
        "",
        ["gpu-library-missing"],
    ),
    "a Vulkan that fails": (
        promise("vulkan"),
        answer(vulkan(call="vkEnumeratePhysicalDevices", code=-3)),
        NOT_SEEN,
        "",
        ["gpu-library-failed"],
    ),
    "a mismatch in a tool's words": (
        promise(),
        answer(Library("nvidia-smi", "nvidia-smi -L", code=18, error="Driver/library version mismatch"), by="sh"),
        NOT_SEEN,
        "",
        ["gpu-driver-mismatch"],
    ),
    "Level Zero without a driver": (
        promise("intel"),
        answer(Library("level-zero", "libze_loader.so.1", call="zeInit", code=0x78000001)),
        SEEN,
        "device nodes",
        ["gpu-library-missing"],
    ),
    "no Vulkan at all": (promise("vulkan"), answer(NO_VULKAN), SEEN, "device nodes", ["gpu-library-missing"]),
    "HIP": (
        promise("rocm", count=1),
        answer(Library("hip", "libamdhip64.so", devices=(RADEON,)), NO_HSA),
        SEEN,
        "libamdhip64.so",
        [],
    ),
    "HSA without HIP": (
        promise("rocm"),
        answer(NO_HIP, Library("hsa", "libhsa-runtime64.so.1", devices=(RADEON,))),
        SEEN,
        "libhsa-runtime64.so.1",
        [],
    ),
    "HIP's word counts": (
        promise("rocm"),
        answer(Library("hip", "libamdhip64.so", call="hipInit", code=100), vulkan(RADEON)),
        NOT_SEEN,
        "",
        ["gpu-not-seen"],
    ),
    "an AMD GPU by Vulkan": (promise("rocm"), answer(NO_HIP, NO_HSA, vulkan(RADEON)), SEEN, "libvulkan.so.1", []),
    "another vendor's by Vulkan": (
        promise("rocm"),
        answer(NO_HIP, NO_HSA, vulkan(ARC)),
        SEEN,
        "device nodes",
        ["gpu-library-missing"],
    ),
    "torch alone": (
        promise("rocm-wsl", nodes=()),
        answer(NO_HIP, NO_HSA, nodes=(), torch=Torch("2.4.0", "ROCm 6.1", True)),
        SEEN,
        "torch",
        [],
    ),
    "torch names nothing but sees it": (
        promise("rocm"),
        answer(NO_HIP, NO_HSA, torch=Torch("2.4.0", "ROCm 6.1", True)),
        SEEN,
        "torch",
        [],
    ),
    "torch for the CPU": (
        promise("nvidia", ONE, count=1),
        answer(cuda(RTX), torch=Torch("2.4.0+cpu", "")),
        SEEN,
        "libcuda.so.1",
        ["gpu-torch-cpu"],
    ),
    "torch for another vendor": (
        promise("rocm"),
        answer(Library("hip", "libamdhip64.so", devices=(RADEON,)), torch=Torch("2.4.0", "CUDA 12.1")),
        SEEN,
        "libamdhip64.so",
        ["gpu-torch-cpu"],
    ),
    "torch refuses": (
        promise("nvidia", ONE, count=1),
        answer(cuda(RTX), torch=Torch("2.9.0", "CUDA 13.0", False)),
        SEEN,
        "libcuda.so.1",
        ["gpu-torch-cpu"],
    ),
    "Level Zero": (
        promise("intel", count=1),
        answer(Library("level-zero", "libze_loader.so.1", devices=(ARC,))),
        SEEN,
        "libze_loader.so.1",
        [],
    ),
    "a node that is not there": (promise("vulkan"), answer(nodes=(GONE,), by="sh"), NOT_SEEN, "", ["gpu-node-missing"]),
    "a file in its place": (
        promise("vulkan"),
        answer(nodes=(replace(OPEN, opened=False, error="it is no device node"),), by="sh"),
        NOT_SEEN,
        "",
        ["gpu-node-missing"],
    ),
    "a node that is closed": (
        promise("vulkan"),
        answer(nodes=(CLOSED,), by="sh"),
        NOT_SEEN,
        "",
        ["gpu-node-unopenable"],
    ),
    "a node the engine forbids": (
        promise("vulkan"),
        answer(nodes=(replace(CLOSED, number=errno.EPERM),), by="sh"),
        NOT_SEEN,
        "",
        ["gpu-node-refused"],
    ),
    "a driver that is gone": (
        promise("vulkan"),
        answer(nodes=(replace(CLOSED, number=errno.ENXIO),), by="sh"),
        NOT_SEEN,
        "",
        ["gpu-node-dead"],
    ),
    "a closed node that is not needed": (
        promise("nvidia", ONE, count=1),
        answer(cuda(RTX), nodes=(CLOSED,)),
        SEEN,
        "libcuda.so.1",
        ["gpu-node-unopenable"],
    ),
    "a closed node that one slice of two does not need": (
        GpuPromise("nvidia", (RENDER,), (f"MIG-{SLICE}", f"MIG-{TWO}"), count=2),
        answer(cuda(MIG), nodes=(CLOSED,)),
        SEEN,
        "libcuda.so.1",
        ["gpu-node-unopenable"],
    ),
    "an NPU that is closed": (
        promise("intel", count=1, nodes=(RENDER, "/dev/accel/accel0")),
        answer(
            Library("level-zero", "libze_loader.so.1", devices=(ARC,)),
            nodes=(OPEN, replace(CLOSED, path="/dev/accel/accel0")),
        ),
        NOT_SEEN,
        "",
        ["gpu-node-unopenable"],
    ),
    "a closed node, count unknown": (
        promise("nvidia", ONE),
        answer(cuda(RTX), nodes=(OPEN, CLOSED)),
        NOT_SEEN,
        "",
        ["gpu-node-unopenable"],
    ),
    "usual nodes that nobody promised": (
        promise("nvidia", ONE, nodes=()),
        answer(cuda(RTX), nodes=(GONE,)),
        SEEN,
        "libcuda.so.1",
        [],
    ),
    "the workload has groups that the question had not": (
        promise("vulkan"),
        answer(nodes=(CLOSED,), by="sh", first_groups="104 1000"),
        NOT_VERIFIED,
        "",
        ["gpu-node-unopenable"],
    ),
    "nobody knows the workload's groups": (
        promise("vulkan"),
        answer(nodes=(CLOSED,), by="sh", first_user="", first_groups=""),
        NOT_SEEN,
        "",
        ["gpu-node-unopenable"],
    ),
}


@pytest.mark.parametrize(("promised", "said", "verdict", "by", "codes"), CASES.values(), ids=CASES)
def test_the_verdict(promised, said, verdict, by, codes):
    seen = judge(promised, said)
    assert (seen.verdict, seen.by, [entry.code for entry in seen.findings]) == (verdict, by, codes)
    assert seen.failed is (verdict == NOT_SEEN)
    assert (verdict == NOT_VERIFIED) is bool(seen.reason)
    for found in seen.findings:
        assert found.message and found.probe and found.evidence and found.mend and "{" not in found.mend


@pytest.mark.parametrize(("promised", "said", "verdict", "_by", "_codes"), CASES.values(), ids=CASES)
def test_where_the_cpu_is_allowed_nothing_fails(promised, said, verdict, _by, _codes):
    seen = judge(replace(promised, allows_cpu=True), said)
    assert seen.verdict == verdict and not seen.failed
    assert all(entry.level != "error" for entry in seen.findings)


@pytest.mark.parametrize(
    ("node", "way"),
    [
        (CLOSED, 'group_add: ["104"]'),
        (replace(CLOSED, gid=0), 'user: "0"'),
        (replace(CLOSED, mode="0600", uid=33), 'user: "33"'),
        (replace(CLOSED, mode="0640"), "udev rule"),
        (replace(CLOSED, gid=65534), "keep-groups"),
    ],
)
def test_the_way_in_names_numbers(node, way):
    (found,) = judge(promise("vulkan"), answer(nodes=(node,), by="sh")).findings
    assert way in found.mend
    assert "uid 1000 with the groups 1000" in found.message and f"gid {node.gid}" in found.message


def test_words():
    assert judge(promise(count=2), answer(cuda(RTX, RTX_2))).words == "2 × NVIDIA GeForce RTX 4090 seen"
    assert judge(promise("vulkan"), answer(by="sh")).words == f"{RENDER} opened"
    assert judge(promise(), answer(cuda(call="cuInit", code=803))).words == (
        "not seen: libcuda.so.1: the driver that runs and its library are of different versions"
    )
    assert unverified("it does not run").words == "not verified: it does not run"
    assert counted([Device(""), RTX, RTX]) == ["a GPU without a name", "2 × NVIDIA GeForce RTX 4090"]


def test_as_data():
    data = judge(promise("nvidia", ONE, count=1), answer(cuda(RTX), torch=Torch("2.4", "CUDA 12.4", True))).as_data()
    assert data == {
        "verdict": "seen",
        "words": "NVIDIA GeForce RTX 4090 seen",
        "by": "libcuda.so.1",
        "devices": [{"name": RTX.name, "uuid": f"GPU-{ONE}", "memory_bytes": 24 << 30}],
        "nodes": [RENDER],
        "findings": [],
        "reason": "",
        "torch": "torch 2.4 for CUDA 12.4: sees a GPU",
    }
    assert judge(promise(), answer(cuda(MIG))).as_data()["devices"][0]["uuid"] == f"MIG-{SLICE}"


def test_a_probe_that_hangs_is_a_gpu_that_is_not_seen():
    seen = hung(promise(), "python3", 35)
    assert seen.failed and [entry.code for entry in seen.findings] == ["gpu-probe-hung"]
    assert not hung(replace(promise(), allows_cpu=True), "python3", 35).failed


nodes = st.builds(
    Node,
    st.sampled_from([RENDER, "/dev/dxg", ""]),
    st.booleans(),
    st.text(max_size=5),
    st.sampled_from([0, 1, 2, 6, 13, 99]),
    st.sampled_from(["", "0660", "0600"]),
    st.sampled_from([None, 0, 104]),
    st.sampled_from([None, 0, 104, 65534]),
)
devices = st.sampled_from([RTX, RTX_2, MIG, PIPE, ARC, RADEON, Device("")])
libraries = st.builds(
    Library,
    st.sampled_from(["cuda", "vulkan", "hip", "hsa", "level-zero", "nvidia-smi", "rocminfo", "vulkaninfo", "odd"]),
    st.just("lib.so"),
    st.booleans(),
    st.lists(devices, max_size=3).map(tuple),
    st.sampled_from(["", "cuInit"]),
    st.sampled_from([0, 100, 803, 804, 999, -9]),
    st.sampled_from(["", "broken"]),
    st.booleans(),
    st.sampled_from(["", "/usr/lib/libcuda.so.1"]),
)
answers = st.builds(
    Answer,
    st.sampled_from(["python3", "sh", "nvidia-smi -L"]),
    st.lists(nodes, max_size=3).map(tuple),
    st.lists(libraries, max_size=4).map(tuple),
    environment=st.sampled_from([{}, HIDDEN, {"CUDA_VISIBLE_DEVICES": ""}]),
    musl=st.booleans(),
    nodes_hung=st.booleans(),
    torch=st.sampled_from([None, Torch(), Torch("2", "CUDA 12", False)]),
)
promises = st.builds(
    GpuPromise,
    st.sampled_from(["nvidia", "nvidia-wsl", "nvidia-tegra", "rocm", "rocm-wsl", "intel", "vulkan", "venus", "odd"]),
    st.sampled_from([(), (RENDER,)]),
    st.sampled_from([(), (f"GPU-{ONE}",), ("0x1234",), (f"MIG-{SLICE}",)]),
    st.sampled_from([(), ("A GPU",)]),
    st.integers(0, 3),
    st.booleans(),
)


@given(promises, answers)
def test_every_answer_has_a_verdict_with_reasons(promised, said):
    seen = judge(promised, said)
    assert seen.words and seen.as_data()["verdict"] == seen.verdict
    assert seen.failed <= (not promised.allows_cpu)
    if seen.verdict == SEEN:
        assert seen.by and not any(entry.level == "error" for entry in seen.findings)
        assert not seen.devices or not all(entry.software for entry in seen.devices)
    else:
        assert seen.findings
    for found in seen.findings:
        assert found.message and found.evidence and found.mend
