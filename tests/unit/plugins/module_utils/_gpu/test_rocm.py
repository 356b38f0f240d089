"""When an AMD GPU can be used, and what is said when it cannot."""

from __future__ import annotations

import copy

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu import rocm
from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu.host import describe
from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu.kfd import TOPOLOGIES
from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu.platform import detect as platform
from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu.snapshot import ReplayReader
from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu.view import look

from .test_fixtures import SNAPSHOTS

NODES = TOPOLOGIES[0]


def detect(snapshot):
    reader = ReplayReader(snapshot)
    return rocm.detect(look(reader, platform(reader)))


def changed(name="amd-discrete", without=(), **parts):
    """A snapshot with parts added, and without the entries whose path begins with one of `without`."""
    snapshot = copy.deepcopy(SNAPSHOTS[name])
    for part, entries in parts.items():
        snapshot.setdefault(part, {}).update(entries)
    for part in ("files", "directories", "nodes", "links"):
        kept = snapshot.get(part, {})
        snapshot[part] = {path: entry for path, entry in kept.items() if not path.startswith(tuple(without))}
    return snapshot


def node(mode, gid=992, uid=0):
    return {"kind": "char", "major": 1, "minor": 1, "mode": mode, "uid": uid, "gid": gid}


USER = {"/proc/self/status": "Uid:\t7\t7\t7\t7\nGid:\t7\t7\t7\t7\nGroups:\t7 44\n"}
BUS = "/sys/bus/pci/devices/0000:03:00.0"


def test_a_card_that_all_can_use():
    found = detect(changed())
    assert (found.stack.ready, found.findings) == (True, ())
    assert found.stack.reason == "amdgpu and /dev/kfd answer for 1 of 1 GPUs (KFD topology)"
    (gpu,) = found.stack.devices
    assert [each.path for each in gpu.nodes] == ["/dev/kfd", "/dev/dri/renderD128", "/dev/dri/card0"]
    assert (gpu.vendor, gpu.architecture, gpu.index, gpu.minor) == ("amd", "gfx1100", 0, 128)


