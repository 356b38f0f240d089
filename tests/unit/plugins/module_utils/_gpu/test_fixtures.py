"""Every snapshot in tests/fixtures/hosts gives its expected verdict, and no mutilated one makes detection raise."""

from __future__ import annotations

import copy
import json
import pathlib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.gpu_fleet.containers.plugins.module_utils._access.facts import gather
from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu.findings import CODES
from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu.snapshot import ReplayReader

HOSTS = pathlib.Path(__file__).resolve().parents[4] / "fixtures" / "hosts"
NAMES = sorted(path.stem for path in HOSTS.glob("*.json") if not path.stem.endswith(".expected"))
SNAPSHOTS = {name: json.loads((HOSTS / f"{name}.json").read_text(encoding="utf-8")) for name in NAMES}
DEVICE = ("stack", "name", "index", "minor", "memory_bytes", "driver", "ready")


def verdict(gpu):
    devices = []
    for device in gpu["devices"]:
        shown = {key: device[key] for key in DEVICE}
        if device["mig"]:
            shown["mig"] = [part["uuid"] for part in device["mig"]]
        devices.append(shown)
    return {
        "platform": gpu["platform"],
        "stack": gpu["stack"],
        "stacks": {stack["name"]: stack["ready"] for stack in gpu["stacks"]},
        "devices": devices,
        "findings": sorted(found["code"] for found in gpu["findings"]),
        "access": {
            engine: {stack: plan["gpu"]["mode"] for stack, plan in plans.items()}
            for engine, plans in gpu["access"].items()
        },
    }


@pytest.mark.parametrize("name", NAMES)
def test_verdict(name):
    gpu = gather(ReplayReader(SNAPSHOTS[name]), ["docker", "podman"])
    assert verdict(gpu) == json.loads((HOSTS / f"{name}.expected.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", NAMES)
def test_every_no_is_explained_and_every_finding_is_complete(name):
    gpu = gather(ReplayReader(SNAPSHOTS[name]), [])
    assert all(stack["reason"] for stack in gpu["stacks"])
    for found in gpu["findings"]:
        assert found["message"] and found["probe"] and found["evidence"] and found["mend"], found
        assert "{" not in found["mend"] or found["code"] == "cdi-off"
        assert found["level"] == CODES[found["code"]][0]


@pytest.mark.parametrize("name", NAMES)
def test_a_snapshot_says_what_was_composed(name):
    assert SNAPSHOTS[name]["note"]


def test_every_verdict_has_its_snapshot():
    assert sorted(path.name[: -len(".expected.json")] for path in HOSTS.glob("*.expected.json")) == NAMES


garbage = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.text(max_size=20),
    st.lists(st.text(max_size=5), max_size=3),
    st.dictionaries(st.text(max_size=5), st.integers(), max_size=3),
)


def places(value, path=()):
    """Paths to everything inside a snapshot."""
    found = [path] if path else []
    if isinstance(value, dict):
        for key in value:
            found += places(value[key], (*path, key))
    elif isinstance(value, list):
        for number, entry in enumerate(value):
            found += places(entry, (*path, number))
    return found


def damage(snapshot, path, how, junk):
    holder = snapshot
    for step in path[:-1]:
        holder = holder[step]
    if how == "remove":
        del holder[path[-1]]
    elif how == "cut" and isinstance(holder[path[-1]], str):
        holder[path[-1]] = holder[path[-1]][: len(holder[path[-1]]) // 2]
    else:
        holder[path[-1]] = junk


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_a_mutilated_snapshot_never_raises(data):
    snapshot = copy.deepcopy(SNAPSHOTS[data.draw(st.sampled_from(NAMES))])
    for _round in range(data.draw(st.integers(1, 3))):
        options = places(snapshot)
        if options:
            how = data.draw(st.sampled_from(["remove", "cut", "replace"]))
            damage(snapshot, data.draw(st.sampled_from(options)), how, data.draw(garbage))
    gpu = gather(ReplayReader(snapshot), ["docker", "podman"])
    assert gpu["stacks"][-1]["name"] == "cpu"
    json.dumps(gpu)


@settings(max_examples=60, deadline=None)
@given(junk=garbage)
def test_something_that_is_no_snapshot_is_said(junk):
    gpu = gather(ReplayReader(junk), [])
    assert gpu["stack"] == "cpu"
    assert "snapshot-damaged" in [found["code"] for found in gpu["findings"]]


@settings(max_examples=60, deadline=None)
@given(
    part=st.sampled_from(["files", "directories", "nodes", "links", "commands"]),
    junk=garbage,
    name=st.sampled_from(NAMES),
)
def test_a_damaged_entry_is_a_finding(part, junk, name):
    snapshot = copy.deepcopy(SNAPSHOTS[name])
    if isinstance(snapshot.get(part, {}), dict):
        snapshot.setdefault(part, {})["/some/path"] = 17.5
    else:
        snapshot[part] = junk if not isinstance(junk, dict) else 3
    codes = [found["code"] for found in gather(ReplayReader(snapshot), [])["findings"]]
    assert "snapshot-damaged" in codes


@pytest.mark.parametrize(
    ("name", "code", "words", "never"),
    [
        ("engines-amd-spec-too-new", "cdi-too-new", "Upgrade podman", "amd-ctk"),  # it writes no other version
        ("engines-podman-4.9-additional-gids", "cdi-too-new", "no-additional-gids", "Upgrade"),
        ("wsl2-dxg-closed", "no-permission", "udev rule", "group 0"),
        ("engines-docker-not-running", "engine-not-running", "systemctl enable --now docker", "by hand"),
    ],
)
def test_the_mend_is_for_exactly_this(name, code, words, never):
    found = gather(ReplayReader(SNAPSHOTS[name]), ["docker", "podman"])["findings"]
    mends = [entry["mend"] for entry in found if entry["code"] == code]
    assert mends and all(words in mend and never not in mend for mend in mends)
