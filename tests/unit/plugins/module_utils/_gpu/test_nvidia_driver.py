"""What files show of NVIDIA's driver."""

from __future__ import annotations

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu.nvidia_driver import (
    follow,
    libraries,
    shadows,
    without_tools,
)
from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu.snapshot import ReplayReader

LIBRARY = "/usr/lib/x86_64-linux-gnu/libcuda.so.1"


def host(**parts):
    return ReplayReader({"snapshot": 1, **parts})


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("", None),
        ("/usr/local/cuda/lib64", None),
        ("/usr/local/cuda/compat", "/usr/local/cuda/compat"),
        ("/opt/lib:/usr/local/cuda-12.8/compat/lib", "/usr/local/cuda-12.8/compat/lib"),
        ("/usr/local/cuda/lib64/stubs:/opt", "/usr/local/cuda/lib64/stubs"),
        ("/opt/compatibility", None),
    ],
)
def test_what_hides_the_drivers_own_libcuda(path, found):
    shown = shadows(host(files={"/proc/self/environ": f"LANG=C\0LD_LIBRARY_PATH={path}\0"}))
    assert [each.evidence for each in shown] == ([f"LD_LIBRARY_PATH={path}"] if found else [])
    assert all(found in each.mend for each in shown)


def test_a_chain_of_links():
    links = {LIBRARY: "/etc/alternatives/cuda", "/etc/alternatives/cuda": "/usr/lib/nvidia/libcuda.so.535.1.2"}
    assert follow(host(links=links), LIBRARY) == "/usr/lib/nvidia/libcuda.so.535.1.2"
    assert libraries(host(links=links)) == {"535.1.2": LIBRARY}
    assert follow(host(links={"/a": "/a"}), "/a") == "/a"


@pytest.mark.parametrize(
    ("kernel", "library", "gpus", "problem"),
    [
        (None, "535.1.2", {}, "driver-not-loaded"),
        ("535.1.2", None, {}, "library-missing"),
        ("535.1.2", "535.9.9", {}, "driver-library-mismatch"),
        ("535.1.2", "535.1.2", {}, "nvidia-no-devices"),
        ("535.1.2", "535.1.2", {"/proc/driver/nvidia/gpus/0000:01:00.0/information": "Device Minor: 0\n"}, ""),
    ],
)
def test_without_any_tool(kernel, library, gpus, problem):
    files = {**gpus, **({"/proc/driver/nvidia/version": f"Kernel Module  {kernel}  x"} if kernel else {})}
    answer = without_tools(host(files=files, links={LIBRARY: f"libcuda.so.{library}"} if library else {}), "nvidia")
    assert answer.problem == problem
    assert answer.evidence


def test_libraries_of_which_only_the_directory_is_known():
    names = ["libcuda.so.1", "libcuda.so.535.1.2", "libnvidia-egl-gbm.so.1.1.1"]
    directory = LIBRARY.rpartition("/")[0]
    assert libraries(host(directories={directory: names})) == {"535.1.2": LIBRARY}
    # Without the name that programs load, a file that was left behind is no library.
    assert libraries(host(directories={directory: names[1:]})) == {}
    files = {
        "/proc/driver/nvidia/version": "Kernel Module  535.1.2  x",
        "/proc/driver/nvidia/gpus/0000:01:00.0/information": "Device Minor: 0\n",
    }
    assert without_tools(host(files=files, directories={directory: names[:1]}), "nvidia").problem == ""
