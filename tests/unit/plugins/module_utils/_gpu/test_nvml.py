"""NVML through a small stand-in for pynvml: what is refused becomes null, with the refusal's number."""

from __future__ import annotations

import types

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu.nvidia_answers import from_nvml
from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu.nvml import ask
from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu.probe import HostReader

GIB = 1 << 30


class FakeNvml:
    """The part of pynvml that is used; `refuse` maps a function's name to NVML's error number."""

    class NVMLError(Exception):
        def __init__(self, value):
            super().__init__(f"NVML error {value}")
            self.value = value

    def __init__(self, gpus, refuse=None):
        self.gpus = gpus
        self.refuse = refuse or {}
        self.open = 0

    def __getattribute__(self, name):
        number = object.__getattribute__(self, "refuse").get(name) if name.startswith("nvml") else None
        if number is not None:

            def refused(*_arguments):
                raise FakeNvml.NVMLError(number)

            return refused
        return object.__getattribute__(self, name)

    def nvmlInit(self):
        self.open += 1

    def nvmlShutdown(self):
        self.open -= 1

    def nvmlSystemGetDriverVersion(self):
        return "580.142"

    def nvmlSystemGetNVMLVersion(self):
        return "13.580.142"

    def nvmlSystemGetCudaDriverVersion_v2(self):
        return 13000

    def nvmlDeviceGetCount(self):
        return len(self.gpus)

    def nvmlDeviceGetHandleByIndex(self, index):
        if self.gpus[index].get("lost"):
            raise FakeNvml.NVMLError(15)
        return self.gpus[index]

    def nvmlDeviceGetName(self, handle):
        return handle["name"]

    def nvmlDeviceGetUUID(self, handle):
        return handle["uuid"]

    def nvmlDeviceGetMinorNumber(self, handle):
        return handle["minor"]

    def nvmlDeviceGetPciInfo(self, handle):
        return types.SimpleNamespace(busId=handle["bus"])

    def nvmlDeviceGetMemoryInfo(self, handle):
        return types.SimpleNamespace(total=handle["total"], free=handle["free"])

    def nvmlDeviceGetCudaComputeCapability(self, _handle):
        return (8, 9)

    def nvmlDeviceGetMigMode(self, handle):
        return [1 if handle.get("slices") else 0, 0]

    def nvmlDeviceGetMaxMigDeviceCount(self, _handle):
        return 7

    def nvmlDeviceGetMigDeviceHandleByIndex(self, handle, index):
        if index >= len(handle["slices"]):
            raise FakeNvml.NVMLError(6)
        return handle["slices"][index]

    def nvmlDeviceGetGpuInstanceId(self, handle):
        return handle["gi"]

    def nvmlDeviceGetComputeInstanceId(self, _handle):
        return 0


def gpu(number, **more):
    return {
        "name": b"NVIDIA RTX 6000" if number else "NVIDIA RTX 6000",
        "uuid": f"GPU-{number}",
        "minor": 1 - number,
        "bus": f"00000000:{number + 1:02X}:00.0",
        "total": 48 * GIB,
        "free": 40 * GIB,
        **more,
    }


def test_two_gpus_whose_minors_run_against_the_indexes():
    fake = FakeNvml([gpu(0), gpu(1)])
    answer = from_nvml(HostReader(fake).nvml(), "nvidia")
    assert fake.open == 0
    assert (answer.driver, answer.problem, answer.lost) == ("580.142", "", ())
    shown = [(each.index, each.minor, each.name, each.bus_id, each.memory_free_bytes) for each in answer.devices]
    assert shown == [
        (0, 1, "NVIDIA RTX 6000", "0000:01:00.0", 40 * GIB),
        (1, 0, "NVIDIA RTX 6000", "0000:02:00.0", 40 * GIB),
    ]
    assert answer.devices[0].compute_capability == "8.9"


def test_an_old_driver_lacks_a_symbol_and_the_rest_stands():
    data = ask(FakeNvml([gpu(0)], {"nvmlDeviceGetMigMode": 13, "nvmlDeviceGetMinorNumber": 3}))
    assert data["devices"][0]["errors"] == {"mig": 13, "minor": 3}
    device = from_nvml(data, "nvidia").devices[0]
    assert (device.minor, device.mig_enabled, device.memory_bytes) == (None, False, 48 * GIB)


def test_slices():
    slices = [{"name": "NVIDIA RTX 6000 MIG 1g.12gb", "uuid": "MIG-1", "gi": 3, "total": 12 * GIB, "free": 12 * GIB}]
    device = from_nvml(ask(FakeNvml([gpu(0, slices=slices)])), "nvidia").devices[0]
    assert device.mig_enabled
    assert [(part.uuid, part.gpu_instance, part.index, part.memory_bytes) for part in device.mig] == [
        ("MIG-1", 3, 0, 12 * GIB)
    ]


def test_a_lost_gpu_is_listed_as_lost():
    answer = from_nvml(ask(FakeNvml([gpu(0), gpu(1, lost=True)])), "nvidia")
    assert answer.lost == (1,)
    assert len(answer.devices) == 2


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (18, "driver-library-mismatch"),
        (9, "driver-not-loaded"),
        (4, "no-permission"),
        (17, "gpu-blocked"),
        (999, "nvml-failed"),
    ],
)
def test_refusals_of_the_whole_library(number, code):
    answer = from_nvml(ask(FakeNvml([], {"nvmlInit": number})), "nvidia")
    assert answer.problem == code
    assert str(number) in answer.message


def test_a_missing_library_says_nothing_about_the_host():
    assert ask(FakeNvml([], {"nvmlInit": 12})) is None


def test_a_session_that_breaks_is_closed():
    fake = FakeNvml([gpu(0)], {"nvmlDeviceGetCount": 15})
    assert from_nvml(ask(fake), "nvidia").problem == "gpu-lost"
    assert fake.open == 0


def test_no_gpu_at_all():
    assert from_nvml(ask(FakeNvml([])), "nvidia").problem == "nvidia-no-devices"
