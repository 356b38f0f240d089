# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Volumes in short and long form, and paths."""

from __future__ import annotations

import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._compose.mounts import (
    MountError,
    OfController,
    absolute,
    bind_source,
    is_remote,
    long_volume,
    parse_volume,
)

BIND: dict[str, t.Any] = {"type": "bind", "target": "/d", "bind": {"create_host_path": True}}


@pytest.mark.parametrize(
    ("text", "entry"),
    [
        ("/data", {"type": "volume", "target": "/data", "volume": {}}),
        ("/d", {"type": "volume", "target": "/d"}),
        ("data:/d", {"type": "volume", "source": "data", "target": "/d", "volume": {}}),
        (
            "data:/d:ro,nocopy",
            {"type": "volume", "source": "data", "target": "/d", "read_only": True, "volume": {"nocopy": True}},
        ),
        ("./a:/d", {**BIND, "source": "./a"}),
        (".:/d/", {**BIND, "source": "."}),
        ("~/a:/d:rw", {**BIND, "source": "~/a"}),
        ("/a:/d:ro", {**BIND, "source": "/a", "read_only": True}),
        (
            "/a:/d:Z,rshared",
            {**BIND, "source": "/a", "bind": {"selinux": "Z", "propagation": "rshared", "create_host_path": True}},
        ),
        ("/a:/d:cached", {**BIND, "source": "/a"}),
        ("a/b:/d", {"type": "volume", "source": "a/b", "target": "/d", "volume": {}}),
    ],
)
def test_short_form(text: str, entry: dict[str, t.Any]) -> None:
    assert parse_volume(text) == entry


@pytest.mark.parametrize(
    "text", ["", ":", ":/d", "/a:", "/a:/d:ro:z", "/a:d", "a", "d:/d", "/a:/d:rx", "data:/d:rshared", "/a:/d:nocopy"]
)
def test_short_form_refused(text: str) -> None:
    with pytest.raises(MountError):
        parse_volume(text)


@pytest.mark.parametrize(
    ("entry", "result"),
    [
        ({"type": "bind", "source": "a", "target": "/d/"}, {"type": "bind", "source": "a", "target": "/d"}),
        (
            {"type": "bind", "source": "a", "target": "/d", "bind": {"create_host_path": False}},
            {"type": "bind", "source": "a", "target": "/d", "bind": {}},
        ),
        (
            {"type": "tmpfs", "target": "/d", "read_only": False, "tmpfs": {"size": "", "mode": 0}},
            {"type": "tmpfs", "target": "/d", "tmpfs": {}},
        ),
    ],
)
def test_long_form(entry: dict[str, t.Any], result: dict[str, t.Any]) -> None:
    assert long_volume(entry) == result


@pytest.mark.parametrize(
    "entry",
    [
        {"type": "npipe", "source": "a", "target": "/d"},
        {"type": "bind", "target": "/d"},
        {"type": "tmpfs", "source": "a", "target": "/d"},
        {"type": "volume", "target": "d"},
    ],
)
def test_long_form_refused(entry: dict[str, t.Any]) -> None:
    with pytest.raises(MountError):
        long_volume(entry)


@pytest.mark.parametrize(
    ("path", "result"),
    [
        ("a", "/base/a"),
        ("./a/../b", "/base/b"),
        ("..", "/"),
        ("/a/", "/a/"),
        ("~", "/home/user"),
        ("~/a", "/home/user/a"),
        ("~other/a", "/base/~other/a"),
    ],
)
def test_absolute(path: str, result: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/user")
    assert absolute(path, "/base") == result


@pytest.mark.parametrize(("source", "relative"), [("./a", True), ("a", True), ("~/a", True), ("/a", False)])
def test_a_relative_source_is_the_controllers(source: str, relative: bool) -> None:
    found = bind_source(source, "/base")
    assert isinstance(found, OfController) is relative
    assert found == absolute(source, "/base")
    assert isinstance(bind_source(found, "/other"), OfController) is relative


@pytest.mark.parametrize(
    ("context", "remote"), [("https://x/a.git", True), ("git@x:a", True), ("./git", False), ("/a", False)]
)
def test_is_remote(context: str, remote: bool) -> None:
    assert is_remote(context) is remote


@given(st.text("ab/:.~,ro", max_size=15))
def test_any_text_is_a_volume_or_refused(text: str) -> None:
    try:
        entry = parse_volume(text)
    except MountError:
        return
    assert entry["target"].startswith("/")
