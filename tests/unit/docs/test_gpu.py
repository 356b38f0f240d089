# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/gpu.md: its stacks, options and commands are those of the code, its outputs are what the code prints, and what its
table and its group file say of access holds on the snapshots."""

from __future__ import annotations

import re
import typing as t
from pathlib import Path

import pytest
import yaml

from ansible_collections.gpu_fleet.containers.plugins.module_utils._access import plan as access
from ansible_collections.gpu_fleet.containers.plugins.module_utils._access.facts import gather
from ansible_collections.gpu_fleet.containers.plugins.module_utils._access.named import (
    named_devices,
    with_named_devices,
)
from ansible_collections.gpu_fleet.containers.plugins.module_utils._errors import InputError
from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu import snapshot
from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu.model import GpuHost
from ansible_collections.gpu_fleet.containers.plugins.module_utils._group.config import GpuRequest
from ansible_collections.gpu_fleet.containers.plugins.module_utils._group.gpu_answer import Answer, Device, Library
from ansible_collections.gpu_fleet.containers.plugins.module_utils._group.gpu_check import judge
from ansible_collections.gpu_fleet.containers.plugins.module_utils._group.gpu_look import GpuNotSeen, complaint
from ansible_collections.gpu_fleet.containers.plugins.modules.gpu_facts import ARGUMENTS, RETURN
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils import _doctor, _report
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._compose.group import load_group
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._compose.spec import STACKS

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "gpu.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^    (ansible\S* .*)$", PAGE, re.MULTILINE)
EXCERPT, COMPLAINT, STATUS = re.findall(r"^```text\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
GROUP = re.search(r"^```yaml\n# groups/gpus\.yml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def table(head: str) -> list[list[str]]:
    """Cells of the rows below a table's head that begins like this, without backquotes."""
    rows = PAGE.split(f"\n{head}", 1)[1].split("\n\n", 1)[0].splitlines()[2:]
    return [[cell.strip().replace("`", "") for cell in row.strip("|").split("|")] for row in rows]


def gpu_of(name: str) -> dict[str, t.Any]:
    reader = snapshot.ReplayReader(snapshot.load(str(ROOT / "tests/fixtures/hosts" / f"{name}.json")))
    return gather(reader, ["docker", "podman"])


def test_the_stacks_are_those_of_group_files_and_of_the_planners() -> None:
    named = [row[0] for row in table("| stack | machines |")]
    assert named == list(STACKS)
    assert named == [*access._PLANNERS, "cpu"]


def test_the_modes_are_those_of_plans() -> None:
    modes = {plan["gpu"]["mode"] for name in CASES for plan in gpu_of(name[0])["access"][name[1]].values()}
    # A Mac's program that lends Metal stands in its inventory, in no snapshot (test_elsewhere.py).
    assert {row[0] for row in table("| mode | what it is |")} == {*modes, "network"}


