from __future__ import annotations

import io
import tarfile
from dataclasses import replace

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._engine import delivery
from ansible_collections.gpu_fleet.containers.plugins.module_utils._errors import EngineError
from ansible_collections.gpu_fleet.containers.plugins.module_utils._group.config import (
    ContainerConfig,
    Mount,
    SecretFile,
)

FILE, FOLDER = "staged:f1", "staged:d1"
PLAIN = ContainerConfig("web", "img")


def bind(source: str, target: str) -> Mount:
    return Mount("bind", target, source, read_only=True, create_host_path=False)


def nameless(target: str, empty: bool = True) -> Mount:
    return Mount("volume", target, nocopy=empty)


DATA = Mount("volume", "/data", "web_data")
TMPFS = Mount("tmpfs", "/run")

CASES = [
    # what is asked for → volumes that are made, and (source, folder, name) of what is put where
    ("a file", replace(PLAIN, mounts=(bind(FILE, "/etc/app.conf"),)), (), [(FILE, "/", "etc/app.conf")]),
    ("a file at the root", replace(PLAIN, mounts=(bind(FILE, "/app.conf"),)), (), [(FILE, "/", "app.conf")]),
    (
        "a directory",
        replace(PLAIN, mounts=(bind(FOLDER, "/etc/app/"),)),
        (nameless("/etc/app"),),
        [(FOLDER, "/etc/app", "")],
    ),
    (
        "a secret",
        replace(PLAIN, secrets=(SecretFile("g/T#1", "/run/secrets/T"),)),
        (),
        [("g/T#1", "/", "run/secrets/T")],
    ),
    (
        "a file in a staged directory",
        replace(PLAIN, mounts=(bind(FOLDER, "/etc/app"), bind(FILE, "/etc/app/x/one.conf"))),
        (nameless("/etc/app"),),
        [(FOLDER, "/etc/app", ""), (FILE, "/etc/app", "x/one.conf")],
    ),
    (
        "below a tmpfs",
        replace(PLAIN, mounts=(TMPFS,), secrets=(SecretFile("g/T#1", "/run/secrets/T"),)),
        (TMPFS, nameless("/run/secrets")),
        [("g/T#1", "/run/secrets", "T")],
    ),
    (
        "a root that is read-only keeps what the image has beside the file",
        replace(PLAIN, read_only=True, mounts=(DATA, bind(FILE, "/etc/app/app.conf"))),
        (DATA, nameless("/etc/app", empty=False)),
        [(FILE, "/etc/app", "app.conf")],
    ),
    ("nothing", replace(PLAIN, mounts=(DATA,)), (DATA,), []),
]


@pytest.mark.parametrize(("name", "config", "mounts", "puts"), CASES, ids=[case[0] for case in CASES])
def test_what_is_put_where(name, config, mounts, puts):
    made = delivery.deliver(config, {FOLDER})
    assert made.config == replace(config, mounts=mounts, secrets=())
    assert sorted((put.source, put.folder, put.name) for put in made.puts) == sorted(puts)


@pytest.mark.parametrize(
    ("config", "why"),
    [
        (replace(PLAIN, mounts=(DATA, bind(FILE, "/data/app.conf"))), "it lies in the volume on /data"),
        (replace(PLAIN, mounts=(Mount("bind", "/srv", "/srv"), bind(FILE, "/srv/a/b"))), "it lies in the bind on /srv"),
        (replace(PLAIN, mounts=(TMPFS, bind(FILE, "/run/app.conf"))), "the tmpfs there would hide it"),
        (replace(PLAIN, read_only=True, mounts=(bind(FILE, "/app.conf"),)), "the root is read-only"),
    ],
)
def test_where_nothing_can_be_put(config, why):
    with pytest.raises(EngineError, match=why) as caught:
        delivery.deliver(config, {FOLDER})
    assert caught.value.mend


def archive(*members: tuple[str, str]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        for name, content in members:
            member = tarfile.TarInfo(name)
            if content == "/":
                member.type = tarfile.DIRTYPE
            elif content.startswith("->"):
                member.type, member.linkname = tarfile.SYMTYPE, content[2:]
            else:
                member.size = len(content)
            tar.addfile(member, io.BytesIO(content.encode()))
    return stream.getvalue()


def listed(data: bytes) -> dict[str, tuple[str, int, int]]:
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        return {
            member.name: (
                tar.extractfile(member).read().decode() if member.isfile() else member.linkname,
                member.mode,
                member.uid,
            )
            for member in tar
        }


def test_uploads_hold_what_was_asked_for_under_its_name():
    parcels = {
        FILE: archive(("f1", "one")),
        FOLDER: archive(("d1", "/"), ("d1/a", "two"), ("d1/sub", "/"), ("d1/sub/b", "three"), ("d1/link", "->a")),
        "g/T#1": delivery.file_parcel(b"hidden", 0o400, 1000, 1000),
    }
    config = replace(
        PLAIN,
        mounts=(bind(FILE, "/app.conf"), bind(FOLDER, "/etc/app")),
        secrets=(SecretFile("g/T#1", "/run/secrets/T"),),
    )
    assert {source for source in parcels if delivery.is_directory(parcels[source])} == {FOLDER}
    uploads = dict(delivery.uploads(delivery.deliver(config, {FOLDER}), parcels))
    assert listed(uploads["/"]) == {"app.conf": ("one", 0o644, 0), "run/secrets/T": ("hidden", 0o400, 1000)}
    assert {name: content for name, (content, _mode, _uid) in listed(uploads["/etc/app"]).items()} == {
        "a": "two", "sub": "", "sub/b": "three", "link": "a",
    }  # fmt: skip


def test_what_an_engine_gives_back_can_be_put_again():
    """GET archive names its members by the last part of the path."""
    again = {FOLDER: archive(("app", "/"), ("app/a", "two"))}
    config = replace(PLAIN, mounts=(bind(FOLDER, "/etc/app"),))
    assert set(listed(delivery.uploads(delivery.deliver(config, {FOLDER}), again)[0][1])) == {"a"}


def test_an_archive_is_split_by_its_top_level_names():
    whole = archive(("f1", "one"), ("d1", "/"), ("d1/a", "two"), ("other", "three"))
    parcels = delivery.split_archive(io.BytesIO(whole), {"f1", "d1"})
    assert set(parcels) == {FILE, FOLDER}
    assert listed(parcels[FILE]) == {"f1": ("one", 0o644, 0)}
    assert set(listed(parcels[FOLDER])) == {"d1", "d1/a"}
