"""Vulkan in real containers: a rasteriser runs everywhere, and is never taken for a GPU.

This machine has no GPU, so what Mesa's llvmpipe says is what a container sees whose GPU did not arrive.
"""

from __future__ import annotations

import json
import os
import pathlib
import shutil
import stat

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu.engines import probe_engines
from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu.host import describe
from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu.probe import HostReader
from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu.snapshot import RecordingReader, ReplayReader
from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu.vulkaninfo import parse
from ansible_collections.gpu_fleet.containers.plugins.module_utils._group.config import ContainerConfig, Mount

from .conftest import VULKAN_IMAGE
from .deploy_system import ROOT, Outcome, cli, containers
from .test_deploy_small_groups import NAME, One
from .waiting import SLEEP, output_of, run

NODE = "/dev/dri/renderD128"
PLACE = "/collections/ansible_collections/gpu_fleet/containers/plugins"
# What gpu_facts does with `record`, without the module around it: no ansible-core is in the image.
DETECT = """
import json
from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu.host import describe
from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu.probe import HostReader
from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu.snapshot import RecordingReader
reader = RecordingReader(HostReader(thorough=True))
describe(reader)
print(json.dumps(reader.snapshot()))
"""


@pytest.fixture
def container(engine, name, vulkan_image):
    """A container with Vulkan and this collection's code."""
    mounts = (Mount("bind", PLACE, str(ROOT / "plugins"), read_only=True),)
    environment = {"PYTHONPATH": "/collections", "PYTHONDONTWRITEBYTECODE": "1"}
    run(engine, ContainerConfig(name, vulkan_image(engine), command=SLEEP, mounts=mounts, environment=environment))
    return name


def test_vulkaninfo_in_a_container_shows_the_rasteriser(engine, container):
    (device,) = parse(output_of(engine, container, "vulkaninfo", "--summary"))
    assert (device.kind, device.vendor, device.software) == ("cpu", "0x10005", True)
    assert device.name.startswith("llvmpipe") and device.driver.startswith("Mesa")


def test_detection_in_a_container_finds_no_gpu(engine, container):
    snapshot = json.loads(output_of(engine, container, "python3", "-c", DETECT).splitlines()[-1])
    assert "llvmpipe" in snapshot["commands"]["vulkaninfo --summary"]["stdout"]
    host = describe(ReplayReader(snapshot))
    assert host.platform == "container"
    assert [stack.name for stack in host.stacks if stack.ready] == ["cpu"]
    (found,) = [found for found in host.findings if found.code == "vulkan-software"]
    assert "llvmpipe" in found.evidence and found.mend


class Promised(One):
    """A host that, by a replayed snapshot, has a GPU for Vulkan; its render node is like /dev/null."""

    def __init__(self, folder: pathlib.Path) -> None:
        super().__init__(folder)
        snapshot = folder / "snapshot.json"
        snapshot.write_text(json.dumps(with_a_card(this_machine())))
        self.playbooks = folder / "playbooks"
        shutil.copytree(ROOT / "playbooks", self.playbooks)
        deploy = self.playbooks / "deploy.yml"
        text = deploy.read_text()
        assert text.count("gpu_fleet.containers.gpu_facts:\n") == 1
        deploy.write_text(
            text.replace(
                "gpu_fleet.containers.gpu_facts:\n", f"gpu_fleet.containers.gpu_facts:\n        replay: {snapshot}\n"
            )
        )

    def stacks(self, *names: str) -> None:
        """In order of preference; none: the service asks for no GPU."""
        wish = f"    gpus: all\n    x-gpu: {{stacks: [{', '.join(names)}]}}\n" if names else ""
        (self.inventory / "groups/one.yml").write_text(
            f"name: one\nx-fleet: {{timeout: 60s}}\nservices:\n  it:\n    image: {VULKAN_IMAGE}\n"
            f"    stop_grace_period: 2s\n{wish}    command: {json.dumps(SLEEP)}\n"
        )

    def deploy(self, *arguments: str, rc: int = 0) -> Outcome:
        return self.play(str(self.playbooks / "deploy.yml"), *arguments, rc=rc)


def this_machine() -> dict:
    """A snapshot with its real engines."""
    reader = RecordingReader(HostReader())
    describe(reader)
    probe_engines(reader, ("podman", "docker"))
    return reader.snapshot()


def with_a_card(snapshot: dict) -> dict:
    card = "/sys/class/drm/card0/device"
    snapshot["directories"] |= {
        "/sys/class/drm": ["card0", "renderD128"],
        f"{card}/drm": ["card0", "renderD128"],
        "/dev/dri": ["renderD128"],
        "/usr/share/vulkan/icd.d": ["radeon_icd.x86_64.json"],
    }
    # Navi 31 (a made-up host: nothing of this was seen on hardware).
    snapshot["files"] |= {f"{card}/vendor": "0x1002\n", f"{card}/device": "0x744c\n", f"{card}/class": "0x030000\n"}
    snapshot["links"] |= {f"{card}/driver": "../../../../bus/pci/drivers/amdgpu"}
    snapshot["nodes"] |= {NODE: {"kind": "char", "major": 1, "minor": 3, "mode": "0666", "uid": 0, "gid": 0}}
    return snapshot


@pytest.fixture(params=["podman", "docker"])
def promised(request, vulkan_image, link_address, tmp_path):
    vulkan_image(request.getfixturevalue(f"{request.param}_engine"))
    # /dev/dri is the private machine's own.
    os.mknod(NODE, 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    os.chmod(NODE, 0o666)
    system = Promised(tmp_path)
    system.use(request.param)
    try:
        yield system
        system.play("playbooks/teardown.yml")
    finally:
        os.unlink(NODE)


def test_a_container_that_wants_a_gpu_and_gets_a_rasteriser_is_refused(promised: Promised) -> None:
    promised.stacks()
    promised.deploy()
    before = containers(promised.engine)[NAME]

    promised.stacks("vulkan")
    failed = promised.deploy(rc=2)
    assert "llvmpipe" in failed.errors[0] and "software" in failed.errors[0], failed.errors
    # Others may run here that another test left; the one that was there is brought back, as it was.
    after = containers(promised.engine)[NAME]
    assert (after.id, after.running) == (before.id, True)


def test_where_the_cpu_is_allowed_it_runs_and_the_summary_says_so(promised: Promised) -> None:
    promised.stacks("vulkan", "cpu")
    outcome = promised.deploy()
    assert containers(promised.engine)[NAME].running
    assert "/dev/dri/renderD128" in cli(promised.engine, "exec", NAME, "ls", NODE)
    summary = outcome.output.rpartition("TASK [Summary")[2]
    assert "llvmpipe" in summary, outcome.output
    promised.nothing_to_do()
