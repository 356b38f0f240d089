"""What containers see of the GPU they were given, asked inside them on the real engines.

There is no GPU: device nodes of other drivers stand for its nodes, a small library for the driver's libcuda, and Mesa's
software rasteriser is what it is.
"""

from __future__ import annotations

import json
import os
import pathlib
import stat
import subprocess
import sys
import tarfile
import typing as t
from dataclasses import replace

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._engine.base import ObservedContainer
from ansible_collections.gpu_fleet.containers.plugins.module_utils._group import gpu_probe
from ansible_collections.gpu_fleet.containers.plugins.module_utils._group.config import (
    GpuPromise,
    GpuRequest,
    Group,
    Mount,
    Service,
    to_dict,
)
from ansible_collections.gpu_fleet.containers.plugins.module_utils._group.gpu_answer_shell import from_shell
from ansible_collections.gpu_fleet.containers.plugins.module_utils._group.gpu_check import judge
from ansible_collections.gpu_fleet.containers.plugins.module_utils._group.gpu_look import look
from ansible_collections.gpu_fleet.containers.plugins.module_utils._group.owned import deployed_promise, owned_by

from .deploy_system import ROOT
from .test_faults import Host

NODE = "/dev/gpu0"
GID = 4242
NULL = os.makedev(1, 3)

# CUDA's driver API as far as the probe calls it (cuda.h). The environment says how many GPUs there are and what fails.
LIBCUDA = """
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
static const char *word(const char *name) { const char *said = getenv(name); return said ? said : ""; }
int cuInit(unsigned flags) {
    if (!strcmp(word("MADE_UP_INIT"), "hangs")) for (;;) pause();
    if (!strcmp(word("MADE_UP_INIT"), "crashes")) raise(SIGSEGV);
    return flags ? 1 : atoi(word("MADE_UP_INIT"));
}
int cuDriverGetVersion(int *version) { *version = 12080; return 0; }
int cuDeviceGetCount(int *count) { *count = atoi(word("MADE_UP_GPUS")); return 0; }
int cuDeviceGet(int *device, int index) { *device = index; return 0; }
int cuDeviceGetName(char *name, int size, int device) { snprintf(name, size, "Made-up GPU %d", device); return 0; }
int cuDeviceTotalMem_v2(size_t *bytes, int device) { *bytes = (size_t)(24 + device) << 30; return 0; }
int cuDeviceGetUuid(unsigned char *uuid, int device) { memset(uuid, 0x11, 16); uuid[15] = device; return 0; }
int cuDeviceGetUuid_v2(unsigned char *uuid, int device) {
    memset(uuid, *word("MADE_UP_MIG") ? 0x22 : 0x11, 16); uuid[15] = device; return 0;
}
"""
UUID = "GPU-11111111-1111-1111-1111-1111111111"
SLICE = "MIG-22222222-2222-2222-2222-2222222222"


@pytest.fixture
def host(engine, name, tmp_path):
    made = Host(engine, name, tmp_path)
    yield made
    made.run(prune=True)


@pytest.fixture
def node(tmp_path) -> pathlib.Path:
    """A device that only root and one group may open."""
    path = tmp_path / "gpu0"
    os.mknod(path, 0o660 | stat.S_IFCHR, NULL)
    os.chmod(path, 0o660)
    os.chown(path, 0, GID)
    return path


@pytest.fixture(scope="session")
def libcuda(tmp_path_factory) -> pathlib.Path:
    """The directory of a libcuda.so.1 that obeys its environment."""
    folder = tmp_path_factory.mktemp("libcuda")
    (folder / "cuda.c").write_text(LIBCUDA)
    words = ["gcc", "-shared", "-fPIC", "-Wall", "-o", str(folder / "libcuda.so.1"), str(folder / "cuda.c")]
    subprocess.run(words, check=True)
    return folder


def given(service: Service, node: pathlib.Path, promise: GpuPromise, **config: t.Any) -> Service:
    """The service with the device, and what it must see."""
    return replace(service, config=replace(service.config, devices=(f"{node}:{NODE}:rwm",), **config), promise=promise)


def seen(result: dict[str, t.Any], service: str = "web") -> dict[str, t.Any]:
    return result["groups"]["g"]["gpu"][service]


def test_a_node_that_opens_is_enough_where_nothing_can_name_the_gpu(host, node):
    """busybox has a shell and no Python."""
    promise = GpuPromise("vulkan", (NODE,))
    group = host.group(given(host.service("web"), node, promise), host.service("other"))
    result = host.run(group)
    assert result["groups"]["g"]["status"] == "changed"
    assert (seen(result)["verdict"], seen(result)["nodes"], seen(result)["findings"]) == ("seen", [NODE], [])
    assert "other" not in result["groups"]["g"]["gpu"]

    again = host.run(group)
    assert not again["changed"] and "gpu" not in again["groups"]["g"], "what was seen is not asked again"
    (container,) = [
        entry for key, entry in owned_by(host.name, host.engine.observe()).current.items() if key[1] == "web"
    ]
    assert deployed_promise(container) == promise
    changed = host.group(replace(group.services[0], promise=replace(promise, allows_cpu=True)), group.services[1])
    assert not host.run(changed)["changed"], "another promise alone makes nothing anew"


