"""The true nvidia-ml-py, our own binding and the whole of gpu_facts over a made-up NVML, compiled here.

The library has NVML's real names and layouts (tests/fixtures/nvml/nvml.c); what it answers stands in a file. No
process may be started on the usual hosts, which an audit hook sees.
"""

from __future__ import annotations

import json
import os
import pathlib
import shutil
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
SOURCES = ROOT / "tests" / "fixtures" / "nvml"
PACKAGE = "ansible_collections.gpu_fleet.containers.plugins"
GIB = 1 << 30

BOTH = f"""
import json, sys
sys.path.insert(0, {str(ROOT)!r})
import tests.conftest
from {PACKAGE}.module_utils._gpu import nvml, nvml_library
import pynvml
assert pynvml.__file__.endswith("pynvml.py"), pynvml.__file__
print(json.dumps([nvml.ask(pynvml), nvml.ask(nvml_library.load()), nvml._first(None)]))
"""

MODULE = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
import tests.conftest
STARTS = ("subprocess.Popen", "os.fork", "os.forkpty", "os.exec", "os.posix_spawn", "os.spawn", "os.system")
sys.addaudithook(lambda event, _arguments: event in STARTS and print("started:", event, file=sys.stderr))
from ansible.module_utils import basic
basic._ANSIBLE_ARGS, basic._ANSIBLE_PROFILE = sys.argv[1].encode(), "legacy"
from {PACKAGE}.modules import gpu_facts
gpu_facts.main()
"""


@pytest.fixture(scope="module")
def libraries(tmp_path_factory):
    """Age of the driver → a directory with its made-up libraries."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    assert compiler, "no C compiler (apt-get install gcc libc6-dev; tests/integration/fetch does)"
    made = {}
    for driver in (580, 440, 375):
        made[driver] = tmp_path_factory.mktemp(f"driver-{driver}")
        for source, name in (("nvml.c", "libnvidia-ml.so.1"), ("cuda.c", "libcuda.so.1")):
            words = ["-std=c11", "-Wall", "-Wextra", "-Werror", "-fPIC", "-shared", f"-DDRIVER={driver}"]
            subprocess.run([compiler, *words, "-o", str(made[driver] / name), str(SOURCES / source)], check=True)
    return made


def gpu(index, *more, name="NVIDIA RTX 6000 Ada Generation", minor=None):
    return [
        f"gpu {name}",
        f"uuid GPU-{index}1111111-2222-3333-4444-555555555555",
        f"bus 00000000:{index + 1:02X}:00.0",
        f"minor {index if minor is None else minor}",
        f"total {48 * GIB}",
        f"free {40 * GIB}",
        "capability 8.9",
        *more,
    ]


TWO = [*gpu(0, minor=1), *gpu(1, minor=0)]
MIG = gpu(
    0,
    "mig 1",
    f"slice 1 0 {20 * GIB} MIG-aaaaaaaa-0000-0000-0000-000000000001 NVIDIA A100-SXM4-40GB MIG 3g.20gb",
    f"slice 5 0 {10 * GIB} MIG-aaaaaaaa-0000-0000-0000-000000000002 NVIDIA A100-SXM4-40GB MIG 2g.10gb",
    name="NVIDIA A100-SXM4-40GB",
)


