"""What the shell program and tools print."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.gpu_fleet.containers.plugins.module_utils._group.gpu_answer import (
    Answer,
    Device,
    Library,
    Node,
)
from ansible_collections.gpu_fleet.containers.plugins.module_utils._group.gpu_answer_shell import from_shell, from_tool

UUID, OTHER = "11111111-2222-3333-4444-555555555551", "11111111-2222-3333-4444-555555555552"

WHOLE = f"""\
gpu-probe|1
status|self|Uid:|1000\t1000\t1000\t1000
status|self|Gid:|100\t100\t100\t100
status|self|Groups:|44 1000
status|1|Uid:|0\t0\t0\t0
status|1|Gid:|0\t0\t0\t0
status|1|Groups:|
node|opened|/dev/null|crw-rw-rw-    1 0        0           1,   3 Nov 22 03:48 /dev/null|
node|closed|/dev/dri/renderD128|crw-rw---- 1 0 104 226, 128 Nov 22 03:48 /dev/dri/renderD128|sh: 1: cannot create /dev/dri/renderD128: Permission denied
node|absent|/dev/nvidia[0-9]*||
node|absent|/dev/kfd||
node|other|/dev/file|-rw-r--r-- 1 33 33 5 Nov 22 03:48 /dev/file|
node|closed|/dev/dxg|crw-rw-rw- 1 0 0 10, 127 Nov 22 03:48 /dev/dxg|sh: can't create /dev/dxg: Operation not permitted
musl|1
environment|CUDA_VISIBLE_DEVICES|0|1
begin|nvidia-smi -L
GPU 0: NVIDIA RTX A6000 (UUID: GPU-{UUID})
end|something else|3

end|nvidia-smi -L|0
begin|rocminfo
ROCk module is NOT loaded, possibly no GPU devices
end|rocminfo|1
"""


def test_all_of_an_answer():
    assert from_shell(WHOLE) == Answer(
        "sh",
        (
            Node("/dev/null", True, mode="0666", uid=0, gid=0),
            Node("/dev/dri/renderD128", False, "Permission denied", 13, "0660", 0, 104),
            Node("/dev/kfd", False, "No such file or directory", 2),
            Node("/dev/file", False, "it is no device node", 0, "0644", 33, 33),
            Node("/dev/dxg", False, "Operation not permitted", 1, "0666", 0, 0),
        ),
        (
            Library("nvidia-smi", "nvidia-smi -L", devices=(Device("NVIDIA RTX A6000", UUID, UUID),)),
            Library("rocminfo", "rocminfo", code=1, error="ROCk module is NOT loaded, possibly no GPU devices"),
        ),
        "1000",
        "44 100 1000",
        "0",
        "0",
        {"CUDA_VISIBLE_DEVICES": "0|1"},
        True,
    )


def test_an_answer_that_broke_off_in_a_tool():
    (library,) = from_shell("gpu-probe|1\nbegin|nvidia-smi -L\n").libraries
    assert library.hung and library.probe == "nvidia-smi -L"


@pytest.mark.parametrize("text", ["", "sh: not found", 'exec: "sh": executable file not found in $PATH'])
def test_no_answer(text):
    assert from_shell(text) is None


MIG = f"""\
GPU 0: NVIDIA A100-SXM4-40GB (UUID: GPU-{UUID})
  MIG 1g.5gb      Device  0: (UUID: MIG-{OTHER})
  MIG 2g.10gb     Device  1: (UUID: MIG-GPU-{UUID}/5/0)
GPU 1: NVIDIA A100-SXM4-40GB (UUID: GPU-{OTHER})
"""
ROCM = """\
*******
Agent 1
*******
  Name:                    AMD Ryzen 9
  Device Type:             CPU
*******
Agent 2
*******
  Name:                    gfx1100
  Marketing Name:          Radeon RX 7900 XTX
  Device Type:             GPU
"""
VULKAN = """\
Devices:
========
GPU0:
\tvendorID           = 0x8086
\tdeviceType         = PHYSICAL_DEVICE_TYPE_DISCRETE_GPU
\tdeviceName         = Intel(R) Arc(TM) A770 Graphics (DG2)
GPU1:
\tvendorID           = 0x10005
\tdeviceType         = PHYSICAL_DEVICE_TYPE_CPU
\tdeviceName         = llvmpipe (LLVM 15.0.6, 256 bits)
"""


@pytest.mark.parametrize(
    ("tool", "text", "devices"),
    [
        (
            "nvidia-smi -L",
            MIG,
            (
                Device("NVIDIA A100-SXM4-40GB MIG 1g.5gb", OTHER, UUID),
                Device("NVIDIA A100-SXM4-40GB MIG 2g.10gb", UUID, UUID),
                Device("NVIDIA A100-SXM4-40GB", OTHER, OTHER),
            ),
        ),
        ("rocminfo", ROCM, (Device("Radeon RX 7900 XTX"),)),
        (
            "vulkaninfo --summary",
            VULKAN,
            (
                Device("Intel(R) Arc(TM) A770 Graphics (DG2)", vendor=0x8086),
                Device("llvmpipe (LLVM 15.0.6, 256 bits)", vendor=0x10005, software=True),
            ),
        ),
        ("odd --tool", "GPU 0: x (UUID: GPU-y)", ()),
    ],
)
def test_devices_of_a_tool(tool, text, devices):
    found = from_tool(tool, 0, text)
    assert (found.api, found.probe, found.there, found.devices) == (tool.split()[0], tool, True, devices)


@pytest.mark.parametrize(
    ("status", "text", "there", "hung", "error"),
    [
        (127, "sh: nvidia-smi: not found", False, False, "sh: nvidia-smi: not found"),
        (126, "", False, False, "it printed nothing"),
        (139, "Segmentation fault", False, False, "Segmentation fault"),
        (124, "", True, True, "it printed nothing"),
        (
            9,
            "NVIDIA-SMI has failed because it couldn't …\nMake sure",
            True,
            False,
            "NVIDIA-SMI has failed because it couldn't …",
        ),
        (1, "banner\nERROR: [Loader Message]", True, False, "ERROR: [Loader Message]"),
    ],
)
def test_a_tool_that_shows_nothing(status, text, there, hung, error):
    found = from_tool("nvidia-smi -L", status, text)
    assert (found.there, found.hung, found.error, found.devices) == (there, hung, error, ())


@given(st.lists(st.text(max_size=20) | st.sampled_from(WHOLE.splitlines()), max_size=12))
def test_any_lines_are_read(lines):
    assert isinstance(from_shell("\n".join(["gpu-probe|1", *lines])), Answer)


@given(st.sampled_from(["nvidia-smi -L", "rocminfo", "vulkaninfo --summary"]), st.text())
def test_any_output_of_a_tool_is_read(tool, text):
    assert isinstance(from_tool(tool, 0, text), Library)