def test_a_node_that_its_user_may_not_open_brings_the_group_back(host, node):
    def group(*devices: str, **config: t.Any) -> Group:
        web = host.service("web", user="1000:1000", environment={"REVISION": str(len(devices))}, **config)
        return host.group(
            replace(web, config=replace(web.config, devices=devices), promise=promise if devices else None)
        )

    promise = GpuPromise("vulkan", (NODE,), names=("Made-up GPU",))
    host.run(group())
    before = {entry.id for entry in host.engine.observe().containers}
    result = host.run(group(f"{node}:{NODE}:rwm"))
    assert result["failed"]
    for words in (
        "does not see the GPU it was given (vulkan: Made-up GPU)",
        f"{NODE} cannot be opened by uid 1000",
        f"mode 0660, uid 0, gid {GID}",
        f'group_add: ["{GID}"]',
        "brought back as it was: web",
    ):
        assert words in result["msg"]
    assert [entry["code"] for entry in seen(result)["findings"]] == ["gpu-node-unopenable"]
    assert {entry.id for entry in host.engine.observe().containers} == before
    assert host.running() == {f"{host.name}-web-1"}

    result = host.run(group(f"{node}:{NODE}:rwm", group_add=(str(GID),)))
    assert seen(result)["verdict"] == "seen", "the probe has the groups of the container's own user"


def test_a_mount_in_place_of_a_device_is_refused(host, node):
    """A node that is only mounted is not among the devices the engine allows. Root of the container may read its mode."""
    promise = GpuPromise("vulkan", (NODE, "/dev/gpu1"))
    mounted = Mount("bind", NODE, str(node))
    web = host.service("web", mounts=(mounted,))
    # /dev/null's numbers are allowed to every container, /dev/kmsg's are not.
    node.unlink()
    os.mknod(node, 0o666 | stat.S_IFCHR, os.makedev(1, 11))
    result = host.run(host.group(replace(web, promise=promise)))
    assert {entry["code"] for entry in seen(result)["findings"]} == {"gpu-node-refused", "gpu-node-missing"}
    assert result["failed"] and host.running() == set()


def test_software_is_no_gpu(host, node, vulkan_image):
    image = vulkan_image(host.engine)
    promise = GpuPromise("vulkan", (NODE,), names=("Made-up GPU",), count=1)

    def group(promise: GpuPromise) -> Group:
        return host.group(given(host.service("web"), node, promise, image=image))

    refused = host.run(group(promise))
    assert refused["failed"] and host.running() == set()
    assert [entry["code"] for entry in seen(refused)["findings"]] == ["gpu-software-only"]
    assert "llvmpipe" in refused["msg"] and "which is software" in refused["msg"]

    allowed = host.run(group(replace(promise, allows_cpu=True)))
    assert allowed["groups"]["g"]["status"] == "changed" and host.running() == {f"{host.name}-web-1"}
    assert seen(allowed)["verdict"] == "not seen"
    assert [entry["level"] for entry in seen(allowed)["findings"]] == ["warning"]
    assert any("llvmpipe" in text for text in allowed["warnings"])

    _status, said = host.engine.run_in(f"{host.name}-web-1", gpu_probe.shell_command(promise), 30)
    by_shell = judge(promise, from_shell(said))
    assert [entry.code for entry in by_shell.findings] == ["gpu-software-only"], "vulkaninfo says what the library says"
    assert by_shell.findings[0].probe == "vulkaninfo --summary"


