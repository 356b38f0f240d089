# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of `image_build` as a group file would say them."""

from __future__ import annotations

import os
import typing as t
from collections.abc import Mapping

from ...module_utils._errors import InputError
from ...module_utils._image.spec import Bootstrap, ImageSpec
from .._compose.spec import STACKS, BuildExtensions, BuildVariant
from .._nearest import did_you_mean
from .spec import image_spec
from .template import template_path

_VARIANT_KEYS = {"args", "target", "context", "dockerfile", "template"}


def spec_from_options(options: Mapping[str, t.Any], base_dir: str) -> ImageSpec:
    """options: validated options of the module. base_dir: where relative contexts start from. Raises InputError."""
    _check_stack(options["stack"], "stack")
    if options["template"]:
        template_path(options["template"], "template")
        if options["containerfile"]:
            raise InputError("template and containerfile exclude each other", path="template")
    build = {
        "context": os.path.join(base_dir, options["context"]),
        "dockerfile": options["containerfile"],
        "args": options["arguments"],
        "target": options["target"],
        "labels": options["labels"],
        "tags": options["tags"],
        "pull": options["pull"],
        "secrets": [{"source": name} for name in options["secrets"]],
    }
    stacks = {name: _variant(name, given, base_dir) for name, given in options["stacks"].items()}
    recipe = options["bootstrap"]
    bootstrap = Bootstrap(**{**recipe, "packages": tuple(recipe["packages"])}) if recipe else None
    return image_spec(
        options["name"],
        build,
        BuildExtensions(stacks, bootstrap, options["template"]),
        options["stack"],
        options["name"],
        platform=options["platform"],
        secrets={name: name for name in options["secrets"]},
    )


def _check_stack(name: str, where: str) -> None:
    if name not in STACKS:
        raise InputError(f"there is no GPU stack {name}", path=where, mend=did_you_mean(name, STACKS))


def _variant(name: str, given: t.Any, base_dir: str) -> BuildVariant:
    _check_stack(name, "stacks")
    if not isinstance(given, Mapping):
        raise InputError("is not a mapping", path=f"stacks.{name}")
    for key in given:
        if key not in _VARIANT_KEYS:
            raise InputError(
                f"unknown key {key!r}", path=f"stacks.{name}", mend=f"Known: {', '.join(sorted(_VARIANT_KEYS))}."
            )
    if given.get("template"):
        template_path(given["template"], f"stacks.{name}.template")
        if given.get("dockerfile"):
            raise InputError("template and dockerfile exclude each other", path=f"stacks.{name}")
    context = given.get("context")
    return BuildVariant(
        args=dict(given.get("args") or {}),
        target=given.get("target"),
        context=os.path.join(base_dir, context) if context else None,
        dockerfile=given.get("dockerfile"),
        template=given.get("template"),
    )
