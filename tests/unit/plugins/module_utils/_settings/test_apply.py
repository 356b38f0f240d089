"""Runs on real files: copies, records, links, and what a run leaves that was killed anywhere."""

from __future__ import annotations

import contextlib
import json
import os
import stat

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._errors import FleetError, InputError
from ansible_collections.gpu_fleet.containers.plugins.module_utils._settings import apply as settings
from ansible_collections.gpu_fleet.containers.plugins.module_utils._settings import files
from ansible_collections.gpu_fleet.containers.plugins.module_utils._settings.plan import Request

FOUND = b'{\n  "debug": false\n}\n'
OURS = {"debug": True, "features": {"cdi": True}}
MERGED = b'{\n  "debug": true,\n  "features": {\n    "cdi": true\n  }\n}\n'


def run(path, wanted, by="us", add=False):
    return settings.apply(Request(str(path), "json", by, wanted, add), str(path), settings.Steps())


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "daemon.json"
    path.write_bytes(FOUND)
    return path


def names(path):
    return sorted(os.listdir(path.parent))


def test_the_original_is_kept_once_and_goes_with_the_undo(file):
    done = run(file, OURS)
    assert file.read_bytes() == MERGED and done.changed
    with open(done.backup, "rb") as backup:
        assert backup.read() == FOUND
    assert stat.S_IMODE(os.stat(f"{file}.gpu-fleet-record").st_mode) == 0o600
    before = {name: os.stat(file.parent / name).st_mtime_ns for name in names(file)}
    again = run(file, OURS)
    assert not again.changed and again.backup == done.backup
    assert {name: os.stat(file.parent / name).st_mtime_ns for name in names(file)} == before
    run(file, {**OURS, "more": 1})
    assert len(names(file)) == 3
    undone = run(file, {})
    assert (undone.changed, undone.backup, names(file)) == (True, "", ["daemon.json"])
    assert file.read_bytes() == FOUND
    assert not run(file, {}).changed


def test_a_file_that_was_not_there_goes_again(tmp_path):
    path = tmp_path / "daemon.json"
    assert run(path, OURS).backup == ""
    assert json.loads(path.read_bytes()) == OURS
    run(path, {})
    assert os.listdir(tmp_path) == []


def test_without_its_directory_there_is_nothing_to_undo_and_nothing_to_write(tmp_path):
    path = tmp_path / "no" / "daemon.json"
    assert not run(path, {}).changed
    with pytest.raises(FleetError, match="the directory does not exist"):
        run(path, OURS)


def test_work_of_somebody_else_is_kept_before_it_is_changed_and_stays(file):
    run(file, OURS)
    edited = json.dumps({**OURS, "theirs": 1}).encode()
    file.write_bytes(edited)
    assert not run(file, OURS).changed
    done = run(file, {**OURS, "more": 1})
    copies = [name for name in names(file) if "backup" in name]
    assert sorted((file.parent / name).read_bytes() for name in copies) == sorted([FOUND, edited])
    assert done.backup.endswith(copies[0]) or done.backup.endswith(copies[1])
    run(file, {})
    assert json.loads(file.read_bytes()) == {"debug": False, "theirs": 1}


def test_a_file_that_somebody_removed_is_made_again_and_then_removed(file):
    run(file, OURS)
    file.unlink()
    assert run(file, OURS).changed
    assert json.loads(file.read_bytes()) == OURS
    run(file, {})
    assert not file.exists()


def test_the_undo_of_a_file_that_somebody_removed_removes_the_record(file):
    run(file, OURS)
    file.unlink()
    undone = run(file, {})
    assert undone.changed and undone.plan.kept == ()
    assert not file.exists() and not os.path.exists(f"{file}.gpu-fleet-record")


def test_a_record_that_is_none_is_named(file):
    record = file.parent / "daemon.json.gpu-fleet-record"
    for content in (b"{", b"[]", b'{"gpu_fleet_settings": 1, "states": [{}]}', b'{"gpu_fleet_settings": 9}'):
        record.write_bytes(content)
        with pytest.raises(InputError, match="gpu-fleet-record") as caught:
            run(file, OURS)
        assert caught.value.mend and file.read_bytes() == FOUND


