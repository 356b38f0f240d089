# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which services run with which profiles."""

from __future__ import annotations

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._errors import InputError
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._compose.profiles import enabled_services

from .test_group import read

GROUP = """
services:
  web: {image: i}
  debug: {image: i, profiles: [debug]}
  both: {image: i, profiles: [debug, test]}
"""


@pytest.mark.parametrize(
    ("active", "names"),
    [
        ((), ("web",)),
        (("debug",), ("web", "debug", "both")),
        (("test",), ("web", "both")),
        (("other",), ("web",)),
        (("*",), ("web", "debug", "both")),
    ],
)
def test_enabled(active: tuple[str, ...], names: tuple[str, ...]) -> None:
    assert enabled_services(read(GROUP), active) == names


def test_a_needed_service_must_be_enabled() -> None:
    spec = read("services:\n  web: {image: i, depends_on: [db]}\n  db: {image: i, profiles: [data]}\n")
    assert enabled_services(spec, ("data",)) == ("web", "db")
    with pytest.raises(InputError) as caught:
        enabled_services(spec)
    assert str(caught.value) == (
        "/nowhere/core.yml:2:32: services.web.depends_on.db: the service web needs db, whose profiles are not active. "
        "Activate one of data, or write required: false."
    )


def test_a_dependency_that_is_not_required_may_stay_out() -> None:
    needs = "{db: {condition: service_started, required: false}}"
    spec = read(f"services:\n  web: {{image: i, depends_on: {needs}}}\n  db: {{image: i, profiles: [data]}}\n")
    assert enabled_services(spec) == ("web",)
