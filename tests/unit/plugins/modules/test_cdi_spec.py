"""cdi_spec as Ansible calls it: create, change, remove × check mode × second run, and other people's files."""

from __future__ import annotations

import json
import os
import pathlib
import stat

import pytest
import yaml

from ansible_collections.gpu_fleet.containers.plugins.module_utils._cdi import kinds, tools
from ansible_collections.gpu_fleet.containers.plugins.modules import cdi_spec

from ..module_utils._cdi import stand_ins
from ..module_utils._cdi.hosts import gpu, host, node
from .calling import call

NVIDIA = host(gpu("nvidia", "/dev/null", uuid="GPU-0a1b2c3d", index=0))
ROCM = host(gpu("rocm", "/dev/null", index=0))
INTEL = host(gpu("intel", "/dev/null"), gpu("intel", "/dev/zero"))
VULKAN = host(gpu("vulkan", "/dev/dri/renderD128"))
NOT_READY = host(gpu("nvidia", "/dev/null"), ready=False)
CPU = host(stack="venus", ready=False)
OWN = "gpu-fleet-nvidia.com-gpu.json"


class Machine:
    """Directories of specs, programs on PATH, and what detection says; real files, made-up GPUs."""

    def __init__(self, root: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.etc, self.run, self.bin = (root / name for name in ("etc", "run", "bin"))
        for directory in (self.run, self.bin):
            directory.mkdir()
        self._patch = monkeypatch
        monkeypatch.setenv("PATH", f"{self.bin}:/usr/bin:/bin")
        # Only these programs: a vendor's tool on the machine that tests would answer in their place.
        monkeypatch.setattr(tools, "find_program", self._found)
        self.warned: list[str] = []
        monkeypatch.setattr(cdi_spec.AnsibleModule, "warn", lambda _module, text: self.warned.append(text))
        self.engines({})
        self.has(NVIDIA)

    def _found(self, name: str) -> str | None:
        path = self.bin / name
        return str(path) if path.exists() else None

    def has(self, found) -> None:
        self._patch.setattr(cdi_spec, "describe", lambda _reader: found)

    def engines(self, versions: dict[str, str]) -> None:
        self._patch.setattr(cdi_spec, "engine_versions", lambda _reader: versions)

    def tool(self, program: str, *specs, trouble: str = "") -> None:
        stand_ins.put(self.bin, program, *specs, trouble=trouble)

    def call(self, check: bool = False, **arguments):
        values = {"directory": str(self.etc), "directories": [str(self.etc), str(self.run)], **arguments}
        return call(cdi_spec, check, **values)

    def put(self, directory: pathlib.Path, name: str, spec: dict | str) -> pathlib.Path:
        directory.mkdir(exist_ok=True)
        path = directory / name
        path.write_text(spec if isinstance(spec, str) else json.dumps(spec))
        return path

    def files(self) -> dict[str, str]:
        found = [path for directory in (self.etc, self.run) if directory.exists() for path in directory.iterdir()]
        return {f"{path.parent.name}/{path.name}": path.read_text() for path in found}


@pytest.fixture
def machine(tmp_path, monkeypatch):
    return Machine(tmp_path, monkeypatch)


def foreign(*names: str, version: str = "0.5.0", mount: str = "/etc/hostname", kind: str = "nvidia.com/gpu"):
    devices = [{"name": name, "containerEdits": {"env": [f"NAME={name}"]}} for name in names or ("0", "all")]
    return {
        "cdiVersion": version,
        "kind": kind,
        "devices": devices,
        "containerEdits": {"mounts": [{"hostPath": mount, "containerPath": mount}]},
    }


STALE = foreign(mount="/usr/lib/libcuda.so.535.0")


# -- create, change, remove


def test_create_change_remove_with_check_mode_and_second_runs(machine):
    machine.tool("nvidia-ctk", stand_ins.nvidia())
    planned = machine.call(check=True)
    assert planned["changed"] and machine.files() == {}
    done = machine.call()
    assert {key: done[key] for key in planned} == planned
    path = machine.etc / OWN
    assert done["path"] == str(path) and done["made_by"] == "nvidia-ctk"
    assert done["devices"] == [
        "nvidia.com/gpu=0",
        "nvidia.com/gpu=GPU-0a1b2c3d-0000-0000-0000-000000000001",
        "nvidia.com/gpu=all",
    ]
    assert stat.S_IMODE(path.stat().st_mode) == 0o644 and stat.S_IMODE(machine.etc.stat().st_mode) == 0o755
    assert os.listdir(machine.etc) == [OWN]
    assert done["diff"][0]["before"] == "" and done["diff"][0]["after"] == path.read_text()
    before = path.stat()
    for check in (True, False):
        assert not machine.call(check=check)["changed"]
    assert (path.stat().st_mtime_ns, path.stat().st_ino) == (before.st_mtime_ns, before.st_ino)

    machine.tool("nvidia-ctk", stand_ins.nvidia(mount="/etc/hosts"))
    assert machine.call(check=True)["changed"] and "/etc/hosts" not in path.read_text()
    changed = machine.call(backup=True)
    assert changed["changed"] and "/etc/hosts" in path.read_text()
    assert "/etc/hostname" in pathlib.Path(changed["backup_files"][0]).read_text()
    assert changed["diff"][0]["before"] != changed["diff"][0]["after"] == path.read_text()
    assert machine.call()["changed"] is False

    assert machine.call(check=True, state="absent")["removed"] == [str(path)] and path.exists()
    assert machine.call(state="absent")["changed"] and not path.exists()
    assert not machine.call(state="absent")["changed"]


def test_what_is_written_has_no_numbers_and_the_lowest_version(machine):
    machine.tool("nvidia-ctk", stand_ins.nvidia())
    assert machine.call()["cdi_version"] == "0.7.0"
    spec = json.loads((machine.etc / OWN).read_text())
    assert spec["devices"][0]["containerEdits"] == {
        "deviceNodes": [{"path": "/dev/null", "fileMode": 438, "permissions": "rwm", "gid": 44}],
        "additionalGids": [44],
    }


@pytest.mark.parametrize(
    ("engines", "asked", "version", "warned"),
    [
        ({}, None, "0.7.0", False),
        ({"podman": "5.4.2", "docker": "26.1.5"}, None, "0.7.0", False),
        ({"podman": "4.9.3", "docker": "28.2.2"}, None, "0.5.0", True),
        ({"podman": "4.3.1"}, None, "0.5.0", True),
        ({"docker": "20.10.24"}, None, "0.7.0", False),
        ({"podman": "4.3.1"}, "0.8", "0.7.0", False),
        ({"podman": "5.4.2"}, "0.5.0", "0.5.0", True),
    ],
)
def test_never_a_version_that_an_engine_drops(machine, engines, asked, version, warned):
    machine.tool("nvidia-ctk", stand_ins.nvidia())
    machine.engines(engines)
    result = machine.call(**({"max_version": asked} if asked else {}))
    assert (result["rc"], result["cdi_version"]) == (0, version)
    assert ("additionalGids" in (machine.etc / OWN).read_text()) is not warned
    assert any("additionalGids 44 left out" in text for text in machine.warned) is warned
    assert machine.call(**({"max_version": asked} if asked else {}))["changed"] is False


def test_what_no_engine_here_could_read_is_an_error(machine):
    machine.tool("nvidia-ctk", stand_ins.nvidia())
    result = machine.call(max_version="0.4.0")
    assert result["rc"] == 1 and "needs CDI 0.5.0 for a device name that begins with a digit" in result["msg"]
    assert "max_version: '9' is no version" in machine.call(max_version="9")["msg"]
    assert machine.files() == {}


def test_a_file_that_not_everybody_may_read_is_mended(machine):
    machine.tool("nvidia-ctk", stand_ins.nvidia())
    machine.call()
    path = machine.etc / OWN
    path.chmod(0o600)
    would = machine.call(check=True)
    assert would["changed"] and stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [(part["before"], part["after"]) for part in would["diff"]] == [("mode: 0600\n", "mode: 0644\n")]
    assert machine.call()["changed"] and stat.S_IMODE(path.stat().st_mode) == 0o644
    assert not machine.call()["changed"]


def test_a_file_of_another_spelling_keeps_its_bytes(machine):
    machine.tool("nvidia-ctk", stand_ins.nvidia())
    machine.call()
    path = machine.etc / OWN
    spec = json.loads(path.read_text())
    spec["devices"].reverse()
    text = json.dumps(spec)
    path.write_text(text)
    assert not machine.call()["changed"] and path.read_text() == text


# -- stacks and tools


@pytest.mark.parametrize(
    ("found", "stack", "program", "spec", "names"),
    [
        (ROCM, None, "amd-ctk", stand_ins.amd(), ["amd.com/gpu=0", "amd.com/gpu=all"]),
        (
            INTEL,
            None,
            "intel-cdi-specs-generator",
            stand_ins.intel(),
            ["intel.com/gpu=all", "intel.com/gpu=card0", "intel.com/gpu=card1"],
        ),
    ],
)
def test_other_vendors_tools(machine, found, stack, program, spec, names):
    machine.has(found)
    machine.tool(program, spec)
    result = machine.call()
    assert (result["made_by"], result["devices"], result["cdi_version"]) == (program, names, result["cdi_version"])
    assert not machine.call()["changed"]


def test_a_tool_is_not_asked_when_ours_is_wanted(machine):
    machine.has(host(gpu("intel", node("/dev/dri/card99"))))
    machine.tool("intel-cdi-specs-generator", trouble="crash")
    result = machine.call(tool="own")
    # The node is made up, so the spec is refused before it is written.
    assert result["rc"] == 1 and "/dev/dri/card99, which is not there" in result["msg"]
    assert machine.files() == {}


@pytest.mark.parametrize(
    ("found", "arguments", "said"),
    [
        (NVIDIA, {}, "nvidia-ctk is not installed. Install the package nvidia-container-toolkit"),
        (NVIDIA, {"tool": "own"}, "only nvidia-ctk can write its spec"),
        (VULKAN, {"tool": "vendor"}, "no vendor has a program"),
        (ROCM, {"tool": "vendor"}, "amd-ctk is not installed"),
        (NVIDIA, {"stack": "rocm"}, "rocm: the stack is not ready: it is not on this host"),
        (NOT_READY, {"stack": "nvidia"}, "nvidia: the stack is not ready: the driver does not answer"),
        (NVIDIA, {"stack": "intel-npu"}, "no NPU that can be used was found"),
        (NVIDIA, {"directory": "/somewhere"}, "no engine is said to read /somewhere"),
    ],
)
def test_what_cannot_be_done_says_why(machine, found, arguments, said):
    machine.has(found)
    result = machine.call(**arguments)
    assert result["rc"] == 1 and said in result["msg"], result
    assert machine.files() == {}


def test_a_host_without_a_stack_for_cdi_is_left_alone(machine):
    machine.has(CPU)
    result = machine.call()
    assert (result["rc"], result["changed"], result["path"]) == (0, False, "")
    assert result["msg"] == "cpu is given to containers without CDI"


@pytest.mark.parametrize("trouble", ["crash", "garbage", "silent", "no driver", "hang"])
@pytest.mark.parametrize("check", [True, False])
def test_a_tool_that_fails_changes_nothing(machine, trouble, check):
    machine.tool("nvidia-ctk", stand_ins.nvidia())
    machine.call()
    before = machine.files()
    machine.tool("nvidia-ctk", stand_ins.nvidia(), trouble=trouble)
    result = machine.call(check=check, timeout=0.5 if trouble == "hang" else 60)
    assert result["rc"] == 1 and result["msg"].startswith("nvidia-ctk cdi generate")
    assert machine.files() == before


def test_a_spec_that_names_what_is_not_there_is_not_written(machine):
    machine.tool("nvidia-ctk", stand_ins.nvidia(mount="/usr/lib/libcuda.so.1"))
    result = machine.call()
    assert result["rc"] == 1 and "names /usr/lib/libcuda.so.1, which is not there" in result["msg"]
    assert machine.files() == {}


def test_wsl_without_dxcore_falls_back_to_whole_directories(machine, monkeypatch):
    """NVIDIA/nvidia-container-toolkit issue 1739."""
    machine.has(host(gpu("nvidia-wsl", "/dev/null")))
    machine.tool("nvidia-ctk", stand_ins.nvidia())
    result = machine.call()
    # This machine is no WSL2: our own form finds nothing to mount.
    assert result["rc"] == 1 and "/dev/dxg is not on this host" in result["msg"]
    result = machine.call(tool="vendor")
    assert (result["rc"], result["made_by"]) == (0, "nvidia-ctk")
    core = stand_ins.nvidia()
    core["containerEdits"]["mounts"].append(
        {"hostPath": "/etc/hosts", "containerPath": "/usr/lib/wsl/lib/libdxcore.so"}
    )
    machine.tool("nvidia-ctk", core)
    assert machine.call()["changed"]


# -- files of others


@pytest.mark.parametrize("where", ["etc", "run"])
def test_a_usable_spec_of_another_is_left_to_do_its_work(machine, where):
    machine.tool("nvidia-ctk", trouble="crash")
    path = machine.put(getattr(machine, where), "nvidia.yaml", yaml.safe_dump(foreign()))
    before = machine.files()
    result = machine.call()
    assert (result["rc"], result["changed"], result["provided_by"], result["path"]) == (0, False, [str(path)], "")
    assert result["problems"] == [] and machine.files() == before


def test_our_file_gives_way_to_one_that_came_later(machine):
    machine.tool("nvidia-ctk", stand_ins.nvidia())
    machine.call()
    path = machine.put(machine.run, "nvidia.yaml", foreign())
    assert machine.call(check=True)["removed"] == [str(machine.etc / OWN)]
    result = machine.call()
    assert result["changed"] and result["provided_by"] == [str(path)]
    assert list(machine.files()) == ["run/nvidia.yaml"]
    assert not machine.call()["changed"]


@pytest.mark.parametrize(
    ("where", "name", "spec", "version"),
    [
        ("run", "nvidia.yaml", STALE, "0.5.0"),
        ("etc", "nvidia.yaml", STALE, "0.5.0"),
        ("etc", "nvidia.json", STALE, "0.5.0"),
        # An engine that reads it would see the names twice.
        ("etc", "nvidia.yaml", foreign(version="0.7.0"), "0.5.0"),
    ],
)
def test_a_tools_own_stale_file_is_written_anew(machine, where, name, spec, version):
    machine.tool("nvidia-ctk", stand_ins.nvidia())
    machine.engines({"podman": "4.9.3"})
    text = yaml.safe_dump(spec) if name.endswith("yaml") else json.dumps(spec)
    path = machine.put(getattr(machine, where), name, text)
    refused = machine.call(refresh=False)
    assert refused["rc"] == 1 and str(path) in refused["msg"] and "nvidia-ctk cdi generate" in refused["msg"]
    planned = machine.call(check=True)
    assert planned["changed"] and planned["refreshed"] and path.read_text() == text
    result = machine.call()
    assert (result["path"], result["cdi_version"], result["problems"]) == (str(path), version, [])
    assert pathlib.Path(result["backup_files"][0]).read_text() == text
    assert yaml.safe_load(path.read_text())["devices"][0]["name"] == "0"
    again = machine.call()
    assert not again["changed"] and again["provided_by"] == [str(path)]


@pytest.mark.parametrize(
    ("where", "name", "spec", "effect"),
    [
        ("etc", "mine.json", STALE, "the names of both would be lost"),
        ("run", "mine.json", STALE, "ours would be hidden"),
        # YAML that we do not read, and engines may.
        ("etc", "mine.yaml", "kind: nvidia.com/gpu\ndevices: &anchor []\n", "the names of both would be lost"),
        ("run", "mine.yaml", "kind: nvidia.com/gpu\ndevices: &anchor []\n", "ours would be hidden"),
    ],
)
def test_somebodys_file_in_the_way_is_an_error_and_stays(machine, where, name, spec, effect):
    machine.tool("nvidia-ctk", stand_ins.nvidia())
    path = machine.put(getattr(machine, where), name, spec)
    before = machine.files()
    result = machine.call()
    assert result["rc"] == 1 and str(path) in result["msg"] and effect in result["msg"]
    assert machine.files() == before


@pytest.mark.parametrize(
    ("where", "name", "spec"),
    [
        # Another kind, other names, one that no engine reads, and one that only newer engines read.
        ("etc", "mine.json", foreign(kind="other.example/gpu")),
        ("etc", "broken.json", "{"),
        ("etc", "mine.json", {**foreign(), "cdiVersion": "9.0.0", "kind": "a.example/gpu"}),
        ("run", "nvidia.yaml", json.dumps(foreign(version="0.7.0"))),
    ],
)
def test_what_does_no_harm_is_left_alone(machine, where, name, spec):
    machine.tool("nvidia-ctk", stand_ins.nvidia())
    machine.engines({"podman": "4.9.3"})
    path = machine.put(getattr(machine, where), name, spec)
    text = path.read_text()
    result = machine.call()
    assert result["rc"] == 0 and result["path"] == str(machine.etc / OWN), result
    assert path.read_text() == text and not machine.call()["changed"]


def test_our_file_moves_with_its_directory(machine):
    machine.tool("nvidia-ctk", stand_ins.nvidia())
    machine.call(directory=str(machine.run))
    result = machine.call()
    assert result["removed"] == [str(machine.run / OWN)] and list(machine.files()) == [f"etc/{OWN}"]


def test_absent_takes_only_what_is_ours(machine):
    machine.tool("nvidia-ctk", stand_ins.nvidia())
    machine.put(machine.etc, "amd.json", foreign(kind="amd.com/gpu"))
    machine.put(machine.etc, "gpu-fleet-amd.com-gpu.json", foreign("x", kind="amd.com/gpu"))
    machine.call()
    assert machine.call(state="absent", stack="nvidia")["removed"] == [str(machine.etc / OWN)]
    machine.call(state="absent")
    assert list(machine.files()) == ["etc/amd.json"]


def test_validated_names_every_problem_and_changes_nothing(machine):
    machine.engines({"podman": "4.9.3"})
    machine.put(machine.etc, "stale.json", STALE)
    machine.put(machine.etc, "new.json", foreign(version="0.7.0", kind="a.example/b"))
    machine.put(machine.etc, "low.json", foreign(version="0.3.0", kind="c.example/b"))
    machine.put(machine.etc, "bad.json", foreign(kind="no-kind"))
    machine.put(machine.etc, "old.yml", foreign())
    machine.put(machine.etc, "one.json", foreign("x", kind="d.example/b"))
    machine.put(machine.etc, "two.json", foreign("x", kind="d.example/b"))
    machine.put(machine.run, "hides.json", foreign("0", kind="nvidia.com/gpu"))
    before = machine.files()
    result = machine.call(state="validated")
    assert (result["rc"], result["changed"], machine.files()) == (0, False, before)
    found = {(problem["code"], problem["probe"].rpartition("/")[2]) for problem in result["problems"]}
    assert {
        ("cdi-stale", "stale.json"),
        ("cdi-too-new", "new.json"),
        ("cdi-unreadable", "low.json"),
        ("cdi-unreadable", "bad.json"),
        ("cdi-ignored", "old.yml"),
        ("cdi-conflict", "one.json"),
        ("cdi-shadowed", "stale.json"),
    } == found
    assert all(problem["mend"] and problem["evidence"] and problem["message"] for problem in result["problems"])


# -- writing


def test_what_is_not_a_regular_file_is_refused_and_stays(machine):
    machine.tool("nvidia-ctk", stand_ins.nvidia())
    machine.etc.mkdir()
    pipe = machine.etc / OWN
    pipe.mkdir()
    result = machine.call()
    assert result["rc"] == 1 and "not a regular file" in result["msg"] and pipe.is_dir()


def test_a_directory_that_cannot_be_made_is_told(machine):
    machine.tool("nvidia-ctk", stand_ins.nvidia())
    machine.etc.write_text("a file")
    result = machine.call()
    assert result["rc"] == 1 and f"{machine.etc / OWN}: it cannot be written" in result["msg"]


def test_every_choice_of_the_module_has_a_kind():
    assert cdi_spec.ARGUMENTS["stack"]["choices"] == list(kinds.KINDS)


def test_a_directory_by_another_name_is_the_same(machine, tmp_path):
    machine.tool("nvidia-ctk", stand_ins.nvidia())
    link = tmp_path / "link"
    link.symlink_to(machine.run)
    result = machine.call(directory=str(link))
    assert result["path"] == str(machine.run / OWN)
    both = machine.call(state="validated", directories=[str(machine.run), str(link)])
    assert both["problems"] == []


def test_what_cannot_be_listed_is_a_problem(machine):
    machine.etc.write_text("a file")
    (problem,) = machine.call(state="validated")["problems"]
    assert (problem["code"], problem["probe"]) == ("cdi-unreadable", str(machine.etc))
