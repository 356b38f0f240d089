from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.gpu_fleet.containers.plugins.module_utils._boot import units
from ansible_collections.gpu_fleet.containers.plugins.module_utils._boot.units import (
    boot_files,
    escaped,
    owner_line,
    owner_of,
    unit_name,
)
from ansible_collections.gpu_fleet.containers.plugins.module_utils._group.config import Dependency
from ansible_collections.gpu_fleet.containers.plugins.module_utils._group.order import start_order

from .examples import CORE, MEMORY, SETTINGS, group, service

UNIT = "/etc/systemd/system/gpu-fleet-mainpc-memory.service"
DATA = "/var/lib/gpu-fleet/boot/mainpc-memory.json"
PODMAN = replace(SETTINGS, engine="podman")
ROOTLESS = replace(PODMAN, user=True, units="/home/me/.config/systemd/user")


def lines_of(text: str, key: str) -> list[str]:
    return [line.partition("=")[2] for line in text.splitlines() if line.startswith(f"{key}=")]


def test_the_unit_of_a_group_on_docker():
    files = boot_files(SETTINGS, [CORE, MEMORY])["memory"]
    text = files.texts[UNIT]
    assert set(files.texts) == {UNIT, DATA}
    assert lines_of(text, "After") == ["gpu-fleet-mainpc-core.service", "docker.service"]
    assert lines_of(text, "Wants") == ["gpu-fleet-mainpc-core.service", "docker.service"]
    assert lines_of(text, "PartOf") == ["docker.service"], "a restart of Docker is one of the group, in order"
    assert lines_of(text, "Requires") == [], "one late start must not keep it down"
    assert lines_of(text, "ExecStart") == [f"/usr/bin/python3 /var/lib/gpu-fleet/boot/abc/boot.py start {DATA}"]
    assert lines_of(text, "Restart") == ["on-failure"] and lines_of(text, "StartLimitIntervalSec") == ["0"]
    # 60 for Docker, 35 for stops, 300 for other hosts, twice 120 for the needed group and its own, 30 to spare
    assert lines_of(text, "TimeoutStartSec") == ["665"] and lines_of(text, "TimeoutStopSec") == ["35"]
    assert files.links == {
        "/etc/systemd/system/docker.service.wants/gpu-fleet-mainpc-memory.service": "../gpu-fleet-mainpc-memory.service"
    }


@pytest.mark.parametrize(
    ("settings", "folder", "wanted_by", "behind"),
    [
        (PODMAN, "/etc/systemd/system", "multi-user.target", "network-online.target multi-user.target"),
        (ROOTLESS, "/home/me/.config/systemd/user", "default.target", "default.target"),
    ],
)
def test_the_unit_of_a_group_on_podman(settings, folder, wanted_by, behind):
    files = boot_files(settings, [CORE, MEMORY])["core"]
    text = files.texts[f"{folder}/gpu-fleet-mainpc-core.service"]
    assert list(files.links) == [f"{folder}/{wanted_by}.wants/gpu-fleet-mainpc-core.service"]
    assert lines_of(text, "After") == [behind, "core-base-1.service core-twin-1.service"]
    assert "docker" not in text
    assert files.texts[f"{folder}/core-twin-1.service.d/50-gpu-fleet-order.conf"].endswith(
        "[Unit]\nAfter=core-base-1.service\n"
    )
    assert f"{folder}/core-base-1.service.d/50-gpu-fleet-order.conf" not in files.texts, "it is behind nothing"


def test_a_container_is_not_behind_one_that_only_has_to_be_started():
    """Its unit counts as started when it is healthy, and for that it may need the other one."""
    both = group("core", service("base"), service("twin", Dependency("base", "service_started")))
    assert not [path for path in boot_files(PODMAN, [both])["core"].texts if path.endswith(".conf")]


def test_what_the_script_reads():
    data = json.loads(boot_files(SETTINGS, [CORE, MEMORY])["core"].texts[DATA.replace("memory", "core")])
    assert [entry["container"] for entry in data["services"]] == ["core-base-1", "core-twin-1"]
    assert data["services"][1]["after"] == [{"service": "base", "state": "healthy"}]
    assert data["services"][0]["checked"] and not data["services"][1]["checked"]
    data = json.loads(boot_files(SETTINGS, [CORE, MEMORY])["memory"].texts[DATA])
    assert data["needs"] == [DATA.replace("memory", "core")]
    assert data["awaits"] == [{"url": "tcp://10.0.0.2:7140", "to": "remote/answer:7140", "host": "pc2"}]
    assert data["services"][0]["after"] == [], "needed groups are waited for as a whole"


