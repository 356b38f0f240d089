"""What images are called in a registry, and what is said of a push that failed."""

from __future__ import annotations

import json

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._engine.base import ObservedImage
from ansible_collections.gpu_fleet.containers.plugins.module_utils._errors import EngineError, InputError
from ansible_collections.gpu_fleet.containers.plugins.module_utils._image import serve
from ansible_collections.gpu_fleet.containers.plugins.module_utils._image.fetch import plan_pulls, wanted_images
from ansible_collections.gpu_fleet.containers.plugins.module_utils._image.offer import _mend, repository_of, tag_of

DIGEST = f"sha256:{'a' * 64}"


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ("localhost/ai-system/agent:1", "ai-system/agent"),
        ("ai-system/agent:1", "docker.io/ai-system/agent"),
        ("redis:7", "docker.io/library/redis"),
        ("pc2:5000/a/b:1", "pc2-5000/a/b"),
    ],
)
def test_repositories(reference, expected):
    assert repository_of(reference) == expected


def test_a_digest_is_nothing_to_offer():
    with pytest.raises(InputError, match="names a digest"):
        repository_of(f"redis:7@{DIGEST}")


def test_tags_tell_contents_apart():
    first, second = tag_of("localhost/a:0f3c", (DIGEST,)), tag_of("localhost/a:0f3c", ())
    assert first != second and first.startswith("0f3c-") and first == tag_of("localhost/a:0f3c", (DIGEST,))
    assert len(tag_of(f"localhost/a:{'t' * 128}", ())) <= 128


@pytest.mark.parametrize(
    ("words", "mend"),
    [
        ("podman push failed: unauthorized: authentication required", "container_registry_password"),
        ("docker: Get https://pc2:5000/v2/: x509: certificate signed by unknown authority", "certs.d"),
        ("write /var/lib/registry: no space left on device", "Make room"),
        ("dial tcp 127.0.0.1:40000: connect: connection refused", "container_registry"),
        ("something else", ""),
    ],
)
def test_what_mends_a_push(words, mend):
    assert mend in _mend(words) and bool(_mend(words)) is bool(mend)


def test_what_is_wanted_of_an_offer():
    images = {f"localhost/a:{tag}": {"repository": "a", "digest": DIGEST, "size": 1} for tag in "12"}
    assert [each.reference for each in wanted_images(images, None)] == ["localhost/a:1", "localhost/a:2"]
    assert [each.reference for each in wanted_images(images, ["localhost/a:2"])] == ["localhost/a:2"]
    for broken, only in ((images, ["localhost/b:1"]), ({"localhost/a:1": {}}, None), ({"localhost/a:1": "x"}, None)):
        with pytest.raises(InputError):
            wanted_images(broken, only)


def test_what_would_be_pulled():
    images = {f"localhost/a:{tag}": {"repository": "a", "digest": ""} for tag in "12"}
    done = plan_pulls(wanted_images(images, None), [ObservedImage("sha256:x", ("localhost/a:1",))])
    assert [(each.reference, each.action) for each in done] == [
        ("localhost/a:1", "present"),
        ("localhost/a:2", "pulled"),
    ]


# --- the registry of a transfer ----------------------------------------------


def test_what_others_reach_is_read_only_and_has_tls():
    inside = json.loads(serve.configuration("/c/registry", "127.0.0.1:0", "/proc/self/fd/3", None))
    outside = json.loads(
        serve.configuration("/c/registry", "10.0.0.1:0", "/proc/self/fd/3", {"key": "k", "certificate": "c"})
    )
    assert "tls" not in inside["http"] and "maintenance" not in inside["storage"]
    assert outside["http"]["tls"] == {"key": "k", "certificate": "c"}
    assert outside["storage"]["maintenance"] == {"readonly": {"enabled": True}}
    for each in (inside, outside):
        assert each["auth"]["htpasswd"]["path"] == "/proc/self/fd/3"


def test_a_missing_program_is_named(monkeypatch):
    monkeypatch.setattr(serve.shutil, "which", lambda name, path=None: None)
    with pytest.raises(EngineError, match="apt-get install docker-registry"):
        serve.find_program()


@pytest.mark.parametrize(
    ("port", "others", "mend"), [(5001, [1], "state: absent"), (5001, [], "free one"), (0, [1], "free one")]
)
def test_a_port_that_a_killed_run_still_holds(monkeypatch, tmp_path, port, others, mend):
    def start(*arguments):
        raise EngineError("bind: address already in use", "docker-registry", "Take a free one.")

    monkeypatch.setattr(serve, "_start", start)
    monkeypatch.setattr(serve, "serving", lambda folder: others)
    with pytest.raises(EngineError, match="already in use") as caught:
        serve.serve(str(tmp_path), "127.0.0.1", port, "a password of 20 letters", 60)
    assert mend in caught.value.mend


def test_nothing_serves_a_folder_that_nobody_offers(tmp_path):
    assert serve.serving(str(tmp_path)) == [] and serve.end(str(tmp_path)) == 0
