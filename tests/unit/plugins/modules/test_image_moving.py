"""image_offer and image_pull in check mode, and what they refuse before anything is asked."""

from __future__ import annotations

import pytest

from ansible_collections.gpu_fleet.containers.plugins.modules import image_offer, image_pull

from .calling import call

IMAGE = "localhost/ai-system/agent:0f3c5d1e9a77"
PASSWORD = "a random password"


@pytest.mark.parametrize("registry", [None, {"address": "pc2:5000", "username": "fleet", "ca": "PEM"}])
def test_what_would_be_offered_is_enough_to_say_what_would_be_pulled(monkeypatch, tmp_path, registry):
    options = {"address": "10.0.0.1"} if registry is None else {"registry": registry}
    said = call(image_offer, check=True, images=[IMAGE], password=PASSWORD, cache_dir=str(tmp_path), **options)
    assert said["changed"] and said["summary"] == [f"would push {IMAGE}"]
    assert said["offer"]["images"] == {IMAGE: {"repository": "ai-system/agent", "digest": "", "size": 0}}
    assert said["offer"]["address"] == (registry or {"address": ""})["address"]

    monkeypatch.setattr(image_pull, "is_installed", lambda name: False)
    pulled = call(image_pull, check=True, offer=said["offer"], password=PASSWORD)
    assert pulled["changed"] and pulled["summary"] == [f"would pull {IMAGE}: not here"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "neither `registry` nor `address`"),
        ({"address": "10.0.0.1", "password": "short"}, "16 to 72 characters"),
        ({"address": "10.0.0.1", "password": "long" * 20}, "16 to 72 characters"),
        ({"registry": {"address": "pc2:5000", "username": "fleet"}, "password": ""}, "container_registry_password"),
        (
            {"address": "10.0.0.1", "engine": "docker", "engine_url": "ssh://winbox"},
            "cannot push to a registry of this machine",
        ),
        ({"address": "10.0.0.1", "images": [f"redis@sha256:{'a' * 64}"]}, "names a digest"),
    ],
)
def test_refusals(tmp_path, options, words):
    arguments = {"images": [IMAGE], "password": PASSWORD, "cache_dir": str(tmp_path), **options}
    said = call(image_offer, check=True, **arguments)
    assert said["rc"] == 1 and words in said["msg"]


def test_nothing_to_end(tmp_path):
    for check in (True, False):
        said = call(image_offer, check=check, state="absent", cache_dir=str(tmp_path))
        assert said["changed"] is False and said["summary"] == []
