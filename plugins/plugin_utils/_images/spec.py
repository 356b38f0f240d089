# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a service's `image` and `build` to the `ImageSpec` that is sent to a host."""

from __future__ import annotations

import hashlib
import json
import posixpath
import typing as t
from collections.abc import Mapping
from dataclasses import replace

from ...module_utils._engine.reference import parse_reference
from ...module_utils._errors import FleetError, InputError
from ...module_utils._image.spec import Bootstrap, ImageSpec
from .._compose.spec import BuildExtensions, BuildVariant
from .._nearest import did_you_mean
from .containerfile import parse_bases
from .context import digest_context, read_context
from .pin import Pin, pinned, unpinned
from .source import INLINE, find_source

FALL_BACK = {"nvidia-wsl": "nvidia", "nvidia-tegra": "nvidia", "rocm-wsl": "rocm"}
"""The build variant of a GPU stack that has none of its own."""

_HONOURED = {
    "context",
    "dockerfile",
    "dockerfile_inline",
    "args",
    "target",
    "labels",
    "platforms",
    "tags",
    "pull",
    "secrets",
    # These only make a build faster or slower; a content-addressed build needs none of them.
    "no_cache",
    "cache_from",
    "cache_to",
}
_PULL_POLICIES = {
    "": "missing",
    "missing": "missing",
    "if_not_present": "missing",
    "build": "missing",
    "always": "always",
    "never": "never",
}


def image_spec(
    service_key: str,
    build: Mapping[str, t.Any],
    extensions: BuildExtensions | None,
    stack: str,
    image: str,
    *,
    platform: str = "",
    pull_policy: str = "",
    secrets: Mapping[str, str] | None = None,
    pin: Pin = unpinned,
    memo: dict[tuple[str, str], str] | None = None,
) -> ImageSpec:
    """The image that a service is built as on a host with this GPU stack.

    service_key: where it stands, for messages: ``groups/core.yml:12:7: services.web``.
    build: Compose's canonical mapping (`context` absolute). image: the service's image
    name, or ``<project>-<service>`` as Compose names it.
    pull_policy: only checked, what is built is never pulled. secrets: name → source key, of those that
    `build.secrets` may name. pin: gives a base its digest (`lock.Pins.pin`). memo: context digests read so far, when
    several services share a context.
    Raises InputError: context, Containerfile or template missing, unknown variable, unsupported key.
    """
    where = f"{service_key}.build"
    unknown = sorted(key for key in build if key not in _HONOURED and build[key])
    if unknown:
        raise InputError(f"{unknown[0]!r} is not supported in image builds", path=f"{where}.{unknown[0]}")
    _pull_policy(service_key, pull_policy)
    variant = pick_variant(extensions, stack)
    source = find_source(build, variant, extensions.template if extensions else "", where)
    arguments = {
        key: str(value) for key, value in {**(build.get("args") or {}), **variant.args}.items() if value is not None
    }
    bases = parse_bases(source.text, arguments, source.target, path=source.name)
    bootstrap = extensions.bootstrap if extensions else None
    if bootstrap:
        arguments = _with_base_argument(arguments, bootstrap, bases.defaults, bases.references, where)
    for base in bases.references:
        _check_reference(base, source.name)
    memo = {} if memo is None else memo
    read = (source.context, source.in_context)
    if read not in memo:
        memo[read] = digest_context(read_context(*read, where), where)
    reference = parse_reference(image, default_domain="localhost")
    labels = {key: str(value) for key, value in (build.get("labels") or {}).items()}
    spec = ImageSpec(
        key=reference.name,
        repository=reference.name,
        context=source.context,
        context_digest=memo[read],
        containerfile=source.containerfile,
        containerfile_text="" if source.in_context else source.text,
        arguments=arguments,
        target=source.target,
        platform=_platform(build, platform, where),
        labels=labels,
        tags=_tags(image, build.get("tags") or (), where),
        bases=bases.references,
        base=bases.final,
        bootstrap=bootstrap,
        secrets=_secrets(build, secrets or {}, where),
        pull_policy="always" if build.get("pull") else "missing",
        where=service_key,
    )
    # The identity of the bases stands beside the inputs in an image's name: pinning what is there makes nothing anew.
    spec = replace(spec, inputs=_inputs(spec, source.text))
    return pinned(spec, source.text, pin, where, source.name)


def check_unchanged(spec: ImageSpec) -> None:
    """Raises InputError where a context is not what the plan saw: the image would be known by inputs it was not made of.

    To be called when the context is packed, so that a change before or meanwhile shows.
    """
    in_context = "" if spec.containerfile == INLINE else spec.containerfile
    if digest_context(read_context(spec.context, in_context, spec.where), spec.where) != spec.context_digest:
        raise InputError("changed since the plan was made", spec.context, "Run again.")


