"""Packages out of the files of their installers."""

from __future__ import annotations

import pathlib
import sqlite3
import struct
import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.gpu_fleet.containers.plugins.module_utils._errors import InputError
from ansible_collections.gpu_fleet.containers.plugins.module_utils._image.packages import (
    Package,
    distribution,
    read_packages,
    reader,
)

DPKG = b"""Package: libc6
Status: install ok installed
Architecture: amd64
Source: glibc (2.36-9)
Version: 2.36-9+deb12u4
Description: GNU C Library
 Version: of something else

Package: gone
Status: deinstall ok config-files
Architecture: amd64
Version: 1

"""
APK = b"C:Q1abc=\nP:musl\nV:1.2.4-r2\nA:x86_64\no:musl\nF:lib\nR:x\n\nP:zlib\nV:1.3-r0\nA:x86_64\n\n"
METADATA = b"Metadata-Version: 2.1\nName: Jinja2\nVersion: 3.1.4\nRequires-Dist: x\n\nName: in the text\n"


class Case(t.NamedTuple):
    path: str
    content: bytes
    expected: list[Package]


CASES = {
    "dpkg": Case("var/lib/dpkg/status", DPKG, [Package("deb", "libc6", "2.36-9+deb12u4", "amd64", "glibc")]),
    "distroless": Case(
        "var/lib/dpkg/status.d/tzdata",
        b"Package: tzdata\nVersion: 2024a\nArchitecture: all\n",
        [Package("deb", "tzdata", "2024a", "all")],
    ),
    "apk": Case(
        "lib/apk/db/installed",
        APK,
        [Package("apk", "musl", "1.2.4-r2", "x86_64", "musl"), Package("apk", "zlib", "1.3-r0", "x86_64")],
    ),
    "wheel": Case("opt/v/jinja2-3.1.4.dist-info/METADATA", METADATA, [Package("pypi", "Jinja2", "3.1.4")]),
    "egg": Case("usr/lib/python3/dist-packages/six.egg-info/PKG-INFO", METADATA, [Package("pypi", "Jinja2", "3.1.4")]),
    "egg of one file": Case("usr/lib/python3/dist-packages/x.egg-info", METADATA, [Package("pypi", "Jinja2", "3.1.4")]),
    "windows line ends": Case(
        "a.dist-info/METADATA", b"Name: a\r\nVersion: 1\r\n\r\ntext", [Package("pypi", "a", "1")]
    ),
    "conda": Case(
        "opt/conda/conda-meta/zlib-1.3-h1.json",
        b'{"name": "zlib", "version": "1.3", "channel": "conda-forge", "subdir": "linux-64", "files": []}',
        [Package("conda", "zlib", "1.3", "linux-64", "conda-forge")],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_packages(name: str) -> None:
    case = CASES[name]
    assert read_packages(case.path, case.content) == case.expected


@pytest.mark.parametrize(
    "path",
    [
        "var/lib/dpkg/status-old",
        "var/lib/dpkg/status.d/tzdata.md5sums",
        "opt/conda/conda-meta/history",
        "app/METADATA",
        "x.dist-info/RECORD",
        "home/status",
    ],
)
def test_other_files_tell_of_none(path: str) -> None:
    assert reader(path) is None


def rpm_header(values: dict[int, str | int]) -> bytes:
    """A header as rpm keeps it: index entries (tag, type, offset, count), then the data they point into."""
    index, store = b"", b""
    for tag, value in values.items():
        kind, data = (4, struct.pack(">I", value)) if isinstance(value, int) else (6, value.encode() + b"\0")
        index += struct.pack(">IIII", tag, kind, len(store), 1)
        store += data
    return struct.pack(">II", len(values), len(store)) + index + store


def test_rpm(tmp_path: pathlib.Path) -> None:
    connection = sqlite3.connect(tmp_path / "rpmdb.sqlite")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("CREATE TABLE Packages (hnum INTEGER PRIMARY KEY, blob BLOB NOT NULL)")
    for header in (
        {1000: "bash", 1001: "5.2", 1002: "1.fc40", 1022: "x86_64", 5000: "other"},
        {1000: "shadow-utils", 1003: 2, 1001: "4.15", 1002: "5.fc40", 1022: "x86_64"},
    ):
        connection.execute("INSERT INTO Packages (blob) VALUES (?)", (rpm_header(header),))
    connection.commit()
    connection.close()
    content = (tmp_path / "rpmdb.sqlite").read_bytes()
    assert read_packages("var/lib/rpm/rpmdb.sqlite", content) == [
        Package("rpm", "bash", "5.2-1.fc40", "x86_64"),
        Package("rpm", "shadow-utils", "2:4.15-5.fc40", "x86_64"),
    ]


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("opt/conda/conda-meta/a.json", b"{"),
        ("opt/conda/conda-meta/a.json", b"[]"),
        ("opt/conda/conda-meta/a.json", b"{}"),
        ("var/lib/rpm/rpmdb.sqlite", b"no database" * 100),
    ],
)
def test_a_damaged_file_is_named(path: str, content: bytes) -> None:
    with pytest.raises(InputError) as caught:
        read_packages(path, content)
    assert caught.value.path == path


@given(st.binary(max_size=200))
def test_any_text_file_can_be_read(content: bytes) -> None:
    for path in ("var/lib/dpkg/status", "lib/apk/db/installed", "a.dist-info/METADATA"):
        assert all(package.name and package.version for package in read_packages(path, content))


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b'NAME="Debian"\nID=debian\nVERSION_ID="12"\n', ("debian", "12")),
        (b"ID='alpine'\nVERSION_ID=3.19.1", ("alpine", "3.19.1")),
        (b"ID=debian\n", ("debian", "")),
        (b"", ("", "")),
    ],
)
def test_distribution(content: bytes, expected: tuple[str, str]) -> None:
    assert distribution(content) == expected
