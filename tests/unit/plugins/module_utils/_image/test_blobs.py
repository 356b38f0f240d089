"""Layers that arrive in pieces, broken or not at all."""

from __future__ import annotations

import contextlib
import hashlib
import io

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._engine.login import Login
from ansible_collections.gpu_fleet.containers.plugins.module_utils._errors import EngineError
from ansible_collections.gpu_fleet.containers.plugins.module_utils._image import blobs
from ansible_collections.gpu_fleet.containers.plugins.module_utils._image.blobs import (
    BlobFolder,
    Corrupted,
    drop_forgotten,
)
from ansible_collections.gpu_fleet.containers.plugins.module_utils._image.layers import Blob

CONTENT = b"0123456789" * 1000
BLOB = Blob(f"sha256:{hashlib.sha256(CONTENT).hexdigest()}", len(CONTENT))


class Registry:
    """Answers as one does that loses the connection after some bytes."""

    login = Login("pc2:5000")

    def __init__(self, *lengths: int | None, content: bytes = CONTENT, ranges: bool = True) -> None:
        self.lengths, self.content, self.ranges = list(lengths), content, ranges
        self.asked: list[int] = []

    @contextlib.contextmanager
    def blob(self, repository, digest, start):
        self.asked.append(start)
        first = start if self.ranges else 0
        length = self.lengths.pop(0) if self.lengths else None
        yield first, io.BytesIO(self.content[first:][:length])


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(blobs, "_PAUSE", 0)
    return BlobFolder(str(tmp_path / "blobs"))


@pytest.mark.parametrize(
    ("registry", "asked", "received"),
    [
        (Registry(), [0], 10000),
        (Registry(3000, 3000), [0, 3000, 6000], 10000),
        (Registry(3000, ranges=False), [0, 3000], 13000),
        (Registry(0, 0, 0), [0, 0, 0, 0], 10000),
    ],
)
def test_it_goes_on_where_it_broke(folder, registry, asked, received):
    told: list[int] = []
    assert folder.fetch(registry, "a", BLOB, told.append) == received == sum(told)
    assert registry.asked == asked
    with open(folder.file(BLOB.digest), "rb") as stream:
        assert stream.read() == CONTENT
    # It is there: nobody is asked.
    assert folder.fetch(registry, "a", BLOB) == 0 and registry.asked == asked


def test_what_an_earlier_run_left_is_used(folder):
    with open(f"{folder.file(BLOB.digest)}.part", "wb") as stream:
        stream.write(CONTENT[:4000])
    registry = Registry()
    assert folder.fetch(registry, "a", BLOB) == 6000 and registry.asked == [4000]


def test_what_an_earlier_run_damaged_is_fetched_anew(folder):
    with open(f"{folder.file(BLOB.digest)}.part", "wb") as stream:
        stream.write(b"x" * 4000)
    registry = Registry()
    folder.fetch(registry, "a", BLOB)
    assert registry.asked == [4000, 0]


@pytest.mark.parametrize("content", [CONTENT[:-1] + b"x", CONTENT + b"x"])
def test_what_is_not_its_digest_is_not_kept(folder, tmp_path, content):
    with pytest.raises(Corrupted, match="arrived as sha256:"):
        folder.fetch(Registry(content=content), "a", BLOB)
    assert [path for path in (tmp_path / "blobs").iterdir() if path.is_file()] == []


def test_it_gives_up_where_nothing_comes(folder):
    registry = Registry(*[0] * 20)
    with pytest.raises(EngineError, match="does not answer"):
        folder.fetch(registry, "a", BLOB)
    assert len(registry.asked) == 4


def test_a_blob_of_no_bytes_asks_nobody(folder):
    empty = Blob(f"sha256:{hashlib.sha256(b'').hexdigest()}", 0)
    registry = Registry(content=b"")
    assert folder.fetch(registry, "a", empty) == 0 and registry.asked == []
    with pytest.raises(Corrupted):
        folder.fetch(registry, "a", Blob(BLOB.digest, 0))


def test_room_is_asked_for_before(folder):
    folder.room_for([BLOB])
    with pytest.raises(EngineError, match="the layers take .* are free"):
        folder.room_for([Blob(BLOB.digest, 1 << 60)])


def test_a_second_name_stays(folder, tmp_path):
    folder.fetch(Registry(), "a", BLOB)
    folder.link(BLOB.digest, str(tmp_path / "link"))
    folder.drop([BLOB.digest, f"sha256:{'0' * 64}"])
    assert (tmp_path / "link").read_bytes() == CONTENT


def test_what_nobody_came_back_for_goes(folder, tmp_path):
    folder.fetch(Registry(), "a", BLOB)
    folder.drop_forgotten()
    assert (tmp_path / "blobs" / BLOB.digest[7:]).exists()
    folder.drop_forgotten(now=2e10)
    assert not (tmp_path / "blobs" / BLOB.digest[7:]).exists()


def test_what_a_killed_run_was_about_to_hand_over_goes(tmp_path):
    (tmp_path / "image").mkdir()
    (tmp_path / "image" / "layer").write_bytes(CONTENT)
    (tmp_path / "locks").mkdir()
    drop_forgotten(str(tmp_path))
    assert (tmp_path / "image" / "layer").exists()
    drop_forgotten(str(tmp_path), now=2e10)
    assert [path.name for path in tmp_path.iterdir()] == ["locks"]
    drop_forgotten(str(tmp_path / "none"))
