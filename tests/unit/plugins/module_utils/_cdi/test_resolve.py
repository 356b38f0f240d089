"""Which CDI names an engine resolves: precedence, conflicts, versions, stale files, daemons' own word."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.gpu_fleet.containers.plugins.module_utils._cdi.resolve import (
    merge,
    newest_version,
    nodes_of,
    read_specs,
    resolve,
    rewrite,
)
from ansible_collections.gpu_fleet.containers.plugins.module_utils._cdi.spec import CdiSpec
from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu.model import EngineFacts
from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu.snapshot import ReplayReader

DIRS = ("/etc/cdi", "/var/run/cdi")
NODE = {"path": "/dev/nvidia0"}


def spec(*names, version="0.5.0", kind="nvidia.com/gpu", mounts=(), hooks=(), nodes=(NODE,), **more):
    edits = {
        "mounts": [{"hostPath": path, "containerPath": path} for path in mounts],
        "hooks": [{"hookName": "createContainer", "path": path} for path in hooks],
    }
    devices = [{"name": name, "containerEdits": {"deviceNodes": list(nodes)}} for name in names]
    return json.dumps({"cdiVersion": version, "kind": kind, "devices": devices, "containerEdits": edits, **more})


def run(files, version="5.4.2", directories=None, name="podman", nodes=None, **engine):
    reader = ReplayReader({"snapshot": 1, "files": files, "directories": directories or {}, "nodes": nodes or {}})
    found = resolve(reader, EngineFacts(name, True, True, version=version, cdi_dirs=DIRS, **engine))
    for entry in found.findings:
        assert entry.evidence and entry.probe and entry.mend and "{" not in entry.mend, entry
    return [each.rpartition("=")[2] for each in found.names], [entry.code for entry in found.findings]


@pytest.mark.parametrize(
    ("files", "names", "codes"),
    [
        ({}, [], []),
        ({"/etc/cdi/a.json": spec("0", "all")}, ["0", "all"], []),
        (
            {
                "/etc/cdi/a.yaml": "cdiVersion: 0.5.0\nkind: a.com/b\ndevices:\n"
                '- name: "0"\n  containerEdits:\n    env: [A=b]\n'
            },
            ["0"],
            [],
        ),
        ({"/etc/cdi/a.yml": spec("0")}, [], ["cdi-ignored"]),
        ({"/etc/cdi/deep/a.json": spec("0")}, [], []),
        ({"/etc/cdi/a.json": spec("0", "old"), "/var/run/cdi/b.json": spec("0")}, ["0", "old"], ["cdi-shadowed"]),
        ({"/etc/cdi/a.json": spec("0"), "/etc/cdi/b.json": spec("0", "1")}, ["1"], ["cdi-conflict"]),
        ({"/etc/cdi/a.json": "{"}, [], ["cdi-unreadable"]),
        ({"/etc/cdi/a.json": "[" * 100000}, [], ["cdi-unreadable"]),
        ({"/etc/cdi/a.yaml": "a: &x 1\n"}, [], ["cdi-unreadable"]),
        ({"/etc/cdi/a.json": '{"cdiVersion": "0.5.0", "kind": "a/b", "devices": []}'}, [], ["cdi-unreadable"]),
        ({"/etc/cdi/a.json": spec("0", version="1.1.0")}, [], ["cdi-too-new"]),
        ({"/etc/cdi/a.json": spec("0", version="0.8.0")}, ["0"], []),
        ({"/etc/cdi/a.json": spec("0", version="v0.8.0")}, ["0"], []),
        ({"/etc/cdi/a.json": spec("0", version="0.5")}, [], ["cdi-unreadable"]),
        ({"/etc/cdi/a.json": spec("0", version="0.9.0")}, [], ["cdi-unreadable"]),
        ({"/etc/cdi/a.json": spec("0", version="0.3.0")}, [], ["cdi-unreadable"]),
        ({"/etc/cdi/a.json": spec("a", version="0.3.0")}, ["a"], []),
        ({"/etc/cdi/a.json": spec("0", kind="nvidia.com")}, [], ["cdi-unreadable"]),
        ({"/etc/cdi/a.json": spec("0", kind="1.com/gpu")}, [], ["cdi-unreadable"]),
        ({"/etc/cdi/a.json": spec("0", "0")}, [], ["cdi-unreadable"]),
        ({"/etc/cdi/a.json": spec("-0")}, [], ["cdi-unreadable"]),
        ({"/etc/cdi/a.json": spec("0", nodes=())}, [], ["cdi-unreadable"]),
        ({"/etc/cdi/a.json": spec("0", comment="x")}, [], ["cdi-unreadable"]),
    ],
)
def test_resolve(files, names, codes):
    assert run(files) == (names, codes)


def test_a_spec_whose_files_are_gone_is_not_used():
    files = {"/etc/cdi/a.json": spec("all", mounts=("/usr/lib/wsl/drivers/old/libcuda.so",))}
    assert run(files, directories={"/usr/lib/wsl/drivers": ["new"]}) == ([], ["cdi-stale"])
    assert run(files, directories={"/usr/lib/wsl/drivers": ["old"]}) == (["all"], [])


@pytest.mark.parametrize(
    ("good", "stale", "codes"),
    [
        ("/etc/cdi/a.json", "/etc/cdi/b.json", ["cdi-stale", "cdi-conflict"]),
        ("/etc/cdi/a.json", "/var/run/cdi/b.json", ["cdi-stale", "cdi-shadowed"]),
    ],
)
def test_a_stale_spec_is_read_by_engines_all_the_same(good, stale, codes):
    """It clashes with another of its directory and hides one of an earlier directory (Podman 4.3: «unresolvable»)."""
    directories = {"/usr/lib": ["libthere.so"]}
    files = {good: spec("0", mounts=("/usr/lib/libthere.so",)), stale: spec("0", "1", mounts=("/usr/lib/libgone.so",))}
    assert run(files, directories=directories) == ([], codes)


def test_our_own_spec_is_written_again_by_our_own_module():
    mend = rewrite("/etc/cdi/gpu-fleet-intel.com-gpu.json", "intel.com/gpu")
    assert mend == "Write it again with the module cdi_spec (`stack: intel`, `directory: /etc/cdi`)."


def test_a_hook_that_is_not_installed_any_more_stops_containers_as_well():
    """Podman 4.3 was tried: «OCI runtime attempted to invoke a command that was not found»."""
    files = {"/etc/cdi/a.json": spec("all", hooks=("/usr/bin/nvidia-cdi-hook",))}
    assert run(files, directories={"/usr/bin": ["sh"]}) == ([], ["cdi-stale"])


@pytest.mark.parametrize(
    ("path", "directories", "mend"),
    [
        ("/dev/nvidia0", {"/dev": ["null"]}, "nvidia-ctk cdi generate"),
        ("/dev/nvidia-uvm", {"/dev": ["null"]}, "nvidia-modprobe -u -c 0"),
    ],
)
def test_a_node_that_is_gone(path, directories, mend):
    reader = ReplayReader({"snapshot": 1, "files": {"/etc/cdi/a.json": spec("0", nodes=({"path": path},))}})
    reader = ReplayReader(
        {
            "snapshot": 1,
            "files": {"/etc/cdi/a.json": spec("0", nodes=({"path": path},))},
            "directories": directories,
        }
    )
    (stale,) = resolve(reader, EngineFacts("podman", True, True, version="5.4.2", cdi_dirs=DIRS)).findings
    assert (stale.code, stale.evidence) == ("cdi-stale", path)
    assert mend in stale.mend


@pytest.mark.parametrize(("major", "codes"), [(195, []), (511, ["cdi-stale"])])
def test_numbers_of_a_node_may_change_at_a_reboot(major, codes):
    """Majors of nvidia-uvm and nvidia-caps are dynamic, and nvidia-ctk writes them down since 1.19."""
    files = {"/etc/cdi/a.json": spec("0", nodes=({**NODE, "type": "c", "major": 195, "minor": 0},))}
    nodes = {"/dev/nvidia0": {"kind": "char", "major": major, "minor": 0, "mode": "0666", "uid": 0, "gid": 0}}
    assert run(files, nodes=nodes)[1] == codes


def test_additional_gids_break_ubuntus_podman():
    """nvidia-container-toolkit 1860: cdiVersion 0.7.0 is dropped as a whole by Podman before 5.1."""
    assert run({"/etc/cdi/a.json": spec("all", version="0.7.0")}, version="4.9.3") == ([], ["cdi-too-new"])
    assert run({"/etc/cdi/a.json": spec("all", version="0.7.0")}, version="5.1.0") == (["all"], [])


def test_groups_of_a_spec_are_known_by_name():
    own = [
        {"name": "0", "containerEdits": {"additionalGids": [104, 0]}},
        {"name": "1", "containerEdits": {"env": ["A=b"]}},
    ]
    files = {"/etc/cdi/a.json": spec(version="0.7.0", devices=own), "/etc/cdi/b.json": spec("2", kind="a.com/b")}
    reader = ReplayReader({"snapshot": 1, "files": files, "directories": {}})
    facts = EngineFacts("docker", True, True, version="26.1.5", cdi_dirs=DIRS)
    assert resolve(reader, facts).groups == {"nvidia.com/gpu=0": [104]}


@pytest.mark.parametrize(
    ("version", "spec_version", "names"),
    [
        # Tried on Podman 4.3.1, whose library is 0.5: it compares nothing, and takes no «v».
        ("4.3.1", "0.3.0", ["0"]),
        ("4.3.1", "v0.5.0", []),
        ("4.9.3", "0.3.0", []),
        ("4.9.3", "v0.5.0", ["0"]),
    ],
)
def test_what_old_libraries_took_and_refused(version, spec_version, names):
    assert run({"/etc/cdi/a.json": spec("0", version=spec_version)}, version=version)[0] == names


def test_a_conflict_in_one_directory_kills_the_name_in_all():
    """Tried on Podman 4.3.1, and in the library's cache.go: conflicts are taken out at the end."""
    files = {"/etc/cdi/a.json": spec("0"), "/etc/cdi/b.json": spec("0"), "/var/run/cdi/c.json": spec("0", "1")}
    assert run(files) == (["1"], ["cdi-conflict"])


