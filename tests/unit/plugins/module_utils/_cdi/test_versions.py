"""The lowest version that carries a spec, and what may be left out for an older one."""

from __future__ import annotations

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.gpu_fleet.containers.plugins.module_utils._cdi.schema import problems
from ansible_collections.gpu_fleet.containers.plugins.module_utils._cdi.versions import (
    VERSIONS,
    edits_of,
    full,
    lower,
    minimum,
    number,
)
from ansible_collections.gpu_fleet.containers.plugins.module_utils._errors import InputError

from .specs import specs

NODE = {"path": "/dev/null"}


def spec(name="all", device=None, everywhere=None, **more):
    edits = {"deviceNodes": [NODE]} if device is None else device
    return {
        "kind": "a.com/b",
        "devices": [{"name": name, "containerEdits": edits}],
        "containerEdits": everywhere or {},
        **more,
    }


@pytest.mark.parametrize(
    ("given_spec", "expected"),
    [
        (spec(), "0.3.0"),
        (spec(device={"mounts": [{"hostPath": "/a", "containerPath": "/a"}]}), "0.3.0"),
        (spec(device={"mounts": [{"hostPath": "/a", "containerPath": "/a", "type": "bind"}]}), "0.4.0"),
        (spec(everywhere={"mounts": [{"hostPath": "/a", "containerPath": "/a", "type": "bind"}]}), "0.4.0"),
        (spec(name="0"), "0.5.0"),
        (spec(name="0:1"), "0.5.0"),
        (spec(name="GPU-0"), "0.3.0"),
        (spec(device={"deviceNodes": [{"path": "/a", "hostPath": "/b"}]}), "0.5.0"),
        (spec(everywhere={"deviceNodes": [{"path": "/a", "hostPath": "/b"}]}), "0.5.0"),
        (spec(device={"deviceNodes": [{"path": "/a", "hostPath": ""}]}), "0.3.0"),
        (spec(annotations={"a": "b"}), "0.6.0"),
        (spec(annotations={}), "0.3.0"),
        ({**spec(), "kind": "a.com/b.c"}, "0.6.0"),
        ({**spec(), "devices": [{"name": "x", "annotations": {"a": "b"}, "containerEdits": {}}]}, "0.6.0"),
        (spec(device={"additionalGids": [44]}), "0.7.0"),
        (spec(everywhere={"additionalGids": [44]}), "0.7.0"),
        (spec(everywhere={"additionalGids": []}), "0.3.0"),
        (spec(everywhere={"intelRdt": {"closID": "a"}}), "0.7.0"),
        (spec(everywhere={"intelRdt": {}}), "0.7.0"),
        (spec(everywhere={"intelRdt": {"enableMonitoring": False}}), "0.7.0"),
        (spec(everywhere={"intelRdt": {"enableMonitoring": True}}), "1.1.0"),
        (spec(device={"intelRdt": {"schemata": []}}), "1.1.0"),
        (spec(device={"netDevices": [{"hostInterfaceName": "eth1", "name": "eth0"}]}), "1.1.0"),
    ],
)
def test_minimum(given_spec, expected):
    assert minimum(given_spec) == expected


@pytest.mark.parametrize("garbage", [{}, {"devices": 7}, {"devices": [3, {"containerEdits": {"mounts": ["x"]}}]}])
def test_minimum_of_garbage_is_the_lowest(garbage):
    assert minimum(garbage) == "0.3.0"


@given(specs)
def test_leaving_something_out_never_needs_a_newer_version(whole):
    needed = number(minimum(whole))
    for position in range(len(whole["devices"])):
        less = {**whole, "devices": [each for at, each in enumerate(whole["devices"]) if at != position]}
        assert number(minimum(less)) <= needed
    for holder in range(len(whole["devices"]) + 1):
        for key in ("mounts", "deviceNodes", "additionalGids", "intelRdt", "netDevices"):
            less = copy.deepcopy(whole)
            edits = [less.get("containerEdits", {}), *(device["containerEdits"] for device in less["devices"])]
            edits[holder].pop(key, None)
            assert number(minimum(less)) <= needed


@given(specs)
def test_lowered_without_a_limit_nothing_is_lost_and_the_parser_is_content(whole):
    lowered, removed = lower(whole, None)
    assert removed == []
    assert {**lowered, "cdiVersion": "1.1.0"} == whole
    assert problems(lowered) == []


@given(specs, st.sampled_from(VERSIONS))
def test_lowered_to_a_limit_it_stays_below_or_says_why_not(whole, limit):
    try:
        lowered, _removed = lower(whole, limit)
    except ValueError as error:
        assert limit in str(error)
        return
    assert number(lowered["cdiVersion"]) <= number(limit)
    assert [device["name"] for device in lowered["devices"]] == [device["name"] for device in whole["devices"]]
    for before, after in zip(edits_of(whole), edits_of(lowered), strict=True):
        assert {**after, "additionalGids": None} == {**before, "additionalGids": None}


def test_groups_are_left_out_only_where_the_limit_demands_it():
    wanted = spec(device={"deviceNodes": [NODE], "additionalGids": [44, 105]}, everywhere={"additionalGids": [44]})
    kept, removed = lower(wanted, "0.7.0")
    assert (kept["cdiVersion"], removed) == ("0.7.0", [])
    changed, removed = lower(wanted, "0.6.0")
    assert (changed["cdiVersion"], removed) == ("0.3.0", ["additionalGids 44, 105"])
    assert "additionalGids" in wanted["containerEdits"]


def test_annotations_are_left_out_below_06():
    changed, removed = lower(spec(annotations={"a": "b"}), "0.5.0")
    assert (changed["cdiVersion"], removed) == ("0.3.0", ["annotations"])


def test_what_cannot_be_left_out_is_named():
    with pytest.raises(ValueError, match="needs CDI 0.5.0 for a device name that begins with a digit"):
        lower(spec(name="0"), "0.4.0")


@pytest.mark.parametrize(("text", "expected"), [("0.5", "0.5.0"), ("v0.6.0", "0.6.0"), (" 1.1.0 ", "1.1.0")])
def test_full(text, expected):
    assert full(text) == expected


@pytest.mark.parametrize("text", ["", "five", "0.9.0", "0.2.0", "1.2.0", "0.5.0.1"])
def test_no_version(text):
    with pytest.raises(InputError, match="max_version"):
        full(text)
