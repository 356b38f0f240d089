"""Images built on one real host for another one: MainPC (Podman) builds, PC2 (Docker) has neither base nor mmdebstrap.

    tests/hosts/with_hosts mainpc:podman,pc2:docker python -m pytest -q tests/hosts/test_images.py

The tests follow each other on the same two hosts.
"""

from __future__ import annotations

import json
import os
import pathlib
import random
import re
import typing as t

import pytest
import yaml

from tests.integration.deploy_system import Outcome

from .one_host import BUSYBOX, on, played

BASE = "localhost/busybox:1"
CONTAINERFILE = f"FROM {BASE}\nCOPY data /data\nCOPY words /words\n"
DATA = 4 << 20
UP = {"command": ["sleep", "100000"], "stop_signal": "SIGKILL", "restart": "unless-stopped"}
APP = {"image": "example/app", "build": {"context": "../images/app"}, **UP}
VARIABLES = {
    "container_image_builders": {"amd64": "mainpc"},
    "container_engine_install": False,
    "container_groups": ["app"],
}


class Fleet:
    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder
        self.inventory = yaml.safe_load(pathlib.Path(os.environ["FLEET_HOSTS_INVENTORY"]).read_text())
        self.hosts = self.inventory["all"]["hosts"]
        self.set("mainpc", container_engine="podman", container_link_address=self.hosts["mainpc"]["ansible_host"])
        self.set("pc2", container_engine="docker")
        for name in ("groups", "images/app", "group_vars"):
            (folder / name).mkdir(parents=True)
        (folder / "images/app/Dockerfile").write_text(CONTAINERFILE)
        (folder / "images/app/data").write_bytes(random.Random(1).randbytes(DATA))
        self.write(words="one\n")
        self.groups(app={"web": APP})
        self.variables(**VARIABLES)

    def set(self, host: str, **variables: t.Any) -> None:
        self.hosts.setdefault(host, {}).update(variables)
        (self.folder / "hosts.yml").write_text(yaml.safe_dump(self.inventory))

    def variables(self, **variables: t.Any) -> None:
        (self.folder / "group_vars/all.yml").write_text(json.dumps(variables))

    def groups(self, **groups: dict[str, t.Any]) -> None:
        """JSON is YAML."""
        for name, services in groups.items():
            (self.folder / f"groups/{name}.yml").write_text(json.dumps({"services": services}))

    def write(self, **files: str) -> None:
        for name, text in files.items():
            (self.folder / "images/app" / name).write_text(text)

    def build(self, *arguments: str, rc: int = 0) -> Outcome:
        return played(self.folder, "build.yml", *arguments, rc=rc)

    def deploy(self, *arguments: str, rc: int = 0) -> Outcome:
        return played(self.folder, "deploy.yml", *arguments, rc=rc)


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Fleet:
    on("mainpc", f"{BUSYBOX} && apt-get install -q -y --no-install-recommends docker-registry")
    on("mainpc", "systemctl disable --now docker-registry")
    assert on("pc2", "docker images --quiet; command -v mmdebstrap || echo none") == "none"
    return Fleet(tmp_path_factory.mktemp("fleet"))


def images(host: str) -> set[str]:
    engine = "podman" if host == "mainpc" else "docker"
    names = on(host, f"{engine} images --format '{{{{.Repository}}}}:{{{{.Tag}}}}'").splitlines()
    return {name.removeprefix("localhost/") for name in names}


def fetched(outcome: Outcome, host: str) -> int:
    """Bytes of `app` that came to a host, by the summary's words."""
    units = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20}
    told = re.search(
        rf"^{host} .*images\n(?:  .*\n)*  fetched example/app:\w+ from \w+: ([\d.]+) (\w+)", outcome.output, re.M
    )
    assert told, outcome.output
    return int(float(told[1]) * units[told[2]])


def builds(outcome: Outcome) -> list[str]:
    """Lines that a builder printed while it worked, and the tasks of tasks/images.yml."""
    return re.findall(
        r"^\w+ \| \w+ .*$|^TASK \[(?:Work out|Offer what|Fetch what|End the|Look at builders).*", outcome.output, re.M
    )


def test_check_mode_says_what_would_be_built_and_moved(fleet: Fleet) -> None:
    said = fleet.build("--check", "-l", "pc2")
    assert re.search(
        r"^mainpc \(podman, outside the limit\): images\n  would build example/app:\w{12}: not built yet$",
        said.output,
        re.M,
    )
    assert re.search(r"^pc2 \(docker\): images\n  would fetch example/app:\w{12} from mainpc$", said.output, re.M)
    assert images("pc2") == set() and images("mainpc") == {"busybox:1"}


