# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets of a plan: where each value comes from, and that it stands nowhere else.

Values are looked at here, and neither kept, returned nor put into a message.
"""

from __future__ import annotations

import typing as t
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ...module_utils._errors import InputError
from ...module_utils._group.config import SecretFile
from .._compose.spec import dotted
from .._nearest import did_you_mean
from .errors import Errors
from .placement import Placement

SHORTEST = 8
"""Shorter values would turn ordinary output into asterisks wherever no_log hides them."""

DIRECTORY = "/run/secrets"


@dataclass(frozen=True)
class Source:
    """Where a value comes from: ``{"variable": NAME}`` or ``{"file": controller path}``."""

    key: str
    manifest: Mapping[str, str]


def sources(placement: Placement, errors: Errors) -> dict[str, tuple[Source, str]]:
    """Secret name → its source and its value, for the secrets that active services and their builds use."""
    used: dict[str, tuple[str | int, ...]] = {}
    for service, content in placement.services.items():
        for path, entries in (
            (("services", service, "build", "secrets"), (content.get("build") or {}).get("secrets")),
            (("services", service, "secrets"), content.get("secrets")),
        ):
            used |= {entry["source"]: (*path, index) for index, entry in enumerate(entries or ())}
    found = {}
    for name, path in used.items():
        with errors.collect():
            found[name] = _source(placement, name, path)
    return found


def source_key(placement: Placement, name: str) -> str:
    """What a plan calls the secret. It goes into the configuration's hash, so it holds no path of this controller."""
    return f"{placement.name}/{name}"


def _source(placement: Placement, name: str, used_at: tuple[str | int, ...]) -> tuple[Source, str]:
    definition = placement.spec.secrets.get(name)
    if definition is None:
        raise InputError(
            f"there is no secret «{name}»", placement.where(*used_at), did_you_mean(name, placement.spec.secrets)
        )
    where = placement.where("secrets", name)
    key = source_key(placement, name)
    if definition.get("file"):
        source, value = Source(key, {"file": definition["file"]}), _read(definition["file"], where)
    elif definition.get("environment"):
        variable = definition["environment"]
        if variable not in placement.host.secrets:
            raise InputError(
                f"no value for the secret {variable}",
                where,
                f"Put {variable} into container_secrets of {placement.host.name} (in a vault).",
            )
        source, value = Source(key, {"variable": variable}), placement.host.secrets[variable]
    else:
        raise InputError(
            "an external secret has no meaning on these engines",
            where,
            "Write «environment: NAME» and put NAME into container_secrets, or «file: PATH».",
        )
    if len(value.strip()) < SHORTEST:
        raise InputError(
            f"the secret's value has fewer than {SHORTEST} characters",
            where,
            "Use a longer one: hiding a short value would turn ordinary output into asterisks.",
        )
    return source, value


def _read(path: str, where: str) -> str:
    try:
        with open(path, encoding="utf-8") as stream:
            return stream.read()
    except UnicodeDecodeError:
        raise InputError(f"{path} is not text (UTF-8)", where, "Keep binary secrets base64-encoded.") from None
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}", where) from None


def secret_files(placement: Placement, service: str, found: Mapping[str, tuple[Source, str]]) -> tuple[SecretFile, ...]:
    """The secrets of one service as its container sees them."""
    content = placement.services[service]
    owner = str(content.get("user") or "")
    uid, _colon, gid = owner.partition(":")
    result = []
    for entry in content.get("secrets") or ():
        if entry["source"] not in found:
            continue  # reported already
        target = entry.get("target") or entry["source"]
        mode = entry.get("mode")
        if mode is None:
            # Tight where we know who reads it; otherwise the image's user, whoever that is, must be able to.
            mode = 0o400 if uid.isdigit() else 0o444
        result.append(
            SecretFile(
                source=found[entry["source"]][0].key,
                target=target if target.startswith("/") else f"{DIRECTORY}/{target}",
                uid=int(entry.get("uid") or (uid if uid.isdigit() else 0)),
                gid=int(entry.get("gid") or (gid if gid.isdigit() else 0)),
                mode=int(mode),
            )
        )
    return tuple(result)


def check_leaks(placement: Placement, values: Mapping[str, str], errors: Errors) -> None:
    """A secret's value written anywhere but in its own place is an error that names the path, never the value.

    values: what not to find, by a name that may be told.
    """
    needles = {name: value.strip() for name, value in values.items() if len(value.strip()) >= SHORTEST}
    for path, text in _texts(placement):
        for name, needle in needles.items():
            if needle in text:
                errors.append(
                    InputError(
                        f"the value of the secret {name} stands here in clear",
                        placement.where(*path),
                        "Take it out and give the service the secret with Compose's «secrets».",
                    )
                )
                break


def check_environment_leaks(placement: Placement, values: Mapping[str, str], errors: Errors) -> None:
    """The same for the variables that the inventory hands to group files."""
    for variable, text in placement.host.environment.items():
        for name, value in values.items():
            if len(value.strip()) >= SHORTEST and value.strip() in text:
                errors.append(
                    InputError(
                        f"the value of the secret {name} stands here in clear",
                        f"{placement.host.name}: container_environment.{dotted((variable,))}",
                        "Take it out and give the service the secret with Compose's «secrets».",
                    )
                )
                break


def _texts(placement: Placement) -> Iterator[tuple[tuple[str | int, ...], str]]:
    spec = placement.spec
    for section in ("services", "networks", "volumes", "configs"):
        yield from _walk((section,), getattr(spec, section))
    for name, secret in spec.secrets.items():
        yield from _walk(("secrets", name), secret)
    for service, extensions in spec.extensions.items():
        for link in extensions.links:
            yield ("services", service, "x-links", link.variable), " ".join((link.url, *link.check))
    for service, build in spec.builds.items():
        for stack, variant in build.stacks.items():
            yield from _walk(("services", service, "build", "x-stacks", stack, "args"), variant.args)


def _walk(path: tuple[str | int, ...], value: t.Any) -> Iterator[tuple[tuple[str | int, ...], str]]:
    if isinstance(value, Mapping):
        for key, content in value.items():
            yield (*path, key), key
            yield from _walk((*path, key), content)
    elif isinstance(value, (list, tuple)):
        for index, content in enumerate(value):
            yield from _walk((*path, index), content)
    elif isinstance(value, str):
        yield path, value
