"""Real files: replaced whole, through links, with their mode; what is in the way is said."""

from __future__ import annotations

import contextlib
import os
import stat
import threading

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._errors import FleetError, InputError
from ansible_collections.gpu_fleet.containers.plugins.module_utils._settings import files


def test_a_file_is_replaced_with_the_mode_and_owner_it_had(tmp_path):
    path = tmp_path / "daemon.json"
    path.write_bytes(b"old")
    path.chmod(0o640)
    owner = (4711, 4712) if os.geteuid() == 0 else (os.getuid(), os.getgid())
    os.chown(path, *owner)
    with contextlib.suppress(OSError):
        os.setxattr(path, "user.note", b"x")
    attributes = os.listxattr(path)
    files.write(str(path), b"new", b"old")
    found = path.stat()
    assert path.read_bytes() == b"new"
    assert (stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid) == (0o640, *owner)
    assert os.listxattr(path) == attributes
    assert os.listdir(tmp_path) == ["daemon.json"]


def test_a_file_system_without_owners_is_fine(tmp_path, monkeypatch):
    def refuse(*_arguments):
        raise PermissionError(1, "Operation not permitted")

    path = tmp_path / ".wslconfig"
    path.write_bytes(b"old")
    for name in ("chown", "chmod", "setxattr"):
        monkeypatch.setattr(os, name, refuse)
    monkeypatch.setattr(files.fcntl, "flock", refuse)
    with files.alone(str(tmp_path)):
        files.write(str(path), b"new", b"old")
    assert path.read_bytes() == b"new"


@pytest.mark.parametrize(("there", "expected"), [(b"theirs", b"old"), (b"theirs", None), (None, b"old")])
def test_what_another_program_wrote_meanwhile_stays(tmp_path, there, expected):
    path = tmp_path / "daemon.json"
    path.write_bytes(there or b"")
    if there is None:
        path.unlink()
    with pytest.raises(FleetError):
        files.write(str(path), b"ours", expected)
    assert files.read(str(path)) == there
    assert [name for name in os.listdir(tmp_path) if name != "daemon.json"] == []


def test_a_link_is_followed_and_one_that_leads_nowhere_names_a_file_to_make(tmp_path):
    real, link, loop = tmp_path / "real", tmp_path / "link", tmp_path / "loop"
    link.symlink_to(real)
    loop.symlink_to(loop)
    assert files.resolve(str(link)) == str(real)
    real.write_text("x")
    assert files.resolve(str(link)) == str(real)
    with pytest.raises(InputError, match="leads to itself"):
        files.resolve(str(loop))


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo])
def test_what_is_no_regular_file_is_refused(tmp_path, make):
    make(tmp_path / "x")
    with pytest.raises(InputError, match="is not a regular file"):
        files.resolve(str(tmp_path / "x"))


def test_a_missing_directory_is_said(tmp_path):
    with pytest.raises(FleetError, match="the directory does not exist"), files.alone(str(tmp_path / "no")):
        pass
    with pytest.raises(FleetError, match="its directory does not exist"):
        files.write(str(tmp_path / "no" / "x"), b"", None)
    assert files.read(str(tmp_path / "no" / "x")) is None


def test_a_file_where_a_directory_should_be_is_said(tmp_path):
    (tmp_path / "x").write_text("")
    with pytest.raises(FleetError, match="Not a directory"):
        files.read(str(tmp_path / "x" / "daemon.json"))


def test_a_file_that_is_mounted_cannot_be_replaced_and_stays(tmp_path, monkeypatch):
    def refuse(*_arguments):
        raise OSError(16, "Device or resource busy")

    path = tmp_path / "daemon.json"
    path.write_bytes(b"old")
    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(FleetError, match="it is a mount of its own"):
        files.write(str(path), b"new", b"old")
    assert path.read_bytes() == b"old" and os.listdir(tmp_path) == ["daemon.json"]


def test_two_runs_come_one_after_the_other(tmp_path):
    entered = []
    inside, leave = threading.Event(), threading.Event()

    def first():
        with files.alone(str(tmp_path)):
            entered.append("first")
            inside.set()
            leave.wait(10)
            entered.append("left")

    thread = threading.Thread(target=first)
    thread.start()
    assert inside.wait(10)
    threading.Timer(0.3, leave.set).start()
    with files.alone(str(tmp_path)):
        entered.append("second")
    thread.join()
    assert entered == ["first", "left", "second"]


def test_waiting_for_another_program_ends(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "_PATIENCE", 0.1)
    with (
        files.alone(str(tmp_path)),
        pytest.raises(FleetError, match="another program has it locked"),
        files.alone(str(tmp_path)),
    ):
        pass