# What the table of stacks says of engines: snapshot, engine, stack, what the page calls it, and the mode that this is.
CASES = [
    ("engines-docker-28-discovered", "docker", "nvidia", "CDI", "cdi"),
    ("nvidia-multi", "docker", "nvidia", "--gpus", "nvidia-runtime"),
    ("engines-docker-24-spec", "docker", "nvidia", "the spec carried out", "explicit"),
    ("nvidia-mig", "podman", "nvidia", "CDI", "cdi"),
    ("engines-podman-4.9-additional-gids", "podman", "nvidia", "the spec carried out", "explicit"),
    ("wsl2-mainpc-toolkit", "docker", "nvidia-wsl", "CDI", "cdi"),
    ("wsl2-mainpc-stale-spec", "docker", "nvidia-wsl", "--gpus", "nvidia-runtime"),
    ("wsl2-mainpc-docker-desktop", "docker", "nvidia-wsl", "--gpus", "nvidia-runtime"),
    ("wsl2-two-gpus", "docker", "nvidia-wsl", "/dev/dxg with /usr/lib/wsl", "explicit"),
    ("wsl2-mainpc-toolkit", "podman", "nvidia-wsl", "CDI", "cdi"),
    ("wsl2-mainpc-stale-spec", "podman", "nvidia-wsl", "/dev/dxg with /usr/lib/wsl", "explicit"),
    ("jetson-orin", "docker", "nvidia-tegra", "NVIDIA's runtime", "nvidia-runtime"),
    ("engines-amd-spec", "docker", "rocm", "/dev/kfd and render nodes", "explicit"),
    ("engines-amd-spec", "podman", "rocm", "the same", "cdi"),
    ("rocm-wsl-ready", "docker", "rocm-wsl", "/dev/dxg and the host's libraries for it", "explicit"),
    ("rocm-wsl-ready", "podman", "rocm-wsl", "the same", "explicit"),
    ("intel-nvidia-laptop", "podman", "intel", "the same", "explicit"),
    ("amd-apu-and-discrete", "docker", "vulkan", "render nodes", "explicit"),
    ("raspberry-pi-4", "podman", "videocore", "the same", "explicit"),
    ("venus-qemu", "podman", "venus", "the same", "explicit"),
    ("mac-m2-podman-libkrun", "podman", "venus", "its machine's /dev/dri", "explicit"),
    ("mac-m2-podman-libkrun", "docker", "venus", "nothing on a Mac", "none"),
    ("mac-m2-podman-libkrun", "podman", "metal", "nothing", "none"),
    ("cpu-server", "docker", "cpu", "nothing is needed", "none"),
]


@pytest.mark.parametrize(("name", "engine", "stack", "words", "mode"), CASES)
def test_what_the_table_says_of_engines(name: str, engine: str, stack: str, words: str, mode: str) -> None:
    row = next(row for row in table("| stack | machines |") if row[0] == stack)
    assert words in row[{"docker": 3, "podman": 4}[engine]]
    assert gpu_of(name)["access"][engine][stack]["gpu"]["mode"] == mode


def test_every_stack_that_is_given_by_nodes_is_tried() -> None:
    assert {case[2] for case in CASES} == set(STACKS)


def test_the_excerpt_is_what_the_doctor_says() -> None:
    (name,) = set(re.findall(r"tests/fixtures/hosts/([\w.-]+)\.json", PAGE))
    said = iter(_doctor.doctor_lines(_doctor.doctor_data({"mainpc": {"gpu": gpu_of(name)}})))
    for line in EXCERPT.splitlines():
        start, cut, _rest = line.partition("…")
        # `in` goes on from the line before: lines may be left out, none may stand in another place.
        assert any(each.startswith(start.rstrip()) if cut else each == line for each in said), line


def test_the_playbooks_modules_and_options_in_commands_are_there() -> None:
    options = re.findall(r"^#.* -e (doctor_\w+)=", (ROOT / "playbooks/doctor.yml").read_text(), re.MULTILINE)
    assert set(re.findall(r"doctor_\w+", PAGE)) == set(options)
    assert set(re.findall(r"{{ (doctor_\w+)", (ROOT / "playbooks/doctor.yml").read_text())) == set(options)
    assert len(COMMANDS) >= 5
    for command in COMMANDS:
        assert all((ROOT / path).is_file() for path in re.findall(r"(?<![\w/])playbooks/\w+\.yml", command)), command
        assert all((ROOT / path).is_file() for path in re.findall(r"\$PWD/(\S+)", command)), command
        assert all(name in ARGUMENTS for name in re.findall(r" -a (\w+)=", command)), command
    for playbook in re.findall(r"`(\w+\.yml)", PAGE):
        assert (ROOT / "playbooks" / playbook).is_file(), playbook
    assert {"record", "replay", "thorough"} <= {name for name in ARGUMENTS if f"`{name}`" in PAGE}
    assert {"npus"} <= set(yaml.safe_load(RETURN)["gpu"]["contains"])


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> t.Any:
    assert GROUP is not None
    path = tmp_path_factory.mktemp("groups") / "gpus.yml"
    path.write_text(GROUP.group(1))
    spec = load_group(path, {}, frozenset())
    assert spec.warnings == ()
    return {name: spec.extensions[name].gpu for name in spec.services}