@pytest.mark.parametrize(
    ("environment", "promised", "verdict", "codes"),
    [
        ({"MADE_UP_GPUS": "2"}, {"uuids": (f"{UUID}00", f"{UUID}01"), "count": 2}, "seen", []),
        ({"MADE_UP_GPUS": "1"}, {"count": 2}, "not seen", ["gpu-fewer"]),
        ({"MADE_UP_GPUS": "1"}, {"uuids": (f"{UUID}07",), "count": 1}, "not seen", ["gpu-other"]),
        ({"MADE_UP_GPUS": "1", "MADE_UP_MIG": "1"}, {"uuids": (f"{SLICE}00", f"{SLICE}01"), "count": 2}, "seen", []),
        ({"MADE_UP_GPUS": "0"}, {}, "not seen", ["gpu-not-seen"]),
        ({"MADE_UP_GPUS": "0", "CUDA_VISIBLE_DEVICES": "9"}, {}, "not seen", ["gpu-hidden"]),
        ({"MADE_UP_INIT": "100"}, {}, "not seen", ["gpu-not-seen"]),
        ({"MADE_UP_INIT": "803"}, {}, "not seen", ["gpu-driver-mismatch"]),
        ({"MADE_UP_INIT": "804"}, {}, "not seen", ["gpu-compat-unsupported"]),
        ({"MADE_UP_INIT": "999"}, {}, "not seen", ["gpu-library-failed"]),
        ({"MADE_UP_INIT": "crashes"}, {}, "not seen", ["gpu-library-failed"]),
        ({"MADE_UP_INIT": "hangs"}, {}, "not seen", ["gpu-probe-hung"]),
        ({"LD_LIBRARY_PATH": ""}, {}, "not seen", ["gpu-library-missing"]),
    ],
    ids=lambda value: ",".join(value.values()) if isinstance(value, dict) and "MADE" in "".join(value) else None,
)
def test_what_libcuda_says(node, libcuda, monkeypatch, environment, promised, verdict, codes):
    monkeypatch.setattr(gpu_probe, "LIMIT", 1.0)
    promise = GpuPromise("nvidia", (str(node),), **promised)
    found = look(Here({"LD_LIBRARY_PATH": str(libcuda), **environment}), "here", promise)
    assert (found.verdict, [entry.code for entry in found.findings]) == (verdict, codes)
    assert all(entry.evidence and entry.probe and entry.mend for entry in found.findings)
    if verdict == "seen":
        first = found.devices[0]
        assert (found.by, first.name, first.memory_bytes) == ("libcuda.so.1", "Made-up GPU 0", 24 << 30)
        assert first.full_uuid == promise.uuids[0]


class Here:
    """This machine in place of a container: the probe's programs run as they are."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.environment = environment

    def run_in(self, _name: str, argv: t.Sequence[str], timeout: float) -> tuple[int, str]:
        done = subprocess.run(
            argv, env={**os.environ, **self.environment}, capture_output=True, text=True, timeout=timeout, check=False
        )
        return done.returncode, done.stdout + done.stderr

    def container(self, name: str) -> ObservedContainer:
        return ObservedContainer(name, name, "", "", "running")


@pytest.mark.parametrize(("code", "verdict"), [("0", "seen"), ("803", "not seen")])
def test_a_driver_in_a_container(host, node, libcuda, vulkan_image, code, verdict):
    promise = GpuPromise("nvidia", (NODE,), (f"{UUID}00",), ("Made-up GPU",), 1)
    driver = Mount("bind", "/driver", str(libcuda), read_only=True)
    environment = {"LD_LIBRARY_PATH": "/driver", "MADE_UP_GPUS": "1", "MADE_UP_INIT": code}
    web = host.service("web", mounts=(driver,), environment=environment)
    result = host.run(host.group(given(web, node, promise, image=vulkan_image(host.engine))))
    assert seen(result)["verdict"] == verdict
    if verdict == "seen":
        uuid, memory = f"{UUID}00", 24 << 30
        assert seen(result)["devices"] == [{"name": "Made-up GPU 0", "uuid": uuid, "memory_bytes": memory}]
        left = host.engine.run_in(f"{host.name}-web-1", ["sh", "-c", "cat /proc/[0-9]*/comm"], 60)[1]
        assert "python3" not in left, "nothing of the probe stays behind"
    else:
        assert result["failed"] and "gpu-driver-mismatch" in result["msg"]


@pytest.mark.parametrize("with_python", [True, False], ids=["python3", "sh"])
def test_what_cdi_adds_to_the_environment_counts(podman_engine, name, tmp_path, libcuda, vulkan_image, with_python):
    """It reaches the container's first process, and none that is run in it later."""
    tool = libcuda / "nvidia-smi"
    said = f"GPU 0: Made-up GPU 0 (UUID: {UUID}00)"
    tool.write_text(f'#!/bin/sh\n[ "$LD_LIBRARY_PATH" = /driver ] && echo "{said}"\n')
    tool.chmod(0o755)
    edits = {
        "env": ["LD_LIBRARY_PATH=/driver", "MADE_UP_GPUS=1", "MADE_UP_INIT=0"],
        "mounts": [
            {"hostPath": str(libcuda), "containerPath": "/driver", "options": ["ro", "bind"]},
            {"hostPath": str(tool), "containerPath": "/bin/nvidia-smi", "options": ["ro", "bind"]},
        ],
    }
    spec = {"cdiVersion": "0.4.0", "kind": "gpu-fleet.test/gpu", "devices": [{"name": "all", "containerEdits": edits}]}
    file = pathlib.Path("/etc/cdi") / f"{name}.json"
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(spec))
    host = Host(podman_engine, name, tmp_path)
    try:
        image = {"image": vulkan_image(podman_engine)} if with_python else {}
        request = GpuRequest("nvidia", "cdi", cdi_devices=("gpu-fleet.test/gpu=all",))
        service = host.service("web", gpu=request)
        promise = GpuPromise("nvidia", (), (f"{UUID}00",), ("Made-up GPU",), 1)
        service = replace(service, config=replace(service.config, **image), promise=promise)
        result = host.run(host.group(service))
        assert seen(result)["verdict"] == "seen", result
        assert seen(result)["by"] == ("libcuda.so.1" if with_python else "nvidia-smi -L")
    finally:
        host.run(prune=True)
        file.unlink()