CASES = {
    "no driver": (
        changed(without=[f"{BUS}/driver", "/sys/class/drm", NODES]),
        "amdgpu-not-bound",
        "no driver is bound",
    ),
    "another driver": (
        changed(without=["/sys/class/drm", NODES], links={f"{BUS}/driver": "../drivers/pci-stub"}),
        "amdgpu-not-bound",
        "driver pci-stub",
    ),
    "radeon": (changed("amd-radeon-driver"), "radeon-in-use", "driver radeon"),
    "no kfd at all": (changed(without=["/dev/kfd", NODES]), "kfd-missing", "the kernel shows no KFD"),
    "no node of kfd": (changed(without=["/dev/kfd"]), "kfd-missing", "its node was not made"),
    "no gpu in kfd": (changed(without=[f"{NODES}/1"]), "kfd-without-gpu", "has no GPU node for it"),
    "rocminfo agrees": (changed("amd-kfd-without-gpu"), "kfd-without-gpu", "rocminfo: exit status 0, no GPU agent"),
    "render node gone": (changed(without=["/dev/dri/renderD128"]), "render-node-missing", "/dev/dri holds card0"),
    "kfd closed": (changed(files=USER), "no-permission", "mode 0660, owner 0, group 992; groups of user 7: 7, 44"),
    "render node closed": (
        changed(files=USER, nodes={"/dev/kfd": node("0666")}),
        "no-permission",
        "mode 0660, owner 0, group 992; groups of user 7: 7, 44",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_why_not(case):
    snapshot, code, evidence = CASES[case]
    found = detect(snapshot)
    (finding,) = found.findings
    assert (finding.code, found.stack.ready, found.stack.reason) == (code, False, finding.message)
    assert evidence in finding.evidence
    assert finding.probe
    assert finding.mend
    assert [each.ready for each in found.stack.devices] == [False]


@pytest.mark.parametrize(
    ("mode", "gid", "mend"),
    [
        ("0660", 992, "Run as root or add the user to the group 992."),
        ("0600", 992, "Run as root or add the user to the group to which a udev rule gives /dev/kfd."),
        ("0660", 0, "Run as root or add the user to the group to which a udev rule gives /dev/kfd."),
    ],
)
def test_the_group_that_helps(mode, gid, mend):
    (finding,) = detect(changed(files=USER, nodes={"/dev/kfd": node(mode, gid)})).findings
    assert finding.mend == mend


@pytest.mark.parametrize(
    "snapshot",
    [
        {"snapshot": 1, "nodes": {"/dev/kfd": node("0666")}},
        changed("amd-passed-through"),
        changed("amd-server-console"),
        {"snapshot": 1, "system": "Darwin", "nodes": {"/dev/kfd": node("0666")}},
        changed(files={"/proc/sys/kernel/osrelease": "6.6.87.2-microsoft-standard-WSL2"}),
    ],
)
def test_nothing_is_said_where_no_amd_gpu_is_ours(snapshot):
    found = detect(snapshot)
    assert (found.stack, found.findings) == (None, ())


def test_each_of_several_gpus_stands_for_itself():
    snapshot = changed("amd-two-gpus", without=["/dev/dri/renderD129"])
    found = detect(snapshot)
    assert [(gpu.index, gpu.ready) for gpu in found.stack.devices] == [(0, True), (1, False)]
    assert found.stack.reason == "amdgpu and /dev/kfd answer for 1 of 2 GPUs (KFD topology)"
    assert [finding.code for finding in found.findings] == ["render-node-missing"]


def test_partitions_share_a_cards_memory_and_have_nodes_and_names_of_their_own():
    found = detect(changed("amd-mi308x-cpx"))
    assert [(gpu.name, gpu.index, gpu.minor, gpu.bus_id) for gpu in found.stack.devices] == [
        (f"AMD Instinct MI308X OAM (partition {number})", number, 128 + number, "0000:0a:00.0") for number in range(4)
    ]
    assert {gpu.memory_bytes for gpu in found.stack.devices} == {206141652992 // 4}
    assert len({gpu.uuid for gpu in found.stack.devices}) == 4


def test_one_reason_for_all_gpus_is_said_once():
    assert [finding.code for finding in detect(changed("amd-two-gpus", files=USER)).findings] == ["no-permission"]


def test_a_container_has_the_gpus_it_was_given_and_no_others():
    found = detect(changed("amd-in-container"))
    assert [gpu.uuid for gpu in found.stack.devices] == ["GPU-7cf529dea4b33bad"]
    assert found.stack.ready
    without = detect(changed("amd-in-container", without=["/dev/kfd", "/dev/dri"]))
    assert [finding.code for finding in without.findings] == ["gpu-not-in-container"]
    assert not without.stack.ready


def test_nodes_go_to_rocminfos_gpus_only_where_there_are_as_many():
    whole = detect(changed("amd-rocminfo-and-nodes"))
    assert [gpu.minor for gpu in whole.stack.devices] == [128, 129]
    fewer = detect(changed("amd-rocminfo-and-nodes", without=["/dev/dri/renderD129"]))
    assert [gpu.ready for gpu in fewer.stack.devices] == [False, False]
    assert {finding.code for finding in fewer.findings} == {"render-node-missing"}


ROCMINFO = {"commands": SNAPSHOTS["amd-rocminfo-and-nodes"]["commands"]}


def test_rocminfos_word_alone_is_enough_where_nobody_looked_at_dev():
    host = describe(ReplayReader({"snapshot": 1, **ROCMINFO}))
    assert (host.best, [gpu.ready for gpu in host.stack("rocm").devices]) == ("rocm", [True, True])
    looked = describe(ReplayReader({"snapshot": 1, **ROCMINFO, "directories": {"/dev": ["null"]}}))
    assert (looked.best, [finding.code for finding in looked.findings]) == ("cpu", ["kfd-missing"])


def test_nodes_that_nothing_explains_are_worth_a_word():
    nodes = {"/dev/kfd": node("0666"), "/dev/dri/renderD128": node("0666")}
    found = detect({"snapshot": 1, "nodes": nodes})
    assert (found.stack.ready, [finding.code for finding in found.findings]) == (False, ["kfd-without-gpu"])
    intel = {"/sys/class/drm/card0/device/vendor": "0x8086\n"}
    assert detect({"snapshot": 1, "nodes": nodes, "files": intel}).stack is None


@pytest.mark.parametrize(
    ("files", "code"),
    [
        ({}, "amdgpu-not-bound"),
        ({f"{BUS}/mem_info_vram_total": "8589934592\n"}, "kfd-without-gpu"),
    ],
)
def test_a_driver_that_was_not_recorded_shows_by_what_it_makes(files, code):
    snapshot = changed(without=[f"{BUS}/driver", "/sys/class/drm", f"{NODES}/1"], files=files)
    assert [finding.code for finding in detect(snapshot).findings] == [code]


def test_unknown_memory_is_said():
    found = detect(changed(without=["/sys/class/drm/card0/device/mem_info", f"{NODES}/1/mem_banks"]))
    assert found.stack.ready
    assert [finding.code for finding in found.findings] == ["memory-unknown"]


class Silent(ReplayReader):
    """A host on which nothing may be started."""

    def command(self, argv, timeout=10.0):
        raise AssertionError(f"{argv} was started")

    def known(self, argv):
        return None


@pytest.mark.parametrize("name", [name for name in SNAPSHOTS if name.startswith("amd-") and "rocminfo" not in name])
def test_no_process_is_started(name):
    reader = Silent(SNAPSHOTS[name])
    view = look(reader, platform(reader))
    assert (rocm.detect(view).stack is None) is (name in ("amd-passed-through", "amd-server-console"))
