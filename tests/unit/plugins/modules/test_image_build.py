"""The module's shell: parameters in, result out."""

from __future__ import annotations

import types
import typing as t
from dataclasses import replace

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._engine.base import ObservedImage
from ansible_collections.gpu_fleet.containers.plugins.module_utils._errors import InputError
from ansible_collections.gpu_fleet.containers.plugins.module_utils._image.spec import ImageSpec, to_dict
from ansible_collections.gpu_fleet.containers.plugins.modules import image_build

BASE = ObservedImage("sha256:b", ("docker.io/library/debian:12",))
SPEC = ImageSpec("agent", "localhost/agent", inputs="i" * 64, bases=("debian:12",))


def call(
    monkeypatch: pytest.MonkeyPatch, check_mode: bool = True, installed: bool = True, **parameters: t.Any
) -> dict[str, t.Any]:
    engine = types.SimpleNamespace(images=lambda: (BASE,))
    monkeypatch.setattr(image_build, "open_engine", lambda name, url, tls, docker_cli: engine)
    monkeypatch.setattr(image_build, "is_installed", lambda name: installed)
    defaults = {
        "engine": "podman",
        "engine_url": "",
        "engine_tls": None,
        "images": None,
        "events": None,
        "cache_dir": "/nowhere",
        "secret_values": {},
        "docker_cli": None,
        "registries": [],
    }
    return image_build.stage(types.SimpleNamespace(params={**defaults, **parameters}, check_mode=check_mode))


def test_check_mode_says_what_would_be_done(monkeypatch: pytest.MonkeyPatch) -> None:
    result = call(monkeypatch, images=[to_dict(SPEC)])
    reference = result["images"][0]["reference"]
    assert result["changed"] is True
    assert result["summary"] == [f"would build {reference}: not built yet"]
    assert result["images"][0]["context_needed"] is True
    assert result["diff"] == {"before": f"{reference}: absent (not built yet)\n", "after": f"{reference}: built\n"}


def test_an_engine_that_is_not_there_yet_is_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    result = call(monkeypatch, installed=False, images=[to_dict(SPEC)])
    assert [entry["action"] for entry in result["images"]] == ["pulled", "built"]


def test_what_it_has_to_be_called_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is missing, what lacks a tag, and what asks a registry each time, although it is there."""
    there = ImageSpec("debian", "debian:12", build=False)
    specs = [SPEC, there, replace(there, key="asks", pull_policy="always")]
    asked = call(monkeypatch, images=[to_dict(spec) for spec in specs])
    assert asked["missing_images"] == ["agent", "asks"]
    assert "missing_images" not in call(monkeypatch, False, images=[to_dict(there)])


def test_nothing_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = to_dict(ImageSpec("debian", "debian:12", build=False))
    for check_mode in (True, False):
        result = call(monkeypatch, check_mode, images=[spec])
        assert (result["changed"], result["summary"]) == (False, [])
        assert [entry["action"] for entry in result["images"]] == ["present"]


def test_without_the_action_plugin(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="action plugin"):
        call(monkeypatch, name="a", context="c")


def test_a_spec_of_another_version_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="colour") as caught:
        call(monkeypatch, images=[{**to_dict(SPEC), "colour": "red"}])
    assert caught.value.path == "images[agent]"
