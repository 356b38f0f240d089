"""What the module cdi_spec writes, read by real engines: the nodes arrive, and other people's files decide as it says.

The GPUs are made up: nodes like /dev/null under names of graphics devices, in a /dev/dri of the private machine's own.
"""

from __future__ import annotations

import json
import os
import pathlib
import stat
import subprocess
import typing as t

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._cdi import own, tools
from ansible_collections.gpu_fleet.containers.plugins.modules import cdi_spec

from ..unit.plugins.module_utils._cdi import stand_ins
from ..unit.plugins.module_utils._cdi.hosts import gpu, host, node
from ..unit.plugins.modules.calling import call
from .conftest import IMAGE
from .waiting import SLEEP

ETC, RUN = pathlib.Path("/etc/cdi"), pathlib.Path("/var/run/cdi")
RENDER = ("/dev/dri/renderD128", "/dev/dri/renderD129")
CARDS = ("/dev/dri/card0", "/dev/dri/card1")
GROUP = 4243
CDI = {"features": {"cdi": True}}


@pytest.fixture(autouse=True)
def nodes():
    """Graphics devices that are /dev/null, for the members of a group."""
    made = []
    for path in (*RENDER, *CARDS):
        os.mknod(path, stat.S_IFCHR | 0o660, os.makedev(1, 3))
        os.chmod(path, 0o660)
        os.chown(path, 0, GROUP)
        made.append(path)
    yield
    for path in made:
        os.unlink(path)
    for directory in (ETC, RUN):
        for path in directory.iterdir() if directory.exists() else ():
            path.unlink()


@pytest.fixture
def programs(tmp_path, monkeypatch):
    """A place for stand-ins of vendors' programs, the only ones that are found."""

    def found(name: str) -> str | None:
        return str(tmp_path / name) if (tmp_path / name).exists() else None

    monkeypatch.setattr(tools, "find_program", found)
    return tmp_path


@pytest.fixture
def has(monkeypatch):
    """``has(gpu(…), …)``: what detection says of this host."""
    return lambda *devices: monkeypatch.setattr(cdi_spec, "describe", lambda _reader: host(*devices))


def made(**arguments: t.Any) -> dict[str, t.Any]:
    result = call(cdi_spec, **arguments)
    assert result["rc"] == 0, result
    return result


def in_podman(name: str, *command: str, options: tuple[str, ...] = ()) -> subprocess.CompletedProcess:
    argv = ["podman", "run", "--rm", "--network=none", *options, "--device", name, IMAGE, *command]
    return subprocess.run(argv, capture_output=True, text=True, check=False)


def output(name: str, *command: str, options: tuple[str, ...] = ()) -> str:
    done = in_podman(name, *command, options=options)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_podman_gives_the_device_that_is_asked_for(podman_engine, programs, has):
    has(*(gpu("vulkan", node(path, gid=GROUP)) for path in RENDER))
    result = made()
    assert result["changed"] and result["devices"] == [
        f"gpu-fleet.org/dri={name}" for name in ("all", "renderD128", "renderD129")
    ]
    assert output("gpu-fleet.org/dri=renderD129", "ls", "/dev/dri") == "renderD129"
    assert output("gpu-fleet.org/dri=all", "ls", "/dev/dri").split() == ["renderD128", "renderD129"]
    assert (
        output("gpu-fleet.org/dri=all", "stat", "-c", "%F %t:%T %g", RENDER[0]) == f"character special file 1:3 {GROUP}"
    )
    assert not made()["changed"]


def test_a_containers_user_opens_the_node_by_its_group(podman_engine, programs, has):
    has(gpu("vulkan", node(RENDER[0], gid=GROUP)))
    made()
    write = ("sh", "-c", f"echo x >{RENDER[0]}")
    output("gpu-fleet.org/dri=all", *write, options=("--user=1000", f"--group-add={GROUP}"))


def test_wsl_by_whole_directories(podman_engine, programs, has, tmp_path, monkeypatch):
    """Microsoft's form, at places that this machine may have."""
    directories = (tmp_path / "lib", tmp_path / "drivers")
    for directory in directories:
        (directory / "deep").mkdir(parents=True)
        (directory / "deep" / "libcuda.so.1").write_text(f"of {directory.name}\n")
    monkeypatch.setattr(own, "DXG", RENDER[0])
    monkeypatch.setattr(own, "WSL_DIRECTORIES", tuple(map(str, directories)))
    has(gpu("nvidia-wsl", RENDER[0]))
    result = made()
    assert (result["made_by"], result["cdi_version"], result["devices"]) == ("own", "0.3.0", ["nvidia.com/gpu=all"])
    look = " ".join(f"cat {directory}/deep/libcuda.so.1; touch {directory}/x 2>&1;" for directory in directories)
    seen = output("nvidia.com/gpu=all", "sh", "-c", f"{look} echo $LD_LIBRARY_PATH; stat -c %t:%T {RENDER[0]}")
    lines = seen.splitlines()
    assert (lines[0], lines[2]) == ("of lib", "of drivers")
    assert all("Read-only file system" in line for line in (lines[1], lines[3]))
    assert lines[4:] == [str(directories[0]), "1:3"]


