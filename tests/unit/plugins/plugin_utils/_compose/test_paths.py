# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Paths of parts that come from other files."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._compose.mounts import OfController
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._compose.paths import of_resources, of_service

BIND: dict[str, t.Any] = {"type": "bind", "target": "/a", "bind": {"create_host_path": True}}


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("build", "ctx", "/parts/ctx"),
        ("build", "https://example.org/a.git", "https://example.org/a.git"),
        ("build", {"dockerfile": "D"}, {"dockerfile": "D"}),
        ("build", {"context": "../c"}, {"context": "/c"}),
        (
            "build",
            {"additional_contexts": {"a": "x", "b": "service:y", "c": "oci://z"}},
            {"additional_contexts": {"a": "/parts/x", "b": "service:y", "c": "oci://z"}},
        ),
        (
            "build",
            {"x-stacks": {"rocm": {"context": "r"}, "cpu": {"target": "t"}}},
            {"x-stacks": {"rocm": {"context": "/parts/r"}, "cpu": {"target": "t"}}},
        ),
        ("env_file", "a.env", ["/parts/a.env"]),
        ("env_file", [{"path": "a", "required": False}, "/b"], [{"path": "/parts/a", "required": False}, "/b"]),
        ("label_file", "l", ["/parts/l"]),
        ("volumes", ["./a:/a"], [{**BIND, "source": "/parts/a"}]),
        ("volumes", ["/a:/a"], [{**BIND, "source": "/a"}]),
        ("volumes", ["data:/a", "::", "/a"], ["data:/a", "::", "/a"]),
        ("volumes", [{**BIND, "source": "b"}], [{**BIND, "source": "/parts/b"}]),
        ("image", "a", "a"),
    ],
)
def test_of_service(key: str, value: t.Any, expected: t.Any) -> None:
    assert of_service({key: value}, "/parts")[key] == expected


def test_the_source_of_a_bind_remembers_that_it_was_relative() -> None:
    volumes = of_service({"volumes": ["./a:/a", "/b:/b"]}, "/parts")["volumes"]
    assert [isinstance(entry["source"], OfController) for entry in volumes] == [True, False]


def test_of_resources() -> None:
    data = {
        "secrets": {"a": {"file": "a.txt"}, "b": {"environment": "B"}},
        "configs": {"c": {"file": "/c"}},
        "networks": {"n": {}},
    }
    assert of_resources(data, "/parts") == {
        "secrets": {"a": {"file": "/parts/a.txt"}, "b": {"environment": "B"}},
        "configs": {"c": {"file": "/c"}},
    }
