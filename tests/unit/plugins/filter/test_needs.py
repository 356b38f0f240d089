# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter around `_needs.py`: what it templates, and how it fails."""

from __future__ import annotations

import typing as t
from collections.abc import Iterator, Mapping

import pytest
from ansible.errors import AnsibleError

from ansible_collections.gpu_fleet.containers.plugins.filter.needs import FilterModule

GPU = {"platform": "linux", "stacks": [], "engines": {}, "access": {}, "findings": []}
needs = FilterModule().filters()["needs"]


class HostVariables(Mapping[str, t.Any]):
    """As Ansible's: a variable is templated when it is asked for."""

    def __init__(self, **values: t.Any) -> None:
        self.values_ = values

    def __getitem__(self, name: str) -> t.Any:
        if self.values_[name] is AnsibleError:
            raise AnsibleError("no vault password")
        return self.values_[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.values_)

    def __len__(self) -> int:
        return len(self.values_)


def test_only_what_is_read_is_templated() -> None:
    variables = HostVariables(container_engine="docker", container_secrets=AnsibleError, mesa_packages=AnsibleError)
    assert [need["role"] for need in needs(GPU, variables)] == ["docker", "mesa"]


def test_a_mistake_is_an_error_of_ansible() -> None:
    with pytest.raises(AnsibleError, match=r"prepare_skip: unknown role 'wls'. Did you mean «wsl»\?"):
        needs(GPU, HostVariables(prepare_skip=["wls"]))


def test_a_misspelt_variable_of_a_role_is_said_and_asks_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr("ansible.utils.display.Display.warning", lambda self, text: said.append(text))
    variables = HostVariables(container_engine="docker", mesa_pakages=["x"])
    assert [need["role"] for need in needs(GPU, variables)] == ["docker"]
    assert said == ["the variable mesa_pakages means nothing here. Did you mean mesa_packages?"]
