from __future__ import annotations

import ctypes
import shutil
import subprocess
from pathlib import Path

import pytest
from agent.device import look, render_nodes

NOWHERE = ("libcuda-that-is-not-there.so.1",)


def test_cpu_with_the_reason(tmp_path: Path) -> None:
    seen = look(NOWHERE, tmp_path)
    assert (seen["device"], seen["devices"]) == ("cpu", [])
    assert "libcuda.so.1 is not in this container" in seen["reason"]


def test_render_node(tmp_path: Path) -> None:
    (tmp_path / "dev/dri").mkdir(parents=True)
    (tmp_path / "dev/dri/renderD128").touch()
    device = tmp_path / "sys/class/drm/renderD128/device"
    device.mkdir(parents=True)
    (device / "driver").symlink_to("../../../../bus/pci/drivers/amdgpu")
    assert render_nodes(tmp_path) == [{"name": "amdgpu", "node": "/dev/dri/renderD128", "usable": True}]
    assert look(NOWHERE, tmp_path)["device"] == "render"


FAKE = """
#include <stddef.h>
#include <string.h>
int cuInit(unsigned flags) {{ return {status}; }}
int cuDeviceGetCount(int *count) {{ *count = {count}; return 0; }}
int cuDeviceGet(int *device, int ordinal) {{ *device = ordinal; return 0; }}
int cuDeviceGetName(char *name, int length, int device) {{ strncpy(name, "Fake GPU", length); return 0; }}
int cuDeviceTotalMem_v2(size_t *bytes, int device) {{ *bytes = 25757220864UL; return 0; }}
"""


@pytest.mark.parametrize(
    ("status", "count", "device", "reason"),
    [
        (0, 2, "cuda", ""),
        (100, 0, "cpu", "cuInit answered 100"),
        (0, 0, "cpu", "0 devices"),
    ],
)
def test_the_driver_is_asked(tmp_path: Path, status: int, count: int, device: str, reason: str) -> None:
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("no C compiler to make a stand-in for libcuda")
    source, library = tmp_path / "fake.c", tmp_path / "libcuda.so.1"
    source.write_text(FAKE.format(status=status, count=count))
    subprocess.run([compiler, "-shared", "-fPIC", "-o", str(library), str(source)], check=True)
    assert ctypes.CDLL(str(library))
    seen = look((str(library),), tmp_path)
    assert seen["device"] == device
    assert reason in seen["reason"]
    if count:
        assert seen["devices"][1] == {"name": "Fake GPU", "memory_bytes": 25757220864}