def test_an_image_without_python_and_shell_is_not_verified(host, node, busybox_archive, tmp_path):
    archive, image = tmp_path / "bare.tar", "localhost/gpu-fleet-test/bare:1"
    with tarfile.open(busybox_archive) as source, tarfile.open(archive, "w") as bare:
        for member in source.getmembers():
            content = source.extractfile(member) if member.isfile() else None
            if member.name == "./bin/busybox":
                member.name = "./bin/sleep"
            if member.name == "./bin/sleep" and content or member.name.startswith("./lib"):
                bare.addfile(member, content)
    host.engine.import_image(str(archive), image, {})
    promise = GpuPromise("nvidia", (NODE,))
    result = host.run(host.group(given(host.service("web"), node, promise, image=image)))
    assert result["groups"]["g"]["status"] == "changed"
    assert (seen(result)["verdict"], seen(result)["by"]) == ("not verified", "")
    assert [entry["code"] for entry in seen(result)["findings"]] == ["gpu-not-verified"]
    assert any("neither python3 nor sh" in text for text in result["warnings"])
    host.engine.remove_container(f"{host.name}-web-1")
    host.engine.remove_image(image)


def test_one_shots_are_asked_while_they_run_and_one_that_ended_fails_nothing(host, node):
    promise = GpuPromise("vulkan", (NODE,))
    long = given(host.service("long", command=("sleep", "3")), node, promise)
    short = given(host.service("short", command=("true",)), node, promise)
    result = host.run(host.group(replace(long, one_shot=True), replace(short, one_shot=True)))
    assert result["groups"]["g"]["status"] == "changed"
    assert seen(result, "long")["verdict"] == "seen"
    assert seen(result, "short")["findings"] == []


def test_a_container_that_ends_is_said_to_have_ended(host, node):
    """Its exit is the cause, not its GPU."""
    web = given(host.service("web", command=("sh", "-c", "echo no model; exit 3")), node, GpuPromise("vulkan", (NODE,)))
    result = host.run(host.group(web))
    assert result["failed"] and "exit status 3" in result["msg"] and "no model" in result["msg"]
    assert "GPU" not in result["msg"]


VERIFY = """
- hosts: all
  gather_facts: false
  tasks:
    - gpu_fleet.containers.container_groups_info:
        host: "{{ inventory_hostname }}"
        engine: "{{ container_engine }}"
        gpu: true
      register: fleet_verified
    - gpu_fleet.containers.fleet_report:
        about: verify
        plan: "{{ fleet }}"
"""


def play(host: Host, playbook: pathlib.Path, **variables: t.Any) -> tuple[int, str]:
    """A playbook on the inventory host whose groups `host` deployed."""
    variables |= {"container_engine": host.engine.name, "ansible_python_interpreter": sys.executable}
    words = ["ansible-playbook", "-i", f"{host.name},", "-c", "local", "-e", json.dumps(variables), str(playbook)]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def test_a_gpu_that_is_lost_later_is_seen_by_status_and_fails_verify(host, node, tmp_path):
    web = given(host.service("web"), node, GpuPromise("vulkan", (NODE,)), gpu=GpuRequest("vulkan", "explicit"))
    host.run(host.group(web))
    verify = tmp_path / "verify.yml"
    verify.write_text(VERIFY)
    plan = {"hosts": {host.name: {"engine": host.engine.name, "groups": [to_dict(host.group(web))]}}}

    status, said = play(host, ROOT / "playbooks/status.yml")
    assert status == 0 and "vulkan (explicit): seen" in said and f"g/web: {NODE} opened" in said
    assert play(host, verify, fleet=plan)[0] == 0

    assert host.engine.run_in(f"{host.name}-web-1", ["rm", NODE], 60)[0] == 0
    status, said = play(host, ROOT / "playbooks/status.yml")
    assert status == 0 and "vulkan (explicit): not seen" in said and f"the container has no device node {NODE}" in said
    status, said = play(host, verify, fleet=plan)
    assert status == 2 and "g/web: it does not see its GPU" in said
