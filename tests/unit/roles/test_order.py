# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is taken away from others goes after its replacement is there, because making that can fail (keys come by network)."""

from __future__ import annotations

import pathlib
import typing as t

import pytest
import yaml

ROLES = pathlib.Path(__file__).resolve().parents[3] / "roles"


def modules(tasks: list[dict[str, t.Any]]) -> list[str]:
    """Short names of the modules in their order, those in check mode alone with a question mark; blocks are entered."""
    names: list[str] = []
    for task in tasks:
        names += modules(task.get("block", []))
        mark = "?" if task.get("check_mode") is True else ""
        names += [key.rpartition(".")[2] + mark for key in task if "." in key]
    return names


@pytest.mark.parametrize(
    ("path", "order"),
    [
        ("repository/tasks/main.yml", ["apt_sources?", "deb822_repository", "apt_sources"]),
        ("nvidia_toolkit/tasks/configure.yml", ["systemd_service", "systemd_service", "copy", "file", "cdi_spec"]),
    ],
)
def test_files_of_others_go_last(path: str, order: list[str]) -> None:
    found = modules(yaml.safe_load((ROLES / path).read_text()))
    assert [name for name in found if name in order] == order
