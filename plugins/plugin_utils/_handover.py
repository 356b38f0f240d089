# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the controller hands to a host beside the plan: secret values, and the content of staged files."""

from __future__ import annotations

import io
import os
import tarfile
import tempfile
import typing as t
from collections.abc import Mapping, Sequence

from ..module_utils._errors import InputError
from ._fleet.registry import VARIABLES, read_registry
from ._fleet.staging import normal_mode, stage_path


def group_secrets(groups: Sequence[Mapping[str, t.Any]]) -> set[str]:
    """Source keys of what these groups' containers read; a plan has those of its builds as well."""
    return {
        secret["source"]
        for group in groups
        for service in group.get("services", ())
        for secret in service["config"].get("secrets", ())
    }


def secret_values(manifest: Mapping[str, Mapping[str, str]], variables: Mapping[str, str]) -> dict[str, str]:
    """Source key → value, for the ``secrets`` part of a host's plan.

    variables: the host's `container_secrets`. Raises InputError naming the key, never a value.
    """
    values = {}
    for key, source in manifest.items():
        if "variable" in source:
            if source["variable"] not in variables:
                raise InputError(f"no value for the secret {source['variable']}", key, "Put it into container_secrets.")
            values[key] = str(variables[source["variable"]])
        else:
            try:
                # As it is: line ends of a certificate or key are part of it.
                with open(source["file"], encoding="utf-8", newline="") as stream:
                    values[key] = stream.read()
            except OSError as error:
                raise InputError(f"cannot read {source['file']}: {error.strerror}", key) from None
    return values


REGISTRY_VARIABLES = (*VARIABLES, "inventory_dir")
"""What `registry_logins` reads."""


def registry_logins(
    host: str, values: Mapping[str, t.Any], references: Sequence[str] | None = None
) -> list[dict[str, str]]:
    """The login to the host's `container_registry`, as modules take it in `registries`; none where it has no registry.

    values: of REGISTRY_VARIABLES, as far as they are set. references: images; the login is handed out only where one of
    them lies in that registry. Raises InputError.
    """
    registry = read_registry(host, values)
    if registry is None or (references is not None and not any(map(registry.holds, references))):
        return []
    ca = ""
    if registry.ca:
        try:
            with open(registry.ca, encoding="utf-8") as stream:
                ca = stream.read()
        except (OSError, UnicodeDecodeError) as error:
            cause = error.strerror if isinstance(error, OSError) else "it is not PEM text"
            raise InputError(f"cannot read {registry.ca}: {cause}", f"{host}: container_registry.ca") from None
    password = values.get("container_registry_password") or "" if registry.username else ""
    return [{"address": registry.address, "username": registry.username, "password": password, "ca": ca}]


def pack_files(manifests: Mapping[str, Mapping[str, t.Any]], hashes: Sequence[str]) -> str:
    """A tar below the temporary directory whose top-level entries are the staged content, named by hash.

    Raises InputError for content that is gone, cannot be read any more, or is not what the plan saw: on the host it would
    lie under the wrong hash for good. Owner, times and the controller's umask leave no trace in it. The caller removes it.
    """
    descriptor, path = tempfile.mkstemp(prefix="gpu-fleet-files-", suffix=".tar")
    try:
        with os.fdopen(descriptor, "wb") as stream, tarfile.open(fileobj=stream, mode="w") as tar:
            for sha in hashes:
                _add(tar, sha, manifests[sha])
                _check_unchanged(sha, manifests[sha])
    except InputError:
        os.unlink(path)
        raise
    except OSError as error:
        os.unlink(path)
        raise InputError(f"cannot copy {error.filename or path}: {error.strerror}") from error
    return path


def _add(tar: tarfile.TarFile, sha: str, manifest: Mapping[str, t.Any]) -> None:
    if "content" in manifest:
        _add_bytes(tar, sha, manifest["content"].encode(), int(manifest["mode"], 8))
    elif manifest.get("type") == "directory":
        tar.add(manifest["path"], arcname=sha, filter=_normal)
    else:
        with open(manifest["path"], "rb") as file:
            _add_bytes(tar, sha, file.read(), int(manifest["mode"], 8))


def _check_unchanged(sha: str, manifest: Mapping[str, t.Any]) -> None:
    """Asked after packing, so that a change before or meanwhile shows."""
    if "content" in manifest:
        return
    mode = int(manifest["mode"], 8) if "mode" in manifest else None
    if stage_path(manifest["path"], "", mode)[0] != sha:
        raise InputError("changed while deploying", manifest["path"], "Run again.")


def _add_bytes(tar: tarfile.TarFile, name: str, content: bytes, mode: int) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode = len(content), mode
    tar.addfile(member, io.BytesIO(content))


def _normal(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = member.mtime = 0
    member.uname = member.gname = ""
    member.mode = 0o755 if member.isdir() else normal_mode(member.mode)
    return member
