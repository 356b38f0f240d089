# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a build is made from: its context and the Containerfile, which lies in it, beside it, inline, or is a template."""

from __future__ import annotations

import os
import typing as t
from collections.abc import Mapping
from dataclasses import dataclass

from ...module_utils._errors import InputError
from .._compose.spec import BuildVariant
from .template import TARGET, template_path

INLINE = "Containerfile.gpu-fleet"
"""Name in the sent context of a Containerfile that does not lie in it."""


@dataclass(frozen=True)
class Source:
    context: str
    """Directory on the controller."""
    containerfile: str
    """Its name in the sent context."""
    text: str
    in_context: str
    """`containerfile` where it lies in the context, else empty."""
    target: str
    name: str
    """What messages call the Containerfile."""


def find_source(build: Mapping[str, t.Any], variant: BuildVariant, template: str, where: str) -> Source:
    """For one GPU stack. template: the build's own, unless its variant names a Containerfile or another template.

    Raises InputError: context, Containerfile or template missing.
    """
    context = os.path.normpath(variant.context or build.get("context") or ".")
    target = build.get("target", "") if variant.target is None else variant.target
    template = "" if variant.dockerfile else variant.template or template
    if template:
        path = template_path(template, f"{where}.x-template")
        return Source(context, INLINE, _read(context, path, where), "", target or TARGET, path)
    inline = "" if variant.dockerfile else build.get("dockerfile_inline", "")
    if inline:
        return Source(context, INLINE, inline, "", target or "", where)
    path = _path(context, variant.dockerfile or build.get("dockerfile", ""))
    text = _read(context, path, where)
    relative = os.path.relpath(path, context)
    if relative.startswith(".."):
        return Source(context, INLINE, text, "", target or "", path)
    return Source(context, relative, text, relative, target or "", path)


def _path(context: str, dockerfile: str) -> str:
    path = os.path.normpath(os.path.join(context, dockerfile or "Dockerfile"))
    if dockerfile in ("", "Dockerfile") and not os.path.isfile(path):
        # Podman's own name for it; Compose prints the default «Dockerfile» where the file said nothing.
        other = os.path.join(context, "Containerfile")
        path = other if os.path.isfile(other) else path
    return path


def _read(context: str, path: str, where: str) -> str:
    if not os.path.isdir(context):
        raise InputError(f"build context {context} is not a directory", path=f"{where}.context")
    try:
        with open(path, encoding="utf-8") as stream:
            return stream.read()
    except (OSError, UnicodeDecodeError) as error:
        cause = error.strerror if isinstance(error, OSError) else str(error)
        raise InputError(f"cannot read the Containerfile {path}: {cause}", path=f"{where}.dockerfile") from None
