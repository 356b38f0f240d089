# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`extends`: what becomes of our own keys, where messages point to, and circles. Compose's keys: see test_parity.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._errors import FleetError
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._compose.group import load_group
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._compose.spec import GroupSpec

OURS = """
services:
  base:
    image: example/app:1
    build: {context: ., x-stacks: {nvidia: {args: {BASE: cuda}}, rocm: {target: rocm}}}
    x-gpu: {stacks: [nvidia, cpu], memory: 4g, ids: [0, 1]}
    x-links: {A: "tcp://core/a:1", B: {url: "tcp://core/b:2", check: [probe, b]}}
    x-settle: 3s
  child:
    extends: base
    build: {x-stacks: {nvidia: {target: cuda}, intel: {target: intel}}}
    x-gpu: {stacks: [vulkan], ids: [2]}
    x-links: {B: {url: "tcp://core/b:3", check: [other]}, C: "tcp://core/c:4"}
    x-oneshot: true
"""


def load(folder: Path, text: str, **others: str) -> GroupSpec:
    for name, content in others.items():
        (folder / f"{name}.part").write_text(content)
    (folder / "core.yml").write_text(text)
    return load_group(folder / "core.yml", {"TAG": "9"})


def test_our_keys_merge_as_mappings_and_their_lists_are_replaced(tmp_path: Path) -> None:
    spec = load(tmp_path, OURS)
    child = spec.extensions["child"]
    assert child.gpu is not None
    assert (child.gpu.stacks, child.gpu.memory, child.gpu.ids) == (("vulkan",), 4 << 30, ("2",))
    assert [(link.variable, link.port, link.check) for link in child.links] == [
        ("A", 1, ()),
        ("B", 3, ("other",)),
        ("C", 4, ()),
    ]
    assert (child.one_shot, child.settle) == (True, 3.0)
    stacks = spec.builds["child"].stacks
    assert sorted(stacks) == ["intel", "nvidia", "rocm"]
    assert (stacks["nvidia"].target, stacks["nvidia"].args) == ("cuda", {"BASE": "cuda"})


def test_the_extended_service_stays_as_it_is(tmp_path: Path) -> None:
    spec = load(tmp_path, OURS)
    base = spec.extensions["base"]
    assert base.gpu is not None
    assert (base.gpu.stacks, len(base.links), base.one_shot) == (("nvidia", "cpu"), 2, False)


def test_our_keys_come_from_other_files_and_paths_start_there(tmp_path: Path) -> None:
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "base.yaml").write_text(
        "services:\n  gpu:\n    image: 'i:${TAG}'\n"
        "    build: {context: ctx, x-stacks: {nvidia: {context: cuda}}}\n"
        "    volumes: ['./a:/a:ro', '/host:/h']\n    x-gpu: {stacks: [nvidia]}\n"
    )
    spec = load(tmp_path, "services: {web: {extends: {file: parts/base.yaml, service: gpu}, volumes: ['./b:/b']}}")
    parts = tmp_path / "parts"
    assert spec.services["web"]["image"] == "i:9"
    assert spec.services["web"]["build"]["context"] == str(parts / "ctx")
    assert spec.builds["web"].stacks["nvidia"].context == str(parts / "cuda")
    assert [entry["source"] for entry in spec.services["web"]["volumes"]] == [
        str(parts / "a"),
        "/host",
        str(tmp_path / "b"),
    ]
    assert spec.relative == {("services", "web", "volumes", 0), ("services", "web", "volumes", 2)}
    assert {type(entry["source"]) for entry in spec.services["web"]["volumes"]} == {str}


def test_where_names_the_file_in_which_a_key_stands(tmp_path: Path) -> None:
    base = "services:\n  one:\n    image: i\n    ports:\n      - 80\n    environment:\n      - A=1\n      - B=1\n"
    text = (
        "services:\n  web:\n    extends: {file: base.part, service: one}\n    ports: ['81']\n    environment: {B: 2}\n"
    )
    spec = load(tmp_path, text, base=base)
    file, other = str(tmp_path / "core.yml"), str(tmp_path / "base.part")
    assert spec.where(("services", "web", "ports", 0)) == f"{other}:5:9: services.web.ports[0]"
    assert spec.where(("services", "web", "ports", 1)) == f"{file}:4:13: services.web.ports[1]"
    assert spec.where(("services", "web", "environment", "A")) == f"{other}:7:9: services.web.environment.A"
    assert spec.where(("services", "web", "environment", "B")) == f"{file}:5:19: services.web.environment.B"
    assert spec.where(("services", "web", "image")) == f"{other}:3:5: services.web.image"
    assert spec.where(("services", "web")) == f"{file}:2:3: services.web"


def test_errors_of_inherited_keys_name_the_other_file(tmp_path: Path) -> None:
    base = "services:\n  one:\n    image: i\n    ports: [eighty]\n"
    with pytest.raises(FleetError) as caught:
        load(tmp_path, "services: {web: {extends: {file: base.part, service: one}}}", base=base)
    assert caught.value.path == f"{tmp_path / 'base.part'}:4:13: services.web.ports[0]"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("services: {a: {extends: b}, b: {extends: c}, c: {extends: b}}", "in a circle: b → c → b"),
        (
            "services: {a: {extends: {file: x.part, service: x}}}",
            "in a circle: a (core.yml) → x (x.part) → a (core.yml)",
        ),
        ("services: {a: {image: i, extends: {file: y.part, service: nope}}}", "there is no service nope in"),
        ("services: {a: {image: i, extends: {file: y.part, service: bad}}}", "the key imgae is not known here"),
        ("services: {a: {image: i, extends: {file: '${TAG:?}x', service: bad}}}", "the file 9x cannot be extended"),
    ],
)
def test_refused_once(tmp_path: Path, text: str, message: str) -> None:
    others = {"x": "services: {x: {extends: {file: core.yml, service: a}}}", "y": "services: {bad: {imgae: i}}"}
    with pytest.raises(FleetError) as caught:
        load(tmp_path, text, **others)
    assert message in str(caught.value)
    assert not hasattr(caught.value, "errors")


def test_other_services_of_an_extended_file_may_be_anything(tmp_path: Path) -> None:
    spec = load(
        tmp_path,
        "services: {a: {extends: {file: y.part, service: good}}}",
        y="services: {bad: {imgae: i}, good: {image: i}}\nvolumes: [not, looked, at]\n",
    )
    assert spec.services["a"]["image"] == "i"
