"""Raspberry Pis: which driver renders, by which node, and what the board is called."""

from __future__ import annotations

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu.host import describe
from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu.snapshot import ReplayReader

from .test_fixtures import SNAPSHOTS
from .test_vulkan import changed

MODEL = "/proc/device-tree/model"


def stack(data):
    host = describe(ReplayReader(data))
    return host.stack("videocore"), [found.code for found in host.findings]


@pytest.mark.parametrize(
    ("name", "device", "nodes"),
    [
        ("raspberry-pi-4", "VideoCore VI (Raspberry Pi 4 Model B Rev 1.4)", ["renderD128", "card1"]),
        ("raspberry-pi-cm4-32bit", "VideoCore VI (Raspberry Pi Compute Module 4 Rev 1.1)", ["renderD128", "card0"]),
        ("raspberry-pi-3", "VideoCore IV (Raspberry Pi 3 Model B Plus Rev 1.3)", ["renderD128"]),
        ("raspberry-pi-500", "VideoCore VII (Raspberry Pi 500 Rev 1.0)", ["renderD128", "card1"]),
        ("raspberry-pi-5-nodes-only", "VideoCore VII (Raspberry Pi 5 Model B Rev 1.0)", ["renderD128"]),
        ("raspberry-pi-4-in-container", "VideoCore VI (Raspberry Pi 4 Model B Rev 1.4)", ["renderD128"]),
    ],
)
def test_the_renderer_and_never_the_firmware_s_nodes(name, device, nodes):
    found, _codes = stack(SNAPSHOTS[name])
    (gpu,) = found.devices
    assert (found.ready, gpu.name, gpu.integrated, gpu.memory_bytes) == (True, device, True, None)
    assert [node.path.rpartition("/")[2] for node in gpu.nodes] == nodes


@pytest.mark.parametrize(
    ("model", "generation"),
    [
        ("Raspberry Pi Model B Rev 2", "IV"),
        ("Raspberry Pi Zero W Rev 1.1", "IV"),
        ("Raspberry Pi Zero 2 W Rev 1.0", "IV"),
        ("Raspberry Pi 2 Model B Rev 1.1", "IV"),
        ("Raspberry Pi 3 Model A Plus Rev 1.0", "IV"),
        ("Raspberry Pi Compute Module 3 Plus Rev 1.0", "IV"),
        ("Raspberry Pi 4 Model B Rev 1.5", "VI"),
        ("Raspberry Pi 400 Rev 1.0", "VI"),
        ("Raspberry Pi Compute Module 4 Rev 1.1", "VI"),
        ("Raspberry Pi 5 Model B Rev 1.0", "VII"),
        ("Raspberry Pi 500 Rev 1.0", "VII"),
        ("Raspberry Pi Compute Module 5 Rev 1.0", "VII"),
    ],
)
def test_the_generation_by_the_board_where_no_driver_tells(model, generation):
    found, codes = stack(changed("raspberry-pi-zero-2-legacy", files={MODEL: f"{model}\0"}))
    assert (found.ready, found.devices[0].name) == (False, f"VideoCore {generation} ({model})")
    assert codes == ["videocore-legacy-driver"]


def test_the_chip_tells_more_than_the_board():
    path = "/sys/class/drm/card1/device/uevent"
    found, _codes = stack(changed("raspberry-pi-4", files={path: "DRIVER=v3d\nOF_COMPATIBLE_0=brcm,2712-v3d\n"}))
    assert found.devices[0].name.startswith("VideoCore VII ")


@pytest.mark.parametrize(
    ("name", "parts", "ready", "codes"),
    [
        ("raspberry-pi-4", {"nodes": {"/dev/dri/renderD128": None}}, False, ["render-node-missing"]),
        ("raspberry-pi-5-no-permission", {}, False, ["no-permission"]),
        (
            "raspberry-pi-4-in-container",
            {"nodes": {"/dev/dri/renderD128": None}, "directories": {"/dev/dri": []}},
            False,
            ["gpu-not-in-container"],
        ),
        ("raspberry-pi-4-headless-no-overlay", {"directories": {"/dev": ["null"]}}, False, ["videocore-legacy-driver"]),
        # Nothing of the kernel was recorded, and vulkaninfo answered.
        (
            "raspberry-pi-zero-2-legacy",
            {"commands": {"vulkaninfo --summary": SNAPSHOTS["raspberry-pi-500"]["commands"]["vulkaninfo --summary"]}},
            True,
            [],
        ),
    ],
)
def test_troubles(name, parts, ready, codes):
    found, seen = stack(changed(name, **parts))
    assert (found.ready, seen) == (ready, codes)


@pytest.mark.parametrize("name", ["raspberry-pi-zero-2-legacy", "raspberry-pi-4-headless-no-overlay"])
def test_the_mend_is_the_overlay(name):
    (found,) = describe(ReplayReader(SNAPSHOTS[name])).findings
    assert "dtoverlay=vc4-kms-v3d" in found.mend and found.evidence.startswith("/dev/vchiq")


def test_another_board_is_no_raspberry():
    assert stack(SNAPSHOTS["vulkan-rock-5b-panthor"])[0] is None
