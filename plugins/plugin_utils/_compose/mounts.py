# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Volume entries: ``./src:/dst:ro,z``, ``data:/data``, to Compose's long form; and paths of the controller."""

from __future__ import annotations

import os
import posixpath
import typing as t

_PROPAGATION = ("rprivate", "private", "rshared", "shared", "rslave", "slave")
_CONSISTENCY = ("cached", "consistent", "delegated")
_REMOTE = ("https://", "http://", "git://", "ssh://", "github.com/", "git@")


class MountError(Exception):
    def __init__(self, message: str, mend: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.mend = mend


def absolute(path: str, directory: str) -> str:
    """A path of the controller as Compose resolves it: from the file's directory, ``~`` is the home."""
    if path == "~" or path.startswith("~/"):
        return os.path.normpath(os.path.expanduser(path))
    if os.path.isabs(path):
        return path
    return os.path.normpath(os.path.join(directory, path))


class OfController(str):
    """A bind's absolute source that the file gave as a relative path: it is the controller's, not the host's."""


def bind_source(source: str, directory: str) -> str:
    """The absolute source of a bind; an `OfController` when it was relative (``~`` is the controller's home)."""
    return source if source.startswith("/") else OfController(absolute(source, directory))


def additional_context(value: str, directory: str) -> str:
    """One of a build's further contexts: an address, another service, or a directory."""
    return value if "://" in value or value.startswith("service:") else absolute(value, directory)


def is_remote(context: str) -> bool:
    """Is a build context a URL rather than a directory?"""
    return context.startswith(_REMOTE) or "://" in context


def is_file_path(source: str) -> bool:
    """Is a volume's source a path rather than a volume's name? (compose-go, format/volume.go)"""
    return source.startswith((".", "/", "~"))


def parse_volume(text: str) -> dict[str, t.Any]:
    """One short entry in long form; the source of a bind is still as written. Raises MountError."""
    parts = text.split(":")
    entry: dict[str, t.Any]
    if not text or "" in parts[:2]:
        raise MountError(f"{text!r} has an empty part", "Write [source:]target[:options].")
    if len(parts[0]) == 1 and parts[0].isalpha() and len(parts) > 1:
        drive, path = parts[0].lower(), parts[1].replace("\\", "/")
        mend = f"Write /{drive}{path} for that folder of Windows." if path.startswith("/") else "Use a longer name."
        raise MountError(f"{text!r}: Compose takes a name of one letter for a Windows drive", mend)
    if len(parts) > 3:
        raise MountError(f"{text!r} has too many colons", "Write [source:]target[:options].")
    if len(parts) == 1:
        entry = {"type": "volume", "target": _target(text, text)}
        # compose-go takes the short way for one or two characters and leaves `volume` out.
        return entry if len(text) <= 2 else {**entry, "volume": {}}
    source, target = parts[:2]
    bind = is_file_path(source)
    entry = {"type": "bind" if bind else "volume", "source": source, "target": _target(target, text)}
    details: dict[str, t.Any] = {}
    for option in parts[2].split(",") if len(parts) == 3 else []:
        _option(option, text, entry, details, bind)
    if bind:
        details["create_host_path"] = True
    entry["bind" if bind else "volume"] = details
    return entry


def _option(option: str, text: str, entry: dict[str, t.Any], details: dict[str, t.Any], bind: bool) -> None:
    if option in ("ro", "rw"):
        if option == "ro":
            entry["read_only"] = True
    elif option == "nocopy" and not bind:
        details["nocopy"] = True
    elif option in ("z", "Z"):
        # Compose keeps the relabelling of a bind and drops that of a volume.
        if bind:
            details["selinux"] = option
    elif option in _PROPAGATION and bind:
        details["propagation"] = option
    elif option not in _CONSISTENCY:
        raise MountError(
            f"{text!r}: the option {option!r} is not known here",
            "Known are ro, rw, z, Z and a propagation such as rshared; nocopy for volumes.",
        )


def _target(target: str, text: str) -> str:
    if not target.startswith("/"):
        raise MountError(f"{text!r}: the container's path {target!r} is not absolute", "Start it with a slash.")
    return clean(target)


def clean(path: str) -> str:
    """``/a//b/`` → ``/a/b``."""
    return posixpath.normpath("/" + path.lstrip("/")) if path.startswith("/") else path


def long_volume(entry: dict[str, t.Any]) -> dict[str, t.Any]:
    """A long entry checked and without its empty values. Raises MountError."""
    kind = entry["type"]
    if kind not in ("bind", "volume", "tmpfs"):
        raise MountError(f"the type {kind} is not supported", "Use bind, volume or tmpfs.")
    if kind == "bind" and not entry.get("source"):
        raise MountError("a bind has no source", "Name the path on the host as source.")
    if kind == "tmpfs" and entry.get("source"):
        raise MountError("a tmpfs has a source", "Remove source.")
    result = {}
    for key, value in entry.items():
        if key in ("bind", "volume", "tmpfs"):
            result[key] = {name: item for name, item in value.items() if item not in ("", False, "0")}
        elif value not in ("", False):
            result[key] = value
    result["target"] = _target(entry["target"], entry["target"])
    return result
