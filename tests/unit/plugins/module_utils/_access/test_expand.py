"""What a CDI spec would do, without CDI: devices, mounts, variables, groups, and hooks replaced by mounts."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.gpu_fleet.containers.plugins.module_utils._access.carry import carried, joined
from ansible_collections.gpu_fleet.containers.plugins.module_utils._access.expand import NotExpandable, expand
from ansible_collections.gpu_fleet.containers.plugins.module_utils._cdi.resolve import merge
from ansible_collections.gpu_fleet.containers.plugins.module_utils._cdi.spec import parse
from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu.snapshot import ReplayReader
from ansible_collections.gpu_fleet.containers.plugins.module_utils._group.config import Mount

HOOK = "/usr/bin/nvidia-cdi-hook"
LIB = "/usr/lib/x86_64-linux-gnu"


def bind(source, target, read_only=True):
    return Mount("bind", target, source, read_only=read_only, create_host_path=False)


def carry(*specs, **host):
    """GpuHost.cdi for spec files with these contents. host: links, directories and nodes that are there."""
    reader = ReplayReader({"snapshot": 1, **host})
    read = [parse(f"/etc/cdi/{number}.json", json.dumps(spec)) for number, spec in enumerate(specs)]
    data = carried(reader, merge(read)[0])
    assert json.loads(json.dumps(data)) == data
    return data


def spec(edits=None, kind="t.com/dev", **devices):
    entries = [{"name": name, "containerEdits": content} for name, content in devices.items()]
    return {"cdiVersion": "0.7.0", "kind": kind, "devices": entries, "containerEdits": edits or {}}


NODE = {"deviceNodes": [{"path": "/dev/t0"}]}


def one(edits, **more):
    return expand(carry(spec(edits, a=NODE), **more), ["t.com/dev=a"])


NVIDIA_CTK = f"""---
cdiVersion: 0.7.0
containerEdits:
  additionalGids:
  - 44
  deviceNodes:
  - major: 195
    minor: 255
    fileMode: 438
    path: /dev/nvidiactl
    permissions: rw
  env:
  - NVIDIA_CTK_LIBCUDA_DIR={LIB}
  - NVIDIA_VISIBLE_DEVICES=void
  hooks:
  - args:
    - nvidia-cdi-hook
    - create-symlinks
    - --link
    - libcuda.so.1::{LIB}/libcuda.so
    - --link
    - ../libnvidia-allocator.so.1::{LIB}/gbm/nvidia-drm_gbm.so
    env:
    - NVIDIA_CTK_DEBUG=false
    hookName: createContainer
    path: {HOOK}
  - args: [nvidia-cdi-hook, enable-cuda-compat, --host-driver-version=580.142]
    hookName: createContainer
    path: {HOOK}
  - args:
    - nvidia-cdi-hook
    - update-ldcache
    - --ldconfig-path
    - /usr/sbin/ldconfig
    - --folder
    - {LIB}
    hookName: createContainer
    path: {HOOK}
  - args:
    - nvidia-cdi-hook
    - disable-device-node-modification
    hookName: createContainer
    path: {HOOK}
  mounts:
  - containerPath: {LIB}/libcuda.so.580.142
    hostPath: {LIB}/libcuda.so.580.142
    options: [ro, nosuid, nodev, rbind, rprivate]
  - containerPath: {LIB}/libnvidia-allocator.so.580.142
    hostPath: {LIB}/libnvidia-allocator.so.580.142
    options:
    - ro
    - rbind
  - containerPath: /run/nvidia-persistenced/socket
    hostPath: /run/nvidia-persistenced/socket
    options:
    - nosuid
    - noexec
devices:
- containerEdits:
    deviceNodes:
    - path: /dev/nvidia0
    - path: /dev/dri/renderD128
    hooks:
    - args:
      - nvidia-cdi-hook
      - create-symlinks
      - --link
      - ../renderD128::/dev/dri/by-path/pci-0000:01:00.0-render
      hookName: createContainer
      path: {HOOK}
  name: "0"
