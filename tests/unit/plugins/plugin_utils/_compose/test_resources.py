# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Networks, volumes, secrets and configs."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._compose.problems import Problems
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._compose.resources import (
    KINDS,
    keep_used,
    normalize,
    used,
)

SERVICE: dict[str, t.Any] = {
    "networks": {"n": None},
    "volumes": [{"type": "volume", "source": "v"}, {"type": "volume"}, {"type": "bind", "source": "/x"}],
    "secrets": [{"source": "s"}],
    "configs": [{"source": "c"}],
    "build": {"secrets": [{"source": "b"}]},
}


@pytest.mark.parametrize(
    ("kind", "entry", "result"),
    [
        ("networks", {}, {"ipam": {}}),
        (
            "networks",
            {"internal": True, "attachable": False, "enable_ipv6": False},
            {"internal": True, "enable_ipv6": False, "ipam": {}},
        ),
        (
            "networks",
            {"ipam": {"config": [{"subnet": "10.0.0.0/8", "gateway": ""}]}},
            {"ipam": {"config": [{"subnet": "10.0.0.0/8"}]}},
        ),
        ("volumes", {"external": True}, {"external": True, "name": "key"}),
        ("volumes", {"external": True, "name": "other"}, {"external": True, "name": "other"}),
        ("volumes", {"external": False, "driver_opts": {}}, {}),
        ("secrets", {"file": "./s"}, {"file": "/base/s"}),
        ("configs", {"content": "text"}, {"content": "text"}),
    ],
)
def test_normalize(kind: str, entry: dict[str, t.Any], result: dict[str, t.Any]) -> None:
    problems = Problems("f.yml", {})
    assert normalize(kind, {"key": entry}, "/base", problems) == {"key": result}
    assert not problems.errors
    assert not problems.warnings


def test_used() -> None:
    found = used({"web": SERVICE})
    assert {kind: [key for key, _path in found[kind]] for kind in KINDS} == {
        "networks": ["n"],
        "volumes": ["v"],
        "secrets": ["s", "b"],
        "configs": ["c"],
    }
    assert found["secrets"][1][1] == ("services", "web", "build", "secrets", 0)


def test_what_nobody_uses_is_left_out() -> None:
    problems = Problems("f.yml", {})
    declared = {kind: {key: {} for key in "nvsbcx"} for kind in KINDS}
    kept = keep_used(declared, {"web": SERVICE}, problems)
    assert {kind: sorted(kept[kind]) for kind in KINDS} == {
        "networks": ["n"],
        "volumes": ["v"],
        "secrets": ["b", "s"],
        "configs": ["c"],
    }
    assert not problems.errors


def test_the_default_network_needs_no_declaration() -> None:
    problems = Problems("f.yml", {})
    kept = keep_used({kind: {} for kind in KINDS}, {"web": {"networks": {"default": None}}}, problems)
    assert kept["networks"] == {"default": {"ipam": {}}}
    assert not problems.errors


def test_every_reference_to_nothing_is_an_error() -> None:
    problems = Problems("f.yml", {})
    keep_used({kind: {} for kind in KINDS}, {"web": SERVICE}, problems)
    assert len(problems.errors) == 5
