"""Specs that the collection describes itself."""

from __future__ import annotations

import json
import pathlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.gpu_fleet.containers.plugins.module_utils._cdi import kinds
from ansible_collections.gpu_fleet.containers.plugins.module_utils._cdi.form import normal
from ansible_collections.gpu_fleet.containers.plugins.module_utils._cdi.own import own_spec, usable_devices, with_all
from ansible_collections.gpu_fleet.containers.plugins.module_utils._cdi.schema import problems
from ansible_collections.gpu_fleet.containers.plugins.module_utils._cdi.versions import edits_of
from ansible_collections.gpu_fleet.containers.plugins.module_utils._errors import FleetError
from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu.host import describe
from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu.snapshot import ReplayReader

from .hosts import gpu, host, node, reader

HOSTS = pathlib.Path(__file__).parents[4] / "fixtures" / "hosts"


def described(machine, stack="", **read):
    spec = own_spec(reader(**read), machine, stack or machine.stacks[0].name)
    assert problems(spec) == [] and normal(spec) == spec
    return spec


def nodes_of(spec):
    return {
        device["name"]: [entry["path"] for entry in device["containerEdits"]["deviceNodes"]]
        for device in spec["devices"]
    }


def test_wsl_has_microsofts_form():
    directories = {"/usr/lib/wsl/lib": ["libcuda.so.1"], "/usr/lib/wsl/drivers": ["nv_dispi.inf_amd64_1"]}
    dxg = {"/dev/dxg": {"kind": "char", "major": 10, "minor": 126, "mode": "0666", "uid": 0, "gid": 0}}
    read = ReplayReader({"snapshot": 1, "directories": directories, "nodes": dxg})
    options = ["ro", "nosuid", "nodev", "rbind", "rprivate"]
    assert own_spec(read, host(stack="nvidia-wsl"), "nvidia-wsl") == {
        "cdiVersion": "0.3.0",
        "kind": "nvidia.com/gpu",
        "devices": [
            {
                "name": "all",
                "containerEdits": {
                    "env": ["LD_LIBRARY_PATH=/usr/lib/wsl/lib"],
                    "deviceNodes": [{"path": "/dev/dxg", "permissions": "rw"}],
                    "mounts": [
                        {"hostPath": path, "containerPath": path, "options": options}
                        for path in ("/usr/lib/wsl/drivers", "/usr/lib/wsl/lib")
                    ],
                },
            }
        ],
    }


@pytest.mark.parametrize(
    ("read", "said"),
    [({}, "/dev/dxg is not on this host"), ({"nodes": ["/dev/dxg"]}, "/usr/lib/wsl/lib is not on this host")],
)
def test_wsl_without_its_parts(read, said):
    with pytest.raises(FleetError, match=said):
        own_spec(reader(**read), host(stack="nvidia-wsl"), "nvidia-wsl")


def test_rocm_as_amd_ctk_has_it():
    machine = host(
        gpu("rocm", "/dev/kfd", "/dev/dri/renderD128", "/dev/dri/card0"),
        gpu("rocm", "/dev/kfd", "/dev/dri/renderD129", "/dev/dri/card1"),
    )
    spec = described(machine)
    assert (spec["cdiVersion"], spec["kind"]) == ("0.5.0", "amd.com/gpu")
    first, second = ["/dev/dri/card0", "/dev/dri/renderD128"], ["/dev/dri/card1", "/dev/dri/renderD129"]
    assert nodes_of(spec) == {
        "0": [*first, "/dev/kfd"],
        "1": [*second, "/dev/kfd"],
        "all": sorted([*first, *second]) + ["/dev/kfd"],
    }


def test_kfd_is_added_where_detection_names_only_the_card():
    assert nodes_of(described(host(gpu("rocm", "/dev/dri/renderD128")), nodes=["/dev/kfd"]))["0"] == [
        "/dev/dri/renderD128",
        "/dev/kfd",
    ]


@pytest.mark.parametrize(
    ("stack", "nodes", "version", "names"),
    [
        ("intel", ["/dev/dri/card1", "/dev/dri/renderD129"], "0.3.0", ["all", "card1"]),
        ("vulkan", ["/dev/dri/card1", "/dev/dri/renderD129"], "0.3.0", ["all", "renderD129"]),
        ("videocore", ["/dev/dri/card1", "/dev/dri/renderD128"], "0.3.0", ["all", "renderD128"]),
    ],
)
def test_names_and_versions(stack, nodes, version, names):
    spec = described(host(gpu(stack, *nodes)))
    assert (spec["kind"], spec["cdiVersion"]) == (kinds.KINDS[stack], version)
    assert nodes_of(spec) == dict.fromkeys(names, nodes)


