"""Names of Vulkan drivers' manifests, and which driver a card needs."""

from __future__ import annotations

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu import icd
from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu.snapshot import RecordingReader, ReplayReader
from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu.view import (
    DISPLAY_DRIVERS,
    NO_GPU_DRIVERS,
    RENDERERS,
    Card,
)

USR = "/usr/share/vulkan/icd.d"


def reader(directories, machine="x86_64", environ=""):
    data = {"snapshot": 1, "machine": machine, "directories": directories, "files": {"/proc/self/environ": environ}}
    return ReplayReader(data)


@pytest.mark.parametrize(
    ("name", "machine", "driver"),
    [
        ("radeon_icd.x86_64.json", "x86_64", "radeon"),
        ("radeon_icd.json", "x86_64", "radeon"),
        ("intel_hasvk_icd.x86_64.json", "x86_64", "intel_hasvk"),
        ("powervr_mesa_icd.aarch64.json", "aarch64", "powervr_mesa"),
        ("broadcom_icd.armv7l.json", "armv7l", "broadcom"),
        ("broadcom_icd.armv7l.json", "aarch64", "broadcom"),  # a 32-bit system under a 64-bit kernel
        ("radeon_icd.i686.json", "x86_64", None),
        ("radeon_icd.i386.json", "x86_64", None),
        ("radeon_icd.i686.json", "i686", "radeon"),
        ("nvidia_icd.json", "x86_64", "nvidia"),
        ("radeon_icd.json.disabled", "x86_64", None),
        ("README", "x86_64", None),
    ],
)
def test_a_manifest_s_name(name, machine, driver):
    assert icd.installed(reader({USR: [name]}, machine)) == ({driver: f"{USR}/{name}"} if driver else {})


@pytest.mark.parametrize("directory", icd.DIRECTORIES)
def test_every_directory_of_the_loader(directory):
    assert icd.installed(reader({directory: ["lvp_icd.json"]})) == {"lvp": f"{directory}/lvp_icd.json"}


def _recorded(recorder):
    icd.installed(recorder)
    return recorder.snapshot()


@pytest.mark.parametrize(
    ("environ", "directory"),
    [
        ("HOME=/home/user\0", "/home/user/.local/share/vulkan/icd.d"),
        ("HOME=/home/user\0", "/home/user/.config/vulkan/icd.d"),
        ("XDG_DATA_HOME=/data/\0", "/data/vulkan/icd.d"),
        ("XDG_CONFIG_HOME=/config\0HOME=/home/user\0", "/config/vulkan/icd.d"),
    ],
)
def test_the_user_s_own_drivers_come_first(environ, directory):
    both = {directory: ["radeon_icd.json"], USR: ["radeon_icd.x86_64.json"]}
    assert icd.installed(reader(both, environ=environ)) == {"radeon": f"{directory}/radeon_icd.json"}
    assert icd.installed(reader({directory: ["radeon_icd.json"]})) == {}
    recorder = RecordingReader(reader(both, environ=environ))
    assert icd.installed(ReplayReader(_recorded(recorder))) == icd.installed(reader(both, environ=environ))


@pytest.mark.parametrize(
    ("vendor", "device", "driver", "names"),
    [
        ("0x1002", "0x744c", "amdgpu", ("radeon",)),
        ("0x1002", "0x68f9", "radeon", ()),
        ("0x8086", "0x56a0", "xe", ("intel",)),
        ("0x8086", "0x5917", "i915", ("intel",)),
        ("0x8086", "0x0412", "i915", ("intel_hasvk",)),  # Haswell
        ("0x8086", "0x0166", "i915", ("intel_hasvk",)),  # Ivy Bridge
        ("0x8086", "0x1616", "i915", ("intel_hasvk",)),  # Broadwell
        ("0x8086", "0x22b1", "i915", ("intel_hasvk",)),  # Cherryview
        ("0x8086", "0x0f31", "i915", ("intel_hasvk",)),  # Bay Trail
        ("0x8086", "0x1912", "i915", ("intel",)),  # Skylake
        ("0x8086", "0x0a84", "i915", ("intel",)),  # Broxton, among Haswell's numbers
        ("0x8086", "0x0102", "i915", ()),  # Sandy Bridge
        ("0x8086", "0x0046", "i915", ()),  # Ironlake
        ("0x8086", "0x2a42", "i915", ()),  # GM45
        ("0x8086", "", "i915", ("intel",)),
        ("0x10de", "0x2503", "nouveau", ("nouveau",)),
        ("0x10de", "0x2503", "nvidia", ()),
        ("", "", "v3d", ("broadcom",)),
        ("", "", "vc4-drm", ()),
        ("", "", "panthor", ("panfrost",)),
        ("", "", "lima", ()),
        ("", "", "asahi", ("asahi",)),
        ("0x1af4", "0x1050", "virtio-pci", ("virtio",)),
        ("0x15ad", "0x0405", "vmwgfx", ()),
        ("", "", "", ()),
    ],
)
def test_the_driver_that_a_card_needs(vendor, device, driver, names):
    assert icd.names(Card(vendor, "0000:01:00.0", driver, device=device)) == names


def test_what_has_vulkan_renders():
    """The sign by which `host.py` asks for Vulkan at all, and the list of drivers, say the same."""
    assert set(icd.DRIVERS) <= set(RENDERERS)
    assert set(icd.WITHOUT_VULKAN) <= {*RENDERERS, *DISPLAY_DRIVERS}
    assert not set(icd.DRIVERS) & {*icd.WITHOUT_VULKAN, *NO_GPU_DRIVERS, *DISPLAY_DRIVERS}
