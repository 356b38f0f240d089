# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""NVIDIA's repository as the role has it written for dnf and zypper, which no machine of the tests has."""

from __future__ import annotations

import pathlib
import typing as t

import pytest
import yaml
from ansible.modules import yum_repository
from jinja2 import Environment

from ..plugins.modules.calling import call

ROLES = pathlib.Path(__file__).resolve().parents[3] / "roles"
DEFAULTS = yaml.safe_load((ROLES / "nvidia_toolkit/defaults/main.yml").read_text())


def rendered(value: t.Any, variables: dict[str, t.Any]) -> t.Any:
    """Text of YAML with its expressions worked out, to any depth; an expression alone keeps its type."""
    if isinstance(value, dict):
        return {key: rendered(content, variables) for key, content in value.items()}
    if isinstance(value, list):
        return [rendered(content, variables) for content in value]
    if not isinstance(value, str) or "{{" not in value:
        return value
    environment = Environment(autoescape=False)
    environment.filters["ternary"] = lambda condition, yes, no: yes if condition else no
    if value.startswith("{{") and value.endswith("}}") and value.count("{{") == 1:
        return environment.compile_expression(value[2:-2].strip())(**variables)
    return environment.from_string(value).render(**variables)


def task(path: str, name: str) -> dict[str, t.Any]:
    return next(each for each in yaml.safe_load((ROLES / path).read_text()) if each["name"] == name)


def repository(**variables: t.Any) -> dict[str, t.Any]:
    """What the role hands to the role `repository`."""
    return rendered(task("nvidia_toolkit/tasks/main.yml", "NVIDIA's repository")["vars"], {**DEFAULTS, **variables})


@pytest.mark.parametrize(
    ("variables", "base", "key"),
    [
        (
            {},
            "https://nvidia.github.io/libnvidia-container/stable",
            "https://nvidia.github.io/libnvidia-container/gpgkey",
        ),
        (
            {"nvidia_toolkit_repository": "https://mirror.example.org/nv", "nvidia_toolkit_key": "/etc/nv.asc"},
            "https://mirror.example.org/nv",
            "/etc/nv.asc",
        ),
    ],
)
def test_for_dnf_and_zypper_it_is_what_nvidia_publishes(
    variables: dict[str, t.Any], base: str, key: str, tmp_path: pathlib.Path
) -> None:
    handed = repository(**variables)
    arguments = rendered(
        task("repository/tasks/main.yml", "Known to dnf and zypper")["ansible.builtin.yum_repository"],
        {**handed, "repository_state": "present", "packages_needs": {"system": {"family": "redhat"}}, "omit": None},
    )
    assert arguments["reposdir"] == "/etc/yum.repos.d"
    result = call(yum_repository, **{**arguments, "reposdir": str(tmp_path)})
    assert result["rc"] == 0
    lines = (tmp_path / "nvidia-container-toolkit.repo").read_text().split("\n")
    # NVIDIA's own file, stable/rpm/nvidia-container-toolkit.repo: the index is signed, the packages are not.
    assert {line for line in lines if line} >= {
        "[nvidia-container-toolkit]",
        f"baseurl = {base}/rpm/$basearch",
        f"gpgkey = {key}",
        "repo_gpgcheck = 1",
        "gpgcheck = 0",
    }


def test_for_apt_the_architecture_is_left_to_apt() -> None:
    assert repository()["repository_apt"] == {
        "uris": "https://nvidia.github.io/libnvidia-container/stable/deb/$(ARCH)",
        "suites": "/",
        "signed_by": "https://nvidia.github.io/libnvidia-container/gpgkey",
    }