def pulled_spec(
    service_key: str, image: str, *, platform: str = "", pull_policy: str = "", pin: Pin = unpinned
) -> ImageSpec:
    """The image of a service without `build`. Raises InputError for a name or policy that means nothing."""
    where = f"{service_key}.image"
    reference = _check_reference(image, where)
    policy = _pull_policy(service_key, pull_policy)
    return ImageSpec(
        key=reference,
        # What is never pulled was put there by hand, and no registry has to know it.
        repository=reference if policy == "never" else pin(reference, where),
        build=False,
        platform=platform,
        pull_policy=policy,
        where=service_key,
    )


def pick_variant(extensions: BuildExtensions | None, stack: str) -> BuildVariant:
    """What differs in the build for `stack`: its own variant, the one it falls back to, or nothing."""
    stacks = extensions.stacks if extensions else {}
    for name in (stack, FALL_BACK.get(stack, "")):
        if name in stacks:
            return stacks[name]
    return BuildVariant()


def _pull_policy(service_key: str, text: str) -> str:
    if text not in _PULL_POLICIES:
        raise InputError(
            f"pull_policy {text!r} is not supported",
            path=f"{service_key}.pull_policy",
            mend="Use always, missing, never or build.",
        )
    return _PULL_POLICIES[text]


def _with_base_argument(
    arguments: dict[str, str], bootstrap: Bootstrap, defaults: Mapping[str, str], bases: tuple[str, ...], where: str
) -> dict[str, str]:
    """Arguments with the bootstrapped base's argument spelled out: the host does not read the Containerfile."""
    wanted = arguments.get(bootstrap.argument, defaults.get(bootstrap.argument, ""))
    if wanted not in bases:
        raise InputError(
            f"no FROM takes its image from the build argument {bootstrap.argument}",
            path=f"{where}.x-bootstrap",
            mend=f"Write «ARG {bootstrap.argument}=…» and «FROM ${{{bootstrap.argument}}}» in the Containerfile.",
        )
    return {**arguments, bootstrap.argument: wanted}


def _secrets(build: Mapping[str, t.Any], known: Mapping[str, str], where: str) -> dict[str, str]:
    """Compose's `build.secrets`: id in the build → source key. The id is the `target`, or the secret's own name."""
    result = {}
    for index, entry in enumerate(build.get("secrets") or ()):
        name = entry["source"]
        if name not in known:
            raise InputError(
                f"there is no secret «{name}»", path=f"{where}.secrets[{index}]", mend=did_you_mean(name, known)
            )
        result[posixpath.basename(entry.get("target") or name)] = known[name]
    return result


def _platform(build: Mapping[str, t.Any], platform: str, where: str) -> str:
    platforms = [str(entry) for entry in build.get("platforms") or ()]
    if platform and platforms and platform not in platforms:
        raise InputError(f"platform {platform} is not in build.platforms", path=f"{where}.platforms")
    if not platform and len(platforms) > 1:
        raise InputError(
            "one image is built for one platform here",
            path=f"{where}.platforms",
            mend="Say which one with the service's `platform`.",
        )
    return platform or (platforms[0] if platforms else "")


def _tags(image: str, further: t.Iterable[str], where: str) -> tuple[str, ...]:
    """The tags the user wrote: the image name's own, if it has one, and build.tags."""
    written = [image] if ":" in image.rpartition("/")[2] else []
    result = []
    for index, text in enumerate([*written, *further]):
        try:
            result.append(str(parse_reference(str(text), default_domain="localhost")))
        except FleetError as error:
            raise InputError(error.message, path=f"{where}.tags[{index}]", mend=error.mend) from None
    return tuple(dict.fromkeys(result))


def _check_reference(text: str, where: str) -> str:
    try:
        return str(parse_reference(text))
    except FleetError as error:
        raise InputError(error.message, path=where, mend=error.mend) from None


def _inputs(spec: ImageSpec, containerfile: str) -> str:
    """sha256 (hex) over everything the controller knows. The name `1` leaves room for another way later."""
    parts = [
        1,
        hashlib.sha256(containerfile.encode()).hexdigest(),
        spec.context_digest,
        sorted(spec.arguments.items()),
        spec.target,
        spec.platform,
        sorted(spec.labels.items()),
        # The values may change without a new image: builders do not look at them either.
        *([sorted(spec.secrets)] if spec.secrets else []),
    ]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
