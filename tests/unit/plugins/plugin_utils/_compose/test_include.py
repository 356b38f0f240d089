# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`include`: what is taken in, whose variables count, and what is refused. Compose's answers: see test_parity.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._errors import FleetError
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._compose.group import load_group
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._compose.spec import GroupSpec

PART = "services: {part: {image: 'example/part:${TAG:-none}', volumes: ['./a:/a:ro'], x-gpu: {stacks: [cpu]}}}"


def load(folder: Path, text: str, files: dict[str, str], secrets: frozenset[str] = frozenset()) -> GroupSpec:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    (folder / "core.yml").write_text(text)
    return load_group(folder / "core.yml", {}, secrets)


def test_services_with_our_keys_and_paths_of_their_own_folder(tmp_path: Path) -> None:
    spec = load(tmp_path, "include: [parts/part.yml]\nservices: {web: {image: i}}", {"parts/part.yml": PART})
    assert list(spec.services) == ["web", "part"]
    assert spec.extensions["part"].gpu is not None
    assert spec.services["part"]["volumes"][0]["source"] == str(tmp_path / "parts" / "a")
    assert spec.relative == {("services", "part", "volumes", 0)}
    place = spec.where(("services", "part", "image"))
    assert place == f"{tmp_path / 'parts' / 'part.yml'}:1:19: services.part.image"


@pytest.mark.parametrize(
    ("files", "tag"),
    [
        ({}, "none"),
        ({"parts/.env": "TAG=part\n"}, "part"),
        ({"parts/.env": "TAG=part\n", ".env": "TAG=group\n"}, "group"),
    ],
)
def test_variables_of_the_group_win(tmp_path: Path, files: dict[str, str], tag: str) -> None:
    spec = load(tmp_path, "include: [parts/part.yml]", {"parts/part.yml": PART, **files})
    assert spec.services["part"]["image"] == f"example/part:{tag}"


def test_a_group_may_be_nothing_but_includes(tmp_path: Path) -> None:
    files = {"one.part": "services: {one: {image: i}}", "two.part": "include: [one.part]\nservices: {two: {image: i}}"}
    spec = load(tmp_path, "include: [one.part, {path: two.part}]", files)
    assert sorted(spec.services) == ["one", "two"]


def test_x_fleet_of_a_part_is_ignored_with_a_warning(tmp_path: Path) -> None:
    spec = load(tmp_path, "include: [p]\nservices: {a: {image: i}}", {"p": "x-fleet: {needs: [x]}\n" + PART})
    assert spec.needs == ()
    assert len(spec.warnings) == 1
    assert "x-fleet of an included file is ignored" in spec.warnings[0]


def test_a_secret_is_not_interpolated_in_a_part(tmp_path: Path) -> None:
    with pytest.raises(FleetError, match="TOKEN is a secret"):
        load(
            tmp_path,
            "include: [p]",
            {"p": "services: {a: {image: i, environment: [TOKEN]}}"},
            frozenset({"TOKEN"}),
        )


@pytest.mark.parametrize(
    ("text", "files", "message"),
    [
        ("include: [p]", {"p": "include: [q]", "q": "include: [p]"}, "in a circle: p → q → p"),
        ("include: [core.yml]\nservices: {a: {image: i}}", {}, "in a circle: core.yml → core.yml"),
        ("include: [p]\nservices: {a: {image: i}}", {"p": "services: {a: {image: j}}"}, "defines a, too"),
        ("include: [p, q]", {"p": "services: {a: {image: i}}", "q": "services: {a: {image: j}}"}, "defines a, too"),
        ("include: [p]", {"p": "- a"}, "this must be a mapping, but is a list"),
        ("include: [p]", {"p": "services: {a: {image: i, ports: [x]}}"}, "p:1:34: services.a.ports[0]: 'x' is not"),
        ("include: [p]", {"p": "services: {a: {image: '${A:?no A}'}}"}, "p:1:16: services.a.image: the variable A"),
    ],
)
def test_refused(tmp_path: Path, text: str, files: dict[str, str], message: str) -> None:
    with pytest.raises(FleetError) as caught:
        load(tmp_path, text, files)
    assert message in str(caught.value)
