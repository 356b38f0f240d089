"""Who is asked inside a container, in which order, and what is said where nobody answers."""

from __future__ import annotations

import json

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._errors import EngineError
from ansible_collections.gpu_fleet.containers.plugins.module_utils._group.config import ContainerConfig, GpuPromise
from ansible_collections.gpu_fleet.containers.plugins.module_utils._group.gpu_answer import Answer, Node
from ansible_collections.gpu_fleet.containers.plugins.module_utils._group.gpu_check import judge
from ansible_collections.gpu_fleet.containers.plugins.module_utils._group.gpu_look import ENDED, complaint, look

from .memory_engine import MemoryEngine

PROMISE = GpuPromise("nvidia", ("/dev/nvidia0",), names=("RTX",))
OPENED = {"path": "/dev/nvidia0", "opened": True, "mode": "0666", "uid": 0, "gid": 0}
CUDA = {"probe": "libcuda.so.1", "there": True, "devices": [{"name": "RTX"}]}
PYTHON = json.dumps({"gpu_probe": 1, "nodes": [OPENED], "libraries": {"cuda": CUDA}})
SHELL = "gpu-probe|1\nnode|opened|/dev/nvidia0|crw-rw-rw- 1 0 0 195, 0 x|\n"
LISTING = "GPU 0: RTX (UUID: GPU-11111111-2222-3333-4444-555555555551)\n"
MISSING = (127, 'exec: "x": executable file not found in $PATH')


def engine_with(**answers: object) -> MemoryEngine:
    engine = MemoryEngine()
    engine.create_container(ContainerConfig("c", "image:1"), {}, {})
    engine.start_container("c")

    def answer(argv):
        said = answers.get(argv[0].replace("-", "_"), MISSING)
        if isinstance(said, Exception):
            raise said
        return said() if callable(said) else said

    engine.answers["image:1"] = answer
    return engine


def asked(engine: MemoryEngine) -> list[str]:
    return [call[2] for call in engine.calls if call[0] == "run_in"]


@pytest.mark.parametrize(
    ("answers", "by", "programs"),
    [
        ({"python3": (0, PYTHON)}, "libcuda.so.1", ["python3"]),
        ({"python3": (1, "SyntaxError"), "sh": (0, SHELL)}, "device nodes", ["python3", "sh"]),
        ({"python3": EngineError("exec failed"), "sh": (0, SHELL)}, "device nodes", ["python3", "sh"]),
        ({"sh": (0, SHELL)}, "device nodes", ["python3", "sh"]),
        ({"nvidia_smi": (0, LISTING)}, "nvidia-smi -L", ["python3", "sh", "nvidia-smi"]),
    ],
)
def test_the_first_that_answers_is_believed(answers, by, programs):
    engine = engine_with(**answers)
    seen = look(engine, "c", PROMISE)
    assert (seen.verdict, seen.by, asked(engine)) == ("seen", by, programs)


def test_nobody_to_ask():
    engine = engine_with()
    seen = look(engine, "c", PROMISE)
    assert (seen.verdict, seen.reason, seen.failed) == ("not verified", "the image has neither python3 nor sh", False)
    (found,) = seen.findings
    assert (found.code, found.level) == (
        "gpu-not-verified",
        "warning",
    ) and "executable file not found" in found.evidence
    assert asked(engine) == ["python3", "sh", "nvidia-smi", "vulkaninfo"]


@pytest.mark.parametrize("answers", [{"python3": (124, "")}, {"sh": (124, "")}])
def test_a_probe_that_hangs(answers):
    seen = look(engine_with(**answers), "c", PROMISE)
    assert seen.failed and [entry.code for entry in seen.findings] == ["gpu-probe-hung"]


def test_a_shell_whose_tool_hangs_has_told_of_the_nodes():
    seen = look(engine_with(sh=(124, SHELL + "begin|nvidia-smi -L\n")), "c", PROMISE)
    assert seen.failed and seen.nodes == ("/dev/nvidia0",)


def test_one_that_ended_is_not_verified_and_nothing_is_wrong():
    engine = engine_with(python3=lambda: (engine.stop_container("c", 0), (137, ""))[1])
    seen = look(engine, "c", PROMISE)
    assert (seen.verdict, seen.reason, seen.findings) == ("not verified", ENDED, ())


def test_one_that_is_gone_is_not_verified():
    engine = engine_with(python3=lambda: (engine.remove_container("c"), (137, ""))[1])
    assert look(engine, "c", PROMISE).reason == ENDED


def test_a_complaint_names_what_was_given_and_what_mends_it():
    closed = Node("/dev/dri/renderD128", False, "Permission denied", 13, "0660", 0, 104)
    gone = Node("/dev/kfd", False, "No such file or directory", 2)
    promise = GpuPromise("rocm", ("/dev/kfd", "/dev/dri/renderD128"), names=("Radeon",))
    text = complaint(promise, judge(promise, Answer("sh", (closed, gone), user="1000", groups="1000")))
    first, second = text.splitlines()
    assert first.startswith("it does not see the GPU it was given (rocm: Radeon): /dev/dri/renderD128 cannot be opened")
    assert '[gpu-node-unopenable]. Let its user in: `group_add: ["104"]`' in first
    assert "[gpu-node-missing]" in second and second.startswith("  ")
    assert complaint(GpuPromise("nvidia"), judge(promise, Answer("sh", (gone,)))).startswith(
        "it does not see the GPU it was given (nvidia): "
    )
