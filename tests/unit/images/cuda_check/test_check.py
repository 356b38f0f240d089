from __future__ import annotations

import importlib.util
import pathlib
import sys
import types
import typing as t

import pytest

PATH = pathlib.Path(__file__).parents[4] / "inventories/workstation/images/cuda-check/check.py"


@pytest.fixture
def check() -> t.Any:
    spec = importlib.util.spec_from_file_location("cuda_check", PATH)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Library:
    """libcuda with these GPUs, whose cuInit gives `status`."""

    def __init__(self, *names: str, status: int = 0) -> None:
        self.names, self.status = names, status

    def cuInit(self, flags: int) -> int:
        return self.status

    def cuDeviceGetCount(self, count: t.Any) -> int:
        count._obj.value = len(self.names)
        return 0

    def cuDriverGetVersion(self, version: t.Any) -> int:
        version._obj.value = 13010
        return 0

    def cuDeviceGet(self, device: t.Any, index: int) -> int:
        device._obj.value = index
        return 0

    def cuDeviceGetName(self, text: t.Any, size: int, device: int) -> int:
        text.value = self.names[device].encode()[:size]
        return 0


def driver(check: t.Any, library: Library) -> t.Any:
    made = check.Driver.__new__(check.Driver)
    made.library = library
    return made


@pytest.mark.parametrize(
    ("library", "words"),
    [
        (Library(), "0 GPUs"),
        (Library("A", status=100), "cuInit gave 100. The driver runs and shows no GPU"),
        (Library("A", status=803), "restart the host"),
        (Library("A", status=804), "forward compatibility"),
        (Library("A", status=34), "stub"),
        (Library("A", status=999), "/dev/nvidia-uvm"),
        (Library("A", status=1), "CUresult"),
    ],
)
def test_what_is_wrong_is_said_with_its_mend(check, library, words):
    with pytest.raises(check.Failed, match=words):
        check.driver_says(driver(check, library))


def test_the_driver_and_its_gpus(check):
    said = check.driver_says(driver(check, Library("RTX 4090", "RTX 3090")))
    assert said == "CUDA works: the driver takes CUDA up to 13.1; GPUs: RTX 4090, RTX 3090"


def test_without_the_library(check, monkeypatch, capsys):
    with pytest.raises(check.Failed, match="comes from the host"):
        check.Driver(("libcuda-that-is-not-there.so.1",))
    monkeypatch.setattr(check, "LIBRARIES", ())
    monkeypatch.setattr(check.Driver.__init__, "__defaults__", ((),))
    assert check.main() == 1
    assert capsys.readouterr().out.startswith(
        "CUDA does not work: The driver's library libcuda.so.1 is not in this container"
    )


class Matrix:
    def __init__(self, value: int) -> None:
        self.value = value

    def __matmul__(self, other: Matrix) -> Matrix:
        return self

    def sum(self) -> Matrix:
        return self

    def item(self) -> float:
        return float(self.value)


def torch(built: str | None = "12.6", available: bool = True, result: int = 64**3) -> types.ModuleType:
    made = types.ModuleType("torch")
    made.__spec__ = importlib.util.spec_from_loader("torch", loader=None)
    made.__version__ = "2.6.0"
    made.version = types.SimpleNamespace(cuda=built)
    made.cuda = types.SimpleNamespace(is_available=lambda: available)
    made.ones = lambda *_size, device: Matrix(result)
    return made


def test_torch_computes(check, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", torch())
    assert check.torch_says() == "PyTorch 2.6.0 computes on it with CUDA 12.6"


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (torch(built=None), "built without CUDA"),
        (torch(available=False), "sees no GPU, though the driver shows one"),
        (torch(result=7), "computed 7"),
    ],
)
def test_a_torch_that_does_not(check, monkeypatch, made, words):
    monkeypatch.setitem(sys.modules, "torch", made)
    with pytest.raises(check.Failed, match=words):
        check.torch_says()


def test_no_torch_is_nothing_to_say(check, monkeypatch):
    monkeypatch.setattr(check.importlib.util, "find_spec", lambda _name: None)
    assert check.torch_says() == ""
