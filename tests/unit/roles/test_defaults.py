# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the documentation of a role calls a default is one."""

from __future__ import annotations

import pathlib
import re

import pytest
import yaml

ROLES = sorted((pathlib.Path(__file__).resolve().parents[3] / "roles").iterdir())


@pytest.mark.parametrize("role", ROLES, ids=lambda path: path.name)
def test_defaults_are_documented(role: pathlib.Path) -> None:
    options = yaml.safe_load((role / "meta/argument_specs.yml").read_text())["argument_specs"]["main"]["options"]
    defaults = yaml.safe_load((role / "defaults/main.yml").read_text())
    assert set(defaults) <= set(options)
    # One that is worked out from other variables may be said in words.
    documented = {name: option["default"] for name, option in options.items() if "default" in option}
    assert documented == {name: value for name, value in defaults.items() if name in documented}


@pytest.mark.parametrize("role", ROLES, ids=lambda path: path.name)
def test_a_boolean_may_come_as_text_from_the_command_line(role: pathlib.Path) -> None:
    """`-e mesa_tools=false` is the text «false», which a bare condition refuses and `ternary` takes for true."""
    options = yaml.safe_load((role / "meta/argument_specs.yml").read_text())["argument_specs"]["main"]["options"]
    tasks = "\n".join(path.read_text() for path in sorted((role / "tasks").iterdir()))
    for name in (name for name, option in options.items() if option["type"] == "bool"):
        assert not re.search(rf"(when:|-) {name}$|\b{name} \| ternary", tasks, re.MULTILINE), name