@pytest.mark.parametrize(
    ("files", "directories", "names"),
    [
        # Nothing of its files is known here: the daemon's word counts.
        ({}, {}, ["0", "1"]),
        ({"/etc/cdi/a.json": spec("0", "1")}, {}, ["0", "1"]),
        # Its library reads what our table does not know.
        ({"/etc/cdi/a.json": spec("0", "1", version="1.1.0")}, {}, ["0", "1"]),
        # It discovered this before the driver was updated.
        ({"/etc/cdi/a.json": spec("0", "1", mounts=("/usr/lib/a.so",))}, {"/usr/lib": ["b.so"]}, []),
        ({"/etc/cdi/a.json": spec("0"), "/var/run/cdi/b.json": spec("2")}, {}, ["0", "1"]),
    ],
)
def test_what_a_daemon_discovered_counts_unless_its_files_say_otherwise(files, directories, names):
    found = run(files, "28.3.0", directories, "docker", cdi_devices=("nvidia.com/gpu=0", "nvidia.com/gpu=1"))
    assert found[0] == names


def test_what_each_name_gives_is_told_by_its_nodes():
    text = spec("0", nodes=({"path": "/dev/a"}, {"path": "/dev/b", "hostPath": "/dev/c"}))
    (found,), _findings = read_specs(ReplayReader({"snapshot": 1, "files": {"/etc/cdi/a.json": text}}), DIRS)
    assert nodes_of(found, "0") == ["/dev/a"]
    assert found.host_paths == ("/dev/a", "/dev/c")


