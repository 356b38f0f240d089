# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What we make of a group file is what a real Compose makes of it (see tests/fixtures/compose/README.md)."""

from __future__ import annotations

import json
import os
import typing as t
from pathlib import Path

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._errors import FleetError
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._compose.group import load_group
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._compose.spec import GroupSpec

FIXTURES = Path(__file__).resolve().parents[4] / "fixtures" / "compose"
KINDS = ("networks", "volumes", "secrets", "configs")

ACCEPTED = sorted([*FIXTURES.glob("*.expected.json"), *FIXTURES.glob("dotenv/*.expected.json")])
BEYOND = sorted(FIXTURES.glob("beyond/*.yml"))
PARTS = ("extends.part.yaml", "include.bad.yaml", "include.round.yaml")
"""What files in errors/ extend or include: the problem may lie there."""
REFUSED = sorted(FIXTURES.glob("errors/*.yml"))


def variables(path: Path) -> dict[str, str]:
    file = path.with_name(f"{path.stem}.env-vars.json")
    return json.loads(file.read_text()) if file.exists() else {}


def load(path: Path) -> GroupSpec:
    return load_group(path, variables(path))


def expected(path: Path) -> dict[str, t.Any]:
    """Compose's answer, with its paths made real and its ``$$`` read as ``$``."""
    text = path.read_text()
    text = text.replace("${FIXTURE_DIR}", str(path.parent)).replace("${FIXTURE_PARENT}", str(path.parent.parent))
    answer = _dollars(json.loads(text))
    return {key: value for key, value in answer.items() if not key.startswith("x-")}


def _dollars(value: t.Any) -> t.Any:
    if isinstance(value, dict):
        return {_dollars(key): _dollars(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_dollars(item) for item in value]
    return value.replace("$$", "$") if isinstance(value, str) else value


def canonical(spec: GroupSpec, project: str) -> dict[str, t.Any]:
    """A GroupSpec as Compose prints it: with the project's name before the names that the file did not set."""
    services = {name: _without_zero_limits(service) for name, service in spec.services.items()}
    result: dict[str, t.Any] = {"name": project, "services": services}
    for kind in KINDS:
        entries = {key: {"name": f"{project}_{key}", **value} for key, value in getattr(spec, kind).items()}
        if entries:
            result[kind] = entries
    return result


def _without_zero_limits(service: dict[str, t.Any]) -> dict[str, t.Any]:
    """Compose loses a zero below ulimits when it prints (Go's omitempty); a GroupSpec keeps it."""
    if "ulimits" not in service:
        return service
    printed: dict[str, t.Any] = {}
    for name, value in service["ulimits"].items():
        printed[name] = {key: item for key, item in value.items() if item} if isinstance(value, dict) else value or {}
    return {**service, "ulimits": printed}


def gpus_below_deploy(answer: dict[str, t.Any]) -> dict[str, t.Any]:
    """Compose before 2.30 prints `gpus` where it stands; in a GroupSpec it is a device request."""
    for service in answer["services"].values():
        requests = service.pop("gpus", None)
        if requests is not None:
            deploy = service.setdefault("deploy", {"placement": {}})
            reservations = deploy.setdefault("resources", {}).setdefault("reservations", {})
            reservations["devices"] = [
                {**request, "capabilities": list(dict.fromkeys(["gpu", *request.get("capabilities", [])]))}
                for request in requests
            ]
    return answer


@pytest.mark.parametrize("path", ACCEPTED, ids=lambda path: path.name.removesuffix(".expected.json"))
def test_same_as_compose(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = gpus_below_deploy(expected(path))
    file = path.with_name(path.name.replace(".expected.json", ".yml"))
    if "HOME" in variables(file):
        monkeypatch.setenv("HOME", variables(file)["HOME"])
    spec = load(file)
    assert canonical(spec, answer["name"]) == answer


@pytest.mark.parametrize("path", [*REFUSED, *BEYOND], ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_refused_with_the_file_named(path: Path) -> None:
    with pytest.raises(FleetError) as caught:
        load(path)
    for error in getattr(caught.value, "errors", [caught.value]):
        place = os.path.abspath(error.path)
        assert place.startswith((str(path), *(str(path.parent / name) for name in PARTS)))
        assert error.message


def test_there_is_something_to_compare() -> None:
    assert len(ACCEPTED) >= 40
    assert len(REFUSED) >= 40