def test_a_need_of_another_host_has_no_file_here():
    files = boot_files(SETTINGS, [MEMORY])["memory"]
    assert json.loads(files.texts[DATA])["needs"] == []
    assert "core" not in files.texts[UNIT]


def test_a_group_s_files_change_with_the_group_alone():
    more = replace(CORE, services=(*CORE.services, service("third")))
    before, after = boot_files(PODMAN, [CORE, MEMORY]), boot_files(PODMAN, [more, MEMORY])
    assert before["memory"] == after["memory"] and before["core"] != after["core"]


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        ("mainpc", "mainpc"),
        ("pc.example.org", "pc.example.org"),
        ("pc 2", r"pc\x202"),
        ("büro", r"b\xc3\xbcro"),
        ("a/b@c%d", r"a\x2fb\x40c\x25d"),
    ],
)
def test_names_that_systemd_must_have_escaped(text, unit):
    assert escaped(text) == unit
    assert unit_name(text, "core") == f"gpu-fleet-{unit}-core.service"


@given(st.text(min_size=1), st.text(min_size=1))
def test_a_file_says_whose_it_is(host, name):
    line = owner_line(host, name)
    assert line.isascii() and line.count("\n") == 1, "no name leaves its comment"
    assert owner_of(f"{line}[Unit]\n") == (host, name)


@pytest.mark.parametrize(
    "text", ["", "[Unit]\n", "# gpu_fleet.containers: {", "# gpu_fleet.containers: []", "# gpu_fleet.containers: {}"]
)
def test_a_file_of_somebody_else(text):
    assert owner_of(text) is None


@pytest.mark.parametrize(
    ("word", "written"),
    [
        ("/usr/bin/python3", "/usr/bin/python3"),
        ("/srv/my data/x", '"/srv/my data/x"'),
        ("/srv/50%/$x", "/srv/50%%/$$x"),
        ('/srv/"q"\\', '"/srv/\\"q\\"\\\\"'),
    ],
)
def test_words_of_a_command_line(word, written):
    assert units._words([word]) == written


@st.composite
def hosts(draw):
    """Groups of one host whose needs and dependencies point backwards, so that there is no circle."""
    groups = []
    for number in range(draw(st.integers(1, 4))):
        name = f"g{number}"
        services = []
        for index in range(draw(st.integers(1, 4))):
            before = [each.name for each in services]
            after = draw(st.lists(st.sampled_from(before), unique=True)) if before else []
            condition = st.sampled_from(["service_started", "service_healthy"])
            services.append(service(f"s{index}", *(Dependency(each, draw(condition)) for each in after), group=name))
        needs = draw(st.lists(st.sampled_from([each.name for each in groups]), unique=True)) if groups else []
        groups.append(group(name, *services, needs=tuple(needs)))
    return draw(st.permutations(groups))


@given(hosts(), st.sampled_from([SETTINGS, PODMAN, ROOTLESS]))
def test_units_are_ordered_as_the_plan_is_and_name_only_units_that_exist(groups, settings):
    files = boot_files(settings, groups)
    texts = {path: text for each in files.values() for path, text in each.texts.items()}
    ours = {unit_name("mainpc", each.name) for each in groups}
    containers = {f"{entry.config.name}.service" for each in groups for entry in each.services}
    outside = {"docker.service", "default.target", "network-online.target", "multi-user.target"}
    for path, text in texts.items():
        if not path.endswith(".json"):
            named = {name for line in lines_of(text, "After") for name in line.split()}
            assert named <= ours | containers | outside
    order = start_order(groups)
    for each in groups:
        unit = files[each.name].texts[f"{settings.units}/{unit_name('mainpc', each.name)}"]
        assert {unit_name("mainpc", need) for need in each.needs} == set(lines_of(unit, "After")) & ours
        data = json.loads(files[each.name].texts[units.group_path(settings, each.name)])
        listed = [entry["name"] for entry in data["services"]]
        assert listed == [name for owner, name in order if owner == each.name]
        for entry in data["services"]:
            wanted = {each.service for each in next(s for s in each.services if s.name == entry["name"]).depends_on}
            assert {wait["service"] for wait in entry["after"]} == wanted
            assert wanted <= set(listed[: listed.index(entry["name"])]), "behind what it waits for"
