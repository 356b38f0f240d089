"""Mesa's Vulkan: by files, with vulkaninfo's second opinion, and never by a rasteriser."""

from __future__ import annotations

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu.host import describe
from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu.snapshot import ReplayReader

from .test_fixtures import SNAPSHOTS

ICDS = "/usr/share/vulkan/icd.d"
VULKANINFO = "vulkaninfo --summary"


def changed(name, **parts):
    """A snapshot with some of its entries replaced; None removes one."""
    data = copy.deepcopy(SNAPSHOTS[name])
    for kind, entries in parts.items():
        for path, value in entries.items():
            if value is None:
                data[kind].pop(path)
            else:
                data.setdefault(kind, {})[path] = value
    return data


def vulkan(data):
    host = describe(ReplayReader(data))
    return host.stack("vulkan"), [found.code for found in host.findings if found.code.startswith(("vulkan", "render"))]


def answer(*names, rc=0, stderr=""):
    kinds = {"llvmpipe": "CPU", "Mali-G610 MC4": "INTEGRATED_GPU"}
    text = "".join(
        f"GPU{number}:\n\tdeviceType = PHYSICAL_DEVICE_TYPE_{kinds.get(name, 'DISCRETE_GPU')}\n\tdeviceName = {name}\n"
        for number, name in enumerate(names)
    )
    return {"rc": rc, "stdout": text, "stderr": stderr}


NO_DRIVER = answer(rc=1, stderr="vkCreateInstance failed with ERROR_INCOMPATIBLE_DRIVER")


@pytest.mark.parametrize(
    ("name", "parts", "ready", "codes"),
    [
        ("vulkan-rock-5b-panthor", {}, True, []),
        ("vulkan-rock-5b-panthor", {"directories": {ICDS: ["lvp_icd.aarch64.json"]}}, False, ["vulkan-driver-missing"]),
        ("vulkan-rock-5b-panthor", {"directories": {ICDS: None}}, False, ["vulkan-driver-missing"]),
        # In an unusual place: vulkaninfo knows better than the list of directories.
        (
            "vulkan-rock-5b-panthor",
            {"directories": {ICDS: None}, "commands": {VULKANINFO: answer("Mali-G610 MC4", "llvmpipe")}},
            True,
            [],
        ),
        ("vulkan-rock-5b-panthor", {"commands": {VULKANINFO: answer("llvmpipe")}}, False, ["vulkan-falls-back"]),
        ("vulkan-rock-5b-panthor", {"commands": {VULKANINFO: NO_DRIVER}}, False, ["vulkan-falls-back"]),
        (
            "vulkan-rock-5b-panthor",
            {"directories": {ICDS: None}, "commands": {VULKANINFO: NO_DRIVER}},
            False,
            ["vulkan-driver-missing"],
        ),
        # Only the rasteriser is installed and seen: what is missing is named, not what is seen instead.
        (
            "vulkan-rock-5b-panthor",
            {"directories": {ICDS: ["lvp_icd.aarch64.json"]}, "commands": {VULKANINFO: answer("llvmpipe")}},
            False,
            ["vulkan-driver-missing"],
        ),
        ("vulkan-rock-5b-panthor", {"commands": {VULKANINFO: answer(rc=139)}}, True, []),  # it crashed: no opinion
        ("vulkan-rock-5b-panthor", {"nodes": {"/dev/dri/renderD128": None}}, False, ["render-node-missing"]),
        ("intel-laptop", {}, True, []),
        (
            "intel-laptop",
            {"directories": {ICDS: ["intel_icd.i686.json"]}, "commands": {VULKANINFO: None}},
            False,
            ["vulkan-driver-missing"],
        ),
        ("vulkan-falls-back", {"commands": {VULKANINFO: None}}, True, []),
        ("vulkan-nouveau-nvk", {"commands": {VULKANINFO: None}}, True, []),
    ],
)
def test_files_and_the_second_opinion(name, parts, ready, codes):
    stack, found = vulkan(changed(name, **parts))
    assert (stack.ready, found) == (ready, codes)
    assert [device.ready for device in stack.devices] == [ready]


def test_the_evidence_names_the_rasteriser():
    host = describe(ReplayReader(SNAPSHOTS["vulkan-falls-back"]))
    (found,) = [found for found in host.findings if found.code == "vulkan-falls-back"]
    assert found.evidence == "deviceName = llvmpipe (LLVM 15.0.6, 256 bits) (cpu)"
    assert found.probe == "vulkaninfo --summary"


def test_vulkaninfo_s_word_counts_where_no_node_was_recorded():
    bus = "/sys/bus/pci/devices/0000:00:02.0"
    data = {
        "snapshot": 1,
        "files": {f"{bus}/vendor": "0x8086", f"{bus}/device": "0xa788", f"{bus}/class": "0x030000"},
        "links": {f"{bus}/driver": "../../../bus/pci/drivers/i915"},
        "commands": {VULKANINFO: SNAPSHOTS["intel-laptop"]["commands"][VULKANINFO]},
    }
    stack, _codes = vulkan(data)
    (device,) = stack.devices
    assert (stack.ready, device.name, device.bus_id) == (True, "Intel(R) Graphics (RPL-S)", "0000:00:02.0")


