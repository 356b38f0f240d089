# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Installed packages, read from the files in which their installers keep them. Pure.

Read are dpkg, apk, rpm (its SQLite form, which all current distributions use), Python's dist-info and egg-info, and conda.
"""

from __future__ import annotations

import json
import posixpath
import re
import sqlite3
import struct
import tempfile
import typing as t
from dataclasses import dataclass

from .._errors import InputError


@dataclass(frozen=True)
class Package:
    kind: str
    """deb, apk, rpm, pypi or conda: the types of package URLs."""
    name: str
    version: str
    architecture: str = ""
    source: str = ""
    """Where its installer had it from (conda's channel), or the source package (deb)."""


def read_packages(path: str, content: bytes) -> list[Package]:
    """The packages that the file at `path` (no leading slash) tells of; its `reader` must not be None.

    Raises InputError for a file that is not what its name says.
    """
    read = reader(path)
    if read is None:
        raise ValueError(f"{path} tells of no packages")
    try:
        return [package for package in read(content) if package.name and package.version]
    except (ValueError, TypeError, KeyError, AttributeError, struct.error, sqlite3.Error) as error:
        raise InputError(f"cannot be read: {error}", path) from error


def reader(path: str) -> t.Callable[[bytes], t.Iterable[Package]] | None:
    """What reads the file at `path`; None for the many that tell of no packages."""
    folder, name = posixpath.split(path)
    if path in ("var/lib/dpkg/status", "usr/lib/dpkg/status") or (
        # Distroless images have one file a package, and their checksums beside them.
        folder == "var/lib/dpkg/status.d" and not name.endswith(".md5sums")
    ):
        return _dpkg
    if path in ("lib/apk/db/installed", "usr/lib/apk/db/installed"):
        return _apk
    if name == "rpmdb.sqlite":
        return _rpm
    if (name == "METADATA" and folder.endswith(".dist-info")) or (
        (name == "PKG-INFO" and folder.endswith((".egg-info", "EGG-INFO"))) or name.endswith(".egg-info")
    ):
        return _python
    if name.endswith(".json") and posixpath.basename(folder) == "conda-meta":
        return _conda
    return None


UNREAD = ("var/lib/rpm/Packages", "var/lib/rpm/Packages.db", "usr/lib/sysimage/rpm/Packages.db")
"""Older forms of rpm's database (Berkeley DB, ndb): seen, and said to be missing in the list."""


def distribution(content: bytes) -> tuple[str, str]:
    """(ID, VERSION_ID) of an os-release file; empty where it does not say."""
    fields = dict(re.findall(r"^(\w+)=[\"']?([^\"'\n]*)", content.decode(errors="replace"), re.MULTILINE))
    return fields.get("ID", ""), fields.get("VERSION_ID", "")


def _dpkg(content: bytes) -> t.Iterator[Package]:
    for stanza in re.split(rb"\n\s*\n", content):
        fields = _fields(stanza, rb"\n(?=\S)")
        # A package that was removed keeps its stanza as long as its settings are there.
        if fields.get("Status", "install ok installed").split()[-1] == "installed":
            yield Package(
                "deb",
                fields.get("Package", ""),
                fields.get("Version", ""),
                fields.get("Architecture", ""),
                fields.get("Source", "").partition(" ")[0],
            )


def _apk(content: bytes) -> t.Iterator[Package]:
    for stanza in re.split(rb"\n\s*\n", content):
        fields = _fields(stanza, rb"\n")
        yield Package("apk", fields.get("P", ""), fields.get("V", ""), fields.get("A", ""), fields.get("o", ""))


def _python(content: bytes) -> t.Iterator[Package]:
    fields = _fields(re.split(rb"\r?\n\r?\n", content, maxsplit=1)[0], rb"\n(?=\S)")
    yield Package("pypi", fields.get("Name", ""), fields.get("Version", ""))


def _conda(content: bytes) -> t.Iterator[Package]:
    data = json.loads(content)
    yield Package("conda", data["name"], data["version"], data.get("subdir") or "", data.get("channel") or "")


def _fields(stanza: bytes, separator: bytes) -> dict[str, str]:
    lines = (line.partition(b":") for line in re.split(separator, stanza.strip()))
    # The first of a name counts: Python's metadata repeats some.
    fields: dict[str, str] = {}
    for name, _colon, value in lines:
        fields.setdefault(name.decode(errors="replace").strip(), value.decode(errors="replace").strip())
    return fields


# Tags of a package's header, and the index entry's layout: rpm's documentation, «RPM v4 package format», header structure.
_RPM_TAGS = {1000: "name", 1001: "version", 1002: "release", 1003: "epoch", 1022: "arch"}
_RPM_INT32, _RPM_ENTRY = 4, 16


def _rpm(content: bytes) -> t.Iterator[Package]:
    with tempfile.NamedTemporaryFile(prefix="gpu-fleet-rpmdb-") as file:
        file.write(_without_wal(content))
        file.flush()
        connection = sqlite3.connect(f"file:{file.name}?mode=ro&immutable=1", uri=True)
        try:
            rows = connection.execute("SELECT blob FROM Packages").fetchall()
        finally:
            connection.close()
    for (blob,) in rows:
        values = _rpm_header(blob)
        version = f"{values.get('version', '')}-{values.get('release', '')}"
        epoch = values.get("epoch", "")
        yield Package("rpm", values.get("name", ""), f"{epoch}:{version}" if epoch else version, values.get("arch", ""))


def _without_wal(content: bytes) -> bytes:
    """A database in WAL mode wants its log beside it; rpm leaves the log empty when it ends (file format: bytes 18, 19)."""
    return content[:18] + b"\x01\x01" + content[20:]


def _rpm_header(blob: bytes) -> dict[str, str]:
    count, _size = struct.unpack(">II", blob[:8])
    store = 8 + count * _RPM_ENTRY
    values = {}
    for index in range(count):
        tag, kind, offset, _count = struct.unpack_from(">IIII", blob, 8 + index * _RPM_ENTRY)
        if tag in _RPM_TAGS:
            start = store + offset
            if kind == _RPM_INT32:
                values[_RPM_TAGS[tag]] = str(struct.unpack_from(">I", blob, start)[0])
            else:
                values[_RPM_TAGS[tag]] = blob[start : blob.index(b"\0", start)].decode(errors="replace")
    return values