kind: nvidia.com/gpu
"""
"""As nvidia-ctk 1.19 writes it, shortened (NVIDIA/nvidia-container-toolkit, pkg/nvcdi)."""


def test_a_spec_of_nvidias_own_tool():
    files = {"/etc/cdi/nvidia.yaml": NVIDIA_CTK}
    links = {
        f"{LIB}/libcuda.so.1": "libcuda.so.580.142",
        f"{LIB}/libnvidia-allocator.so.1": f"{LIB}/libnvidia-allocator.so.580.142",
    }
    reader = ReplayReader({"snapshot": 1, "files": files, "links": links})
    specs = carried(reader, merge([parse("/etc/cdi/nvidia.yaml", NVIDIA_CTK)])[0])
    made = expand(specs, ["nvidia.com/gpu=0"])
    assert made.devices == (
        "/dev/nvidiactl:/dev/nvidiactl:rw",
        "/dev/nvidia0:/dev/nvidia0:rwm",
        "/dev/dri/renderD128:/dev/dri/renderD128:rwm",
    )
    cuda_library, allocator = (f"{LIB}/lib{name}.so.580.142" for name in ("cuda", "nvidia-allocator"))
    assert targets(made) == {
        cuda_library: cuda_library,
        f"{LIB}/libcuda.so.1": cuda_library,
        f"{LIB}/libcuda.so": cuda_library,
        allocator: allocator,
        f"{LIB}/libnvidia-allocator.so.1": allocator,
        f"{LIB}/gbm/nvidia-drm_gbm.so": allocator,
        "/run/nvidia-persistenced/socket": "/run/nvidia-persistenced/socket",
    }
    assert [mount.target for mount in made.mounts if not mount.read_only] == ["/run/nvidia-persistenced/socket"]
    assert made.environment["NVIDIA_VISIBLE_DEVICES"] == "void"
    assert (made.environment["LD_LIBRARY_PATH"], made.group_add) == (LIB, ("44",))
    assert made.left_out == (
        "the image's own forward-compatible libcuda is not chosen",
        "the driver may try to make device nodes itself",
        "the link /dev/dri/by-path/pci-0000:01:00.0-render",
    )


def test_everything_that_needs_no_hook():
    made = one(
        {
            "env": ["A=1", "B=x=y"],
            "deviceNodes": [{"path": "/dev/c", "hostPath": "/dev/h", "permissions": "rw", "type": "c", "major": 1}],
            "mounts": [
                {"hostPath": "/h/a", "containerPath": "/c/a", "options": ["ro", "rbind"]},
                {"hostPath": "/h/b", "containerPath": "/c/b", "options": ["rbind"]},
            ],
            "additionalGids": [44, 0, 44],
        }
    )
    assert made.devices == ("/dev/h:/dev/c:rw", "/dev/t0:/dev/t0:rwm")
    assert made.nodes == ("/dev/c", "/dev/t0")
    assert made.mounts == (bind("/h/a", "/c/a"), bind("/h/b", "/c/b", False))
    assert (made.environment, made.group_add, made.left_out) == ({"A": "1", "B": "x=y"}, ("44",), ())


def test_edits_of_a_file_count_once_and_a_later_mount_replaces_an_earlier():
    specs = carry(
        spec(
            {"env": ["A=file"], "mounts": [{"hostPath": "/h/1", "containerPath": "/c"}]},
            a={"mounts": [{"hostPath": "/h/2", "containerPath": "/c"}]},
            b={"env": ["A=b"], "additionalGids": [7]},
        )
    )
    made = expand(specs, ["t.com/dev=a", "t.com/dev=b"])
    assert made.mounts == (bind("/h/2", "/c", False),)
    assert (made.environment, made.group_add) == ({"A": "b"}, ("7",))


def test_edits_of_a_file_count_only_for_its_own_devices():
    specs = carry(spec({"env": ["FIRST=1"]}, a=NODE), spec({"env": ["SECOND=1"]}, b=NODE))
    assert expand(specs, ["t.com/dev=b"]).environment == {"SECOND": "1"}


def link_hook(*pairs, program=HOOK, words=("nvidia-cdi-hook", "create-symlinks")):
    options = [word for pair in pairs for word in ("--link", pair)]
    return {"hookName": "createContainer", "path": program, "args": [*words, *options]}


def cuda(*hooks, **more):
    mounts = [{"hostPath": f"{LIB}/libcuda.so.580.1", "containerPath": f"{LIB}/libcuda.so.580.1", "options": ["ro"]}]
    return one({"mounts": mounts, "hooks": list(hooks)}, **more)


LDCONFIG = {
    "hookName": "createContainer",
    "path": HOOK,
    "args": ["nvidia-cdi-hook", "update-ldcache", "--folder", LIB, "--folder", f"{LIB}/vdpau"],
}


def targets(made):
    return {mount.target: mount.source for mount in made.mounts}


def test_links_of_hooks_become_mounts_of_what_they_lead_to():
    made = cuda(
        link_hook(
            f"libcuda.so.1::{LIB}/libcuda.so",
            f"libcuda.so.580.1::{LIB}/libcuda.so.1",
            f"../libcuda.so.1::{LIB}/gbm/x.so",
        )
    )
    names = (f"{LIB}/libcuda.so", f"{LIB}/libcuda.so.1", f"{LIB}/libcuda.so.580.1", f"{LIB}/gbm/x.so")
    assert targets(made) == dict.fromkeys(names, f"{LIB}/libcuda.so.580.1")
    assert made.left_out == ()


def test_what_ldconfig_would_link_is_taken_from_the_hosts_own_links():
    links = {
        f"{LIB}/libcuda.so": "libcuda.so.1",
        f"{LIB}/libcuda.so.1": "libcuda.so.580.1",
        f"{LIB}/libcudart.so.12": "libcudart.so.12.1",
    }
    directories = {LIB: ["libcuda.so", "libcuda.so.1", "libcuda.so.580.1", "libcudart.so.12"]}
    made = cuda(LDCONFIG, links=links, directories=directories)
    assert set(targets(made)) == {f"{LIB}/libcuda.so", f"{LIB}/libcuda.so.1", f"{LIB}/libcuda.so.580.1"}
    assert set(targets(made).values()) == {f"{LIB}/libcuda.so.580.1"}
    assert made.environment == {"LD_LIBRARY_PATH": f"{LIB}:{LIB}/vdpau"}


def test_a_library_path_of_the_spec_itself_stays():
    made = one({"env": ["LD_LIBRARY_PATH=/own"], "hooks": [LDCONFIG]})
    assert made.environment == {"LD_LIBRARY_PATH": "/own"}


def test_a_link_to_nothing_that_is_mounted_is_said():
    assert cuda(link_hook(f"libelse.so.1::{LIB}/libelse.so")).left_out == (f"the link {LIB}/libelse.so",)


def test_the_older_program_and_its_options():
    made = cuda(
        link_hook(
            f"libcuda.so.580.1::{LIB}/libcuda.so.1",
            program="/usr/bin/nvidia-ctk",
            words=("nvidia-ctk", "--quiet", "hook", "create-symlinks"),
        )
    )
    assert f"{LIB}/libcuda.so.1" in targets(made)


@pytest.mark.parametrize(
    "what", ["chmod", "enable-cuda-compat", "disable-device-node-modification", "update-application-profile"]
)
def test_hooks_that_are_not_needed_are_said_to_be_left_out(what):
    made = cuda({"hookName": "createContainer", "path": HOOK, "args": ["nvidia-cdi-hook", what, "--x", "y"]})
    assert len(made.left_out) == 1


@pytest.mark.parametrize(
    ("edits", "words"),
    [
        ({"hooks": [{"hookName": "prestart", "path": "/opt/own", "args": ["own"]}]}, "the hook own"),
        ({"hooks": [{"hookName": "prestart", "path": HOOK, "args": ["x", "new-thing"]}]}, "new-thing"),
        ({"hooks": [{"hookName": "prestart", "path": HOOK}]}, "nvidia-cdi-hook"),
        ({"mounts": [{"hostPath": "overlay", "containerPath": "/x", "type": "overlay"}]}, "/x is no bind mount"),
        ({"intelRdt": {"closID": "a"}}, "intelRdt"),
        ({"deviceNodes": [{"path": "/dev/by-path/pci-0000:01"}]}, "colon"),
        ({"deviceNodes": [{"path": "/run/pipe", "type": "p"}]}, "makes a FIFO at /run/pipe"),
    ],
)
def test_what_only_cdi_can_do(edits, words):
    with pytest.raises(NotExpandable, match=words):
        one(edits)


@pytest.mark.parametrize("name", ["t.com/dev=b", "other.com/dev=a"])
def test_a_name_that_no_spec_has(name):
    with pytest.raises(NotExpandable, match="no CDI spec"):
        expand(carry(spec(a=NODE)), [name])


def test_a_tmpfs_is_left_out():
    assert one({"mounts": [{"hostPath": "tmpfs", "containerPath": "/x", "type": "tmpfs"}]}).left_out == (
        "the tmpfs on /x",
    )


def test_a_node_that_nobody_may_use_is_not_given():
    assert one({"deviceNodes": [{"path": "/dev/x", "permissions": "none"}]}).nodes == ("/dev/t0",)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({}, ()),
        ({"fileMode": 0o660, "uid": 0, "gid": 44}, ()),
        ({"fileMode": 0o666}, ("the mode of /dev/t0, which stay the host's",)),
        ({"uid": 1000, "gid": 0}, ("the owner and group of /dev/t0, which stay the host's",)),
        ({"fileMode": 0o666, "permissions": "none"}, ()),
    ],
)
def test_a_node_that_cdi_would_give_another_owner_or_mode(said, words):
    """An engine passes a host's node on as it is there."""
    there = {"/dev/t0": {"kind": "char", "major": 1, "minor": 2, "mode": "0660", "uid": 0, "gid": 44}}
    made = expand(carry(spec(a={"deviceNodes": [{"path": "/dev/t0", **said}]}), nodes=there), ["t.com/dev=a"])
    assert (made.left_out, made.missed) == (words, words)


