"""Secret values by their source, and the archive of staged files as a host unpacks it."""

from __future__ import annotations

import hashlib
import os
import pathlib
import tarfile

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._errors import InputError
from ansible_collections.gpu_fleet.containers.plugins.module_utils._group.stage import unpack_files
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils import _handover
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._fleet.staging import stage_content, stage_path
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._handover import (
    group_secrets,
    pack_files,
    registry_logins,
    secret_values,
)


def test_values_by_source_as_they_are(tmp_path):
    path = tmp_path / "token"
    path.write_bytes("wert-mit-ü\r\nzweite Zeile\n".encode())
    manifest = {"core/token": {"variable": "TOKEN"}, "core/file": {"file": str(path)}, "core/n": {"variable": "N"}}
    assert secret_values(manifest, {"TOKEN": "s3cret-value", "N": 12345678, "OTHER": "unused"}) == {
        "core/token": "s3cret-value",
        "core/file": "wert-mit-ü\r\nzweite Zeile\n",
        "core/n": "12345678",
    }


def test_containers_get_the_secrets_they_read_and_not_those_of_builds():
    services = [{"name": "a", "config": {"secrets": [{"source": "core/token"}]}}, {"name": "b", "config": {}}]
    assert group_secrets([{"name": "core", "services": services}, {"name": "empty"}]) == {"core/token"}


def test_a_missing_value_names_key_and_variable_and_no_value():
    with pytest.raises(InputError) as raised:
        secret_values({"core/token": {"variable": "TOKEN"}}, {"OTHER": "s3cret-value"})
    assert str(raised.value) == "core/token: no value for the secret TOKEN. Put it into container_secrets."


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"core/token: cannot read .*gone: No such file or directory"):
        secret_values({"core/token": {"file": str(tmp_path / "gone")}}, {})


@pytest.fixture
def folder(tmp_path):
    """A directory with what staging knows: files of several modes, links, directories, a hard link."""
    root = tmp_path / "content"
    (root / "deep" / "empty").mkdir(parents=True)
    (root / "plain.txt").write_text("plain")
    (root / "run.sh").write_text("#!/bin/sh\n")
    (root / "run.sh").chmod(0o777)
    (root / "private").write_text("private")
    (root / "private").chmod(0o640)
    (root / "link").symlink_to("plain.txt")
    (root / "deep" / "dangling").symlink_to("/nowhere")
    os.link(root / "plain.txt", root / "same.txt")
    return root


def unpacked(tmp_path, manifests):
    state = tmp_path / "state"
    state.mkdir()
    archive = pack_files(manifests, list(manifests))
    try:
        unpack_files(str(state), archive)
    finally:
        os.unlink(archive)
    return state / "files"


def test_what_a_host_unpacks_has_the_hash_it_is_named_by(tmp_path, folder):
    """The one property that matters: plan, hand over, unpack, and hashing again gives the same names."""
    text, content = stage_content("level: info\n", 0o600)
    (tmp_path / "one").write_bytes(b"\0binary\xff")
    staged = dict([stage_path(str(folder), "w"), stage_path(str(tmp_path / "one"), "w", 0o755), (text, content)])
    files = unpacked(tmp_path, staged)
    assert sorted(os.listdir(files)) == sorted(staged)
    for sha in staged:
        assert stage_path(str(files / sha), "w")[0] == sha


def test_a_directory_arrives_whole(tmp_path, folder):
    sha, manifest = stage_path(str(folder), "w")
    there = unpacked(tmp_path, {sha: manifest}) / sha
    assert os.readlink(there / "link") == "plain.txt" and os.readlink(there / "deep" / "dangling") == "/nowhere"
    assert (there / "same.txt").read_text() == "plain" and (there / "deep" / "empty").is_dir()
    modes = {name: (there / name).stat().st_mode & 0o777 for name in ("plain.txt", "run.sh", "private", "deep")}
    assert modes == {"plain.txt": 0o644, "run.sh": 0o755, "private": 0o600, "deep": 0o755}


def test_only_what_is_asked_for_and_the_same_bytes_each_time(folder):
    sha, manifest = stage_path(str(folder), "w")
    manifests = {sha: manifest, "f" * 64: {"content": "x", "mode": "0644"}}
    digests = []
    for _time in range(2):
        archive = pathlib.Path(pack_files(manifests, [sha]))
        with tarfile.open(archive) as tar:
            names = tar.getnames()
            assert {member.mtime for member in tar} == {0} and {(m.uid, m.gid, m.uname) for m in tar} == {(0, 0, "")}
        digests.append(hashlib.sha256(archive.read_bytes()).hexdigest())
        archive.unlink()
        os.utime(folder / "plain.txt")
    assert {name.partition("/")[0] for name in names} == {sha}
    assert digests[0] == digests[1]


def test_the_archive_is_readable_by_its_owner_alone():
    archive = pathlib.Path(pack_files({}, []))
    assert archive.stat().st_mode & 0o777 == 0o600
    archive.unlink()


def test_content_that_went_after_the_plan_is_named_and_nothing_stays(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    gone = str(tmp_path / "gone.conf")
    with pytest.raises(InputError, match=r"cannot copy .*gone\.conf: No such file or directory"):
        pack_files({"a" * 64: {"path": gone, "type": "file", "mode": "0644"}}, ["a" * 64])
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("name", ["content", "content/plain.txt"], ids=["directory", "file"])
@pytest.mark.parametrize("moment", ["after the plan", "while packing"])
def test_content_that_changed_is_refused_and_nothing_stays(tmp_path, folder, monkeypatch, name, moment):
    """It would lie on the host under the hash of what it was, and no later run would mend that."""
    path = tmp_path / name
    sha, manifest = stage_path(str(path), "w")
    add = _handover._add

    def add_and_change(*arguments):
        add(*arguments)
        (folder / "plain.txt").write_text("other")

    if moment == "after the plan":
        (folder / "plain.txt").write_text("other")
    else:
        monkeypatch.setattr(_handover, "_add", add_and_change)
    archives = tmp_path / "archives"
    archives.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(archives))
    with pytest.raises(InputError) as caught:
        pack_files({sha: manifest}, [sha])
    assert str(caught.value) == f"{path}: changed while deploying. Run again."
    assert os.listdir(archives) == []


def test_a_file_with_a_mode_of_its_own_is_not_taken_for_changed(tmp_path):
    (tmp_path / "one").write_text("x")
    sha, manifest = stage_path(str(tmp_path / "one"), "w", 0o400)
    os.unlink(pack_files({sha: manifest}, [sha]))


@pytest.mark.parametrize(
    ("references", "handed_out"),
    [
        (None, True),
        (["docker.io/library/redis:7", "pc2:5000/app:1"], True),
        (["docker.io/library/redis:7", "pc2:5001/app:1", "app"], False),
        ([], False),
    ],
)
def test_the_registrys_login_goes_to_who_pulls_from_it(references, handed_out):
    values = {
        "container_registry": {"address": "pc2:5000", "host": "pc2"},
        "container_registry_password": "hunter2hunter2",
    }
    login = {"address": "pc2:5000", "username": "fleet", "password": "hunter2hunter2", "ca": ""}
    assert registry_logins("mainpc", values, references) == [login] * handed_out
    assert registry_logins("mainpc", {}, references) == []
