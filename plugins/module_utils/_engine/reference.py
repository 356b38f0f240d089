# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Image references: parsed once, written in full, so that both engines mean the same image.

Docker expands ``redis`` to ``docker.io/library/redis:latest``; Podman stores what it
built itself under ``localhost/``. Source: distribution/reference (normalize.go) and
containers/common (libimage/normalize.go).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from .._errors import InputError

# The grammar of distribution/reference (regexp.go): what a repository path and a tag may look like.
_COMPONENT = r"[a-z0-9]+(?:(?:\.|_{1,2}|-+)[a-z0-9]+)*"
_PATH = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")


@dataclass(frozen=True)
class Reference:
    domain: str
    path: str
    tag: str = ""
    digest: str = ""

    @property
    def name(self) -> str:
        return f"{self.domain}/{self.path}"

    def __str__(self) -> str:
        text = self.name
        if self.tag:
            text += f":{self.tag}"
        if self.digest:
            text += f"@{self.digest}"
        return text


def parse_reference(text: str, default_domain: str = "docker.io") -> Reference:
    """``redis`` → docker.io/library/redis:latest; ``ghcr.io/a/b@sha256:…`` stays without a tag.

    Raises InputError for text that is no reference.
    """
    rest, _at, digest = text.partition("@")
    head, _colon, tag = rest.rpartition(":")
    if not head or "/" in tag:
        head, tag = rest, ""
    domain, slash, path = head.partition("/")
    if not slash or not ("." in domain or ":" in domain or domain == "localhost"):
        domain, path = default_domain, head
    if domain == "docker.io" and path and "/" not in path:
        path = f"library/{path}"
    if rest.endswith(":") or not _PATH.fullmatch(path) or (tag and not _TAG.fullmatch(tag)):
        raise InputError(f"{text!r} is not an image reference", mend="Write it as [domain/]name[:tag][@sha256:…].")
    if digest and not digest.startswith("sha256:"):
        raise InputError(f"{text!r} has a digest that is not sha256")
    if not tag and not digest:
        tag = "latest"
    return Reference(domain, path, tag, digest)