def test_of_two_gpus_only_the_one_that_vulkan_shows():
    host = describe(
        ReplayReader(
            changed(
                "intel-arc-a770-xe",
                commands={
                    VULKANINFO: {
                        "rc": 0,
                        "stdout": "GPU0:\n\tvendorID = 0x8086\n\tdeviceID = 0xa780\n\tdeviceType = PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU\n"
                        "\tdeviceName = Intel(R) UHD Graphics 770 (ADL-S GT1)\n",
                        "stderr": "",
                    }
                },
            )
        )
    )
    assert [(device.name, device.ready) for device in host.stack("vulkan").devices] == [
        ("Intel(R) UHD Graphics 770 (ADL-S GT1)", True),
        ("Intel Arc A770", False),
    ]
    assert [found.code for found in host.findings] == ["vulkan-falls-back"]
    assert [device.name for device in host.stack("intel").devices] == [
        "Intel(R) UHD Graphics 770 (ADL-S GT1)",
        "Intel Arc A770",
    ]


@pytest.mark.parametrize(
    "name", ["nvidia-nvml", "nvidia-single", "nvidia-multi", "container-with-gpu", "cpu-server", "mac"]
)
def test_nvidia_s_own_driver_is_not_mesa_s_and_silence_is_kept_where_nothing_is(name):
    assert vulkan(SNAPSHOTS[name]) == (None, [])


def test_an_nvidia_laptop_offers_its_intel_gpu_only():
    stack, _codes = vulkan(SNAPSHOTS["intel-nvidia-laptop"])
    assert [(device.vendor, device.nodes[0].path) for device in stack.devices] == [("intel", "/dev/dri/renderD129")]


def test_the_same_gpu_has_one_uuid_in_every_stack():
    for name, snapshot in SNAPSHOTS.items():
        host = describe(ReplayReader(snapshot))
        own = {}
        for device in host.devices:
            if device.stack != "vulkan" and device.bus_id and device.vendor != "nvidia":
                own.setdefault(device.bus_id, set()).add(device.uuid)
        for device in host.stack("vulkan").devices if host.stack("vulkan") else ():
            assert device.uuid in own.get(device.bus_id, {device.uuid}), name


@pytest.mark.parametrize(
    ("drivers", "commands", "codes"),
    [
        (["lvp_icd.x86_64.json"], {}, ["vulkan-software"]),
        (["intel_icd.x86_64.json", "lvp_icd.x86_64.json"], {}, ["vulkan-software"]),
        ([], {VULKANINFO: answer("llvmpipe")}, ["vulkan-software"]),
        ([], {VULKANINFO: answer("SwiftShader Device (LLVM 10.0.0)", "llvmpipe")}, []),  # a GPU by its type: it counts
        ([], {VULKANINFO: answer()}, []),
        ([], {}, []),
    ],
)
def test_a_host_without_gpu(drivers, commands, codes):
    stack, found = vulkan({"snapshot": 1, "directories": {ICDS: drivers}, "commands": commands})
    assert found == codes
    assert stack is None or not codes


def test_only_vulkaninfo_and_nodes():
    data = {
        "snapshot": 1,
        "directories": {"/dev/dri": ["by-path", "card1", "renderD128", "renderD129"]},
        "commands": {
            VULKANINFO: answer("AMD Radeon RX 7900 XTX (RADV NAVI31)", "AMD Radeon Graphics (RADV RAPHAEL)", "llvmpipe")
        },
    }
    stack, found = vulkan(data)
    assert (stack.ready, found) == (True, [])
    assert [[node.path for node in device.nodes] for device in stack.devices] == [
        ["/dev/dri/renderD128"],
        ["/dev/dri/renderD129"],
    ]


@given(data=st.data())
def test_a_rasteriser_alone_never_makes_it_ready(data):
    """Whatever else is there: if Vulkan programs see nothing but rasterisers, no device of Vulkan is ready."""
    name = data.draw(st.sampled_from([name for name in SNAPSHOTS if SNAPSHOTS[name].get("system") == "Linux"]))
    count = data.draw(st.integers(1, 3))
    host = describe(ReplayReader(changed(name, commands={VULKANINFO: answer(*["llvmpipe"] * count)})))
    for stack in (host.stack("vulkan"), host.stack("venus")):
        assert stack is None or not stack.ready


NVIDIA_ONLY = {
    "rc": 0,
    "stdout": "GPU0:\n\tvendorID = 0x10de\n\tdeviceType = PHYSICAL_DEVICE_TYPE_DISCRETE_GPU\n"
    "\tdeviceName = NVIDIA GeForce RTX 4070 Laptop GPU\n\tdriverID = DRIVER_ID_NVIDIA_PROPRIETARY\n",
    "stderr": "",
}


@pytest.mark.parametrize(
    ("said", "instead"), [(NO_DRIVER, "nothing"), (answer("llvmpipe"), "a rasteriser"), (NVIDIA_ONLY, "others")]
)
@pytest.mark.parametrize("name", ["vulkan-rock-5b-panthor", "intel-laptop"])
def test_what_programs_get_in_the_gpu_s_stead(name, said, instead):
    host = describe(ReplayReader(changed(name, commands={VULKANINFO: said})))
    assert f"Vulkan programs get {instead} in place of the " in host.stack("vulkan").reason


def test_another_maker_s_gpu_is_not_taken_for_the_board_s():
    text = "GPU0:\n\tvendorID = 0x1002\n\tdeviceName = AMD Radeon RX 6600 (RADV NAVI23)\n"
    said = {"rc": 0, "stdout": text, "stderr": ""}
    stack, codes = vulkan(changed("vulkan-rock-5b-panthor", commands={VULKANINFO: said}))
    assert (stack.ready, codes) == (False, ["vulkan-falls-back"])