def test_built_outside_the_limit_and_moved(fleet: Fleet, tmp_path: pathlib.Path) -> None:
    outcome = fleet.build("-l", "pc2", "-e", f"container_sbom_dir={tmp_path}")
    (listed,) = tmp_path.rglob("*.json")
    assert listed.parent == tmp_path / "mainpc" and json.loads(listed.read_text())["bomFormat"] == "CycloneDX"
    assert re.search(
        r"^mainpc \(podman, outside the limit\): images\n  built example/app:\w{12} in ", outcome.output, re.M
    )
    assert DATA < fetched(outcome, "pc2") < DATA * 1.5
    assert {name for name in images("mainpc") if "busybox" not in name} == images("pc2") != set()
    # Nothing serves any more, and nothing but the image came.
    assert on("mainpc", "pgrep -x docker-registry || echo none") == "none"
    assert on("pc2", "docker ps -aq") == ""


def test_a_second_build_asks_and_no_more(fleet: Fleet) -> None:
    outcome = fleet.build()
    assert outcome.changed == {"mainpc": 0, "pc2": 0}
    assert builds(outcome) == [], outcome.output
    assert outcome.output.rstrip().count("every image was there: mainpc, pc2") == 1


def test_a_one_line_change_moves_one_layer(fleet: Fleet) -> None:
    fleet.write(words="two\n")
    outcome = fleet.build()
    assert fetched(outcome, "pc2") < 16 << 10, outcome.output


def test_deployed_from_an_image_of_the_builder(fleet: Fleet) -> None:
    fleet.write(words="three\n")
    outcome = fleet.deploy("-l", "pc2")
    assert fetched(outcome, "pc2") < 16 << 10, outcome.output
    assert on("pc2", "docker exec app-web-1 cat /words") == "three"
    again = fleet.deploy("-l", "pc2")
    assert again.changed == {"pc2": 0} and builds(again) == [], again.output


def test_the_other_way_round(fleet: Fleet) -> None:
    """From Docker to Podman: PC2 builds what it has the base for by now."""
    on(
        "pc2",
        f"docker import - {BASE} </srv/test-cache/busybox.tar; apt-get install -q -y --no-install-recommends docker-registry",
    )
    on("pc2", "systemctl disable --now docker-registry")
    fleet.set("pc2", container_link_address=fleet.hosts["pc2"]["ansible_host"])
    fleet.variables(**{**VARIABLES, "container_image_builders": {"amd64": "pc2"}})
    fleet.write(words="four\n")
    outcome = fleet.build()
    assert re.search(r"^pc2 \(docker\): images\n(?:  .*\n)*  built example/app", outcome.output, re.M)
    # Docker writes a copied file into a layer otherwise than Podman, so what MainPC built itself is another layer.
    assert fetched(outcome, "mainpc") < DATA * 1.5, outcome.output
    fleet.write(words="and four\n")
    assert fetched(fleet.build(), "mainpc") < 16 << 10
    fleet.variables(**VARIABLES)


def test_a_builder_that_cannot_be_reached(fleet: Fleet) -> None:
    """Said before anything is built."""
    fleet.write(words="five\n")
    address = "10.80.0.250"
    fleet.set("gone", ansible_host=address, container_link_address=address, container_groups=[])
    fleet.set("gone", ansible_ssh_common_args="-o ConnectTimeout=2")
    fleet.variables(**{**VARIABLES, "container_image_builders": {"amd64": "gone"}})
    before = images("pc2")
    outcome = fleet.build("-l", "pc2", rc=2)
    words = "container_image_builders.amd64: gone builds the images of amd64 and cannot be reached"
    assert words in " ".join(outcome.output.split()), outcome.output
    assert not re.search(r"^\w+ \| (build|push) ", outcome.output, re.M)
    assert images("pc2") == before
    fleet.variables(**VARIABLES)
    del fleet.hosts["gone"]
    fleet.set("pc2")


def test_a_build_that_fails_moves_nothing(fleet: Fleet) -> None:
    fleet.write(Dockerfile=CONTAINERFILE + "RUN echo no such luck; exit 3\n")
    before = images("pc2")
    outcome = fleet.build("-l", "pc2", rc=2)
    assert "no such luck" in outcome.output
    assert images("pc2") == before
    fleet.write(Dockerfile=CONTAINERFILE)


def test_through_a_registry_of_the_fleet(fleet: Fleet) -> None:
    """Built once, pushed once, fetched by digest; PC2 serves it."""
    address = f"{fleet.hosts['pc2']['ansible_host']}:5000"
    registry = {
        "container_registry": {"address": address, "host": "pc2"},
        "container_registry_password": "not-a-secret",
    }
    fleet.variables(**VARIABLES, **registry)
    played(fleet.folder, "playbooks/prepare.yml")
    fleet.write(words="six\n")
    outcome = fleet.build("-l", "pc2")
    assert fetched(outcome, "pc2") < 16 << 10, outcome.output
    assert "not-a-secret" not in outcome.output
    again = fleet.build()
    assert again.changed == {"mainpc": 0, "pc2": 0} and builds(again) == [], again.output