@pytest.mark.parametrize(
    ("name", "engine", "node"),
    [("engines-amd-spec", "podman", "amd.com/gpu=0"), ("engines-amd-spec", "docker", "/dev/kfd:/dev/kfd:rwm")],
)
def test_a_device_by_its_name_goes_either_way(name: str, engine: str, node: str, services: dict[str, t.Any]) -> None:
    assert services["any-device"] is None
    host = GpuHost.from_dict(gpu_of(name))
    none = access.AccessPlan(GpuRequest(stack="cpu", mode="none", reason=""))
    assert GROUP is not None
    devices = yaml.safe_load(GROUP.group(1))["services"]["any-device"]["devices"]
    given = with_named_devices(none, host, host.engines[engine], named_devices(devices))
    assert given.devices[0] == node
    with pytest.raises(InputError, match="does not resolve the CDI device"):
        with_named_devices(none, host, host.engines[engine], ["example.org/gpu=0"])


def planned(name: str, engine: str, wish: t.Any) -> access.AccessPlan:
    host = GpuHost.from_dict(gpu_of(name))
    return access.plan_access(host, host.engines[engine], wish)


def test_services_get_what_the_comments_say(services: dict[str, t.Any]) -> None:
    with pytest.raises(InputError, match="nvidia: podman .* Or name in x-gpu.stacks what else will do"):
        # Podman on this laptop has no way to NVIDIA's GPU, which ranks first, and would have one to Intel's.
        planned("intel-nvidia-laptop", "podman", services["whatever-there-is"])
    assert len(planned("engines-amd-spec", "podman", services["whatever-there-is"]).gpu.uuids) == 2
    with pytest.raises(InputError, match="a GPU is wanted and none can be used"):
        planned("cpu-server", "docker", services["whatever-there-is"])
    fallback = planned("intel-nvidia-laptop", "podman", services["prefers-nvidia"])
    assert (fallback.gpu.stack, fallback.cpu_fallback) == ("cpu", True)
    assert planned("engines-amd-spec", "podman", services["prefers-nvidia"]).gpu.stack == "rocm"
    (largest,) = planned("engines-amd-spec", "podman", services["one-with-room"]).promise.names
    assert largest == "AMD Radeon Pro W7900"
    assert planned("nvidia-mig", "podman", services["one-slice"]).gpu.cdi_devices == ("nvidia.com/gpu=0:1",)
    with pytest.raises(InputError, match="there is no GPU 1"):
        planned("engines-docker-28-discovered", "docker", services["these-two"])
    drawing = planned("raspberry-pi-4", "docker", services["draws"])
    assert "/dev/dri/card1" in drawing.devices
    assert "/dev/dri/card1" not in planned("raspberry-pi-4", "docker", services["one-with-room"]).devices
    assert "/dev/accel/accel0" in planned("intel-meteor-lake-npu", "podman", services["with-npu"]).devices


def test_the_complaint_is_what_a_deploy_says() -> None:
    host = GpuHost.from_dict(gpu_of("amd-discrete"))
    promise = access.plan_access(host, host.engines["podman"], access.GpuWish(stacks=("vulkan",))).promise
    assert promise is not None
    rasteriser = Device("llvmpipe (LLVM 15.0.6, 256 bits)", vendor=0x10005, software=True)
    answer = Answer("python3", libraries=(Library("vulkan", "libvulkan.so.1", devices=(rasteriser,)),))
    said = str(GpuNotSeen(complaint(promise, judge(promise, answer)), "speech/recognizer"))
    assert said == COMPLAINT.strip()


def test_the_table_is_what_status_says() -> None:
    seen = {"verdict": "seen", "words": "NVIDIA GeForce RTX 4090 seen", "findings": []}
    service = {
        "engine": "podman",
        "group": "speech",
        "service": "recognizer",
        "state": "running",
        "health": "healthy",
        "gpu": {"stack": "nvidia-wsl", "mode": "cdi", "seen": seen},
        "image": "recognizer:1",
        "ports": [],
    }
    assert _report.status_lines({"mainpc": {"services": [service]}}) == STATUS.splitlines()
