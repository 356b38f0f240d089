# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lock file: which digest each tag meant when somebody last asked.

    images:
      "docker.io/nvidia/cuda:12.4.1-runtime-ubuntu22.04": "sha256:…"

A digest is the registry's for the tag: of the index where an image has several platforms, so that one entry serves
every host.
"""

from __future__ import annotations

import re
import typing as t
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import yaml

from ...module_utils._engine.reference import parse_reference
from ...module_utils._errors import FleetError, InputError

NAME = "images.lock.yml"
"""Of the lock file beside the inventory, unless `container_images_lock` names another."""

REFRESH = "ansible-playbook build.yml -e update_lock=true"

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_NEW = f"""\
---
# Which image each tag meant when its registry was last asked. Builds and hosts use these until they are asked again:
#   {REFRESH}
"""


@dataclass(frozen=True)
class Lock:
    path: str
    digests: Mapping[str, str] = field(default_factory=dict)
    """By reference, written in full with its tag: ``docker.io/library/redis:7`` → ``sha256:…``."""


def read_lock(path: str) -> Lock:
    """What the lock file says; nothing where there is none. Raises InputError with path and line for what it cannot mean."""
    return Lock(path, parse_lock(read_text(path), path))


def read_text(path: str) -> str:
    """The lock file as it is, empty where there is none. Raises InputError."""
    try:
        # With the ends of lines that it has: what is written is compared with what is there, byte by byte.
        with open(path, encoding="utf-8", newline="") as stream:
            return stream.read()
    except FileNotFoundError:
        return ""
    except UnicodeDecodeError:
        raise InputError("the lock file is not text (UTF-8)", path, _anew(path)) from None
    except OSError as error:
        raise InputError(f"cannot read the lock file: {error.strerror}", path) from None


def parse_lock(text: str, path: str) -> dict[str, str]:
    """Digest by reference. Raises InputError with `path` and line."""
    result: dict[str, str] = {}
    for key, value in _entries(_images(_root(text, path), path), path):
        where = f"{path}:{key.start_mark.line + 1}: images"
        reference = _reference(key.value, where)
        if reference in result:
            raise InputError(f"{reference} stands here twice", where, "Remove the line that is not wanted.")
        if not isinstance(value, yaml.ScalarNode) or not _DIGEST.fullmatch(value.value):
            shown = value.value if isinstance(value, yaml.ScalarNode) else "what stands there"
            raise InputError(
                f"{reference}: {shown!r} is not a digest (sha256: and 64 digits of 0-9a-f)",
                where,
                f"Remove the line and run «{REFRESH}».",
            )
        result[reference] = value.value
    return result


def with_digests(text: str, digests: Mapping[str, str], path: str) -> str:
    """The lock file's text with these digests in it.

    Everything else stays: comments, order, entries of other references. New entries stand where the alphabet wants
    them. Raises InputError for a text that is no lock file, or that nothing can be added to.
    """
    if "\r\n" in text:
        return with_digests(text.replace("\r\n", "\n"), digests, path).replace("\n", "\r\n")
    known = parse_lock(text, path)
    changed = _edited(text, known, digests, path)
    if parse_lock(changed, path) != {**known, **digests}:
        raise InputError("the lock file is written in a way in which nothing can be added", path, _anew(path))
    return changed


def _edited(text: str, known: Mapping[str, str], digests: Mapping[str, str], path: str) -> str:
    root = _root(text, path)
    images = _images(root, path)
    new = sorted(set(digests) - set(known))
    if not isinstance(images, yaml.MappingNode) or not images.value:
        return _first(text, root, images, {reference: digests[reference] for reference in new}, path)
    edits = [
        (value.start_mark.index, value.end_mark.index, f'"{digests[key.value]}"')
        for key, value in images.value
        if digests.get(key.value, known[key.value]) != known[key.value]
    ]
    edits += _insertions(text, images, {reference: digests[reference] for reference in new})
    for start, end, replacement in sorted(edits, reverse=True):
        text = text[:start] + replacement + text[end:]
    return text


def changes(known: Mapping[str, str], digests: Mapping[str, str]) -> list[str]:
    """One line for each reference whose digest is another now, or new."""
    return [
        f"{reference}: {_short(known[reference]) + ' →' if reference in known else 'new,'} {_short(digest)}"
        for reference, digest in sorted(digests.items())
        if known.get(reference) != digest
    ]


def _short(digest: str) -> str:
    return digest[: len("sha256:") + 12]


@dataclass
class Pins:
    """The digests of one lock file for the references that a plan meets, and which those were."""

    lock: Lock
    asked: dict[str, str] = field(default_factory=dict)
    """Reference in full → where it was met first. What a refreshed lock file has to know."""
    built: set[str] = field(default_factory=set)
    """Names of images that the plan builds itself, ``localhost/ai-system/base``: no registry has them."""

    def pin(self, reference: str, where: str) -> str:
        """The reference with its digest, or as it is where nobody wrote one down."""
        parsed = parse_reference(reference)
        own = parse_reference(reference, default_domain="localhost").name in self.built
        if parsed.digest or parsed.domain == "localhost" or own:
            return reference
        self.asked.setdefault(str(parsed), where)
        digest = self.lock.digests.get(str(parsed))
        return f"{parsed}@{digest}" if digest else reference

    def warnings(self) -> list[str]:
        """One for all references without a digest, each with the place where it was met first."""
        open_ones = [
            f"{reference} ({where})"
            for reference, where in sorted(self.asked.items())
            if reference not in self.lock.digests
        ]
        if not open_ones:
            return []
        return [
            f"{self.lock.path} has no digest for {', '.join(open_ones)}: what is pulled is whatever a registry has that day."
            f" «{REFRESH}» writes it down."
        ]


# --- the file's YAML --------------------------------------------------------


def _root(text: str, path: str) -> yaml.MappingNode | None:
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"{path}:{mark.line + 1}" if mark else path
        raise InputError(f"the lock file is not YAML: {error.problem}", where, _anew(path)) from None
    except yaml.YAMLError as error:
        raise InputError(f"the lock file is not YAML: {error}", path, _anew(path)) from None
    if root is not None and root.tag == "tag:yaml.org,2002:null":
        return None
    if root is not None and not isinstance(root, yaml.MappingNode):
        raise InputError("the lock file is not a mapping with «images»", path, _anew(path))
    return root


def _images(root: yaml.MappingNode | None, path: str) -> yaml.Node | None:
    for key, value in root.value if root else ():
        if key.value == "images":
            if isinstance(value, yaml.MappingNode) or value.tag == "tag:yaml.org,2002:null":
                return value
            raise InputError(
                "is not a mapping of references to digests", f"{path}:{key.start_mark.line + 1}: images", _anew(path)
            )
    return None


def _entries(images: yaml.Node | None, path: str) -> Iterable[tuple[yaml.ScalarNode, yaml.Node]]:
    for key, value in images.value if isinstance(images, yaml.MappingNode) else ():
        if not isinstance(key, yaml.ScalarNode):
            raise InputError("a key is not a text", f"{path}:{key.start_mark.line + 1}: images", _anew(path))
        yield key, value


def _reference(text: str, where: str) -> str:
    try:
        parsed = parse_reference(text)
    except FleetError as error:
        raise InputError(error.message, where, error.mend) from None
    if parsed.digest or str(parsed) != text:
        full = str(parsed).partition("@")[0]
        raise InputError(f"{text!r} is not a reference in full with a tag", where, f"Write it as «{full}».")
    return text


def _anew(path: str) -> str:
    return f"Mend it, or move it away and run «{REFRESH}», which writes {path} anew."


def _line(reference: str, digest: str, indent: int) -> str:
    return f'{" " * indent}"{reference}": "{digest}"\n'


def _first(
    text: str, root: yaml.MappingNode | None, images: yaml.Node | None, digests: Mapping[str, str], path: str
) -> str:
    """The text with the first entries of `images`."""
    if not digests:
        return text
    lines = "".join(_line(reference, digest, 2) for reference, digest in sorted(digests.items()))
    if root is not None and root.flow_style:
        raise InputError("nothing can be added to a mapping in braces", path, _anew(path))
    if images is not None:
        start = images.start_mark.index
        end = images.end_mark.index
        return f"{text[:start].rstrip(' ')}\n{lines.rstrip()}{text[end:]}"
    before = text if text.strip() else _NEW
    return f"{before}{'' if before.endswith(chr(10)) else chr(10)}images:\n{lines}"


def _insertions(text: str, images: yaml.MappingNode, digests: Mapping[str, str]) -> t.Iterator[tuple[int, int, str]]:
    """(from, to, new text) for each place where entries are missing."""
    places: dict[int, str] = {}
    for reference, digest in sorted(digests.items()):
        smaller = [value for key, value in images.value if key.value < reference]
        if images.flow_style:
            at = images.value[-1][1].end_mark.index
            piece = f', "{reference}": "{digest}"'
        else:
            indent = images.value[0][0].start_mark.column
            at = (
                _line_end(text, smaller[-1].end_mark.index) if smaller else images.value[0][0].start_mark.index - indent
            )
            piece = _line(reference, digest, indent)
            if at and text[at - 1] != "\n":
                piece = "\n" + piece.rstrip("\n")
        places[at] = places.get(at, "") + piece
    yield from ((at, at, piece) for at, piece in places.items())


def _line_end(text: str, index: int) -> int:
    """Where the next line begins."""
    end = text.find("\n", index)
    return len(text) if end < 0 else end + 1
