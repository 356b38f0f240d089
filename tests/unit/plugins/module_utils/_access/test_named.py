"""Devices asked for by CDI names: passed on, carried out, or refused."""

from __future__ import annotations

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._access.named import (
    named_devices,
    with_named_devices,
)
from ansible_collections.gpu_fleet.containers.plugins.module_utils._access.plan import AccessPlan
from ansible_collections.gpu_fleet.containers.plugins.module_utils._errors import InputError
from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu.model import EngineFacts, GpuHost
from ansible_collections.gpu_fleet.containers.plugins.module_utils._group.config import GpuRequest

from .examples import docker, podman

NAME = "v.com/dev=one"
SPEC = {"v.com/dev": {"edits": {}, "devices": {"one": {"deviceNodes": [{"path": "/dev/v0"}], "additionalGids": [44]}}}}
CARRIES = GpuHost("linux", cdi=SPEC)
NOTHING = AccessPlan(GpuRequest())


def plan(engine, host=CARRIES):
    return with_named_devices(NOTHING, host, engine, [NAME], "here")


READS = {"cdi_devices": (NAME,), "cdi_groups": {NAME: [44]}}
NODE = ("/dev/v0:/dev/v0:rwm",)


@pytest.mark.parametrize(
    ("engine", "devices", "groups"),
    [
        (docker(**READS), (NAME,), ("44",)),
        (podman(**READS), (NAME,), ("44",)),
        (podman(**READS, rootless=True), (NAME,), ("keep-groups",)),
        (docker(**READS, rootless=True), (NAME,), ()),
        (docker(version="20.10.24"), NODE, ("44",)),
        (docker(flavour="podman", version="4.9.3"), NODE, ("44",)),
        (podman(version="4.3.1"), NODE, ("44",)),
        (podman(version="4.3.1", rootless=True), NODE, ("keep-groups",)),
        (podman(version="4.3.1", rootless=True, runtimes=("runc",)), NODE, ()),
    ],
)
def test_how_a_name_reaches_the_container(engine, devices, groups):
    made = plan(engine)
    assert (made.devices, made.group_add) == (devices, groups)
    assert made.gpu == NOTHING.gpu


@pytest.mark.parametrize(
    ("engine", "host", "words"),
    [
        (docker(), GpuHost("linux"), "no CDI spec of this host is of kind v.com/dev"),
        (docker(flavour="desktop"), CARRIES, "virtual machine"),
        (docker(url="tcp://far:2375"), CARRIES, "tcp://far:2375"),
    ],
)
def test_a_name_that_cannot_be_given(engine, host, words):
    with pytest.raises(InputError, match=words) as caught:
        plan(engine, host)
    assert caught.value.path == "here" and "Known to docker: none" in caught.value.mend


def test_names_among_devices():
    devices = [
        "/dev/a:/dev/b",
        {"source": "/dev/c=d/e", "target": "/x", "permissions": "rwm"},
        {"source": "nvidia.com/gpu=0:1", "target": "nvidia.com/gpu=0:1", "permissions": "rwm"},
        "a.b/c.d=e",
        "a/b=-c",
        "1.com/gpu=0",
    ]
    assert named_devices(devices) == ("nvidia.com/gpu=0:1", "a.b/c.d=e")


def test_a_name_that_a_good_spec_does_not_have_is_told_beside_those_that_it_has():
    engine = EngineFacts("podman", True, True, version="5.4.2", cdi_devices=("nvidia.com/gpu=all",))
    with pytest.raises(InputError, match="the spec of nvidia.com/gpu has no device 1, only all"):
        with_named_devices(AccessPlan(GpuRequest()), GpuHost("linux"), engine, ["nvidia.com/gpu=1"])
