"""Vendors' programs: how they are asked, and what comes of their failures."""

from __future__ import annotations

import os
import time

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._cdi.form import normal
from ansible_collections.gpu_fleet.containers.plugins.module_utils._cdi.tools import ask, program_of, run_program
from ansible_collections.gpu_fleet.containers.plugins.module_utils._errors import FleetError

from . import stand_ins


@pytest.fixture
def scratch(tmp_path):
    directory = tmp_path / "scratch"
    directory.mkdir()
    return str(directory)


@pytest.mark.parametrize(
    ("stack", "program", "spec"),
    [
        ("nvidia", "nvidia-ctk", stand_ins.nvidia()),
        ("nvidia-wsl", "nvidia-ctk", stand_ins.nvidia()),
        ("nvidia-tegra", "nvidia-ctk", stand_ins.nvidia()),
        ("rocm", "amd-ctk", stand_ins.amd()),
        ("intel", "intel-cdi-specs-generator", stand_ins.intel()),
        ("intel-npu", "intel-cdi-specs-generator", stand_ins.intel("intel.com/npu")),
    ],
)
def test_ask(tmp_path, scratch, stack, program, spec):
    path = stand_ins.put(tmp_path, program, spec)
    assert normal(ask(stack, path, scratch, run_program, 30)) == normal(spec)


def test_of_several_specs_the_one_of_the_kind_is_taken(tmp_path, scratch):
    """nvidia-ctk prints one for coherent GPUs beside the one for all; Intel's writes one for MEI devices."""
    coherent = stand_ins.nvidia(kind="nvidia.com/gpu.coherent")
    path = stand_ins.put(tmp_path, "nvidia-ctk", coherent, stand_ins.nvidia())
    assert ask("nvidia", path, scratch, run_program, 30)["kind"] == "nvidia.com/gpu"
    path = stand_ins.put(tmp_path, "intel-cdi-specs-generator", stand_ins.intel("intel.com/gpu-mei"), stand_ins.intel())
    assert ask("intel", path, scratch, run_program, 30)["kind"] == "intel.com/gpu"


@pytest.mark.parametrize("version", ["0.3.0", "1.2.0"])
def test_the_version_that_a_tool_says_does_not_matter(tmp_path, scratch, version):
    path = stand_ins.put(tmp_path, "nvidia-ctk", stand_ins.nvidia(cdiVersion=version))
    assert ask("nvidia", path, scratch, run_program, 30)["cdiVersion"] == version


def test_a_variable_does_not_send_the_spec_elsewhere(tmp_path, scratch, monkeypatch):
    monkeypatch.setenv("NVIDIA_CTK_CDI_OUTPUT_FILE_PATH", str(tmp_path / "elsewhere.yaml"))
    path = stand_ins.put(tmp_path, "nvidia-ctk", stand_ins.nvidia())
    assert ask("nvidia", path, scratch, run_program, 30)["kind"] == "nvidia.com/gpu"
    assert not (tmp_path / "elsewhere.yaml").exists()


@pytest.mark.parametrize(
    ("stack", "program", "specs", "trouble", "said"),
    [
        ("nvidia", "nvidia-ctk", [], "crash", "failed with status 2: panic: runtime error"),
        ("nvidia", "nvidia-ctk", [], "no driver", "Driver/library version mismatch"),
        ("nvidia", "nvidia-ctk", [], "garbage", "its answer cannot be read: .*"),
        ("nvidia", "nvidia-ctk", [], "silent", "its answer cannot be read"),
        ("nvidia", "nvidia-ctk", [{"kind": "nvidia.com/gpu", "devices": []}], "", "devices: there is none"),
        ("nvidia", "nvidia-ctk", [stand_ins.nvidia(kind="a.com/b")], "", "no spec of nvidia.com/gpu, but a.com/b"),
        ("nvidia", "nvidia-ctk", [stand_ins.nvidia(surprise=1)], "", "surprise: the parser knows no such field"),
        ("rocm", "amd-ctk", [], "silent", "it wrote no file and said: Failed to get GPUs"),
        ("rocm", "amd-ctk", [], "crash", "failed with status 2"),
        ("intel", "intel-cdi-specs-generator", [], "", "it wrote no file and said: Refreshing CDI registry"),
    ],
)
def test_failures_are_told_in_the_programs_words(tmp_path, scratch, stack, program, specs, trouble, said):
    path = stand_ins.put(tmp_path, program, *specs, trouble=trouble)
    with pytest.raises(FleetError, match=said) as failure:
        ask(stack, path, scratch, run_program, 30)
    assert failure.value.path.startswith(program) and failure.value.mend


def test_a_program_that_hangs_is_ended_with_what_it_started(tmp_path, scratch):
    path = tmp_path / "nvidia-ctk"
    path.write_text(f"#!/bin/sh\nsleep 300 &\necho $! >{tmp_path}/child\nwait\n")
    path.chmod(0o755)
    before = time.monotonic()
    with pytest.raises(FleetError, match="failed with status 124: no answer within 0.5 s"):
        ask("nvidia", str(path), scratch, run_program, 0.5)
    assert time.monotonic() - before < 20
    child = int((tmp_path / "child").read_text())
    deadline = time.monotonic() + 10
    while _runs(child):
        assert time.monotonic() < deadline, "the child still runs"
        time.sleep(0.05)


def _runs(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_program_that_cannot_be_started(tmp_path, scratch):
    path = tmp_path / "nvidia-ctk"
    path.write_text("#!/no/such/interpreter\n")
    path.chmod(0o755)
    with pytest.raises(FleetError, match="failed with status 126"):
        ask("nvidia", str(path), scratch, run_program, 5)


def test_programs_are_found_on_path(tmp_path, monkeypatch):
    path = stand_ins.put(tmp_path, "amd-ctk")
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}/usr/bin")
    assert program_of("rocm") == path
    assert program_of("vulkan") is None
