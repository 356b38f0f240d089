# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the plan's groups to what exactly must run here: images found, secrets fingerprinted, labels complete."""

from __future__ import annotations

import functools
import hashlib
import hmac
import json
import typing as t
from dataclasses import dataclass, replace

from .._errors import InputError
from . import labels as names
from .config import ContainerConfig, Group, NetworkConfig, SecretFile, Service, VolumeConfig, digest, to_dict
from .order import Key
from .owned import IMAGE_IDENTITY, MARKER, promise_label, spec_labels

BUILD = "build:"


@dataclass(frozen=True)
class Image:
    """An image of the plan as this engine has it (see `_image/identity.py`)."""

    reference: str
    """What the container is created from."""
    identity: str
    """What makes it the same image on any engine: inputs digest or registry digest."""
    present: bool


@dataclass(frozen=True)
class Wanted:
    """One container as it must be, ready to be created."""

    group: str
    service: Service
    config: ContainerConfig
    """Image resolved, secret sources carry the fingerprint of their value."""
    spec: dict[str, t.Any]
    """The configuration as data: kept in a label, compared on the next run."""
    hash: str
    labels: dict[str, str]
    image_present: bool

    @property
    def key(self) -> Key:
        return (self.group, self.service.name)


def fingerprint(key: bytes, value: str | bytes) -> str:
    """HMAC of a secret, so that a change is seen and the value cannot be guessed from a label."""
    return hmac.new(key, as_bytes(value), hashlib.sha256).hexdigest()[:16]


@functools.lru_cache(maxsize=1024)
def slow_fingerprint(place: str, value: str | bytes) -> str:
    """The same without a key, for hosts that keep none: guessing costs 16 MiB and about 40 ms for every try.

    place: what the secret is called, and where; the same value has another fingerprint in another place.
    """
    return hashlib.scrypt(as_bytes(value), salt=place.encode(), n=2**14, r=8, p=1, dklen=8).hex()


def as_bytes(value: str | bytes) -> bytes:
    """A secret's file: text is UTF-8; what the host itself reads (`xauthority.py`) is binary."""
    return value.encode() if isinstance(value, str) else value


def resolve(
    host: str,
    groups: t.Sequence[Group],
    images: dict[str, Image],
    secrets: t.Mapping[str, str | bytes],
    key: bytes,
) -> dict[Key, Wanted]:
    """All containers of `groups`. Raises InputError for a secret that was not handed over.

    key: of the fingerprints of secrets; empty for a host that keeps none (docs/decisions/control-plane.md).
    """
    result: dict[Key, Wanted] = {}
    for group in groups:
        revision = digest([to_dict(service.config) for service in group.services])[:12]
        for service in group.services:
            image = _image(service.config.image, images)
            config = replace(
                service.config,
                image=image.reference,
                secrets=tuple(
                    replace(secret, source=_fingerprinted(secret, secrets, key, host, group.name, service.name))
                    for secret in service.config.secrets
                ),
            )
            spec = to_dict(config)
            if image.identity and image.identity not in image.reference:
                spec[IMAGE_IDENTITY] = image.identity
            wanted_hash = digest(spec)
            result[group.name, service.name] = Wanted(
                group.name,
                service,
                config,
                spec,
                wanted_hash,
                _container_labels(host, group, service, spec, wanted_hash, revision),
                image.present,
            )
    return result


def _image(reference: str, images: dict[str, Image]) -> Image:
    key = reference[len(BUILD) :] if reference.startswith(BUILD) else reference
    # An image that the plan does not list (by-hand use of the module) is taken as it is named.
    return images.get(key) or Image(reference, "", True)


def _fingerprinted(
    secret: SecretFile, secrets: t.Mapping[str, str | bytes], key: bytes, host: str, group: str, service: str
) -> str:
    """The source with what its file on the host depends on: one for each value and owner."""
    if secret.source not in secrets:
        raise InputError(
            f"no value was given for the secret {secret.source!r}",
            f"{group}: services.{service}.secrets",
            "Put it into container_secrets (in a vault).",
        )
    given = secrets[secret.source]
    value = fingerprint(key, given) if key else slow_fingerprint(f"{host}/{secret.source}", given)
    return f"{secret.source}#{value}-{secret.uid}-{secret.gid}-{secret.mode:o}"


def _ownership(host: str, group: str, config_hash: str) -> dict[str, str]:
    return {
        names.SCHEMA: names.SCHEMA_VERSION,
        names.HOST: host,
        names.GROUP: group,
        names.CONFIG: config_hash,
    }


def _container_labels(
    host: str, group: Group, service: Service, spec: dict[str, t.Any], config_hash: str, revision: str
) -> dict[str, str]:
    result = {
        **service.config.labels,
        **_ownership(host, group.name, config_hash),
        names.SERVICE: service.name,
        names.REVISION: revision,
        names.SERVICES: ",".join(sorted(entry.name for entry in group.services)),
        **spec_labels(spec),
        names.COMPOSE_PROJECT: group.project,
        names.COMPOSE_SERVICE: service.name,
        names.COMPOSE_ONEOFF: "False",
        names.COMPOSE_NUMBER: "1",
        names.COMPOSE_CONFIG_HASH: config_hash,
        names.COMPOSE_WORKING_DIR: group.working_dir,
        names.COMPOSE_CONFIG_FILES: group.config_files,
        names.COMPOSE_DEPENDS_ON: ",".join(
            f"{entry.service}:{entry.condition}:{str(entry.restart).lower()}" for entry in service.depends_on
        ),
    }
    gpu = service.config.gpu
    if gpu is not None and gpu.memory:
        # Without a known GPU the memory is declared against the host as a whole.
        result[names.VRAM] = ",".join(f"{uuid}={gpu.memory}" for uuid in gpu.uuids or ("any",))
    if service.promise is not None:
        result[names.PROMISE] = promise_label(service.promise)
    return result


def network_labels(host: str, group: Group, network: NetworkConfig) -> dict[str, str]:
    return {
        **network.labels,
        **_ownership(host, network.group or group.name, digest(network)),
        names.SPEC: json.dumps(to_dict(network), sort_keys=True),
        names.COMPOSE_PROJECT: network.project or group.project,
        names.COMPOSE_NETWORK: network.key,
    }


def volume_labels(host: str, group: Group, volume: VolumeConfig) -> dict[str, str]:
    return {
        **volume.labels,
        **_ownership(host, group.name, digest(volume)),
        names.COMPOSE_PROJECT: group.project,
        names.COMPOSE_VOLUME: volume.key,
    }


def marker(host: str, group: Group, wanted: dict[Key, Wanted]) -> tuple[VolumeConfig, dict[str, str]]:
    """The empty volume that says «this revision of the group was healthy», and its labels.

    The revision is part of the name, so that the new marker is there before the old one goes.
    """
    members = {key[1]: entry.hash for key, entry in wanted.items() if key[0] == group.name}
    revision_hash = digest(members)
    volume = VolumeConfig(name=f"{group.project}_{MARKER}-{revision_hash[:12]}", key=MARKER)
    labels = {
        **_ownership(host, group.name, revision_hash),
        names.REVISION: revision_hash[:12],
        names.SERVICES: ",".join(sorted(members)),
        names.COMPOSE_PROJECT: group.project,
        names.COMPOSE_VOLUME: MARKER,
    }
    return volume, labels