@pytest.mark.parametrize("suffix", ["", ".gpu-fleet-record"])
def test_when_a_write_fails_all_is_as_before(file, monkeypatch, suffix):
    def refuse(path, *arguments):
        if path == f"{file}{suffix}":
            raise FleetError("no")
        return write(path, *arguments)

    write = files.write
    monkeypatch.setattr(files, "write", refuse)
    with pytest.raises(FleetError):
        run(file, OURS)
    assert names(file) == ["daemon.json"] and file.read_bytes() == FOUND


STEPS = ["fsync", "replace", "unlink", "open"]
"""Every call by which something on the disk changes, or a file is read to be changed, goes through one of these."""


@contextlib.contextmanager
def dying(count, end):
    """Call `end` in the place of the count-th such call; says whether it came to that."""
    left, saved = [count], {name: getattr(os, name) for name in STEPS}

    def wrapped(name):
        def call(*arguments, **named):
            left[0] -= 1
            if left[0] == 0:
                end()
            return saved[name](*arguments, **named)

        return call

    for name in STEPS:
        setattr(os, name, wrapped(name))
    try:
        yield lambda: left[0] <= 0
    finally:
        for name in STEPS:
            setattr(os, name, saved[name])


def killed(count, work):
    """Do the work in a process that dies without a word at the count-th step. False when it came to its end."""
    child = os.fork()
    if child == 0:
        with dying(count, lambda: os._exit(9)):
            work()
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9


def no_space():
    raise OSError(28, "No space left on device")


WORKS = [
    (FOUND, {}, OURS),
    (None, {}, OURS),
    (FOUND, OURS, {"features": {"cdi": False}, "more": 1}),
    (FOUND, OURS, {}),
    (None, OURS, {}),
]


@pytest.mark.parametrize(("found", "before", "wanted"), WORKS)
@pytest.mark.parametrize("edited", [False, True])
def test_a_run_that_is_killed_at_any_step_leaves_one_of_both_files_and_the_next_ones_work(
    tmp_path, found, before, wanted, edited
):
    for count in range(1, 60):
        path = tmp_path / str(count) / "daemon.json"
        path.parent.mkdir()
        if found is not None:
            path.write_bytes(found)
        run(path, before)
        old = files.read(str(path))
        reached = killed(count, lambda path=path: run(path, wanted))
        after = files.read(str(path))
        theirs = {"theirs": 1} if edited and after is not None else {}
        content = json.loads(after) if after is not None else {}
        expected = merged(found, before if after == old else wanted)
        assert content == expected
        if theirs:
            path.write_text(json.dumps({**content, **theirs}))
        run(path, wanted)
        now = files.read(str(path))
        assert (json.loads(now) if now else {}) == {**merged(found, wanted), **theirs}
        run(path, {})
        if theirs:
            assert json.loads(path.read_bytes()) == {**(json.loads(found) if found else {}), **theirs}
        else:
            assert files.read(str(path)) == found
        if not reached:
            break
    else:
        raise AssertionError("it has more steps than this test takes")
    assert count > 3 or before == wanted


def merged(found, ours):
    theirs = json.loads(found) if found else {}
    return {**theirs, **ours}


@pytest.mark.parametrize(("found", "before", "wanted"), WORKS)
def test_an_error_at_any_step_leaves_one_of_both_files_and_no_temporary_one(tmp_path, found, before, wanted):
    for count in range(1, 60):
        path = tmp_path / str(count) / "daemon.json"
        path.parent.mkdir()
        if found is not None:
            path.write_bytes(found)
        run(path, before)
        with dying(count, no_space) as came, contextlib.suppress(FleetError):
            run(path, wanted)
        assert not [name for name in os.listdir(path.parent) if name.endswith(".tmp")]
        content = files.read(str(path))
        assert (json.loads(content) if content else {}) in (merged(found, before), merged(found, wanted))
        run(path, wanted)
        run(path, {})
        assert files.read(str(path)) == found
        if not came():
            break
    else:
        raise AssertionError("it has more steps than this test takes")
