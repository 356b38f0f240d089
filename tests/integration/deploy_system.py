"""The example system as a thing to test: an inventory of its own, its playbooks, and what the engines really hold."""

from __future__ import annotations

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time
import typing as t
from dataclasses import dataclass

ROOT = pathlib.Path(__file__).resolve().parents[2]
HOSTS = ("mainpc", "pc2")
SMALL = {"mainpc": ("core-services", "memory-system"), "pc2": ("pc2-memory",)}
"""Groups of the small system: a group on each host, and one that needs both."""

_RECAP = re.compile(r"^(\S+) +: (ok=\d+ .*)$", re.MULTILINE)


@dataclass(frozen=True)
class Outcome:
    """One finished ansible-playbook."""

    rc: int
    output: str
    seconds: float

    @property
    def changed(self) -> dict[str, int]:
        """Host → number of changed tasks, from the recap."""
        return {host: values["changed"] for host, values in self.recap.items()}

    @property
    def recap(self) -> dict[str, dict[str, int]]:
        return {
            host: {key: int(value) for key, value in (pair.split("=") for pair in counts.split())}
            for host, counts in _RECAP.findall(self.output)
        }

    @property
    def events(self) -> list[str]:
        """The lines that were shown while the hosts worked, without the seconds: ``mainpc core-services: ready``."""
        found = re.findall(r"^(\S+) +\d+\.\d s  (.*)$", self.output, re.MULTILINE)
        return [f"{host} {text}" for host, text in found]

    @property
    def errors(self) -> list[str]:
        """What Ansible printed as an error, one text for each failed task."""
        found = re.findall(r"^\[ERROR\]: Task failed: (.*?)^Origin: ", self.output, re.MULTILINE | re.DOTALL)
        return [text.strip() for text in found]


@dataclass(frozen=True)
class Container:
    """What has to stay the same in a container that was not touched."""

    id: str
    started: str
    running: bool
    image: str


class System:
    """A copy of `inventories/local` that a test may edit. Everything it does happens in the private machine."""

    def __init__(self, folder: pathlib.Path, small: bool = True) -> None:
        self.folder = folder
        self.small = small
        self.settled: str | None = None
        """The inventory's text when a deploy found nothing to do, until something else is played."""
        self.inventory = folder / "inventory"
        shutil.copytree(ROOT / "inventories/local", self.inventory, ignore=shutil.ignore_patterns(".secrets"))
        shutil.copytree(ROOT / "inventories/ai_system/images", self.inventory / "images")
        self._variables = self.inventory / "group_vars/all/main.yml"
        _replace(self._variables, "{{ inventory_dir }}/../ai_system/groups", "{{ inventory_dir }}/groups")
        self.restore()

    def restore(self) -> None:
        """The group files as they are in the repository, cut down to the small system."""
        shutil.rmtree(self.inventory / "groups", ignore_errors=True)
        shutil.copytree(ROOT / "inventories/ai_system/groups", self.inventory / "groups")
        if not self.small:
            return
        for host, groups in SMALL.items():
            path = self.inventory / f"host_vars/{host}.yml"
            head = path.read_text().partition("container_groups:")[0]
            path.write_text(head + f"container_groups: [{', '.join(groups)}]\n")
        # Links of the coordinator to groups that are not here.
        core = self.inventory / "groups/core-services.yml"
        text, count = re.subn(
            r"      [A-Z_]+_URL:\n        url: \"tcp://(?!memory)[^\n]*\n[^\n]*\n", "", core.read_text()
        )
        assert count == 3, text
        core.write_text(text)
        verify = self.inventory / "group_vars/all/verify.yml"
        verify.write_text(verify.read_text().partition("  - name: MainPC gets an answer")[0])

    @property
    def engine(self) -> str:
        found = re.search(r"^container_engine: (.*)$", self._variables.read_text(), re.MULTILINE)
        assert found
        return found.group(1)

    def use(self, engine: str) -> None:
        """Choose the engine, in the one line that is there for it."""
        _replace(self._variables, f"container_engine: {self.engine}\n", f"container_engine: {engine}\n")

    def edit(self, group: str, before: str, after: str) -> None:
        """Replace one place of a group file."""
        _replace(self.inventory / f"groups/{group}.yml", before, after)

    def secret(self, name: str, value: str) -> None:
        """Set the value of `memory_token` or `signing_key`."""
        folder = self.inventory / ".secrets"
        folder.mkdir(mode=0o700, exist_ok=True)
        (folder / name).write_text(value + "\n")

    def command(self, playbook: str, *arguments: str) -> tuple[list[str], dict[str, str]]:
        """What runs a playbook: argv and environment. The ansible-playbook is that of this interpreter."""
        program = pathlib.Path(sys.executable).parent / "ansible-playbook"
        environment = {
            **os.environ,
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "ANSIBLE_HOME": str(self.folder / "ansible"),
            "ANSIBLE_NOCOLOR": "1",
        }
        return [str(program), "-i", str(self.inventory / "hosts.yml"), str(ROOT / playbook), *arguments], environment

    def play(self, playbook: str, *arguments: str, rc: int = 0) -> Outcome:
        """Run a playbook to its end; it has to end with this status."""
        self.settled = None
        argv, environment = self.command(playbook, *arguments)
        begin = time.monotonic()
        done = subprocess.run(
            argv, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
        )
        outcome = Outcome(done.returncode, done.stdout, time.monotonic() - begin)
        print(f"$ ansible-playbook {playbook} {' '.join(arguments)}  ({outcome.seconds:.1f} s)\n{outcome.output}")
        assert outcome.rc == rc, f"{playbook} {' '.join(arguments)} ended with {outcome.rc}:\n{outcome.output}"
        return outcome

    def deploy(self, *arguments: str, rc: int = 0) -> Outcome:
        return self.play("deploy.yml", *arguments, rc=rc)

    def nothing_to_do(self, *arguments: str) -> Outcome:
        """Deploy, and fail unless that changed nothing, neither by its own words nor on any engine."""
        before = everything()
        outcome = self.deploy(*arguments)
        assert set(outcome.changed.values()) == {0}, outcome.output
        assert not re.search(r" \| (pull|bootstrap|build) ", outcome.output), outcome.output
        assert everything() == before
        if not arguments:
            self.settled = self._definition()
        return outcome

    def is_settled(self) -> bool:
        """Whether the last that was played is a deploy of just this inventory that found nothing to do."""
        return self.settled == self._definition()

    def _definition(self) -> str:
        files = sorted(path for path in self.inventory.rglob("*") if path.is_file())
        return "\0".join(f"{path}\0{path.read_bytes()!r}" for path in files)


