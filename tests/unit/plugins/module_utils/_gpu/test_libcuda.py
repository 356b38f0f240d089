"""CUDA's library where there is none, and its numbers; tests/integration/test_nvml.py runs it over a compiled one."""

from __future__ import annotations

import types

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu import libcuda


def test_a_host_without_cuda():
    assert libcuda.ask(["/nowhere/libcuda.so.1"]) is None


@pytest.mark.parametrize(
    ("functions", "error", "call"),
    [
        ({"cuInit": lambda _flags: 100}, 100, "cuInit"),
        ({"cuInit": lambda _flags: 803}, 803, "cuInit"),
        ({"cuInit": lambda _flags: 0}, 500, "cuDeviceGetCount"),
    ],
)
def test_a_refusal_names_its_call(monkeypatch, functions, error, call):
    monkeypatch.setattr(libcuda, "_load", lambda _paths: types.SimpleNamespace(**functions))
    assert libcuda.ask() == {"error": error, "message": f"{call} gave {error}"}


def test_hidden_gpus_are_gpus_of_this_host(monkeypatch):
    seen = []

    def init(_flags):
        seen.append(libcuda.os.environ.get("CUDA_VISIBLE_DEVICES"))
        return 100

    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setattr(libcuda, "_load", lambda _paths: types.SimpleNamespace(cuInit=init))
    libcuda.ask()
    assert seen == [None]


def test_a_uuid_as_nvidias_tools_write_it():
    assert libcuda._dashed("00112233445566778899aabbccddeeff") == "00112233-4455-6677-8899-aabbccddeeff"
