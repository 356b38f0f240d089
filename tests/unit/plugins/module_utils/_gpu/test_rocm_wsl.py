"""AMD under WSL2: what shows such a GPU, what it needs, and silence where nothing shows one."""

from __future__ import annotations

import copy

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu import rocm_wsl
from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu.host import describe
from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu.platform import detect as platform
from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu.snapshot import ReplayReader
from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu.view import look

from .test_fixtures import SNAPSHOTS

ROCM = "/opt/rocm/lib"
ROCDXG = {ROCM: ["libhsa-runtime64.so.1", "librocdxg.so.1"]}
HSA = {ROCM: ["libhsa-runtime64.so", "libhsa-runtime64.so.1"]}
DRIVER = "u0198633.inf_amd64_f6ca42135bb94c90"
PACKAGE = {"/var/lib/dpkg/info/hsa-runtime-rocr4wsl-amdgpu.list": "/opt/rocm-6.4.2/lib/libhsa-runtime64.so\n"}
RELEASE = "/opt/rocm/.info/version"


def detect(snapshot):
    reader = ReplayReader(snapshot)
    return rocm_wsl.detect(look(reader, platform(reader)))


def host(drivers=(DRIVER,), libraries=None, files=None, rocminfo=None, nvidia=False):
    """A WSL2 host with these driver directories of Windows' and these libraries; drivers None: nobody looked."""
    snapshot = copy.deepcopy(SNAPSHOTS["rocm-wsl-library-missing"])
    if drivers is None:
        del snapshot["directories"]["/usr/lib/wsl/drivers"]
    else:
        snapshot["directories"]["/usr/lib/wsl/drivers"] = ["amdpsp.inf_amd64_1d08bca921956372", *drivers]
    snapshot["directories"].update(libraries or {})
    snapshot["files"].update(files or {})
    if nvidia:
        snapshot["directories"]["/usr/lib/wsl/lib"] += ["libcuda.so.1", "nvidia-smi"]
    if rocminfo:
        snapshot["commands"] = {"rocminfo": rocminfo}
    return snapshot


ANSWER = SNAPSHOTS["rocm-wsl-ready"]["commands"]["rocminfo"]


@pytest.mark.parametrize(
    "snapshot",
    [
        host(drivers=()),
        host(drivers=(), nvidia=True),
        host(drivers=("nv_dispi.inf_amd64_0a1b2c3d4e5f6071",), nvidia=True),
        host(drivers=("nv_dispi.inf_amd64_0a1b2c3d4e5f6071",), libraries=ROCDXG, nvidia=True),
        host(drivers=("iigd_dch.inf_amd64_55f589032bab5285",), libraries=ROCDXG),
        host(drivers=None),
        host(drivers=None, libraries=ROCDXG, nvidia=True),
        *[snapshot for name, snapshot in SNAPSHOTS.items() if name.startswith("wsl2-mainpc")],
        {"snapshot": 1, "directories": ROCDXG},
    ],
)
def test_nothing_is_said_where_nothing_shows_an_amd_gpu(snapshot):
    found = detect(snapshot)
    assert (found.stack, found.findings) == (None, ())


@pytest.mark.parametrize(
    ("snapshot", "ready", "codes"),
    [
        (host(libraries=ROCDXG, rocminfo=ANSWER), True, []),
        (host(libraries=ROCDXG), True, ["memory-unknown"]),
        (host(drivers=None, libraries=ROCDXG), True, ["memory-unknown"]),
        (host(drivers=(), rocminfo=ANSWER), True, []),
        (host(libraries={"/opt/rocm-7.2.0/lib": ["librocdxg.so"], "/opt": ["rocm-7.2.0"]}), True, ["memory-unknown"]),
        (host(libraries={"/opt/rocm/core-7.13/lib": ["librocdxg.so"]}), True, ["memory-unknown"]),
        (host(libraries={"/usr/lib": ["librocdxg.so"]}), True, ["memory-unknown"]),
        (host(libraries=HSA), True, ["memory-unknown"]),
        (host(libraries=HSA, files={RELEASE: "6.4.2-120\n"}), True, ["memory-unknown"]),
        (host(libraries=HSA, files={RELEASE: "7.0.1-42\n"}), False, ["rocm-wsl-library-missing"]),
        (host(libraries=HSA, files={**PACKAGE, RELEASE: "7.0.1-42\n"}), True, ["memory-unknown"]),
        (host(libraries={"/usr/lib": ["libhsa-runtime64.so.1"]}), False, ["rocm-wsl-library-missing"]),
        (host(), False, ["rocm-wsl-library-missing"]),
        (host(libraries=ROCDXG, rocminfo={"rc": 1, "stderr": "hsa_init Failed\n"}), False, ["rocm-wsl-without-gpu"]),
        (SNAPSHOTS["rocm-wsl-no-permission"], False, ["no-permission"]),
    ],
)
def test_what_it_needs(snapshot, ready, codes):
    found = detect(snapshot)
    assert (found.stack.ready, [each.code for each in found.findings]) == (ready, codes)
    assert all(each.probe and each.evidence and each.mend for each in found.findings)
    assert [each.path for gpu in found.stack.devices for each in gpu.nodes] == ["/dev/dxg"] * len(found.stack.devices)


def test_without_the_device_it_is_there_and_not_ready():
    snapshot = host(libraries=ROCDXG)
    del snapshot["nodes"]["/dev/dxg"]
    shown = describe(ReplayReader(snapshot))
    assert (shown.best, shown.stack("rocm-wsl").ready) == ("cpu", False)
    assert [each.code for each in shown.findings] == ["wsl-no-dxg"]
    assert describe(ReplayReader({**snapshot, "directories": {"/run/WSL": ["1_interop"]}})).stack("rocm-wsl") is None


def test_rocminfo_tells_name_architecture_and_memory():
    (gpu,) = detect(host(libraries=ROCDXG, rocminfo=ANSWER)).stack.devices
    assert (gpu.name, gpu.architecture, gpu.memory_bytes) == ("AMD Radeon RX 7900 XTX", "gfx1100", 25732055040)
    assert (gpu.index, gpu.integrated, gpu.uuid) == (0, False, "5f0c2d6a1b7e-rocm-wsl-0")


def test_a_processors_gpu_is_integrated():
    text = ANSWER["stdout"].replace("gfx1100", "gfx1151")
    (gpu,) = detect(host(libraries=ROCDXG, rocminfo={"rc": 0, "stdout": text})).stack.devices
    assert gpu.integrated


def test_a_container_that_was_given_the_device_and_the_library():
    inside = host(drivers=None, libraries={"/usr/lib": ["librocdxg.so"]}, files={"/.dockerenv": ""})
    assert detect(inside).stack.ready


@pytest.mark.parametrize(
    ("libraries", "library"),
    [(ROCDXG, f"{ROCM}/librocdxg.so.1"), (HSA, f"{ROCM}/libhsa-runtime64.so"), ({}, "")],
)
def test_the_library_that_containers_get(libraries, library):
    assert detect(host(libraries=libraries, rocminfo=ANSWER)).stack.library == library


@pytest.mark.parametrize("libraries", [ROCDXG, {}])
def test_on_a_pc_with_amds_gpu_nobody_misses_nvidias(libraries):
    codes = [found.code for found in describe(ReplayReader(host(libraries=libraries))).findings]
    assert "wsl-no-nvidia" not in codes
