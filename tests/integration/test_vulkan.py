"""Vulkan in real containers: a rasteriser runs everywhere, and is never taken for a GPU.

This machine has no GPU, so what Mesa's llvmpipe says is what a container sees whose GPU did not arrive.
"""

from __future__ import annotations

import json
import pathlib

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu.host import describe
from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu.snapshot import ReplayReader
from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu.vulkaninfo import parse
from ansible_collections.gpu_fleet.containers.plugins.module_utils._group.config import ContainerConfig, Mount

from .waiting import SLEEP, output_of, run

PLUGINS = pathlib.Path(__file__).resolve().parents[2] / "plugins"
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
    mounts = (Mount("bind", PLACE, str(PLUGINS), read_only=True),)
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
