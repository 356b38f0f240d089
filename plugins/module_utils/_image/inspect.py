# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What lies in an image: read once from the archive that ``docker save`` and ``podman save`` write, as it comes.

Nothing is unpacked and no layer is kept; a layer that is known already is passed over.
"""

from __future__ import annotations

import json
import posixpath
import tarfile
import typing as t
from dataclasses import asdict, dataclass, field
from urllib.parse import quote

from .._errors import EngineError, InputError
from . import packages as packages_of
from .forbidden import is_driver
from .packages import Package

_CHUNK = 1 << 20
_WHITEOUT, _OPAQUE = ".wh.", ".wh..wh..opq"
# OCI image specification, image-layout and layer: what stands for a removed file, and for all below a folder.

_ZSTD = b"\x28\xb5\x2f\xfd"


@dataclass(frozen=True)
class Layer:
    """What one layer holds of that which is looked for. Paths are without a leading slash."""

    drivers: tuple[str, ...] = ()
    secrets: tuple[tuple[str, str], ...] = ()
    """(path, id of the secret) of files with a secret's value in them."""
    packages: dict[str, tuple[Package, ...]] = field(default_factory=dict)
    """By the file that tells of them."""
    removed: tuple[str, ...] = ()
    """Files of layers below that are gone; a folder all of whose content is gone ends with a slash."""
    release: tuple[str, str] = ("", "")
    """(ID, VERSION_ID) of os-release."""
    unread: tuple[str, ...] = ()
    """Files with packages that cannot be read."""


@dataclass(frozen=True)
class Contents:
    config: dict[str, t.Any]
    """The image's configuration (OCI image specification, config)."""
    names: tuple[str, ...]
    """What the archive calls each layer: made of its content, so the same for the same layer."""
    layers: tuple[Layer, ...]
    """The lowest first."""

    @property
    def diff_ids(self) -> tuple[str, ...]:
        return tuple((self.config.get("rootfs") or {}).get("diff_ids") or ())


Secrets = t.Mapping[str, t.Sequence[bytes]]
"""Id → the forms in which its value could stand in a file."""


def forms(value: str) -> tuple[bytes, ...]:
    """A secret as it could stand in a file or a setting: as it is, and as a part of a URL."""
    bare = value.strip("\r\n")
    return tuple(dict.fromkeys((bare.encode(), quote(bare, safe="").encode())))


def read_image(
    stream: t.IO[bytes], secrets: Secrets, known: t.Callable[[str], Layer | None] = lambda name: None
) -> Contents:
    """Read an archive with one image to its end.

    known: by a layer's name in the archive, what was read from it before. Raises EngineError for what is no such archive.
    """
    documents: dict[str, t.Any] = {}
    layers: dict[str, Layer] = {}
    aliases: dict[str, str] = {}
    try:
        with tarfile.open(fileobj=stream, mode="r|", bufsize=_CHUNK) as archive:
            for member in archive:
                name = posixpath.normpath(member.name)
                if member.issym():
                    aliases[name] = posixpath.normpath(posixpath.join(posixpath.dirname(name), member.linkname))
                elif member.isreg():
                    before = known(name)
                    if before is not None:
                        layers[name] = before
                    else:
                        _read_member(t.cast(t.Any, archive.extractfile(member)), name, secrets, documents, layers)
        manifest = documents["manifest.json"][0]
        names = [posixpath.normpath(name) for name in manifest["Layers"]]
        names = [aliases.get(name, name) for name in names]
        config = documents[posixpath.normpath(manifest["Config"])]
        return Contents(config, tuple(names), tuple(layers[name] for name in names))
    except (tarfile.TarError, ValueError, KeyError, IndexError, TypeError, EOFError) as error:
        raise EngineError(
            f"the engine's archive of the image cannot be read: {type(error).__name__} {error}"
        ) from error


def _read_member(
    file: t.Any, name: str, secrets: Secrets, documents: dict[str, t.Any], layers: dict[str, Layer]
) -> None:
    """A layer or a JSON document: the layouts of both engines' versions name them differently, so the content decides."""
    start = file.peek(512)
    is_tar = start[257:262] == b"ustar" or (len(start) >= 512 and not start[:512].strip(b"\0"))
    if not is_tar and start[:1] in (b"{", b"["):
        documents[name] = json.loads(file.read())
    elif is_tar or start[:2] == b"\x1f\x8b":
        layers[name] = read_layer(file, secrets)
    elif start[:4] == _ZSTD:
        # Only a pulled layer comes so, and Python has no zstd before 3.14.
        layers[name] = Layer(unread=("a layer that is compressed with zstd",))