@pytest.mark.parametrize(
    ("path", "kind", "words"),
    [
        ("/etc/cdi/x.yaml", "nvidia.com/gpu", "nvidia-ctk cdi generate --output=/etc/cdi/x.yaml"),
        ("/etc/cdi/amd.json", "", "amd-ctk cdi generate --output=/etc/cdi/amd.json"),
        ("/etc/cdi/x.yaml", "intel.com/npu", "intel-cdi-specs-generator npu --cdi-dir /etc/cdi"),
        ("/etc/cdi/gpu-fleet-dri.json", "", "cdi_spec"),
        ("/etc/cdi/x.json", "who.com/knows", "Write /etc/cdi/x.json again"),
    ],
)
def test_each_vendor_has_its_own_tool(path, kind, words):
    assert words in rewrite(path, kind)


@pytest.mark.parametrize(
    ("name", "version", "expected"),
    [
        ("docker", "20.10.24", (0, 0)),
        ("docker", "25.0.5", (0, 6)),
        ("docker", "26.1.5+dfsg1", (0, 7)),
        ("docker", "29.2.0", (1, 1)),
        ("podman", "4.3.1", (0, 5)),
        ("podman", "3.4.4", (0, 0)),
        ("podman", "5.8.2", (1, 0)),
        ("podman", "", None),
        ("podman", "six", None),
        ("podman", "5.\u00b2", None),
        ("podman", "5", None),
        ("podman", "5.10-rc1", (1, 0)),
    ],
)
def test_newest_version(name, version, expected):
    assert newest_version(EngineFacts(name, version=version)) == expected


def test_podman_behind_dockers_socket_reads_what_podman_reads():
    assert newest_version(EngineFacts("docker", version="5.4.2", flavour="podman")) == (0, 8)


files = st.lists(
    st.tuples(st.sampled_from(DIRS), st.sampled_from("abc"), st.lists(st.sampled_from("xyz"), min_size=1, unique=True)),
    unique_by=lambda entry: entry[:2],
    max_size=6,
)


@given(entries=files)
def test_of_every_name_one_file_wins_or_the_name_is_said_to_be_lost(entries):
    ordered = sorted(entries)
    specs = [CdiSpec(f"{folder}/{name}.json", "0.5.0", "v.com/c", tuple(names), ()) for folder, name, names in ordered]
    usable, findings = merge(specs)
    for device in "xyz":
        holders = [entry for entry in specs if device in entry.names]
        folders = [entry.directory for entry in holders]
        clash = len(set(folders)) != len(folders)
        assert (f"v.com/c={device}" in usable) is (bool(holders) and not clash)
        if clash:
            assert "cdi-conflict" in [entry.code for entry in findings]
        elif holders:
            assert usable[f"v.com/c={device}"][0] == holders[-1]
