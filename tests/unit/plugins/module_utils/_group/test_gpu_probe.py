"""The programs themselves, run on this machine as they would be in a container."""

from __future__ import annotations

import ast
import json
import os
import pathlib
import subprocess
import sys

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._group import gpu_probe
from ansible_collections.gpu_fleet.containers.plugins.module_utils._group.config import GpuPromise
from ansible_collections.gpu_fleet.containers.plugins.module_utils._group.gpu_answer import Answer, from_python
from ansible_collections.gpu_fleet.containers.plugins.module_utils._group.gpu_answer_shell import from_shell
from ansible_collections.gpu_fleet.containers.plugins.module_utils._group.gpu_program import PYTHON_PROGRAM

NODES = ("/dev/null", "/dev/no-such-gpu", "/etc/passwd")


def test_the_program_is_of_python_3_6_and_the_standard_library():
    tree = ast.parse(PYTHON_PROGRAM, feature_version=(3, 6))
    names = {
        alias.name.partition(".")[0] for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names
    }
    assert names - {"torch"} <= sys.stdlib_module_names
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]


def run_python(promise: GpuPromise, before: str = "", torch: bool = True, **environment: str) -> Answer:
    _python, option, program, question = gpu_probe.python_command(promise, with_torch=torch)
    done = subprocess.run(
        [sys.executable, option, before + program, question],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    answer = from_python(done.stdout)
    assert answer is not None
    return answer


def check_nodes(answer: Answer) -> None:
    assert [(node.path, node.opened, node.error) for node in answer.nodes] == [
        ("/dev/null", True, ""),
        ("/dev/no-such-gpu", False, "No such file or directory"),
        ("/etc/passwd", False, "it is no device node"),
    ]
    assert (answer.nodes[0].mode, answer.nodes[0].gid) == ("0666", 0)
    assert answer.user == str(os.geteuid()) and str(os.getegid()) in answer.groups.split()


def test_nodes_by_python():
    answer = run_python(GpuPromise("vulkan", NODES), CUDA_VISIBLE_DEVICES="3", LD_LIBRARY_PATH="")
    check_nodes(answer)
    assert answer.environment == {"CUDA_VISIBLE_DEVICES": "3"}


def test_nodes_by_a_shell():
    done = subprocess.run(
        gpu_probe.shell_command(GpuPromise("vulkan", NODES)),
        env={**os.environ, "CUDA_VISIBLE_DEVICES": "a b; echo no", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    answer = from_shell(done.stdout + done.stderr)
    check_nodes(answer)
    assert answer.environment == {"CUDA_VISIBLE_DEVICES": "a b; echo no"}
    assert not pathlib.Path("/dev/no-such-gpu").exists(), "asking makes nothing"


def test_a_tool_is_run_by_the_shell_where_there_is_one(tmp_path):
    tool = tmp_path / "nvidia-smi"
    tool.write_text('#!/bin/sh\necho "GPU 0: Made-up $1 (UUID: GPU-11111111-2222-3333-4444-555555555551)"\n')
    tool.chmod(0o755)
    done = subprocess.run(
        gpu_probe.shell_command(GpuPromise("nvidia")),
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    answer = from_shell(done.stdout)
    (library,) = [entry for entry in answer.libraries if entry.api == "nvidia-smi"]
    assert library.devices[0].name == "Made-up -L" and done.stderr == ""


# What ctypes would load, in place of libraries. Every call of a name in `codes` answers that number, all others 0.
LIBRARY = """
import ctypes
class Library:
    def __init__(self, name): self.name = name
    def __getattr__(self, call):
        def answer(*arguments):
            {body}
            return 0
        return answer
def load(name, *_more):
    if not name.startswith({name!r}): raise OSError(name + ": cannot open shared object file")
    return Library(name)
ctypes.CDLL = load
"""

BODIES = {
    "vulkan": """
            if call == "vkEnumeratePhysicalDevices":
                arguments[1]._obj.value = 1
            if call == "vkGetPhysicalDeviceProperties":
                arguments[1].raw = b"\\0" * 8 + (0x10005).to_bytes(4, "little") + b"\\0" * 4 + (4).to_bytes(4, "little") + b"llvmpipe\\0" + b"\\0" * 9
""",
    "hsa": """
            if call == "hsa_iterate_agents":
                for handle in (1, 2): arguments[0](handle, None)
            if call == "hsa_agent_get_info" and arguments[1] == 17:
                arguments[2]._obj.value = int(arguments[0].value == 2)
            if call == "hsa_agent_get_info" and arguments[1] == 0xA009:
                arguments[2].value = b"AMD Instinct"
""",
    "hip": """
            if call == "hipGetDeviceCount": arguments[0]._obj.value = 2
            if call == "hipDeviceGetName": arguments[0].value = b"AMD Radeon %d" % arguments[2]
            if call == "hipDeviceTotalMem": arguments[0]._obj.value = 16 << 30
""",
    "level-zero": """
            if call in ("zeDriverGet", "zeDeviceGet"): arguments[-2]._obj.value = 1
            if call == "zeDeviceGetProperties":
                assert arguments[1].raw[:4] == bytes((3, 0, 0, 0))
                arguments[1].raw = arguments[1].raw[:16] + bytes((1, 0, 0, 0)) + b"\\0" * 92 + b"Intel Arc\\0"
""",
    "cuda": """
            if call == "cuInit": import time; time.sleep(60)
""",
}


@pytest.mark.parametrize(
    ("api", "name", "stack", "devices"),
    [
        ("vulkan", "libvulkan", "vulkan", [("llvmpipe", True)]),
        ("hsa", "libhsa", "rocm", [("AMD Instinct", False)]),
        ("hip", "libamdhip64", "rocm", [("AMD Radeon 0", False), ("AMD Radeon 1", False)]),
        ("level-zero", "libze_loader", "intel", [("Intel Arc", False)]),
    ],
)
def test_what_libraries_answer(api, name, stack, devices):
    answer = run_python(GpuPromise(stack), LIBRARY.format(name=name, body=BODIES[api].strip()))
    (library,) = [entry for entry in answer.libraries if entry.api == api]
    assert (library.error, library.code) == ("", 0)
    assert [(device.name, device.software) for device in library.devices] == devices
    others = [entry for entry in answer.libraries if entry.api != api]
    assert not any(entry.there for entry in others)


def test_a_library_that_hangs_takes_nothing_else_with_it(monkeypatch):
    monkeypatch.setattr(gpu_probe, "LIMIT", 0.5)
    answer = run_python(
        GpuPromise("nvidia", ("/dev/null",)), LIBRARY.format(name="libcuda", body=BODIES["cuda"].strip())
    )
    libraries = {entry.api: entry for entry in answer.libraries}
    assert libraries["cuda"].hung and "0.5 s" in libraries["cuda"].error and not libraries["vulkan"].there
    assert answer.nodes[0].opened


@pytest.mark.parametrize(
    ("build", "body", "built_for", "available"),
    [
        (
            "cuda = '12.4'\nhip = None\n",
            "class cuda:\n    is_available = staticmethod(lambda: True)\n",
            "CUDA 12.4",
            True,
        ),
        (
            "cuda = None\nhip = '6.1'\n",
            "class cuda:\n    is_available = staticmethod(lambda: False)\n",
            "ROCm 6.1",
            False,
        ),
        ("cuda = None\nhip = None\n", "raise SystemExit(1)\n", "", None),
    ],
)
def test_torch_is_imported_only_where_a_gpu_was_seen_and_it_is_made_for_one(
    tmp_path, build, body, built_for, available
):
    package = tmp_path / "torch"
    package.mkdir()
    (package / "version.py").write_text(f"__version__ = '2.4.0'\n{build}")
    (package / "__init__.py").write_text(body)
    seen = LIBRARY.format(name="libamdhip64", body=BODIES["hip"].strip())
    torch = run_python(GpuPromise("rocm"), seen, PYTHONPATH=str(tmp_path)).torch
    assert (torch.version, torch.built_for, torch.available) == ("2.4.0", built_for, available)
    for answer in (
        run_python(GpuPromise("vulkan"), PYTHONPATH=str(tmp_path)),
        run_python(GpuPromise("rocm"), seen, torch=False, PYTHONPATH=str(tmp_path)),
    ):
        assert (answer.torch.version, answer.torch.available) == ("2.4.0", None)
    assert {path.name for path in package.iterdir()} == {"version.py", "__init__.py"}, "asking leaves nothing behind"


def test_files_of_the_workload_are_no_modules_of_the_program(tmp_path, monkeypatch):
    for name in ("json", "signal", "ctypes", "torch"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit(3)\n")
    monkeypatch.chdir(tmp_path)
    answer = run_python(GpuPromise("vulkan", NODES))
    check_nodes(answer)
    assert answer.torch is None


def test_what_is_asked_of_each_stack():
    def asked(stack: str) -> tuple[list[str], tuple[str, ...]]:
        question = json.loads(gpu_probe.python_command(GpuPromise(stack))[3])
        return question["libraries"], gpu_probe.tools(GpuPromise(stack))

    vulkan = "vulkaninfo --summary"
    assert (
        asked("nvidia")
        == asked("nvidia-wsl")
        == asked("nvidia-tegra")
        == (["cuda", "vulkan"], ("nvidia-smi -L", vulkan))
    )
    assert asked("rocm") == asked("rocm-wsl") == (["hip", "hsa", "vulkan"], ("rocminfo", vulkan))
    assert asked("intel") == (["level-zero", "vulkan"], (vulkan,))
    assert asked("vulkan") == asked("videocore") == asked("venus") == (["vulkan"], (vulkan,))
    assert gpu_probe.nodes(GpuPromise("nvidia", ("/dev/nvidia3",))) == ("/dev/nvidia3",)
    assert gpu_probe.nodes(GpuPromise("nvidia-wsl")) == ("/dev/dxg",)