def read_layer(file: t.IO[bytes], secrets: Secrets) -> Layer:
    """Read one layer's tar, compressed or not."""
    drivers, found, removed, unread = [], [], [], []
    packages: dict[str, tuple[Package, ...]] = {}
    release = ("", "")
    with tarfile.open(fileobj=file, mode="r|*", bufsize=_CHUNK) as tar:
        for member in tar:
            path = posixpath.normpath(member.name).lstrip("/")
            folder, name = posixpath.split(path)
            if name == _OPAQUE:
                removed.append(folder + "/")
            elif name.startswith(_WHITEOUT):
                removed.append(posixpath.join(folder, name[len(_WHITEOUT) :]))
            if not member.isreg():
                continue
            if is_driver(path, member.size):
                drivers.append(path)
            if path in packages_of.UNREAD:
                unread.append(path)
            tells = packages_of.reader(path) is not None
            is_release = path in ("etc/os-release", "usr/lib/os-release")
            if not (tells or is_release or secrets):
                continue
            content, ids = _read_file(t.cast(t.Any, tar.extractfile(member)), secrets, tells or is_release)
            found.extend((path, each) for each in ids)
            if tells:
                try:
                    packages[path] = tuple(packages_of.read_packages(path, content))
                except InputError:
                    # The image is no worse for it; the list says that it is not complete.
                    unread.append(path)
            elif is_release:
                release = packages_of.distribution(content)
    return Layer(tuple(drivers), tuple(found), packages, tuple(removed), release, tuple(unread))


def _read_file(file: t.IO[bytes], secrets: Secrets, keep: bool) -> tuple[bytes, list[str]]:
    """Content (empty unless it is to be kept), and the ids of the secrets whose value stands in it."""
    overlap = max((len(form) for each in secrets.values() for form in each), default=1) - 1
    kept: list[bytes] = []
    found: set[str] = set()
    tail = b""
    while True:
        chunk = file.read(_CHUNK)
        if not chunk:
            return b"".join(kept), sorted(found)
        if keep:
            kept.append(chunk)
        window = tail + chunk
        found |= {name for name, each in secrets.items() if any(form in window for form in each)}
        tail = window[-overlap:] if overlap else b""


# --- what follows from it -----------------------------------------------------


def above(contents: Contents, base: t.Sequence[str]) -> int:
    """How many of its layers are the base's, given the base's diff ids."""
    count = 0
    for ours, theirs in zip(contents.diff_ids, base):
        if ours != theirs:
            break
        count += 1
    return count


def installed(contents: Contents) -> list[Package]:
    """All packages of the whole image, as a container sees it."""
    there: dict[str, tuple[Package, ...]] = {}
    for layer in contents.layers:
        for gone in layer.removed:
            below = gone if gone.endswith("/") else gone + "/"
            there = {path: found for path, found in there.items() if path != gone and not path.startswith(below)}
        there.update(layer.packages)
    return [package for path in sorted(there) for package in there[path]]


def distribution(contents: Contents) -> tuple[str, str]:
    """(ID, VERSION_ID) of the topmost os-release."""
    return next((layer.release for layer in reversed(contents.layers) if layer.release[0]), ("", ""))


def step(contents: Contents, index: int) -> str:
    """The layer at `index` in words: which of how many, and the step of the Containerfile that made it."""
    history = [entry for entry in contents.config.get("history") or () if not entry.get("empty_layer")]
    words = history[index].get("created_by") or "" if len(history) == len(contents.layers) else ""
    for noise in ("/bin/sh -c #(nop) ", "/bin/sh -c "):
        if words.startswith(noise):
            words = words[len(noise) :]
    words = " ".join(words.split())
    shown = f", «{words[:77]}…»" if len(words) > 78 else f", «{words}»" if words else ""
    return f"layer {index + 1} of {len(contents.layers)}{shown}"


def settings_with(config: t.Any, secrets: Secrets, path: str = "") -> t.Iterator[tuple[str, str]]:
    """(place in the image's configuration, id) for each secret whose value stands there: environment, labels, history."""
    if isinstance(config, dict):
        for key, value in config.items():
            yield from settings_with(str(key), secrets, path)
            yield from settings_with(value, secrets, f"{path}.{key}" if path else str(key))
    elif isinstance(config, list):
        for index, value in enumerate(config):
            yield from settings_with(value, secrets, f"{path}[{index}]")
    elif isinstance(config, str):
        content = config.encode(errors="replace")
        yield from ((path, name) for name, each in secrets.items() if any(form in content for form in each))


# --- kept between builds ------------------------------------------------------


def layer_to_json(layer: Layer) -> str:
    return json.dumps(asdict(layer))


def layer_from_json(text: str) -> Layer | None:
    """None for what is not from `layer_to_json` of this version."""
    try:
        data = json.loads(text)
        packages = {path: tuple(Package(**each) for each in found) for path, found in data.pop("packages").items()}
        values = {key: tuple(value) for key, value in data.items()}
        return Layer(packages=packages, **values)
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
