"""What of a context is sent, and that its digest and archive depend on that alone."""

from __future__ import annotations

import os
import pathlib
import random
import tarfile
import tempfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.gpu_fleet.containers.plugins.module_utils._errors import InputError
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._images.context import (
    digest_context,
    read_context,
    write_archive,
)

Tree = dict[str, bytes]

NAME = st.text(st.sampled_from("abÿ-."), min_size=1, max_size=3).filter(lambda name: name not in (".", ".."))
TREE = st.dictionaries(st.lists(NAME, min_size=1, max_size=3).map("d/".join), st.binary(max_size=8))


def make(root: pathlib.Path, tree: Tree, seed: int = 0) -> None:
    paths = list(tree)
    random.Random(seed).shuffle(paths)
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(tree[path])
        os.utime(root / path, (seed, seed))


def digest(root: pathlib.Path, containerfile: str = "Containerfile") -> str:
    return digest_context(read_context(str(root), containerfile))


def sent(root: pathlib.Path, containerfile: str = "Containerfile") -> list[str]:
    return [entry.path for entry in read_context(str(root), containerfile).entries]


def digest_of(tree: Tree, seed: int = 0) -> str:
    with tempfile.TemporaryDirectory() as folder:
        make(pathlib.Path(folder), tree, seed)
        return digest(pathlib.Path(folder))


@settings(max_examples=40)
@given(TREE, st.integers(1, 1_000_000))
def test_order_and_times_do_not_count(tree: Tree, seed: int) -> None:
    assert digest_of(tree) == digest_of(tree, seed)


@settings(max_examples=40)
@given(TREE.filter(bool), st.data())
def test_any_change_of_content_counts(tree: Tree, data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(sorted(tree)))
    assert digest_of(tree) != digest_of({**tree, path: tree[path] + b"!"})
    without = {key: content for key, content in tree.items() if key != path}
    assert digest_of(tree) != digest_of(without)


def test_executable_bit_and_link_target_count(tmp_path: pathlib.Path) -> None:
    make(tmp_path, {"a": b""})
    seen = [digest(tmp_path)]
    (tmp_path / "a").chmod(0o755)
    seen.append(digest(tmp_path))
    (tmp_path / "l").symlink_to("a")
    seen.append(digest(tmp_path))
    (tmp_path / "l").unlink()
    (tmp_path / "l").symlink_to("b")
    seen.append(digest(tmp_path))
    (tmp_path / "l").unlink()
    (tmp_path / "l").write_text("b")
    seen.append(digest(tmp_path))
    assert len(set(seen)) == len(seen)


def test_group_and_other_permissions_do_not_count(tmp_path: pathlib.Path) -> None:
    make(tmp_path, {"a": b""})
    (tmp_path / "a").chmod(0o600)
    before = digest(tmp_path)
    (tmp_path / "a").chmod(0o664)
    assert digest(tmp_path) == before


def test_an_empty_directory_is_sent_and_counts(tmp_path: pathlib.Path) -> None:
    before = digest(tmp_path)
    (tmp_path / "empty").mkdir()
    assert sent(tmp_path) == ["empty"]
    assert digest(tmp_path) != before


def test_what_is_ignored_neither_counts_nor_is_sent(tmp_path: pathlib.Path) -> None:
    make(tmp_path, {".dockerignore": b"*.log\ncache\n", "a": b"1", "x.log": b"1", "cache/y": b"1"})
    assert sent(tmp_path) == [".dockerignore", "a"]
    before = digest(tmp_path)
    make(tmp_path, {"x.log": b"2", "cache/y": b"2"})
    assert digest(tmp_path) == before


def test_containerfile_and_ignore_file_are_always_sent(tmp_path: pathlib.Path) -> None:
    make(tmp_path, {".dockerignore": b"**\n", "docker/Containerfile": b"FROM a", "docker/x": b"", "a": b""})
    assert sent(tmp_path, "docker/Containerfile") == [".dockerignore", "docker", "docker/Containerfile"]


def test_directories_of_exceptions_are_sent(tmp_path: pathlib.Path) -> None:
    make(tmp_path, {".dockerignore": b"*\n!a/b/keep\n", "a/b/keep": b"", "a/b/c": b"", "z": b""})
    assert sent(tmp_path) == [".dockerignore", "a", "a/b", "a/b/keep"]


@pytest.mark.parametrize(
    "files",
    [
        ["Containerfile.containerignore", "Containerfile.dockerignore", ".containerignore", ".dockerignore"],
        ["Containerfile.dockerignore", ".containerignore", ".dockerignore"],
        [".containerignore", ".dockerignore"],
        [".dockerignore"],
    ],
)
def test_the_first_ignore_file_counts(tmp_path: pathlib.Path, files: list[str]) -> None:
    make(tmp_path, {"x": b"", "y": b"", **dict.fromkeys(files[1:], b"y"), files[0]: b"x"})
    assert "y" in sent(tmp_path)
    assert "x" not in sent(tmp_path)


def test_links_are_not_followed_and_sockets_left_out(tmp_path: pathlib.Path) -> None:
    make(tmp_path, {"d/x": b""})
    (tmp_path / "l").symlink_to("d")
    os.mkfifo(tmp_path / "pipe")
    assert sent(tmp_path) == ["d", "d/x", "l"]


def test_a_missing_context_is_named(tmp_path: pathlib.Path) -> None:
    with pytest.raises(InputError, match="nowhere is not a directory") as caught:
        read_context(str(tmp_path / "nowhere"), "Containerfile", "g.yml: services.a.build")
    assert caught.value.path == "g.yml: services.a.build"


def test_the_archive_is_the_same_for_the_same_context(tmp_path: pathlib.Path) -> None:
    tree = {"b": b"1", "a/x": b"2", "a/run": b"#!"}
    archives = []
    for seed in (1, 2):
        root = tmp_path / f"root{seed}"
        make(root, tree, seed)
        (root / "a/run").chmod(0o755 if seed == 1 else 0o700)
        (root / "l").symlink_to("/usr/bin/x")
        write_archive(read_context(str(root), ""), str(tmp_path / f"{seed}.tar"), {"Extra": "FROM a\n"})
        archives.append((tmp_path / f"{seed}.tar").read_bytes())
    assert archives[0] == archives[1]
    with tarfile.open(tmp_path / "1.tar") as archive:
        members = {member.name: member for member in archive}
    assert list(members) == ["a", "a/run", "a/x", "b", "l", "Extra"]
    assert (members["a/run"].mode, members["a/x"].mode) == (0o755, 0o644)
    assert members["l"].linkname == "/usr/bin/x"
    assert {member.mtime for member in members.values()} == {0}
