"""Virtual GPUs: with Venus, without, and what Podman's machine on a Mac gives."""

from __future__ import annotations

import json

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu.host import describe
from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu.snapshot import ReplayReader

from .test_fixtures import SNAPSHOTS
from .test_host import Counting
from .test_vulkan import answer, changed

ICDS = "/usr/share/vulkan/icd.d"
FEATURES = "/sys/bus/pci/devices/0000:00:01.0/virtio0/features"
VULKANINFO = "vulkaninfo --summary"


def stack(data):
    host = describe(ReplayReader(data))
    return host.stack("venus"), host.stack("vulkan"), [found.code for found in host.findings]


VENUS = answer("Virtio-GPU Venus (AMD Radeon RX 7900 XTX (RADV NAVI31))", "llvmpipe")


@pytest.mark.parametrize(
    ("name", "parts", "ready"),
    [
        ("venus-qemu", {}, True),
        # In order of trust: what programs see, what the device offers, what is installed.
        ("venus-qemu", {"commands": {VULKANINFO: answer("llvmpipe")}}, False),
        ("venus-plain-virtio", {"commands": {VULKANINFO: VENUS}}, True),
        ("venus-plain-virtio", {"files": {FEATURES: None}}, True),
        ("venus-plain-virtio", {"files": {FEATURES: "1100000000000000\n"}}, False),  # virgl
        ("venus-plain-virtio", {"files": {FEATURES: "1001100000000000\n"}}, True),
        ("venus-plain-virtio", {"files": {FEATURES: "garbage\n"}}, True),
        ("venus-qemu", {"directories": {ICDS: ["lvp_icd.x86_64.json"]}}, False),
        ("venus-podman-machine", {"commands": {VULKANINFO: None}}, True),
        ("venus-podman-machine", {"commands": {VULKANINFO: None}, "directories": {ICDS: None}}, False),
    ],
)
def test_a_guest(name, parts, ready):
    venus, vulkan, codes = stack(changed(name, **parts))
    assert (venus.ready, vulkan is not None and vulkan.ready) == (ready, ready)
    assert codes == ([] if ready else ["venus-not-offered"])


def test_venus_over_a_rasteriser_is_a_rasteriser():
    data = changed("venus-qemu")
    data["commands"][VULKANINFO] = {
        "rc": 0,
        "stdout": "GPU0:\n\tdeviceType = PHYSICAL_DEVICE_TYPE_CPU\n\tdeviceName = Virtio-GPU Venus (llvmpipe)\n",
        "stderr": "",
    }
    assert stack(data)[0].ready is False


def machines(*entries):
    return {"podman machine list --format json": {"rc": 0, "stdout": json.dumps(list(entries)), "stderr": ""}}


def machine(name, kind, running, default=False):
    return {"Name": name, "VMType": kind, "Running": running, "Default": default}


@pytest.mark.parametrize(
    ("commands", "ready", "code"),
    [
        (machines(machine("m", "libkrun", True)), True, None),
        (machines(machine("m", "libkrun", False)), False, "podman-machine-stopped"),
        (machines(machine("m", "applehv", True)), False, "podman-machine-no-gpu"),
        (machines(machine("m", "qemu", True)), False, "podman-machine-no-gpu"),
        (machines(machine("a", "applehv", True), machine("b", "libkrun", True, default=True)), True, None),
        (machines(machine("a", "libkrun", False), machine("b", "applehv", True)), False, "podman-machine-no-gpu"),
        (machines(), None, None),
        (machines({"Name": 7}), None, None),
        ({"podman machine list --format json": {"rc": 125, "stdout": "Error", "stderr": ""}}, None, None),
        ({"podman machine list --format json": {"rc": 0, "stdout": "[[", "stderr": ""}}, None, None),
        (
            {
                "podman machine inspect": SNAPSHOTS["mac-m1-podman-libkrun-stopped"]["commands"][
                    "podman machine inspect"
                ]
            },
            False,
            "podman-machine-stopped",
        ),
        ({}, None, None),
    ],
)
def test_a_mac(commands, ready, code):
    data = {"snapshot": 1, "system": "Darwin", "machine": "arm64", "commands": commands}
    venus, _vulkan, codes = stack(data)
    assert (None if venus is None else venus.ready) == ready
    assert [each for each in codes if each.startswith("podman")] == ([code] if code else [])


def test_on_linux_podman_is_not_asked_for_machines():
    reader = Counting(SNAPSHOTS["venus-podman-machine"])
    describe(reader)
    assert "podman" not in reader.started