def test_hooks_that_nobody_misses_are_left_out_and_not_missed():
    made = cuda({"hookName": "createContainer", "path": HOOK, "args": ["nvidia-cdi-hook", "chmod"]})
    assert made.left_out and not made.missed


paths = st.sampled_from([f"{LIB}/lib{name}.so{end}" for name in "ab" for end in ("", ".1", ".580")] + ["/etc/x", "/d"])
mount = st.fixed_dictionaries(
    {"hostPath": paths, "containerPath": paths, "options": st.sampled_from([["ro"], ["rw"], ["ro", "rbind"]])}
)
pair = st.tuples(st.sampled_from(["liba.so", "liba.so.1", "../x", "/etc/x"]), paths).map("::".join)
edits = st.fixed_dictionaries(
    {
        "mounts": st.lists(mount, max_size=4),
        "hooks": st.lists(st.lists(pair, max_size=3).map(lambda pairs: link_hook(*pairs)), max_size=2),
        "deviceNodes": st.lists(st.sampled_from(["/dev/a", "/dev/b"]).map(lambda path: {"path": path}), max_size=2),
        "env": st.lists(st.sampled_from(["A=1", "B=2", "A=3"]), max_size=3),
    }
)


@given(common=edits, own=edits, links=st.dictionaries(paths, st.sampled_from(["liba.so.580", "libb.so.1", "/d"])))
def test_nothing_is_mounted_that_the_spec_does_not_name(common, own, links):
    own["env"] = [*own["env"], "C=4"]
    made = expand(carry(spec(common, a=own), links=links, directories={LIB: []}), ["t.com/dev=a"])
    named = {entry["hostPath"] for each in (common, own) for entry in each["mounts"]}
    assert {entry.source for entry in made.mounts} <= named
    inside = [entry.target for entry in made.mounts]
    assert len(inside) == len(set(inside))
    assert {device.partition(":")[0] for device in made.devices} <= {"/dev/a", "/dev/b"}
    assert made.environment["C"] == "4"


@given(first=edits, second=edits)
def test_joining_keeps_order_and_loses_nothing(first, second):
    both = joined(first, second)
    assert both["mounts"] == [*first["mounts"], *second["mounts"]]
    assert both["env"] == [*first["env"], *second["env"]]