class OneGroup(System):
    """The inventory cut down to one host with one group, whose file a test writes."""

    group_name: str

    def restore(self) -> None:
        shutil.rmtree(self.inventory / "groups", ignore_errors=True)
        (self.inventory / "groups").mkdir()
        (self.inventory / "hosts.yml").write_text("all: {hosts: {mainpc: }}\n")
        (self.inventory / "host_vars/pc2.yml").unlink(missing_ok=True)
        (self.inventory / "group_vars/all/verify.yml").unlink(missing_ok=True)
        (self.inventory / "host_vars/mainpc.yml").write_text(
            f"container_link_address: 10.77.1.1\ncontainer_groups: [{self.group_name}]\n"
        )


def _replace(path: pathlib.Path, before: str, after: str) -> None:
    text = path.read_text()
    assert text.count(before) == 1, f"{before!r} is {text.count(before)} times in {path}"
    path.write_text(text.replace(before, after))


def cli(engine: str, *words: str) -> str:
    """What the engine's own client prints; it has to succeed."""
    done = subprocess.run([engine, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{engine} {' '.join(words)}: {done.stderr}"
    return done.stdout


def answers(engine: str) -> bool:
    return subprocess.run([engine, "ps"], capture_output=True, check=False).returncode == 0


def inspected(engine: str, kind: str = "container") -> list[dict[str, t.Any]]:
    """`inspect` of every container, network, volume or image that carries our label."""
    words = {"container": ("ps", "-aq"), "network": ("network", "ls", "-q"), "volume": ("volume", "ls", "-q")}
    names = cli(engine, *words[kind], "--filter", "label=org.gpu-fleet.schema=1").split()
    return json.loads(cli(engine, *(() if kind == "container" else (kind,)), "inspect", *names)) if names else []


def containers(engine: str) -> dict[str, Container]:
    """Our containers on an engine, by name."""
    return {
        entry["Name"].lstrip("/"): Container(
            entry["Id"], str(entry["State"]["StartedAt"]), entry["State"]["Running"], entry["Image"]
        )
        for entry in inspected(engine)
    }


def everything() -> dict[str, dict[str, Container]]:
    """Our containers on every engine that answers."""
    return {engine: containers(engine) for engine in ("podman", "docker") if answers(engine)}


def names_of(engine: str, kind: str) -> set[str]:
    """Names of our networks or volumes."""
    return {entry.get("Name") or entry["name"] for entry in inspected(engine, kind)}


def touched(before: dict[str, Container], after: dict[str, Container]) -> set[str]:
    """Names of containers that are new, gone, or were started or stopped."""
    return {name for name in {*before, *after} if before.get(name) != after.get(name)}
