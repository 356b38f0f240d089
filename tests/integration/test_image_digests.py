"""Lock files: digests of a real registry, asked by a real skopeo, and real engines that pull and build by them."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys

import pytest
import yaml

from ansible_collections.gpu_fleet.containers.plugins.module_utils._errors import EngineError
from ansible_collections.gpu_fleet.containers.plugins.module_utils._image.make import Stager
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._images.context import read_context, write_archive
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._images.lock import Lock, Pins
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._images.spec import image_spec, pulled_spec

from .a_registry import PASSWORD, registry

ROOT = pathlib.Path(__file__).resolve().parents[2]
PLAY = f"""
- name: Plan, refresh, plan
  hosts: all
  gather_facts: false
  tasks:
    - name: Look
      gpu_fleet.containers.gpu_facts:
      register: gpu_fleet_facts
    - name: Plan
      gpu_fleet.containers.fleet_plan:
        show: false
      register: fleet
    - name: Ask
      ansible.builtin.include_tasks: {ROOT}/playbooks/tasks/lock.yml
    - name: Show
      ansible.builtin.debug:
        msg: "{{{{ fleet.hosts.one.images | to_json }}}} warnings {{{{ fleet.plan_warnings }}}}"
"""


class Fleet:
    """One host with a group of two images, and the registry that has them."""

    def __init__(self, folder, served):
        self.folder, self.registry = folder, served
        self.lock = folder / "images.lock.yml"
        self.variables = {
            "ansible_connection": "local",
            "ansible_python_interpreter": sys.executable,
            "container_groups": ["core"],
            "container_registry": {"address": served.address, "ca": "ca.pem"},
            "container_registry_password": PASSWORD,
        }
        (folder / "groups").mkdir()
        build = {"dockerfile_inline": f"FROM {served.address}/base:2"}
        services = {"app": {"image": f"{served.address}/app:1"}, "made": {"image": "made", "build": build}}
        (folder / "groups/core.yml").write_text(yaml.safe_dump({"services": services}))
        (folder / "play.yml").write_text(PLAY)

    def play(self, *arguments, rc=0, playbook=None, **variables):
        hosts = {"all": {"hosts": {"one": {**self.variables, **variables}}}}
        (self.folder / "hosts.yml").write_text(yaml.safe_dump(hosts))
        (self.folder / "ca.pem").write_text(self.registry.ca.read_text())
        program = pathlib.Path(sys.executable).parent / "ansible-playbook"
        words = [
            program,
            "-i",
            self.folder / "hosts.yml",
            playbook or self.folder / "play.yml",
            "-vvv",
            "--diff",
            *arguments,
        ]
        environment = {**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"}
        done = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        print(done.stdout)
        assert done.returncode == rc, done.stderr
        assert PASSWORD not in done.stdout + done.stderr
        return done.stdout

    def changed(self, output):
        return "changed=0" not in output


@pytest.fixture
def fleet(tmp_path, link_address):
    (tmp_path / "registry").mkdir()
    with registry(tmp_path / "registry", f"{link_address}:5443") as served:
        yield Fleet(tmp_path, served)


def test_the_lock_file_is_made_kept_and_refreshed(fleet):
    where = fleet.registry.address
    app, base = fleet.registry.put("app:1", "one"), fleet.registry.put("base:2", "two", ["amd64"])

    dry = fleet.play("--check")
    assert fleet.changed(dry) and f'+  "{where}/app:1": "{app}"' in dry and not fleet.lock.exists()

    first = fleet.play()
    assert yaml.safe_load(fleet.lock.read_text())["images"] == {f"{where}/app:1": app, f"{where}/base:2": base}
    assert f"{where}/app:1@{app}" in first and f"{where}/base:2@{base}" in first and "warnings []" in first

    fleet.lock.write_text(fleet.lock.read_text().replace(f'{base}"', f'{base}"  # the old one') + "mine: 1\n")
    kept = fleet.lock.read_text()
    assert not fleet.changed(fleet.play())
    assert fleet.lock.read_text() == kept

    newer = fleet.registry.put("base:2", "three")
    output = fleet.play()
    assert fleet.changed(output) and f"{where}/base:2: {base[:19]} → {newer[:19]}" in output
    assert fleet.lock.read_text() == kept.replace(base, newer)


def test_build_asks_first_and_builds_on_what_it_was_told(fleet, podman_engine):
    where = fleet.registry.address
    app, base = fleet.registry.put("app:1", "one"), fleet.registry.put("base:2", "two")
    variables = {"container_engine": "podman", "container_engine_install": False}
    variables |= {f"container_{name}_dir": str(fleet.folder / name) for name in ("cache", "state")}
    said = fleet.play("-e", "update_lock=true", playbook=ROOT / "build.yml", **variables)
    assert yaml.safe_load(fleet.lock.read_text())["images"] == {f"{where}/app:1": app, f"{where}/base:2": base}
    assert f"pulled {where}/app:1@{app} in " in said and f"pulled {where}/base:2@{base} in " in said
    assert "  built made:" in said and "\nwarning: " not in said
    again = fleet.play("-e", "update_lock=true", playbook=ROOT / "build.yml", **variables)
    assert "every image was there: one" in again and not fleet.changed(again)


def test_what_goes_wrong_is_named_and_nothing_is_written(fleet):
    where = fleet.registry.address
    fleet.registry.put("app:1", "one")
    output = fleet.play(rc=2)
    assert (
        f"{where}/base:2: its registry was asked and gave no digest" in output
        and "Correct the name or the tag" in output
    )
    assert not fleet.lock.exists()

    fleet.registry.put("base:2", "two")
    output = fleet.play(rc=2, container_registry_password="a wrong password")
    assert "2 errors" in output and "Correct name and password" in output

    output = fleet.play(rc=2, container_registry={"address": where})
    assert "Name its CA in container_registry" in output

    output = fleet.play(rc=2, container_registry={"address": where, "ca": "gone.pem"})
    assert "container_registry.ca: cannot read" in output

    fleet.lock.write_text("images: [")
    assert f"{fleet.lock}:1: the lock file is not YAML" in fleet.play(rc=2)
    fleet.lock.unlink()

    fleet.registry.stop()
    output = fleet.play(rc=2)
    assert "connection refused. See whether the registry is up" in output and not fleet.lock.exists()

    # Where skopeo would have to come first (here another package stands for it), check mode says that and asks nobody.
    output = fleet.play("--check", "-e", '{"packages_names": ["no-such-package"]}')
    assert "install no-such-package" in output and "gave no digest" not in output


@pytest.fixture(scope="module")
def open_registry(tmp_path_factory):
    """Both engines pull from it as they are: Docker takes 127.0.0.0/8 without TLS, Podman is told to."""
    settings = pathlib.Path("/etc/containers/registries.conf.d/open-registry.conf")
    settings.parent.mkdir(exist_ok=True)
    settings.write_text('[[registry]]\nlocation = "127.0.0.1:5055"\ninsecure = true\n')
    with registry(tmp_path_factory.mktemp("open"), "127.0.0.1:5055", open=True) as served:
        yield served
    settings.unlink()


@pytest.fixture
def stage(engine, tmp_path):
    def staged(spec):
        archives = {}
        if spec.build:
            archives[spec.key] = str(tmp_path / f"context-{len(list(tmp_path.iterdir()))}.tar")
            extra = {spec.containerfile: spec.containerfile_text} if spec.containerfile_text else {}
            write_archive(read_context(spec.context, spec.containerfile), archives[spec.key], extra)
        done = Stager(engine, str(tmp_path), archives, lambda event: None).stage([spec])
        return [(entry.action, entry.reference) for entry in done]

    return staged


def test_an_image_is_pulled_by_the_digest_of_its_tag(open_registry, stage, name):
    digest = open_registry.put(f"{name}:1", "old")
    open_registry.put(f"{name}:1", "new")
    full = f"127.0.0.1:5055/{name}:1"
    spec = pulled_spec("s", full, pin=Pins(Lock("l", {full: digest})).pin)
    assert stage(spec) == [("pulled", f"{full}@{digest}")]
    assert stage(spec) == [("present", f"{full}@{digest}")]


def test_a_base_is_pulled_by_its_digest_and_pinning_it_makes_nothing_anew(open_registry, stage, name, tmp_path):
    digest = open_registry.put(f"{name}:1", "old")
    full = f"127.0.0.1:5055/{name}:1"
    context = tmp_path / "context"
    context.mkdir()
    (context / "Containerfile").write_text(f"ARG BASE={full}\nFROM ${{BASE}} AS one\nFROM one\nCOPY . /app/\n")

    def spec(pins):
        return image_spec("s", {"context": str(context)}, None, "cpu", name, pin=pins.pin)

    plain, pinned = spec(Pins(Lock("l"))), spec(Pins(Lock("l", {full: digest})))
    actions = stage(plain)
    assert [action for action, _reference in actions] == ["pulled", "built"]
    assert stage(pinned) == [("present", actions[-1][1])]

    newer = open_registry.put(f"{name}:1", "new")
    assert stage(pinned) == [("present", actions[-1][1])], "the tag means something else now, and the lock does not"
    moved = stage(spec(Pins(Lock("l", {full: newer}))))
    assert [action for action, _reference in moved] == ["pulled", "built"] and moved[-1][1] != actions[-1][1]


def test_a_digest_that_the_registry_has_not_is_named(open_registry, stage, name):
    open_registry.put(f"{name}:1", "one")
    full = f"127.0.0.1:5055/{name}:1"
    with pytest.raises(EngineError, match=f"(?s)cannot pull {full}@sha256:aaaa.*update_lock=true"):
        stage(pulled_spec("s", full, pin=Pins(Lock("l", {full: f"sha256:{'a' * 64}"})).pin))