@pytest.mark.parametrize("stack", ["intel", "videocore"])
def test_devices_of_several_nodes(podman_engine, programs, has, stack):
    has(*(gpu(stack, *pair) for pair in zip(CARDS, RENDER, strict=True)))
    result = made()
    first, second = sorted(name for name in result["devices"] if not name.endswith("=all"))
    assert output(first, "ls", "/dev/dri").split() == ["card0", "renderD128"]
    assert output(second, "ls", "/dev/dri").split() == ["card1", "renderD129"]


def test_what_a_tool_writes_is_lowered_until_podman_reads_it(podman_engine, programs, has, tmp_path):
    """nvidia-ctk 1.19 writes 0.7.0, which Podman before 5.1 drops: nvidia-container-toolkit issue 1860."""
    has(gpu("nvidia", "/dev/null", uuid="GPU-1", index=0))
    library = tmp_path / "libcuda.so.1"
    library.write_text("a library\n")
    stand_ins.put(programs, "nvidia-ctk", stand_ins.nvidia(node=RENDER[0], mount=str(library)))
    result = made()
    newest = tuple(map(int, result["max_version"].split(".")))
    groups = newest >= (0, 7, 0)
    assert (result["made_by"], result["cdi_version"]) == ("nvidia-ctk", "0.7.0" if groups else "0.5.0")
    look = f"cat {library}; id -G; stat -c %t:%T {RENDER[0]}; echo $NVIDIA_VISIBLE_DEVICES"
    seen = output("nvidia.com/gpu=all", "sh", "-c", look).splitlines()
    assert seen[0] == "a library"
    assert ("44" in seen[1].split()) is groups
    assert seen[2:] == ["1:3", "void"]
    assert in_podman("nvidia.com/gpu=1", "true").returncode != 0


def test_podman_agrees_on_files_of_others(podman_engine, programs, has):
    has(gpu("vulkan", RENDER[0]))
    made()
    assert output("gpu-fleet.org/dri=all", "ls", "/dev/dri") == "renderD128"
    theirs = {
        "cdiVersion": "0.5.0",
        "kind": "gpu-fleet.org/dri",
        "devices": [{"name": "all", "containerEdits": {"deviceNodes": [{"path": RENDER[1]}]}}],
    }
    # Beside ours, it makes the name unusable for the engine; in the later directory it hides ours.
    (ETC / "mine.json").write_text(json.dumps(theirs))
    assert in_podman("gpu-fleet.org/dri=all", "true").returncode != 0
    (problem,) = made(state="validated")["problems"]
    assert problem["code"] == "cdi-conflict"
    result = made()
    assert result["provided_by"] == [str(ETC / "mine.json")] and result["problems"] == []
    assert output("gpu-fleet.org/dri=all", "ls", "/dev/dri") == "renderD129"
    (ETC / "mine.json").unlink()
    made()
    RUN.mkdir(exist_ok=True)
    (RUN / "mine.json").write_text(json.dumps(theirs))
    assert output("gpu-fleet.org/dri=all", "ls", "/dev/dri") == "renderD129"
    assert [problem["code"] for problem in made(state="validated")["problems"]] == ["cdi-shadowed"]


def test_what_the_module_calls_unusable_podman_does_not_take_either(podman_engine, programs, has):
    """Our validator against the engine's parser, on one spec and its breaches."""
    has(gpu("vulkan", RENDER[0]))
    path = pathlib.Path(made()["path"])
    good = json.loads(path.read_text())
    broken = [
        {**good, "surprise": 1},
        {**good, "cdiVersion": "9.0.0"},
        {**good, "kind": "gpu-fleet.org"},
        {**good, "devices": [*good["devices"], good["devices"][0]]},
        {**good, "devices": [{**good["devices"][0], "containerEdits": {}}]},
        {**good, "devices": [*good["devices"], {**good["devices"][0], "name": "a/b"}]},
        {**good, "containerEdits": {"env": ["NAME"]}},
        {**good, "containerEdits": {"hooks": [{"hookName": "none", "path": "/bin/true"}]}},
    ]
    for spec in broken:
        path.write_text(json.dumps(spec))
        assert in_podman("gpu-fleet.org/dri=all", "true").returncode != 0, spec
        assert [problem["code"] for problem in made(state="validated")["problems"]] == ["cdi-unreadable"], spec
    path.write_text(json.dumps(good))
    assert output("gpu-fleet.org/dri=all", "ls", "/dev/dri") == "renderD128"


def test_docker_that_reads_specs_gives_the_device(docker_with, programs, has, name):
    engine = docker_with(CDI)
    has(gpu("vulkan", node(RENDER[0], gid=GROUP)))
    made()
    argv = ["docker", "--host", engine.url, "create", "--name", name, "--network=none"]
    argv += ["--device", "gpu-fleet.org/dri=all", IMAGE, *SLEEP]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    try:
        if int(engine.version.partition(".")[0]) < 25:
            # It knows no CDI. The client takes the name for a path or makes a request that the daemon refuses.
            started = done.returncode == 0 and _docker(engine, "start", name).returncode == 0
            assert not started
            return
        assert done.returncode == 0, done.stderr
        assert _docker(engine, "start", name).returncode == 0
        assert _docker(engine, "exec", name, "ls", "/dev/dri").stdout.strip() == "renderD128"
    finally:
        engine.remove_container(name)


def _docker(engine: t.Any, *words: str) -> subprocess.CompletedProcess:
    return subprocess.run(["docker", "--host", engine.url, *words], capture_output=True, text=True, check=False)
