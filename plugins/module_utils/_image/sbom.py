# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A list of an image's packages as a CycloneDX document (1.5, JSON). Pure, but for the writing at its end.

Sources: the CycloneDX 1.5 JSON schema; package-url/purl-spec, the types deb, apk, rpm, pypi and conda.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import tempfile
import typing as t
import uuid
from urllib.parse import quote

from .._errors import EngineError, make_room
from .packages import Package

_VENDOR = {"deb": "debian", "apk": "alpine", "rpm": "redhat"}
"""Namespace of a package URL where the image does not say which distribution it is."""


def document(
    reference: str,
    image_id: str,
    packages: t.Iterable[Package],
    distribution: tuple[str, str] = ("", ""),
    unread: t.Sequence[str] = (),
) -> dict[str, t.Any]:
    """The document: the same for the same image, wherever and whenever it is made.

    distribution: (ID, VERSION_ID) of os-release. unread: files that hold packages we cannot read; then it says so.
    """
    name, _colon, version = reference.rpartition(":")
    components = {entry["bom-ref"]: entry for entry in (_component(each, distribution) for each in packages)}
    system = [_system(*distribution)] if distribution[0] else []
    main = {"type": "container", "bom-ref": reference, "name": name, "version": version}
    result = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, f'{reference}@{image_id}')}",
        "version": 1,
        "metadata": {
            "tools": {"components": [{"type": "application", "name": "gpu_fleet.containers"}]},
            "component": {**main, "properties": [{"name": "org.gpu-fleet.image.id", "value": image_id}]},
        },
        "components": [*system, *(components[key] for key in sorted(components))],
        "compositions": [{"aggregate": "incomplete" if unread else "unknown", "assemblies": [reference]}],
    }
    if unread:
        result["properties"] = [{"name": "org.gpu-fleet.unread", "value": path} for path in unread]
    return result


def _system(name: str, version: str) -> dict[str, t.Any]:
    return {
        "type": "operating-system",
        "bom-ref": f"os:{name}",
        "name": name,
        **({"version": version} if version else {}),
    }


def _component(package: Package, distribution: tuple[str, str]) -> dict[str, t.Any]:
    url = package_url(package, distribution)
    return {"type": "library", "bom-ref": url, "name": package.name, "version": package.version, "purl": url}


def package_url(package: Package, distribution: tuple[str, str] = ("", "")) -> str:
    """``pkg:deb/debian/libc6@2.36-9?arch=amd64&distro=debian-12``; qualifiers in the order of their names."""
    name, namespace = package.name, ""
    qualifiers = {}
    if package.kind in _VENDOR:
        namespace = (distribution[0] or _VENDOR[package.kind]) + "/"
        qualifiers["arch"] = package.architecture
        if distribution[0]:
            qualifiers["distro"] = "-".join(part for part in distribution if part)
        if package.source and package.source != name:
            qualifiers["upstream"] = package.source
    elif package.kind == "conda":
        qualifiers = {"channel": package.source, "subdir": package.architecture}
    else:
        # PEP 503, «Normalized Names».
        name = re.sub(r"[-_.]+", "-", name).lower()
    tail = "&".join(f"{key}={quote(value, safe='.-_~:/')}" for key, value in sorted(qualifiers.items()) if value)
    url = f"pkg:{package.kind}/{namespace}{quote(name, safe='.-_~')}@{quote(package.version, safe='.-_~:')}"
    return f"{url}?{tail}" if tail else url


def path_of(cache_dir: str, reference: str) -> str:
    """``<cache_dir>/sbom/ai-system/agent-0f3c5d1e9a77.cdx.json`` for ``localhost/ai-system/agent:0f3c5d1e9a77``."""
    name, _colon, tag = reference.rpartition(":")
    if name.startswith("localhost/"):
        name = name[len("localhost/") :]
    # A registry's port stands before a colon.
    return os.path.join(cache_dir, "sbom", *name.replace(":", "_").split("/")) + f"-{tag}.cdx.json"


def write(path: str, content: t.Mapping[str, t.Any]) -> None:
    """Write all of it or nothing. Raises EngineError naming the path."""
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=os.path.dirname(path), prefix=".sbom-")
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
                json.dump(content, stream, indent=1)
                stream.write("\n")
                os.fchmod(stream.fileno(), 0o644)
            os.replace(temporary, path)
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary)
    except OSError as error:
        raise EngineError(
            f"the list of packages cannot be written: {error.strerror}",
            path,
            f"{make_room(error)}, or choose another directory with container_cache_dir.",
        ) from error
