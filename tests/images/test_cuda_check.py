"""The group cuda-check: its image from both templates on a stand-in base, its answers, and a host without a GPU.

libcuda is the made-up one of the other tests (tests/fixtures/nvml/cuda.c): there is no GPU here.
"""

from __future__ import annotations

import json
import os
import pathlib
import shutil
import stat
import subprocess
import typing as t

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu.engines import probe_engines
from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu.probe import HostReader
from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu.snapshot import RecordingReader

from ..integration.deploy_system import ROOT, Outcome, cli, inspected
from .workstation import Workstation

SPECIFICATION = pathlib.Path("/etc/cdi/nvidia.json")
"""The private machine's own."""

UUID = "GPU-00112233-4455-6677-8899-aabbccddeeff"
"""Of the made-up libcuda's GPU."""

PACKAGES = {"podman": "six==1.17.0", "docker": ""}
"""Python packages of the image: one as torch would be, which is too large to be fetched here; and none."""

LIBRARY = "/usr/lib/x86_64-linux-gnu/libcuda.so.1"
BUILD = """
- hosts: all
  gather_facts: false
  tasks:
    - gpu_fleet.containers.image_build:
        engine: {engine}
        name: cuda-check/{template}
        context: {context}
        template: {template}
        arguments: {{PACKAGES: python3, PYTHON_PACKAGES: "{packages}", {index}}}
        bootstrap: {{argument: BASE, suite: trixie, pull: false}}
      register: built
    - ansible.builtin.copy: {{content: "{{{{ built.images[-1].reference }}}}", dest: "{result}", mode: "0600"}}
"""


