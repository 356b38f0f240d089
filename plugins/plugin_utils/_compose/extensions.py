# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Our own keys: `x-fleet`, `x-gpu`, `x-display`, `x-links`, `x-oneshot`, `x-settle`, `build.x-…`."""

from __future__ import annotations

import re
import typing as t

from ...module_utils._image.spec import Bootstrap
from .._images.template import template_names
from .._nearest import did_you_mean
from . import mounts, units
from .build import build_arguments
from .context import Context
from .spec import (
    DISPLAYS,
    STACKS,
    BuildExtensions,
    BuildVariant,
    DisplayWish,
    GpuWish,
    LinkWish,
    Path,
    ServiceExtensions,
)

Data = dict[str, t.Any]

_LINK = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]*)://(?:(?P<group>[a-zA-Z0-9._-]+)/)?"
    r"(?P<service>[a-zA-Z0-9._-]+):(?P<port>[0-9]{1,5})(?P<suffix>/.*)?"
)
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def service_extensions(raw: Data, canonical: Data, path: Path, context: Context) -> ServiceExtensions:
    """`raw` is the service as the schema gave it back, `canonical` what it became."""
    return ServiceExtensions(
        gpu=_gpu(raw.get("x-gpu"), canonical, path, context),
        display=_display(raw.get("x-display"), path, context),
        links=_links(raw.get("x-links", {}), path, context),
        one_shot=raw.get("x-oneshot", False),
        settle=duration_seconds(raw["x-settle"]) if "x-settle" in raw else None,
    )


def duration_seconds(canonical: str) -> float:
    return units.seconds(units.parse_duration(canonical))


def _gpu(wish: Data | None, canonical: Data, path: Path, context: Context) -> GpuWish | None:
    request = _gpu_request(canonical, path, context)
    if wish is None and request is None:
        return None
    wish = wish or {}
    request = request or {}
    stacks = tuple(wish.get("stacks", ()))
    if len(set(stacks)) != len(stacks):
        context.problems.error((*path, "x-gpu", "stacks"), "a GPU stack is named twice")
    if "count" in wish and "ids" in wish:
        context.problems.error((*path, "x-gpu"), "count and ids exclude each other", "Remove count.")
    ids = tuple(wish.get("ids", request.get("device_ids", ())))
    count = wish.get("count", -1 if "ids" in wish else request.get("count", -1))
    return GpuWish(
        stacks=stacks,
        memory=int(wish.get("memory") or 0),
        count=count,
        ids=() if "count" in wish else ids,
        driver=request.get("driver", ""),
        capabilities=tuple(request.get("capabilities", ("gpu",))),
        options=request.get("options", {}),
    )


def _gpu_request(canonical: Data, path: Path, context: Context) -> Data | None:
    """Compose's request for GPUs, if there is one."""
    resources = canonical.get("deploy", {}).get("resources", {})
    devices = resources.get("reservations", {}).get("devices", [])
    wanted = [(index, request) for index, request in enumerate(devices) if "gpu" in request.get("capabilities", [])]
    if len(wanted) > 1:
        place = (*path, "deploy", "resources", "reservations", "devices", wanted[1][0])
        context.problems.error(place, "a second request for GPUs", "Put both into one request.")
    return wanted[0][1] if wanted else None


def _display(wish: str | list[str] | Data | None, path: Path, context: Context) -> DisplayWish | None:
    if wish is None:
        return None
    if isinstance(wish, str):
        wish = {} if wish == "auto" else {"kinds": [wish]}
    elif isinstance(wish, list):
        wish = {"kinds": wish}
    kinds, display = tuple(wish.get("kinds") or DISPLAYS), wish.get("display", "")
    if len(set(kinds)) != len(kinds):
        context.problems.error((*path, "x-display"), "a kind of display is named twice")
    if display and not {"wslg", "wayland" if display.startswith("wayland") else "x11"} & set(kinds):
        context.problems.error(
            (*path, "x-display", "display"), f"{display} is none of {', '.join(kinds)}", "Remove kinds."
        )
    return DisplayWish(kinds, display, wish.get("optional", False))


def _links(entries: Data, path: Path, context: Context) -> tuple[LinkWish, ...]:
    links = []
    for variable, entry in entries.items():
        place = (*path, "x-links", variable)
        url, check = (entry, ()) if isinstance(entry, str) else (entry.get("url", ""), tuple(entry.get("check", ())))
        match = _LINK.fullmatch(url)
        if not _VARIABLE.fullmatch(variable):
            context.problems.error(place, f"{variable!r} cannot be the name of an environment variable")
        elif not match or not 0 < int(match["port"]) <= 65535:
            context.problems.error(
                place,
                f"{url!r} is not the address of a service",
                "Write tcp://group/service:port, or tcp://service:port where the name is unique.",
            )
        else:
            links.append(
                LinkWish(
                    variable=variable,
                    url=url,
                    scheme=match["scheme"],
                    group=match["group"] or "",
                    service=match["service"],
                    port=int(match["port"]),
                    suffix=match["suffix"] or "",
                    check=check,
                )
            )
    return tuple(links)


def build_extensions(raw: str | Data, path: Path, context: Context) -> BuildExtensions:
    if isinstance(raw, str):
        return BuildExtensions()
    variants = {}
    for stack, variant in raw.get("x-stacks", {}).items():
        place = (*path, "x-stacks", stack)
        if stack not in STACKS:
            context.problems.error(place, f"there is no GPU stack {stack}", did_you_mean(stack, STACKS))
            continue
        where = variant.get("context")
        variants[stack] = BuildVariant(
            args=build_arguments(variant.get("args", {}), (*place, "args"), context),
            target=variant.get("target"),
            context=where if where is None or mounts.is_remote(where) else mounts.absolute(where, context.directory),
            dockerfile=variant.get("dockerfile"),
            template=_template(variant, "template", place, context),
        )
    return BuildExtensions(
        stacks=variants,
        bootstrap=_bootstrap(raw.get("x-bootstrap")),
        template=_template(raw, "x-template", path, context) or "",
    )


def _template(raw: Data, key: str, path: Path, context: Context) -> str | None:
    name = raw.get(key)
    if name is None:
        return None
    if name not in template_names():
        context.problems.error((*path, key), f"there is no template {name}", did_you_mean(name, template_names()))
    for other in ("dockerfile", "dockerfile_inline"):
        if other in raw:
            context.problems.error((*path, key), f"{key} and {other} exclude each other")
    return name


def _bootstrap(raw: Data | None) -> Bootstrap | None:
    if raw is None:
        return None
    values = {**raw, "packages": tuple(raw.get("packages", ()))}
    return Bootstrap(**{"argument": "", "suite": "", **values})
