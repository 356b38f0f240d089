"""Writing: whole or not at all, and nothing that an engine would read too early."""

from __future__ import annotations

import os
import stat

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._cdi import files
from ansible_collections.gpu_fleet.containers.plugins.module_utils._errors import FleetError


def test_written_with_its_directory_for_everybody_to_read(tmp_path):
    path = tmp_path / "a" / "b" / "x.json"
    before = os.umask(0o077)
    try:
        files.write(str(path), "text")
    finally:
        os.umask(before)
    assert path.read_text() == "text" and stat.S_IMODE(path.stat().st_mode) == 0o644
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o755
    assert os.listdir(path.parent) == ["x.json"] and files.mode_of(str(path)) == 0o644


def test_no_engine_reads_the_file_before_it_is_whole(tmp_path, monkeypatch):
    names = []
    monkeypatch.setattr(files.os, "fsync", lambda _file: names.extend(os.listdir(tmp_path)))
    files.write(str(tmp_path / "x.json"), "text")
    assert names and not any(name.endswith((".json", ".yaml")) for name in names)


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "x.json"
    path.write_text("old")

    def full(_file):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(FleetError, match="it cannot be written: No space left on device"):
        files.write(str(path), "new")
    assert path.read_text() == "old" and os.listdir(tmp_path) == ["x.json"]


def test_remove(tmp_path):
    path = tmp_path / "x.json"
    path.write_text("")
    files.remove(str(path))
    files.remove(str(path))
    assert not path.exists()
    with pytest.raises(FleetError, match="it cannot be removed"):
        files.remove(str(tmp_path))


def test_mode(tmp_path):
    path = tmp_path / "x.json"
    path.write_text("")
    path.chmod(0o600)
    assert files.mode_of(str(path)) == 0o600
    files.set_mode(str(path))
    assert files.mode_of(str(path)) == files.mode_of(str(tmp_path / "gone")) == files.MODE
    with pytest.raises(FleetError, match="its mode cannot be set"):
        files.set_mode(str(tmp_path / "gone"))
