# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/group-files.md: its examples load as printed, and its tables name every key and every variable."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._compose.group import load_group
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._compose.kinds import Kind, Unsupported
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._compose.schema import GROUP_FILE, NETWORK, VOLUME
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._compose.schema_parts import BUILD
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._compose.schema_service import SERVICE
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._compose.spec import STACKS
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._fleet.inventory import VARIABLES

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "group-files.md").read_text(encoding="utf-8")
SUPPORTED, REFUSED = PAGE.split("\n## What is refused\n")
FILES = dict(re.findall(r"^```\w+\n# (\S+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))
GROUPS = sorted(name for name in FILES if re.fullmatch(r"groups/[^/]+\.yml", name))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_every_block_is_a_named_file() -> None:
    assert len(FILES) == len(re.findall(r"^```\w+$", PAGE, re.MULTILINE))
    assert len(GROUPS) >= 5


@pytest.mark.parametrize("name", GROUPS)
def test_an_example_loads_without_warnings(name: str, folder: Path) -> None:
    spec = load_group(folder / name, {}, frozenset({"ASSISTANT_TOKEN"}))
    assert spec.services
    assert spec.warnings == ()


def test_what_the_text_says_about_the_examples(folder: Path) -> None:
    mail = load_group(folder / "groups/workers.yml").services["mail"]
    assert mail["environment"] == {"LEVEL": "info", "QUEUE": "mail"}
    assert mail["read_only"] is True
    assert mail["volumes"][0]["source"] == str(folder / "groups/parts/certificates")
    shop = load_group(folder / "groups/shop.yml").services
    assert (shop["mail"]["image"], shop["mail"]["environment"]) == ("registry.example.org/mail:4.2", {"LEVEL": "debug"})
    site = load_group(folder / "groups/site.yml").services["site"]
    assert site["image"] == "registry.example.org/site:1.9.2"
    assert site["environment"] == {"PRICE": "5$", "LEVEL": "info"}


def test_the_inventory_is_one_and_its_groups_are_there() -> None:
    hosts = yaml.safe_load(FILES["hosts.yml"])["all"]["hosts"]
    named = {f"groups/{group}.yml" for values in hosts.values() for group in values["container_groups"]}
    assert named <= set(GROUPS)


def keys(kind: Kind, supported: bool) -> Iterator[str]:
    yield from (name for name, value in kind.keys.items() if isinstance(value, Unsupported) is not supported)
    if supported:
        yield from kind.extensions


@pytest.mark.parametrize(
    "kind",
    [SERVICE, GROUP_FILE, BUILD.kinds[1], NETWORK, VOLUME],
    ids=["service", "file", "build", "network", "volume"],
)
def test_every_key_is_named(kind: Kind) -> None:
    assert [key for key in keys(kind, True) if not re.search(rf"[`.]{key}[`.:]", PAGE)] == []


@pytest.mark.parametrize("kind", [SERVICE, BUILD.kinds[1]], ids=["service", "build"])
def test_every_refused_key_is_named(kind: Kind) -> None:
    assert [key for key in keys(kind, False) if f"`{key}`" not in REFUSED] == []


def test_every_stack_and_every_variable_is_named() -> None:
    assert [stack for stack in STACKS if f"`{stack}`" not in SUPPORTED] == []
    ours = [name for name in VARIABLES if name.startswith(("container_", "gpu_"))]
    assert [name for name in ours if f"| `{name}` |" not in REFUSED] == []
