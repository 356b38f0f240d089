# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Laying one definition over another."""

from __future__ import annotations

import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._compose.merge import merge_file, merge_service

Data = dict[str, t.Any]


def merge(base: Data, over: Data) -> Data:
    return merge_service(base, over, {}, ("services", "a"), {}, ("services", "b"))[0]


CASES: list[tuple[Data, Data, Data]] = [
    ({"image": "a"}, {"image": "b"}, {"image": "b"}),
    ({"image": "a"}, {"image": None}, {"image": "a"}),
    ({"command": ["a"]}, {"command": ["b"]}, {"command": ["b"]}),
    ({"command": ["a"]}, {"command": None}, {"command": None}),
    ({"healthcheck": {"test": ["a"], "retries": 1}}, {"healthcheck": {"test": "b"}}, {"healthcheck": {"test": "b", "retries": 1}}),
    ({"environment": {"A": "1", "B": "1"}}, {"environment": {"A": None}}, {"environment": {"A": None, "B": "1"}}),
    ({"labels": {"a": "1"}}, {"labels": {"a": "2"}}, {"labels": {"a": "2"}}),
    ({"dns": "1.1.1.1"}, {"dns": ["1.1.1.1", "2.2.2.2"]}, {"dns": ["1.1.1.1", "2.2.2.2"]}),
    ({"volumes": ["aa:/a", "bb:/b"]}, {"volumes": ["./c:/a"]}, {"volumes": ["./c:/a", "bb:/b"]}),
    ({"volumes": ["a:/a"]}, {"volumes": ["::"]}, {"volumes": ["a:/a", "::"]}),
    ({"volumes": ["aa:/a"]}, {"volumes": [{"type": "tmpfs", "target": "/a"}]}, {"volumes": [{"type": "tmpfs", "target": "/a"}]}),
    ({"devices": ["/dev/a"]}, {"devices": ["/dev/b:/dev/a"]}, {"devices": ["/dev/b:/dev/a"]}),
    ({"devices": ["n.com/gpu=0:1"]}, {"devices": ["n.com/gpu=1:1"]}, {"devices": ["n.com/gpu=0:1", "n.com/gpu=1:1"]}),
    ({"secrets": ["a"]}, {"secrets": [{"source": "b", "target": "/run/secrets/a"}]}, {"secrets": [{"source": "b", "target": "/run/secrets/a"}]}),
    ({"env_file": "a"}, {"env_file": [{"path": "a", "required": False}, "b"]}, {"env_file": [{"path": "a", "required": False}, "b"]}),
    ({"logging": {"driver": "a", "options": {"x": "1"}}}, {"logging": {"driver": "b"}}, {"logging": {"driver": "b"}}),
    ({"logging": {"driver": "a"}}, {"logging": {"options": {"x": "1"}}}, {"logging": {"driver": "a", "options": {"x": "1"}}}),
    ({"build": "a"}, {"build": {"target": "b"}}, {"build": {"context": "a", "target": "b"}}),
    ({"networks": ["a"]}, {"networks": {"b": None}}, {"networks": {"a": None, "b": None}}),
    ({"extra_hosts": {"a": "1"}}, {"extra_hosts": ["a:2"]}, {"extra_hosts": ["a=1", "a:2"]}),
    ({"gpus": "all"}, {"gpus": [{"count": 1}]}, {"gpus": [{"count": 1}]}),
    ({"ulimits": {"a": 1}}, {"ulimits": {"a": {"soft": 1, "hard": 2}}}, {"ulimits": {"a": {"soft": 1, "hard": 2}}}),
    ({"x-display": ["x11"]}, {"x-display": ["wayland"]}, {"x-display": ["wayland"]}),
    ({"x-display": "x11"}, {"x-display": {"optional": True}}, {"x-display": {"optional": True}}),
    ({"x-display": {"kinds": ["x11"], "optional": True}}, {"x-display": {"kinds": ["wslg"]}}, {"x-display": {"kinds": ["wslg"], "optional": True}}),
    ({"x-gpu": {"stacks": ["a"], "memory": "1"}}, {"x-gpu": {"stacks": ["b"]}}, {"x-gpu": {"stacks": ["b"], "memory": "1"}}),
]  # fmt: skip


@pytest.mark.parametrize(("base", "over", "expected"), CASES)
def test_merge(base: Data, over: Data, expected: Data) -> None:
    assert merge(base, over) == expected


def test_depends_on_in_both_forms() -> None:
    healthy = {"condition": "service_healthy"}
    assert merge({"depends_on": ["a", "b"]}, {"depends_on": {"b": healthy}})["depends_on"] == {
        "a": {"condition": "service_started", "required": True},
        "b": {"condition": "service_healthy", "required": True},
    }


def test_the_rules_of_services_hold_in_whole_files_too() -> None:
    base = {"services": {"a": {"command": ["x"]}}, "networks": {"n": {"driver_opts": {"a": "1"}}}}
    over = {"services": {"a": {"command": ["y"]}, "b": {}}, "networks": {"n": {"driver_opts": {"b": "2"}}}}
    assert merge_file(base, over, {}, {})[0] == {
        "services": {"a": {"command": ["y"]}, "b": {}},
        "networks": {"n": {"driver_opts": {"a": "1", "b": "2"}}},
    }


def test_marks_follow_what_they_mark() -> None:
    base_at, over_at = ("services", "a"), ("services", "b")
    base_marks = {(*base_at, "volumes"): (1, 1), (*base_at, "volumes", 0): (2, 1), (*base_at, "volumes", 1): (3, 1)}
    over_marks = {(*over_at, "volumes"): (8, 1), (*over_at, "volumes", 0): (9, 1)}
    merged, marks = merge_service(
        {"volumes": ["xx:/a", "yy:/b"]}, {"volumes": ["zz:/b"]}, base_marks, base_at, over_marks, over_at
    )
    assert merged == {"volumes": ["xx:/a", "zz:/b"]}
    assert marks == {
        (*over_at, "volumes"): (8, 1),
        (*over_at, "volumes", 0): (2, 1),
        (*over_at, "volumes", 1): (9, 1),
    }


KEYS = st.sampled_from(["environment", "labels", "x-gpu", "healthcheck", "deploy"])
VALUES = st.dictionaries(st.sampled_from("abc"), st.text(max_size=2) | st.lists(st.text(max_size=2)), max_size=3)


@given(st.dictionaries(KEYS, VALUES))
def test_nothing_over_or_under_a_service_leaves_it(service: Data) -> None:
    assert merge(service, {}) == service
    assert merge({}, service) == service


@given(st.dictionaries(KEYS, VALUES), st.dictionaries(KEYS, VALUES))
def test_no_key_is_lost(base: Data, over: Data) -> None:
    merged = merge(base, over)
    assert set(merged) == {*base, *over}
    for key, value in merged.items():
        assert set(value) == {*base.get(key, {}), *over.get(key, {})}