@pytest.fixture(scope="module")
def libcuda(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    path = tmp_path_factory.mktemp("libcuda") / "libcuda.so.1"
    source = ROOT / "tests/fixtures/nvml/cuda.c"
    words = ["-std=c11", "-Wall", "-Wextra", "-Werror", "-fPIC", "-shared"]
    subprocess.run(["gcc", *words, "-o", str(path), str(source)], check=True)
    return path


@pytest.fixture(scope="module")
def images(engine: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Template → reference."""
    system = Workstation(tmp_path_factory.mktemp("cuda-check"), engine, ["cuda-check"])
    made = {}
    names = ("PIP_INDEX_URL", "PIP_TRUSTED_HOST")
    index = ", ".join(f"{name}: {os.environ[name]}" for name in names)
    for template in ("wsl2-cuda", "cuda"):
        context, result = system.inventory / "images/cuda-check", system.folder / template
        playbook = system.folder / f"{template}.yml"
        playbook.write_text(
            BUILD.format(
                engine=engine,
                template=template,
                context=context,
                result=result,
                index=index,
                packages=PACKAGES[engine],
            )
        )
        system.play(str(playbook))
        made[template] = result.read_text()
    return made


def checked(engine: str, image: str, *words: str) -> tuple[int, str]:
    argv = [engine, "run", "--rm", *words, image, "python3", "/app/check.py"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)
    return done.returncode, done.stdout


@pytest.mark.parametrize("template", ["wsl2-cuda", "cuda"])
def test_what_it_says(engine: str, images: dict[str, str], libcuda: pathlib.Path, template: str) -> None:
    image = images[template]
    status, text = checked(engine, image)
    assert status == 1 and "libcuda.so.1 is not in this container" in text
    given = ("-v", f"{libcuda}:{LIBRARY}:ro", "-e")
    status, text = checked(engine, image, *given, "GPU_FLEET_CUDA=init 0")
    assert (status, text) == (0, "CUDA works: the driver takes CUDA up to 12.8; GPUs: NVIDIA GeForce RTX 4090\n")
    for number, words in (
        (803, "different versions"),
        (804, "forward compatibility"),
        (100, "shows no GPU"),
        (7, "CUresult"),
    ):
        status, text = checked(engine, image, *given, f"GPU_FLEET_CUDA=init {number}")
        assert status == 1 and f"cuInit gave {number}" in text and words in text, text
    # Under WSL2 the driver's library lies where no loader looks by itself.
    wsl = ("-v", f"{libcuda}:/usr/lib/wsl/lib/libcuda.so.1:ro", "-e", "GPU_FLEET_CUDA=init 0")
    assert checked(engine, image, *wsl)[0] == 0


@pytest.mark.parametrize("template", ["wsl2-cuda", "cuda"])
def test_the_image_has_no_driver_and_no_compiler(engine: str, images: dict[str, str], template: str) -> None:
    script = (
        "find / -xdev -name 'libcuda*' -o -xdev -name 'libnvidia*'; command -v gcc pip; ls /var/lib/apt/lists; id -u"
    )
    said = cli(engine, "run", "--rm", "--entrypoint", "sh", images[template], "-c", script).split()
    assert said == ["10001"]
    if PACKAGES[engine]:
        where = cli(engine, "run", "--rm", images[template], "python3", "-c", "import six; print(six.__file__)")
        assert where.startswith("/opt/venv/")


def test_a_host_without_a_gpu_is_refused_before_anything_is_changed(tmp_path: pathlib.Path) -> None:
    system = Workstation(tmp_path, "podman", ["cuda-check"])
    refused = system.deploy(rc=2)
    (error,) = refused.errors
    assert "cuda-check" in error and "check" in error and "nvidia" in error
    assert "nvidia-wsl" in error, error
    assert not [entry for entry in inspected("podman") if "cuda-check" in entry["Name"]]


class Promised(Workstation):
    """A host that, by a replayed snapshot, has an NVIDIA GPU; its CDI specification gives containers the made-up libcuda."""

    def __init__(self, folder: pathlib.Path, engine: str, libcuda: pathlib.Path) -> None:
        super().__init__(folder, engine, ["cuda-check"])
        self.libcuda, self.node = libcuda, folder / "nvidia0"
        os.mknod(self.node, 0o666 | stat.S_IFCHR, os.makedev(1, 3))
        os.chmod(self.node, 0o666)
        self.playbooks = folder / "playbooks"
        shutil.copytree(ROOT / "playbooks", self.playbooks)
        (self.playbooks / "deploy.yml").write_text(
            (self.playbooks / "deploy.yml")
            .read_text()
            .replace(
                "gpu_fleet.containers.gpu_facts:\n",
                f"gpu_fleet.containers.gpu_facts:\n        replay: {folder}/snapshot.json\n",
            )
        )

    def given(self, answer: str) -> None:
        """What cuInit gives in containers."""
        edits = {"deviceNodes": [{"path": "/dev/nvidia0", "hostPath": str(self.node)}]}
        options = ["ro", "nosuid", "nodev", "bind"]
        specification = {
            "cdiVersion": "0.5.0",
            "kind": "nvidia.com/gpu",
            "devices": [{"name": name, "containerEdits": edits} for name in ("0", "all", UUID)],
            "containerEdits": {
                "env": [f"GPU_FLEET_CUDA={answer}"],
                "mounts": [{"hostPath": str(self.libcuda), "containerPath": LIBRARY, "options": options}],
            },
        }
        SPECIFICATION.parent.mkdir(parents=True, exist_ok=True)
        SPECIFICATION.write_text(json.dumps(specification))
        (self.folder / "snapshot.json").write_text(json.dumps(snapshot()))

    def deploy(self, *arguments: str, rc: int = 0) -> Outcome:
        return self.play(str(self.playbooks / "deploy.yml"), *arguments, rc=rc)


def snapshot() -> dict[str, t.Any]:
    """A machine with one GPU, from the fixtures, with this machine's engines and specifications."""
    reader = RecordingReader(HostReader())
    probe_engines(reader, ("podman", "docker"))
    here = reader.snapshot()
    text = (ROOT / "tests/fixtures/hosts/nvidia-single.json").read_text()
    there = json.loads(text.replace("GPU-1f2e3d4c-5b6a-7988-a1b2-c3d4e5f60718", UUID))
    there["commands"] = {name: said for name, said in there["commands"].items() if name.startswith("nvidia-smi")}
    for key in ("files", "directories", "commands", "nodes"):
        there[key] = {**there.get(key, {}), **here.get(key, {})}
    there["files"][str(SPECIFICATION)] = SPECIFICATION.read_text()
    there["directories"][str(SPECIFICATION.parent)] = [SPECIFICATION.name]
    return there


@pytest.fixture
def promised(engine: str, libcuda: pathlib.Path, tmp_path: pathlib.Path) -> t.Iterator[Promised]:
    system = Promised(tmp_path, engine, libcuda)
    yield system
    SPECIFICATION.unlink(missing_ok=True)
    system.play("playbooks/teardown.yml")


def test_a_host_with_a_gpu_is_checked_by_deploying(promised: Promised) -> None:
    # As in BUILD: most of it is built already.
    index = {name: os.environ[name] for name in ("PIP_INDEX_URL", "PIP_TRUSTED_HOST")}
    promised.set(container_environment={**index, "CUDA_CHECK_PACKAGES": PACKAGES[promised.engine]})
    promised.given("init 804")
    failed = promised.deploy(rc=2)
    assert "804" in failed.errors[0] and "forward compatibility" in failed.errors[0], failed.errors
    assert not inspected(promised.engine)

    promised.given("init 0")
    promised.deploy()
    said = cli(promised.engine, "logs", "cuda-check-check-1")
    assert said == "CUDA works: the driver takes CUDA up to 12.8; GPUs: NVIDIA GeForce RTX 4090\n"
