# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role `repository` takes: a vendor may have a repository for one package manager only."""

from __future__ import annotations

import pathlib
import typing as t

import pytest
import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

ROLE = pathlib.Path(__file__).resolve().parents[3] / "roles/repository"


@pytest.mark.parametrize(
    "handed",
    [
        {"repository_apt": {"uris": "https://repo.example.org/apt/", "suites": "noble", "components": "main"}},
        {"repository_rpm": {"baseurl": "https://repo.example.org/rpm"}},
    ],
)
def test_one_package_manager_is_enough(handed: dict[str, t.Any]) -> None:
    options = yaml.safe_load((ROLE / "meta/argument_specs.yml").read_text())["argument_specs"]["main"]["options"]
    defaults = yaml.safe_load((ROLE / "defaults/main.yml").read_text())
    result = ArgumentSpecValidator(options).validate({**defaults, "repository_name": "vendor", **handed})
    assert result.error_messages == []
