"""nvidia-smi's XML, list and complaints."""

from __future__ import annotations

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu.model import GpuDevice
from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu.nvidia_answers import Answer
from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu.nvidia_smi import (
    ask_smi,
    from_list,
    from_smi,
    mebibytes,
    second_opinion,
)
from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu.probe import CommandResult
from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu.snapshot import ReplayReader


def smi(stdout="", rc=0, stderr=""):
    return from_smi(CommandResult(rc, stdout, stderr), "nvidia", lambda: None)


@pytest.mark.parametrize(
    ("rc", "stdout", "code"),
    [
        (18, "Failed to initialize NVML: Driver/library version mismatch\n", "driver-library-mismatch"),
        (255, "Failed to initialize NVML: Driver/library version mismatch\n", "driver-library-mismatch"),
        (9, "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.\n", "driver-not-loaded"),
        (9, "", "driver-not-loaded"),
        (12, "NVIDIA-SMI couldn't find libnvidia-ml.so library in your system.\n", "library-missing"),
        (6, "No devices were found\n", "nvidia-no-devices"),
        (4, "Failed to initialize NVML: Insufficient Permissions\n", "no-permission"),
        (15, "Unable to determine the device handle: GPU is lost.  Reboot\n", "gpu-lost"),
        (255, "Unable to determine the device handle for GPU0000:01:00.0: Unknown Error\n", "gpu-lost"),
        (-11, "", "nvidia-smi-crashed"),
        (139, "", "nvidia-smi-crashed"),
        (255, "Failed to initialize NVML: Unknown Error\n", "nvidia-smi-failed"),
        (124, "", "driver-silent"),
        (255, "Failed to initialize NVML: GPU access blocked by the operating system\n", "gpu-blocked"),
        (0, "", "nvidia-smi-failed"),
        (0, "<nvidia_smi_log><gpu", "nvidia-smi-failed"),
        (0, "<nvidia_smi_log></nvidia_smi_log>", "nvidia-smi-failed"),
    ],
)
def test_every_failure_has_its_code(rc, stdout, code):
    answer = smi(stdout, rc)
    assert (answer.problem, answer.devices) == (code, ())
    assert answer.message
    assert answer.evidence


def test_an_entity_bomb_is_not_expanded():
    text = '<!DOCTYPE x [<!ENTITY a "aaaa">]><nvidia_smi_log><gpu id="1"><product_name>&a;</product_name></gpu></nvidia_smi_log>'
    assert smi(text).problem == "nvidia-smi-failed"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("24564 MiB", 24564 << 20),
        ("0 MiB", 0),
        ("N/A", None),
        ("[N/A]", None),
        ("", None),
        ("12 GiB", None),
        ("9" * 40 + " MiB", None),
        ("\u0661 MiB", None),
    ],
)
def test_mebibytes(text, expected):
    assert mebibytes(text) == expected


GPU = """<nvidia_smi_log><driver_version>580.142</driver_version><gpu id="00000000:01:00.0">
<product_name>{name}</product_name><addressing_mode>{mode}</addressing_mode>
<fb_memory_usage><total>{total}</total><free>{total}</free></fb_memory_usage></gpu></nvidia_smi_log>"""


@pytest.mark.parametrize(
    ("name", "mode", "total", "unified"),
    [
        ("NVIDIA GB10", "ATS", "N/A", (0,)),
        ("NVIDIA GB10", "N/A", "N/A", (0,)),
        ("NVIDIA GB10", "N/A", "[Not Supported]", (0,)),
        ("NVIDIA GH200 480GB", "ATS", "97871 MiB", ()),
        ("NVIDIA GeForce RTX 4090", "HMM", "N/A", ()),
        ("NVIDIA GeForce RTX 4090", "None", "24564 MiB", ()),
    ],
)
def test_which_gpu_uses_the_machines_memory(name, mode, total, unified):
    assert smi(GPU.format(name=name, mode=mode, total=total)).unified == unified


LISTED = """GPU 0: NVIDIA A100-SXM4-40GB (UUID: GPU-a)
  MIG 3g.20gb     Device  0: (UUID: MIG-1)
  MIG 2g.10gb     Device  1: (UUID: MIG-2)
GPU 1: NVIDIA A100-SXM4-40GB (UUID: GPU-b)
"""


def test_a_list():
    first, second = from_list(LISTED, "nvidia")
    assert (first.index, first.name, first.uuid, first.mig_enabled) == (0, "NVIDIA A100-SXM4-40GB", "GPU-a", True)
    assert [(part.index, part.name, part.uuid) for part in first.mig] == [
        (0, "MIG 3g.20gb", "MIG-1"),
        (1, "MIG 2g.10gb", "MIG-2"),
    ]
    assert (second.uuid, second.mig_enabled, second.mig) == ("GPU-b", False, ())
    assert from_list("No devices were found\n", "nvidia") == ()


def commands(**results):
    return ReplayReader({"snapshot": 1, "commands": {f"nvidia-smi {key}": value for key, value in results.items()}})


def test_the_list_stands_in_where_the_xml_is_missing_or_broken():
    listed = {"rc": 0, "stdout": LISTED}
    for more in ({}, {"-q -x": {"rc": -11}}, {"-q -x": {"rc": 0, "stdout": "<nvidia_smi_log>"}}):
        answer = ask_smi(commands(**{"-L": listed, **more}), "nvidia", ("nvidia-smi",))
        assert (answer.source, len(answer.devices), answer.problem) == ("nvidia-smi -L", 2, "")
    mismatch = {"rc": 18, "stdout": "Failed to initialize NVML: Driver/library version mismatch\n"}
    assert ask_smi(commands(**{"-L": mismatch}), "nvidia", ("nvidia-smi",)).problem == "driver-library-mismatch"
    assert ask_smi(commands(), "nvidia", ("nvidia-smi",)) is None


def test_a_second_opinion_completes_the_first():
    first = Answer("NVML", (GpuDevice("nvidia", "nvidia", "by NVML", bus_id="0000:01:00.0"),), "1.0")
    text = GPU.format(name="by smi", mode="None", total="24564 MiB")
    done = second_opinion(first, CommandResult(0, text), None)
    device = done.devices[0]
    assert (device.name, device.memory_bytes, device.driver, done.driver) == ("by NVML", 24564 << 20, "580.142", "1.0")
    assert second_opinion(first, CommandResult(9, "Driver Not Loaded"), None) == first
    assert "139" in second_opinion(first, CommandResult(139), None).crashed


XML = "<nvidia_smi_log><gpu id='00000000:01:00.0'><product_name>A</product_name></gpu></nvidia_smi_log>"


@pytest.mark.parametrize(
    "text",
    [
        f'\n<?xml version="1.0" ?>{XML}',
        f'\ufeff<?xml version="1.0" ?>\r\n<!DOCTYPE nvidia_smi_log SYSTEM "nvsmi_device_v12.dtd">\r\n{XML}',
        f"{XML}\nWARNING: infoROM is corrupted at gpu 0000:01:00.0\n",
    ],
)
def test_words_around_the_xml_do_not_matter(text):
    assert [device.name for device in smi(text, 14).devices] == ["A"]


def test_a_crash_is_told_where_the_list_stands_in():
    reader = ReplayReader(
        {
            "commands": {
                "nvidia-smi -q -x": {"rc": 139},
                "nvidia-smi -L": {"rc": 0, "stdout": "GPU 0: A (UUID: GPU-1)\n"},
            }
        }
    )
    answer = ask_smi(reader, "nvidia", ("nvidia-smi",))
    assert answer.problem == "" and answer.crashed
