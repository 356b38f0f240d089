"""Whether CUDA works here: asked of the driver's library, and of PyTorch where that is installed.

Needs neither device files nor tools of NVIDIA's, so it works under WSL2 as well. Exit status: 0 it works, 1 it does
not; what was found and what to do about it is printed. Functions and numbers are those of cuda.h («CUDA Driver API»,
Initialization, CUresult).
"""

from __future__ import annotations

import ctypes
import importlib.util
import sys
import typing as t

LIBRARIES = ("/usr/lib/wsl/lib/libcuda.so.1", "libcuda.so.1")
"""WSL's own first: another one that lies in an image does not work there."""

NO_LIBRARY = (
    "The driver's library libcuda.so.1 is not in this container: it comes from the host, with the GPU. Was the "
    "container given one? On the host, playbooks/doctor.yml says what is missing."
)
MENDS = {
    34: "This libcuda is the toolkit's stub, which stands in for the driver while programs are linked. Take "
    "/usr/local/cuda/lib64/stubs out of LD_LIBRARY_PATH.",
    100: "The driver runs and shows no GPU. CUDA_VISIBLE_DEVICES may hide it, or the container was given none. Under "
    "WSL2: `wsl --shutdown` after an update of the driver in Windows.",
    803: "The kernel's driver and its library are of different versions: after an update of the driver, restart the "
    "host; a CDI specification of the old one has to be made anew (playbooks/prepare.yml).",
    804: "A newer CUDA is tried through forward compatibility, which this GPU does not support: update the host's "
    "driver, or take an older CUDA image; LD_LIBRARY_PATH must not name /usr/local/cuda/compat.",
    999: "Often /dev/nvidia-uvm is missing: `nvidia-modprobe -u` on the host. Otherwise its kernel log says more.",
}


class Failed(Exception):
    """What went wrong, in words for the reader."""


class Driver:
    """libcuda: calls that fail raise Failed with their name and number."""

    def __init__(self, paths: t.Sequence[str] = LIBRARIES) -> None:
        self.library = self._load(paths)

    @staticmethod
    def _load(paths: t.Sequence[str]) -> ctypes.CDLL:
        for path in paths:
            try:
                return ctypes.CDLL(path)
            except OSError:
                continue
        raise Failed(NO_LIBRARY)

    def call(self, name: str, *arguments: object) -> None:
        status = getattr(self.library, name)(*arguments)
        if status:
            raise Failed(f"{name} gave {status}. {MENDS.get(status, 'See CUresult in the CUDA Driver API.')}")

    def number(self, name: str, *arguments: object) -> int:
        result = ctypes.c_int()
        self.call(name, ctypes.byref(result), *arguments)
        return result.value

    def name(self, index: int) -> str:
        text = ctypes.create_string_buffer(100)
        self.call("cuDeviceGetName", text, len(text), self.number("cuDeviceGet", index))
        return text.value.decode("utf-8", "replace")


def driver_says(driver: Driver) -> str:
    """One line about the driver and its GPUs. Raises Failed."""
    driver.call("cuInit", 0)
    count = driver.number("cuDeviceGetCount")
    if not count:
        raise Failed(f"cuDeviceGetCount gave 0 GPUs. {MENDS[100]}")
    version = driver.number("cuDriverGetVersion")
    names = ", ".join(driver.name(index) for index in range(count))
    return f"CUDA works: the driver takes CUDA up to {version // 1000}.{version % 1000 // 10}; GPUs: {names}"


def torch_says() -> str:
    """One line about PyTorch, which computes something; empty where it is not installed. Raises Failed."""
    if importlib.util.find_spec("torch") is None:
        return ""
    import torch

    if torch.version.cuda is None:
        raise Failed(f"PyTorch {torch.__version__} is built without CUDA: install a wheel that has it.")
    if not torch.cuda.is_available():
        raise Failed(
            f"PyTorch {torch.__version__} (CUDA {torch.version.cuda}) sees no GPU, though the driver shows one."
        )
    total = int((torch.ones(64, 64, device="cuda") @ torch.ones(64, 64, device="cuda")).sum().item())
    if total != 64**3:
        raise Failed(f"PyTorch computed {total} on the GPU in place of {64**3}.")
    return f"PyTorch {torch.__version__} computes on it with CUDA {torch.version.cuda}"


def main() -> int:
    try:
        for line in (driver_says(Driver()), torch_says()):
            if line:
                print(line)
    except Failed as failure:
        print(f"CUDA does not work: {failure}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
