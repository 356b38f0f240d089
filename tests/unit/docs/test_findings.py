# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/findings.md: its codes and levels are those of the code, and its playbook finds what it says it finds."""

from __future__ import annotations

import dataclasses
import re
import typing as t
from pathlib import Path

import pytest
import yaml
from jinja2 import Environment

from ansible_collections.gpu_fleet.containers.plugins.module_utils._access.facts import gather
from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu import snapshot
from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu.findings import CODES, Finding
from ansible_collections.gpu_fleet.containers.plugins.modules.gpu_facts import ARGUMENTS
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._needs import MENDED, MENDED_IN_DOCKER

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "findings.md").read_text(encoding="utf-8")
FIELDS, REST = PAGE.split("\n```yaml\n")
PLAYBOOK, SECTIONS = REST.split("\n```\n", 1)
ROWS = re.findall(r"^\| `([^`]+)` \| (\S+) \| (.+) \|$", SECTIONS, re.MULTILINE)


def test_the_page_has_every_code_once_with_its_level() -> None:
    assert sorted((code, level) for code, level, _meaning in ROWS) == sorted(
        (code, level) for code, (level, _mend) in CODES.items()
    )


def test_every_row_is_one_of_the_codes() -> None:
    """A row in another form than the others would be left out of the comparison."""
    heads = re.findall(r"^\| code \| level \| meaning \|$", SECTIONS, re.MULTILINE)
    assert len(re.findall(r"^\| `", SECTIONS, re.MULTILINE)) == len(ROWS)
    assert len(heads) == len(re.findall(r"^## ", SECTIONS, re.MULTILINE))


def test_the_fields_are_those_of_a_finding() -> None:
    named = re.findall(r"`(\w+)`", "".join(re.findall(r"^\| (`[^|]+) \|", FIELDS, re.MULTILINE)))
    assert sorted(named) == sorted(field.name for field in dataclasses.fields(Finding))


def test_what_prepare_mends_is_named() -> None:
    (said,) = re.findall(r"^`prepare\.yml` mends .+?\n\n", SECTIONS, re.MULTILINE | re.DOTALL)
    named = set(re.findall(r"`([a-z0-9]+(?:-[a-z0-9]+)+)`", said))
    wanted = {code for codes in MENDED.values() for code in codes} | set(MENDED_IN_DOCKER)
    assert named == wanted


@pytest.fixture
def tasks() -> list[dict[str, t.Any]]:
    (play,) = yaml.safe_load(PLAYBOOK)
    return play["tasks"]


def test_the_playbook_names_codes_and_options_that_there_are(tasks: list[dict[str, t.Any]]) -> None:
    assert set(tasks[0]["gpu_fleet.containers.gpu_facts"]) <= set(ARGUMENTS)
    assert set(re.findall(r"'([a-z0-9]+(?:-[a-z0-9]+)+)'", tasks[1]["loop"])) <= set(CODES)


@pytest.mark.parametrize(
    ("host", "codes"),
    [("nvidia-mismatch", ["driver-library-mismatch"]), ("nvidia-lost", ["gpu-lost"]), ("nvidia-single", [])],
)
def test_the_playbook_stops_where_a_reboot_is_due(host: str, codes: list[str], tasks: list[dict[str, t.Any]]) -> None:
    reader = snapshot.ReplayReader(snapshot.load(str(ROOT / "tests/fixtures/hosts" / f"{host}.json")))
    loop = Environment(autoescape=False).compile_expression(tasks[1]["loop"].strip("{} "))
    items = list(loop(found={"gpu": gather(reader, [])}))
    assert [item["code"] for item in items] == codes
    message = Environment(autoescape=False).from_string(tasks[1]["ansible.builtin.fail"]["msg"])
    assert all(message.render(item=item).endswith(item["mend"]) for item in items)