def environment(folder, scenario, directory):
    path = folder / "scenario"
    path.write_text("\n".join([*scenario, ""]))
    return {
        **os.environ,
        "GPU_FLEET_NVML": str(path),
        "LD_LIBRARY_PATH": str(directory),
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def answers(folder, scenario, directory):
    """What nvidia-ml-py, our own binding, and the choice between them give."""
    done = subprocess.run(
        [sys.executable, "-c", BOTH],
        env=environment(folder, scenario, directory),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize(
    ("driver", "scenario", "shown"),
    [
        (580, TWO, [{"index": 0, "minor": 1}, {"index": 1, "minor": 0, "bus_id": "00000000:02:00.0"}]),
        (580, gpu(0), [{"memory_total": 48 * GIB, "memory_free": 40 * GIB, "compute_capability": "8.9", "errors": {}}]),
        (580, [*gpu(0, "refuse nvmlDeviceGetMigMode 3")], [{"mig_enabled": False, "errors": {"mig": 3}}]),
        (580, [*gpu(0, "refuse nvmlDeviceGetMinorNumber 3")], [{"minor": None, "errors": {"minor": 3}}]),
        (440, gpu(0), [{"mig_enabled": False, "errors": {"mig": 13}, "memory_total": 48 * GIB}]),
        (
            580,
            [*gpu(0), *gpu(1, "refuse nvmlDeviceGetHandleByIndex_v2 15")],
            [{"errors": {}}, {"errors": {"handle": 15}}],
        ),
        (580, gpu(0, "refuse nvmlDeviceGetMemoryInfo 3"), [{"memory_total": None, "errors": {"memory": 3}}]),
        (580, gpu(0, f"total {(1 << 64) - 1}", f"free {(1 << 64) - 1}"), [{"memory_total": (1 << 64) - 1}]),
        (580, gpu(0, name="Ein Name mit ä und 漢字"), [{"name": "Ein Name mit ä und 漢字"}]),
        (580, gpu(0, name="x" * 95), [{"name": "x" * 95}]),
        (580, MIG, [{"mig_enabled": True}]),
        (580, [], []),
    ],
)
def test_both_bindings_give_the_same_answer(libraries, tmp_path, driver, scenario, shown):
    by_pynvml, by_us, chosen = answers(tmp_path, ["driver 575.64.03", *scenario], libraries[driver])
    assert by_pynvml == by_us == chosen
    assert by_us["driver"] == "575.64.03"
    assert len(by_us["devices"]) == len(shown)
    assert [
        {key: device[key] for key in wanted} for device, wanted in zip(by_us["devices"], shown, strict=True)
    ] == shown


def test_slices(libraries, tmp_path):
    by_pynvml, by_us, _chosen = answers(tmp_path, MIG, libraries[580])
    assert by_pynvml == by_us
    assert [(part["uuid"][-1], part["gpu_instance"], part["memory_total"]) for part in by_us["devices"][0]["mig"]] == [
        ("1", 1, 20 * GIB),
        ("2", 5, 10 * GIB),
    ]


@pytest.mark.parametrize("status", [4, 9, 15, 17, 18, 999])
def test_both_bindings_refuse_alike(libraries, tmp_path, status):
    by_pynvml, by_us, chosen = answers(tmp_path, [f"init {status}"], libraries[580])
    assert by_pynvml["error"] == by_us["error"] == chosen["error"] == status
    assert by_us["message"]


def test_a_driver_older_than_nvidia_ml_py_is_asked_by_our_own_binding(libraries, tmp_path):
    by_pynvml, by_us, chosen = answers(tmp_path, gpu(0), libraries[375])
    assert by_pynvml["error"] == 13
    assert by_us == chosen
    assert by_us["devices"][0]["bus_id"] == "0000:01:00.0"
    assert by_us["cuda"] == 13000


def test_a_driver_that_never_answers_is_left_alone_after_a_while(libraries, tmp_path):
    code = BOTH.partition("import pynvml")[0] + "nvml.SECONDS = 0.5\nprint(json.dumps(nvml.ask_host()))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment(tmp_path, ["init hang"], libraries[580]),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert json.loads(done.stdout) == {"error": 124, "message": "no answer within 0.5 s"}


# --- the whole module, on machines that look like the real ones -------------------------------------------------------


def nvidia_machine(*minors):
    """A native host: kernel module 580.142, a card for each minor, all nodes there."""
    files = {
        "/proc/driver/nvidia/version": "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.142  Release Build\n"
    }
    nodes = [["/dev/nvidiactl", 195, 255], ["/dev/nvidia-uvm", 511, 0]]
    for index, minor in enumerate(minors):
        bus = f"0000:{index + 1:02x}:00.0"
        files |= {f"/sys/bus/pci/devices/{bus}/vendor": "0x10de\n", f"/sys/bus/pci/devices/{bus}/class": "0x030200\n"}
        nodes.append([f"/dev/nvidia{minor}", 195, minor])
    return {"files": files, "nodes": nodes}


AMD = {
    "files": {
        "/sys/bus/pci/devices/0000:03:00.0/vendor": "0x1002\n",
        "/sys/bus/pci/devices/0000:03:00.0/device": "0x744c\n",
        "/sys/bus/pci/devices/0000:03:00.0/class": "0x030000\n",
        "/sys/bus/pci/devices/0000:03:00.0/mem_info_vram_total": f"{24 * GIB}\n",
        "/sys/bus/pci/drivers/amdgpu/bind": "",
        "/sys/class/drm/card0/device/vendor": "0x1002\n",
        "/sys/class/drm/card0/device/device": "0x744c\n",
        "/sys/class/drm/card0/device/uevent": "DRIVER=amdgpu\nPCI_SLOT_NAME=0000:03:00.0\n",
        "/sys/class/drm/card0/device/drm/renderD128/dev": "226:128\n",
        "/sys/class/drm/card0/device/mem_info_vram_total": f"{24 * GIB}\n",
        "/sys/class/kfd/kfd/topology/nodes/1/gpu_id": "1234\n",
        "/sys/class/kfd/kfd/topology/nodes/1/properties": "gfx_target_version 110000\ndrm_render_minor 128\nlocation_id 768\n",
    },
    "links": {"/sys/bus/pci/devices/0000:03:00.0/driver": "../../drivers/amdgpu"},
    "nodes": [["/dev/kfd", 235, 0], ["/dev/dri/card0", 226, 0], ["/dev/dri/renderD128", 226, 128]],
}


def facts(folder, machine, scenario=(), directory="/nowhere", **more):
    """(what gpu_facts returns, which processes it started) on a made-up machine."""
    (folder / "machine.json").write_text(json.dumps(machine))
    namespace = ["unshare", "--mount", "--propagation", "private", sys.executable]
    call = [sys.executable, "-c", MODULE, json.dumps({"ANSIBLE_MODULE_ARGS": {"engines": []}})]
    done = subprocess.run(
        [*namespace, str(ROOT / "tests/integration/made_up_machine.py"), str(folder / "machine.json"), *call],
        env={**environment(folder, scenario, directory), **more},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    started = [line for line in done.stderr.splitlines() if line.startswith("started:")]
    return json.loads(done.stdout)["gpu"], started


def codes(found):
    return [each["code"] for each in found["findings"]]


def test_two_gpus_without_a_process(libraries, tmp_path):
    found, started = facts(tmp_path, nvidia_machine(1, 0), TWO, libraries[580])
    assert started == []
    assert (found["stack"], found["stacks"][0]["reason"]) == (
        "nvidia",
        "driver 580.142 answers for 2 of 2 GPUs (NVML)",
    )
    shown = [(each["index"], each["minor"], each["bus_id"], each["memory_bytes"]) for each in found["devices"]]
    assert shown == [(0, 1, "0000:01:00.0", 48 * GIB), (1, 0, "0000:02:00.0", 48 * GIB)]
    assert [each["nodes"][1]["path"] for each in found["devices"]] == ["/dev/nvidia1", "/dev/nvidia0"]


def test_slices_and_their_nodes(libraries, tmp_path):
    machine = nvidia_machine(0)
    minors = "config 1\ngpu0/gi1/access 12\ngpu0/gi1/ci0/access 13\ngpu0/gi5/access 48\ngpu0/gi5/ci0/access 49\n"
    machine["files"]["/proc/driver/nvidia-caps/mig-minors"] = minors
    machine["nodes"] += [[f"/dev/nvidia-caps/nvidia-cap{minor}", 237, minor] for minor in (12, 13, 48)]
    found, started = facts(tmp_path, machine, MIG, libraries[580])
    assert started == []
    assert [[node["minor"] for node in part["nodes"]] for part in found["devices"][0]["mig"]] == [[12, 13], [48]]
    missing = next(each for each in found["findings"] if each["code"] == "mig-nodes-missing")
    assert "nvidia-cap49" in missing["evidence"]


@pytest.mark.parametrize(
    ("scenario", "driver", "ready", "code"),
    [
        (["init 18"], 580, False, "driver-library-mismatch"),
        (["init 9"], 580, False, "driver-not-loaded"),
        (["init 4"], 580, False, "no-permission"),
        ([*gpu(0), *gpu(1, "refuse nvmlDeviceGetHandleByIndex_v2 15")], 580, True, "gpu-lost"),
        (gpu(0, "refuse nvmlDeviceGetHandleByIndex_v2 15"), 580, False, "gpu-lost"),
        (["init 15"], 580, False, "gpu-lost"),
        (gpu(0, "mig 1"), 580, False, "mig-without-instances"),
        (gpu(0), 440, True, "gpu-not-driven"),
        (gpu(0), 375, True, "gpu-not-driven"),
        ([], 580, False, "nvidia-no-devices"),
    ],
)
def test_what_is_wrong_is_said(libraries, tmp_path, scenario, driver, ready, code):
    found, started = facts(tmp_path, nvidia_machine(0, 1), scenario, libraries[driver])
    assert started == []
    assert found["stacks"][-1]["name"] == "cpu"
    assert next(stack["ready"] for stack in found["stacks"] if stack["name"] == "nvidia") is ready
    assert code in codes(found)
    said = found["findings"][codes(found).index(code)]
    assert said["evidence"] and said["probe"] and said["mend"]


def test_an_amd_host_starts_no_process(tmp_path):
    found, started = facts(tmp_path, AMD)
    assert started == []
    assert "rocm" in [stack["name"] for stack in found["stacks"]]


def test_a_host_without_a_gpu_starts_no_process(tmp_path):
    found, started = facts(tmp_path, {})
    assert (found["stack"], started) == ("cpu", [])
    assert found["findings"] == []


# --- WSL2: the libraries lie where only Windows' own list of directories has them, and may crash -----------------------


def wsl_machine(libraries):
    names = ("libnvidia-ml.so.1", "libcuda.so.1")
    copies = {f"/usr/lib/wsl/lib/{name}": str(libraries[580] / name) for name in names}
    return {"nodes": [["/dev/dxg", 10, 125]], "copies": copies}


@pytest.fixture
def as_wsl(libraries, tmp_path):
    def ask(scenario, cuda="init 0"):
        return facts(tmp_path, wsl_machine(libraries), scenario, GPU_FLEET_CUDA=cuda, CUDA_VISIBLE_DEVICES="")

    return ask


def test_wsl_finds_its_library_by_path(as_wsl):
    found, started = as_wsl(["driver 572.83", *gpu(0, "refuse nvmlDeviceGetMinorNumber 3")])
    assert (found["platform"], found["stack"]) == ("wsl2", "nvidia-wsl")
    device = found["devices"][0]
    assert (device["driver"], device["minor"], device["nodes"][0]["path"]) == ("572.83", None, "/dev/dxg")
    # A copy of this process, in case that the library crashes; no program is started.
    assert started == ["started: os.fork"]


def test_nvml_crashes_and_cuda_works(as_wsl):
    found, _started = as_wsl(["init crash"])
    # The loader's list is the real machine's, which does not know Windows' directory: the library is found by its path.
    assert (found["stack"], codes(found)) == ("nvidia-wsl", ["nvidia-smi-crashed", "wsl-loader-path"])
    assert "SIGSEGV" in found["findings"][0]["evidence"]
    device = found["devices"][0]
    assert (device["name"], device["memory_bytes"], device["compute_capability"]) == (
        "NVIDIA GeForce RTX 4090",
        24563 << 20,
        "8.9",
    )
    assert device["uuid"] == "GPU-00112233-4455-6677-8899-aabbccddeeff"


@pytest.mark.parametrize("cuda", ["crash", "init 100", "init 999"])
def test_nvml_crashes_and_cuda_does_not_work(as_wsl, cuda):
    found, _started = as_wsl(["init crash"], cuda)
    assert found["stack"] == "cpu"
    assert set(codes(found)) == {"nvidia-smi-crashed", "gpu-unproven", "wsl-loader-path"}
