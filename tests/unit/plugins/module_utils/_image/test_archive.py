"""A sent context is unpacked whole, and never outside its folder."""

from __future__ import annotations

import io
import os
import pathlib
import tarfile
import typing as t

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._errors import InputError
from ansible_collections.gpu_fleet.containers.plugins.module_utils._image.archive import unpack, unpacked


def tar_of(path: pathlib.Path, *members: tuple[tarfile.TarInfo, bytes]) -> str:
    with tarfile.open(path, "w") as tar:
        for member, content in members:
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return str(path)


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "", mode: int = 0o644) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.mode = kind, link, mode
    return info


@pytest.fixture
def folder(tmp_path: pathlib.Path) -> pathlib.Path:
    (tmp_path / "in").mkdir()
    return tmp_path / "in"


def test_files_directories_and_links(tmp_path: pathlib.Path, folder: pathlib.Path) -> None:
    archive = tar_of(
        tmp_path / "a.tar",
        (member("l", tarfile.SYMTYPE, "/usr/bin/env"), b""),
        (member("d/e", tarfile.DIRTYPE), b""),
        (member("d/run", mode=0o755), b"#!"),
        (member("x", mode=0o4666), b"1"),
    )
    unpack(archive, str(folder))
    assert os.readlink(folder / "l") == "/usr/bin/env"
    assert (folder / "d/e").is_dir()
    assert (folder / "d/run").read_bytes() == b"#!"
    assert oct((folder / "d/run").stat().st_mode) == "0o100755"
    assert oct((folder / "x").stat().st_mode) == "0o100644"


class Trick(t.NamedTuple):
    name: str
    members: tuple[tuple[tarfile.TarInfo, bytes], ...]


TRICKS = [
    Trick("up", ((member("../out"), b"x"),)),
    Trick("up from inside", ((member("a/../../out"), b"x"),)),
    Trick("absolute", ((member("/tmp/gpu-fleet-out"), b"x"),)),
    Trick("the folder's parent", ((member("..", tarfile.DIRTYPE), b""),)),
    Trick("hard link", ((member("h", tarfile.LNKTYPE, "/etc/passwd"), b""),)),
    Trick("device", ((member("dev", tarfile.CHRTYPE), b""),)),
    Trick("pipe", ((member("pipe", tarfile.FIFOTYPE), b""),)),
    Trick("twice", ((member("x"), b"1"), (member("x"), b"2"))),
]


@pytest.mark.parametrize("trick", TRICKS, ids=lambda trick: trick.name)
def test_tricks_are_refused(trick: Trick, tmp_path: pathlib.Path, folder: pathlib.Path) -> None:
    with pytest.raises(InputError):
        unpack(tar_of(tmp_path / "a.tar", *trick.members), str(folder))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.tar", "in"]
    assert not pathlib.Path("/tmp/gpu-fleet-out").exists()


@pytest.mark.parametrize(
    "through", [member("d/x"), member("d/x", tarfile.SYMTYPE, "y"), member("d", tarfile.SYMTYPE, "y")]
)
def test_nothing_is_written_through_a_link(
    tmp_path: pathlib.Path, folder: pathlib.Path, through: tarfile.TarInfo
) -> None:
    (tmp_path / "outside").mkdir()
    link = member("d", tarfile.SYMTYPE, str(tmp_path / "outside"))
    with pytest.raises(InputError):
        unpack(tar_of(tmp_path / "a.tar", (link, b""), (through, b"x" if through.isreg() else b"")), str(folder))
    assert not list((tmp_path / "outside").iterdir())


def test_not_an_archive(tmp_path: pathlib.Path, folder: pathlib.Path) -> None:
    (tmp_path / "a.tar").write_text("no")
    with pytest.raises(InputError, match="cannot unpack"):
        unpack(str(tmp_path / "a.tar"), str(folder))


def test_the_folder_goes_even_when_the_build_fails(tmp_path: pathlib.Path) -> None:
    archive = tar_of(tmp_path / "a.tar", (member("x"), b"1"))
    seen = []
    with pytest.raises(ZeroDivisionError), unpacked(archive) as folder:
        seen.append(folder)
        assert os.listdir(folder) == ["x"]
        raise ZeroDivisionError
    assert not os.path.exists(seen[0])