def test_an_npu_is_no_gpu():
    machine = host(stack="cpu", npus=(gpu("intel", "/dev/accel/accel0"),))
    assert nodes_of(described(machine, "intel-npu")) == {"accel0": ["/dev/accel/accel0"], "all": ["/dev/accel/accel0"]}


def test_the_group_is_named_where_not_everybody_may_open_the_node():
    machine = host(gpu("vulkan", node("/dev/dri/renderD128"), node("/dev/dri/card0", "0666", 44), node("/dev/x", "")))
    entries = described(machine)["devices"][0]["containerEdits"]["deviceNodes"]
    assert {entry["path"]: entry.get("gid") for entry in entries} == {
        "/dev/dri/renderD128": 105,
        "/dev/dri/card0": None,
        "/dev/x": None,
    }


def test_a_stack_without_nodes_is_an_error():
    with pytest.raises(FleetError, match="no device node of vulkan"):
        own_spec(reader(), host(gpu("vulkan")), "vulkan")


def test_all_is_added_once():
    spec = described(host(gpu("intel", "/dev/dri/card0"), gpu("intel", "/dev/dri/card1")))
    assert with_all(spec) == spec
    assert with_all({**spec, "devices": spec["devices"][1:]}) == spec


@given(
    st.sampled_from(["rocm", "intel", "vulkan", "videocore"]),
    st.lists(
        st.tuples(st.integers(0, 3), st.sampled_from(["0660", "0666", ""])),
        min_size=1,
        max_size=4,
        unique_by=lambda each: each[0],
    ),
)
def test_whatever_is_found_gives_a_good_spec(stack, cards):
    machine = host(
        *(gpu(stack, node(f"/dev/dri/card{n}", mode), node(f"/dev/dri/renderD{128 + n}", mode)) for n, mode in cards)
    )
    spec = described(machine)
    assert [device["name"] for device in spec["devices"]].count("all") == 1
    assert len(spec["devices"]) == len(cards) + 1


def test_intel_is_named_by_its_card_as_its_generator_does():
    """Detection gives the render node; which card it belongs to is sysfs's to say."""
    base = "/sys/class/drm/card1/device"
    files = {f"{base}/uevent": "DRIVER=xe\nPCI_SLOT_NAME=0000:03:00.0\n", f"{base}/vendor": "0x8086\n"}
    entry = {"kind": "char", "major": 226, "minor": 1, "mode": "0660", "uid": 0, "gid": 44}
    read = ReplayReader(
        {
            "snapshot": 1,
            "files": files,
            "directories": {"/sys/class/drm": ["card1", "renderD129"], f"{base}/drm": ["card1", "renderD129"]},
            "nodes": {"/dev/dri/card1": entry, "/dev/dri/renderD129": {**entry, "minor": 129, "gid": 105}},
        }
    )
    spec = own_spec(read, host(gpu("intel", "/dev/dri/renderD129", bus_id="0000:03:00.0")), "intel")
    assert nodes_of(spec) == dict.fromkeys(("all", "card1"), ["/dev/dri/card1", "/dev/dri/renderD129"])


def test_a_device_that_cannot_be_used_is_left_out():
    machine = host(gpu("vulkan", "/dev/dri/renderD128"), gpu("vulkan", "/dev/dri/renderD129", ready=False))
    assert list(nodes_of(described(machine))) == ["all", "renderD128"]


SNAPSHOTS = sorted(path for path in HOSTS.glob("*.json") if not path.name.endswith(".expected.json"))


@pytest.mark.parametrize("path", SNAPSHOTS, ids=lambda path: path.stem)
def test_every_ready_stack_of_every_snapshot_can_be_described(path):
    read = ReplayReader(json.loads(path.read_text()))
    machine = describe(read)
    for stack in kinds.WITHOUT_TOOL:
        found = machine.stack(stack)
        if stack != "intel-npu" and (found is None or not found.ready):
            continue
        driver = stack != "nvidia-wsl" or read.directory("/usr/lib/wsl/lib") is not None
        if not driver or not any(device.nodes for device in usable_devices(machine, stack)):
            # No such device, or a snapshot of answers alone.
            with pytest.raises(FleetError):
                own_spec(read, machine, stack)
            continue
        spec = own_spec(read, machine, stack)
        assert problems(spec) == [], stack
        assert [device["name"] for device in spec["devices"]].count(kinds.ALL) == 1
        shown = {entry["path"] for edits in edits_of(spec) for entry in edits["deviceNodes"]}
        assert all(map(read.exists, shown)), shown
