"""Images found, secrets fingerprinted, labels complete."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._errors import InputError
from ansible_collections.gpu_fleet.containers.plugins.module_utils._group import labels as names
from ansible_collections.gpu_fleet.containers.plugins.module_utils._group.config import (
    Dependency,
    GpuRequest,
    NetworkConfig,
    SecretFile,
    VolumeConfig,
)
from ansible_collections.gpu_fleet.containers.plugins.module_utils._group.resolve import (
    Image,
    fingerprint,
    marker,
    network_labels,
    resolve,
    volume_labels,
)

from .examples import HOST, KEY, group, service, wanted

BUILT = Image("localhost/ai-system/agent:0123456789ab", "0123456789abcdef", True)
PULLED = Image("docker.io/library/redis:7", "sha256:feed", True)


def one(image: str, images: dict[str, Image], key: bytes = KEY):
    [entry] = list(resolve(HOST, [group("core", service("web", image=image))], images, {}, key).values())
    return entry


def test_a_build_key_becomes_the_reference_on_this_engine():
    entry = one("build:agent", {"agent": BUILT})
    assert entry.config.image == BUILT.reference and entry.image_present


def test_an_identity_that_the_reference_does_not_show_is_part_of_the_configuration():
    entry = one("redis:7", {"redis:7": PULLED})
    assert entry.spec["image_identity"] == "sha256:feed"
    moved = one("redis:7", {"redis:7": replace(PULLED, identity="sha256:beef")})
    assert moved.hash != entry.hash, "the same tag with another content is another configuration"
    by_digest = Image("docker.io/library/redis:7@sha256:feed", "sha256:feed", True)
    assert "image_identity" not in one("redis:7", {"redis:7": by_digest}).spec


def test_an_image_that_the_plan_does_not_list_is_taken_as_named():
    entry = one("redis:7", {})
    assert (
        entry.config.image == "redis:7"
        and entry.image_present
        and entry.spec
        == {
            "name": "core-web-1",
            "image": "redis:7",
            "networks": [{"network": "core_default", "aliases": ["web"]}],
        }
    )


def test_an_absent_image_is_said():
    assert not one("build:agent", {"agent": replace(BUILT, present=False)}).image_present


SECRET = SecretFile("core/token", "/run/secrets/token")


def test_a_secret_is_known_by_its_fingerprint_and_never_by_its_value():
    core = group("core", service("web", secrets=(SECRET,)))
    [entry] = list(wanted(core, secrets={"core/token": "plain-secret"}).values())
    source = entry.config.secrets[0].source
    assert source == f"core/token#{fingerprint(KEY, 'plain-secret')}-0-0-400"
    assert "plain-secret" not in json.dumps(entry.labels) + json.dumps(entry.spec)
    [other] = list(wanted(core, secrets={"core/token": "other-secret"}).values())
    assert other.hash != entry.hash
    assert fingerprint(b"x" * 32, "plain-secret") not in source, "it cannot be guessed without the host's key"


def test_one_secret_for_two_owners_is_two_files():
    both = (SECRET, SecretFile("core/token", "/run/secrets/again", uid=1000, gid=1000, mode=0o440))
    [entry] = list(wanted(group("core", service("web", secrets=both)), secrets={"core/token": "plain-secret"}).values())
    assert len({secret.source for secret in entry.config.secrets}) == 2


def test_a_secret_without_a_value_is_named():
    with pytest.raises(InputError) as raised:
        wanted(group("core", service("web", secrets=(SECRET,))))
    assert str(raised.value) == (
        "core: services.web.secrets: no value was given for the secret 'core/token'. "
        "Put it into container_secrets (in a vault)."
    )


def test_labels_say_whose_it_is_and_what_compose_expects():
    web = replace(
        service("web", labels={"mine": "1", names.HOST: "forged", names.COMPOSE_PROJECT: "forged"}),
        depends_on=(Dependency("db", "service_healthy", restart=True), Dependency("cache")),
    )
    core = replace(group("core", web), project="mainpc-core", working_dir="/groups", config_files="/groups/core.yml")
    [entry] = list(wanted(core).values())
    assert {key: value for key, value in entry.labels.items() if key not in (names.SPEC, names.REVISION)} == {
        "mine": "1",
        "org.gpu-fleet.schema": "1",
        "org.gpu-fleet.host": "mainpc",
        "org.gpu-fleet.group": "core",
        "org.gpu-fleet.service": "web",
        "org.gpu-fleet.config": entry.hash,
        "org.gpu-fleet.services": "web",
        "com.docker.compose.project": "mainpc-core",
        "com.docker.compose.service": "web",
        "com.docker.compose.oneoff": "False",
        "com.docker.compose.container-number": "1",
        "com.docker.compose.config-hash": entry.hash,
        "com.docker.compose.project.working_dir": "/groups",
        "com.docker.compose.project.config_files": "/groups/core.yml",
        "com.docker.compose.depends_on": "db:service_healthy:true,cache:service_started:false",
    }
    assert json.loads(entry.labels[names.SPEC]) == entry.spec


def test_a_revision_is_the_groups_and_changes_with_any_member():
    before = wanted(group("core", service("a"), service("b")))
    after = wanted(group("core", service("a"), service("b", environment={"X": "1"})))
    revisions = [{entry.labels[names.REVISION] for entry in each.values()} for each in (before, after)]
    assert len(revisions[0]) == len(revisions[1]) == 1 and revisions[0] != revisions[1]
    assert before["core", "a"].hash == after["core", "a"].hash, "but an unchanged member keeps its own hash"


@pytest.mark.parametrize(
    ("gpu", "label"),
    [
        (None, None),
        (GpuRequest("nvidia", "cdi"), None),
        (GpuRequest("nvidia", "cdi", memory=4, uuids=("GPU-1", "GPU-2")), "GPU-1=4,GPU-2=4"),
        (GpuRequest("vulkan", "explicit", memory=4), "any=4"),
    ],
)
def test_declared_gpu_memory(gpu, label):
    [entry] = list(wanted(group("core", service("web", gpu=gpu))).values())
    assert entry.labels.get(names.VRAM) == label


def test_a_link_network_belongs_to_the_group_that_owns_it():
    network = NetworkConfig("mainpc-link-core", key="link", group="core", project="mainpc-core")
    labels = network_labels(HOST, group("consumer"), network)
    assert (labels[names.GROUP], labels[names.COMPOSE_PROJECT]) == ("core", "mainpc-core")
    own = network_labels(HOST, group("core"), NetworkConfig("core_default"))
    assert (own[names.GROUP], own[names.COMPOSE_PROJECT], own[names.COMPOSE_NETWORK]) == ("core", "core", "default")


def test_volume_labels():
    labels = volume_labels(HOST, group("core"), VolumeConfig("core_data", "data", labels={"keep": "yes"}))
    assert labels["keep"] == "yes"
    assert (labels[names.HOST], labels[names.GROUP], labels[names.COMPOSE_VOLUME]) == (HOST, "core", "data")


def test_the_marker_names_just_this_revision():
    core = group("core", service("b"), service("a"))
    volume, labels = marker(HOST, core, wanted(core))
    assert volume.name == f"core_fleet-revision-{labels[names.REVISION]}"
    assert labels[names.SERVICES] == "a,b"
    changed = group("core", service("b"), service("a", image="agent:2"))
    assert marker(HOST, changed, wanted(changed))[0].name != volume.name
    neighbour = group("other", service("x", group="other"))
    assert marker(HOST, core, wanted(core, neighbour)) == (volume, labels), "other groups do not matter"
