"""How long `gpu_facts` takes without engines, beside an Ansible module that does nothing (and `nvidia-smi -q -x`).

    ./dev run python benchmarks/facts.py [--rounds N] [--machine this|cpu|nvidia|nvidia-ctypes|amd]

Two pairs are compared: the whole `ansible localhost -m …`, and what the host runs of it (AnsiballZ, one file). Rounds
are interleaved, and a ratio is the median of the rounds' ratios, so that other load meets both alike. CPU seconds are
given as well: they depend less on what else the machine does.

The other machines are made up (root and a C compiler; tests/integration/made_up_machine.py): their /dev, /sys and
/proc/driver, and for NVIDIA a stand-in for the driver's library. `nvidia-ctypes` is without nvidia-ml-py.
There only what the host runs is compared.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import typing as t

ROOT = pathlib.Path(__file__).resolve().parent.parent
EMPTY, OURS = "empty", "gpu_fleet.containers.gpu_facts"
ARGUMENTS = json.dumps({"engines": []})
CARD = "/sys/bus/pci/devices/0000:01:00.0"

MACHINES: dict[str, dict[str, t.Any]] = {
    "cpu": {},
    "nvidia": {
        "files": {
            "/proc/driver/nvidia/version": "NVRM version: NVIDIA UNIX x86_64 Kernel Module  580.142  Release Build\n",
            f"{CARD}/vendor": "0x10de\n",
            f"{CARD}/class": "0x030000\n",
        },
        "nodes": [["/dev/nvidiactl", 195, 255], ["/dev/nvidia0", 195, 0], ["/dev/nvidia-uvm", 511, 0]],
    },
    "amd": {
        "files": {
            f"{CARD}/vendor": "0x1002\n",
            f"{CARD}/device": "0x744c\n",
            f"{CARD}/class": "0x030000\n",
            f"{CARD}/mem_info_vram_total": f"{24 << 30}\n",
            f"{CARD}/drm/card0/dev": "226:0\n",
            f"{CARD}/drm/renderD128/dev": "226:128\n",
            "/sys/class/drm/card0/device/uevent": "DRIVER=amdgpu\nPCI_SLOT_NAME=0000:01:00.0\n",
            "/sys/class/kfd/kfd/topology/nodes/1/gpu_id": "1234\n",
            "/sys/class/kfd/kfd/topology/nodes/1/properties": "gfx_target_version 110000\ndrm_render_minor 128\nlocation_id 256\n",
        },
        "links": {f"{CARD}/driver": "../../drivers/amdgpu"},
        "nodes": [["/dev/kfd", 235, 0], ["/dev/dri/card0", 226, 0], ["/dev/dri/renderD128", 226, 128]],
    },
}
MACHINES["nvidia-ctypes"] = MACHINES["nvidia"]
SCENARIO = f"""driver 580.142
gpu NVIDIA GeForce RTX 4090
uuid GPU-11111111-2222-3333-4444-555555555555
bus 00000000:01:00.0
minor 0
total {24564 << 20}
free {24000 << 20}
capability 8.9
refuse nvmlDeviceGetMigMode 3
"""

Argv = tuple[str, ...]


def main() -> int:
    options = _options()
    if options.measure:
        return _measure_and_tell(json.loads(options.measure), options.rounds)
    with tempfile.TemporaryDirectory(prefix="gpu-fleet-bench-") as name:
        folder = pathlib.Path(name)
        pairs = _pairs(folder, whole=options.machine == "this")
        if options.machine == "this":
            return _measure_and_tell(pairs, options.rounds)
        words = [__file__, "--rounds", str(options.rounds), "--measure", json.dumps(pairs)]
        environment = {**os.environ, **_libraries(folder)} if "nvidia" in options.machine else dict(os.environ)
        if options.machine == "nvidia-ctypes":
            (folder / "pynvml.py").write_text("raise ImportError\n")
            environment["PYTHONPATH"] = str(folder)
        (folder / "machine.json").write_text(json.dumps(MACHINES[options.machine]))
        enter = ["unshare", "--mount", "--propagation", "private", sys.executable]
        machine = [str(ROOT / "tests/integration/made_up_machine.py"), str(folder / "machine.json")]
        return subprocess.run([*enter, *machine, sys.executable, *words], env=environment, check=False).returncode


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--machine", choices=["this", *MACHINES], default="this")
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    return parser.parse_args()


def _pairs(folder: pathlib.Path, whole: bool) -> dict[str, list[str]]:
    """What is measured: name → command. The first of two that belong together is the one compared with."""
    made: dict[str, list[str]] = {}
    for module in (EMPTY, OURS):
        short = module.rpartition(".")[2]
        made[f"on the host: {short}"] = [sys.executable, str(_payload(folder, module))]
    if whole:
        for module in (EMPTY, OURS):
            made[f"ansible: {module.rpartition('.')[2]}"] = _ansible(module)
        if shutil.which("nvidia-smi"):
            made["nvidia-smi -q -x"] = ["nvidia-smi", "-q", "-x"]
    return made


def _ansible(module: str, *more: str) -> list[str]:
    interpreter = f"ansible_python_interpreter={sys.executable}"
    given = ["-a", ARGUMENTS]
    return ["ansible", "localhost", "-c", "local", "-e", interpreter, *more, "-m", module, *given]


def _environment() -> dict[str, str]:
    ours = {"ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_LIBRARY": str(ROOT / "benchmarks" / "library")}
    return {**os.environ, **ours, "ANSIBLE_LOCALHOST_WARNING": "0"}


def _payload(folder: pathlib.Path, module: str) -> pathlib.Path:
    """The one file that Ansible would send to a host."""
    target = folder / module
    kept = {**_environment(), "ANSIBLE_KEEP_REMOTE_FILES": "1", "ANSIBLE_PIPELINING": "0"}
    subprocess.run(
        _ansible(module, "-e", f"ansible_remote_tmp={target}"), env=kept, check=True, capture_output=True, cwd=ROOT
    )
    return next(target.rglob("AnsiballZ_*.py"))


def _libraries(folder: pathlib.Path) -> dict[str, str]:
    source = ROOT / "tests" / "fixtures" / "nvml" / "nvml.c"
    words = ["-std=c11", "-O2", "-fPIC", "-shared", "-o", str(folder / "libnvidia-ml.so.1"), str(source)]
    subprocess.run(["cc", *words], check=True)
    (folder / "scenario").write_text(SCENARIO)
    return {"LD_LIBRARY_PATH": str(folder), "GPU_FLEET_NVML": str(folder / "scenario")}


def _measure_and_tell(commands: dict[str, list[str]], rounds: int) -> int:
    walls: dict[str, list[float]] = {name: [] for name in commands}
    cpus: dict[str, list[float]] = {name: [] for name in commands}
    for _number in range(rounds):
        for name, argv in commands.items():
            wall, cpu = _once(argv)
            walls[name].append(wall)
            cpus[name].append(cpu)
    print("| work | ms | CPU ms | / empty | CPU / empty |\n|---|---|---|---|---|")
    for name in commands:
        base = name.partition(":")[0] + ": empty"
        base = base if base in commands else "on the host: empty"
        ratios = [_ratio(times[name], times[base]) for times in (walls, cpus)]
        shown = [f"{statistics.median(times[name]) * 1000:.0f}" for times in (walls, cpus)]
        print(f"| {name} | {shown[0]} | {shown[1]} | {ratios[0]:.2f} | {ratios[1]:.2f} |")
    return 0


def _once(argv: t.Sequence[str]) -> tuple[float, float]:
    """Wall and CPU seconds of a command that must succeed."""
    before, begin = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(argv, env=_environment(), cwd=ROOT, capture_output=True, text=True, check=False)
    wall, after = time.perf_counter() - begin, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        sys.exit(f"{' '.join(argv)} failed:\n{done.stdout}\n{done.stderr}")
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _ratio(ours: list[float], others: list[float]) -> float:
    return statistics.median(one / other for one, other in zip(ours, others, strict=True))


if __name__ == "__main__":
    sys.exit(main())
