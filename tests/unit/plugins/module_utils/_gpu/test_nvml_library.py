"""Our own NVML binding over stand-ins for the library; tests/integration/test_nvml.py runs it over a compiled one."""

from __future__ import annotations

import types

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu.nvml_library import Library, NVMLError, load


def gives(value, status=0):
    """A C function that writes a number through its last argument."""

    def function(*arguments):
        arguments[-1]._obj.value = value
        return status

    return function


def library(**functions):
    return Library(types.SimpleNamespace(**functions))


def test_a_library_that_is_not_there():
    assert load(["/nowhere/libnvidia-ml.so.1", "libno-such-library.so.1"]) is None


@pytest.mark.parametrize(
    ("functions", "count"),
    [
        ({"nvmlDeviceGetCount_v2": gives(3)}, 3),
        ({"nvmlDeviceGetCount": gives(2)}, 2),
        ({"nvmlDeviceGetCount_v2": gives(3), "nvmlDeviceGetCount": gives(2)}, 3),
    ],
)
def test_the_newest_variant_that_the_driver_has(functions, count):
    assert library(**functions).nvmlDeviceGetCount() == count


def test_a_symbol_that_the_driver_lacks():
    with pytest.raises(NVMLError) as caught:
        library().nvmlDeviceGetMigMode(None)
    assert caught.value.value == 13


@pytest.mark.parametrize(
    ("explain", "text"),
    [({}, "error 4"), ({"nvmlErrorString": lambda _status: b"Insufficient Permissions"}, "Insufficient Permissions")],
)
def test_a_refusal_keeps_its_number(explain, text):
    with pytest.raises(NVMLError) as caught:
        library(
            nvmlDeviceGetCount_v2=gives(0, 4), **{name: Explain(call) for name, call in explain.items()}
        ).nvmlDeviceGetCount()
    assert (caught.value.value, str(caught.value)) == (4, text)


class Explain:
    """A C function whose result type can be set."""

    restype = None

    def __init__(self, call):
        self.call = call

    def __call__(self, status):
        return self.call(status)


def test_texts_end_where_c_ends_them():
    def name(_handle, buffer, length):
        buffer.value = b"NVIDIA \xff GPU"
        assert length.value == len(buffer)
        return 0

    assert library(nvmlDeviceGetName=name).nvmlDeviceGetName(None) == "NVIDIA \ufffd GPU"


@pytest.mark.parametrize(
    ("symbol", "long", "expected"),
    [
        ("nvmlDeviceGetPciInfo_v3", b"00000000:01:00.0", b"00000000:01:00.0"),
        ("nvmlDeviceGetPciInfo_v2", b"", b"0000:01:00.0"),
    ],
)
def test_drivers_before_v3_have_the_short_address(symbol, long, expected):
    def fill(_handle, info):
        info._obj.short, info._obj.long = b"0000:01:00.0", long
        return 0

    assert library(**{symbol: fill}).nvmlDeviceGetPciInfo(None).busId == expected
