from __future__ import annotations

import os

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._errors import InputError
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._fleet.staging import (
    normal_mode,
    stage_content,
    stage_path,
)


def tree(root, content="one", mode=0o644, name="a.txt"):
    (root / "sub").mkdir(parents=True)
    (root / "sub" / name).write_text(content)
    (root / "sub" / name).chmod(mode)
    return str(root)


def test_a_directory_has_the_same_hash_wherever_it_lies(tmp_path):
    first, manifest = stage_path(tree(tmp_path / "x"), "here")
    os.utime(tmp_path / "x" / "sub" / "a.txt", (0, 0))
    second, _manifest = stage_path(tree(tmp_path / "y", mode=0o664), "here")
    assert first == second
    assert manifest == {"path": str(tmp_path / "x"), "type": "directory"}


@pytest.mark.parametrize("change", [{"content": "two"}, {"mode": 0o755}, {"mode": 0o600}, {"name": "b.txt"}])
def test_content_mode_and_name_count(tmp_path, change):
    assert stage_path(tree(tmp_path / "x"), "")[0] != stage_path(tree(tmp_path / "y", **change), "")[0]


def test_an_empty_directory_and_a_link_count(tmp_path):
    before, _manifest = stage_path(tree(tmp_path / "x"), "")
    (tmp_path / "x" / "empty").mkdir()
    between, _manifest = stage_path(str(tmp_path / "x"), "")
    (tmp_path / "x" / "link").symlink_to("sub")
    after, _manifest = stage_path(str(tmp_path / "x"), "")
    assert len({before, between, after}) == 3


def test_a_file_and_its_own_text_are_the_same_content(tmp_path):
    (tmp_path / "f").write_text("text")
    (tmp_path / "f").chmod(0o644)
    assert stage_path(str(tmp_path / "f"), "")[0] == stage_content("text")[0]
    assert stage_path(str(tmp_path / "f"), "", 0o400)[1]["mode"] == "0400"
    assert stage_content("text", 0o400)[0] != stage_content("text")[0]


def test_what_is_missing_or_no_file(tmp_path):
    with pytest.raises(InputError, match=r"^here: .*/none: No such file or directory\. Paths start from"):
        stage_path(str(tmp_path / "none"), "here")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match="neither a file nor a directory"):
        stage_path(str(tmp_path / "pipe"), "here")


@pytest.mark.parametrize(
    ("mode", "expected"),
    [(0o664, 0o644), (0o775, 0o755), (0o600, 0o600), (0o640, 0o600), (0o750, 0o700), (0o444, 0o644)],
)
def test_normal_mode(mode, expected):
    assert normal_mode(mode) == expected
