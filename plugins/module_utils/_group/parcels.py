# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Controller content and secrets for containers whose engine sees no file of ours (`_engine/delivery.py`)."""

from __future__ import annotations

import typing as t

from .._engine.delivery import Parcels, file_parcel, split_archive
from .config import STAGED, ContainerConfig
from .resolve import as_bytes


def needed_files(configs: t.Iterable[ContainerConfig]) -> list[str]:
    """Hashes of the staged content that these containers mount."""
    return sorted({mount.source[len(STAGED) :] for config in configs for mount in config.mounts if _is_staged(mount)})


def _is_staged(mount: t.Any) -> bool:
    return mount.source.startswith(STAGED)


def gather(
    files: t.Collection[str],
    archive: str,
    configs: t.Iterable[ContainerConfig],
    secrets: t.Mapping[str, str | bytes],
) -> Parcels:
    """Everything that containers made in this run may need, in memory: nothing of it is written on this machine.

    files: content hashes that `archive` (a tar; empty where there are none) has as top-level names. secrets: by source
    without the fingerprint.
    """
    parcels: Parcels = {}
    if files:
        with open(archive, "rb") as stream:
            parcels = split_archive(stream, set(files))
    for config in configs:
        for secret in config.secrets:
            value = as_bytes(secrets[secret.source.partition("#")[0]])
            parcels[secret.source] = file_parcel(value, secret.mode, secret.uid, secret.gid)
    return parcels
