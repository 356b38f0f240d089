"""A library that crashes or is silent becomes an answer."""

from __future__ import annotations

import faulthandler
import os
import signal
import time

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu.guarded import in_child, in_thread

ANSWER = {"devices": [], "name": "ä" * 100_000}
"""Longer than a pipe holds."""


@pytest.mark.parametrize("guard", [in_child, in_thread])
@pytest.mark.parametrize("answer", [ANSWER, None])
def test_an_answer_comes_through(guard, answer):
    assert guard(lambda: answer, 20.0) == answer


@pytest.mark.parametrize("guard", [in_child, in_thread])
def test_silence_is_an_answer(guard):
    begin = time.monotonic()
    assert guard(lambda: time.sleep(20), 0.1) == {"error": 124, "message": "no answer within 0.1 s"}
    assert time.monotonic() - begin < 10


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS])
def test_a_crash_is_an_answer(number):
    # pytest would write a traceback of the child.
    crashed = in_child(lambda: (faulthandler.disable(), os.kill(os.getpid(), number)), 20.0)
    assert crashed == {"error": -number, "message": f"killed by {number.name}"}


def test_a_child_that_gives_up_is_an_answer():
    assert in_child(lambda: os._exit(3), 20.0)["error"] == 999
    assert in_child(lambda: {}["missing"], 20.0)["error"] == 999


def test_a_mistake_of_ours_in_a_thread_is_raised():
    with pytest.raises(KeyError):
        in_thread(lambda: {}["missing"], 20.0)


def test_a_child_changes_nothing_of_ours():
    os.environ["GPU_FLEET_TEST"] = "kept"
    before = set(os.listdir("/proc/self/fd"))
    assert in_child(lambda: {"gone": os.environ.pop("GPU_FLEET_TEST")}, 20.0) == {"gone": "kept"}
    assert os.environ.pop("GPU_FLEET_TEST") == "kept"
    assert set(os.listdir("/proc/self/fd")) == before
